"""What a Python player counts of one track."""

import zlib


class Counts:
    def __init__(self):
        self.packets = 0
        self.padded_packets = 0
        self.padding_bytes = 0
        self.frames = 0
        # Over everything decoded so far: two players with the same sum saw or heard the same.
        self.sum = 0

    def padded(self, padding):
        self.padded_packets += 1
        self.padding_bytes += padding

    def decoded(self, content):
        self.frames += 1
        self.sum = zlib.crc32(content, self.sum)
