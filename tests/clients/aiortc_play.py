"""A WHEP player on aiortc: prints a JSON line per 15 decoded frames with what it sees, and in the end what came in all.

    aiortc_play.py URL [--audio]
"""

import argparse
import asyncio
import time

from aiortc import RTCPeerConnection, RTCRtpReceiver, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError

import timecode
from aiortc_common import stdin_closed
from counting import Counts
from whip import delete, post, say

counts = {"video": Counts(), "audio": Counts()}


def count_packets():
    """aiortc's statistics say nothing of padding, so this looks at each packet on its way in."""
    handle = RTCRtpReceiver._handle_rtp_packet

    async def counting(receiver, packet, arrival_time_ms):
        seen = counts[receiver.track.kind]
        seen.packets += 1
        if packet.padding_size:
            seen.padded(packet.padding_size)
        await handle(receiver, packet, arrival_time_ms)

    RTCRtpReceiver._handle_rtp_packet = counting


async def watch(track, started):
    seen = counts[track.kind]
    while True:
        try:
            frame = await track.recv()
        except MediaStreamError:
            say(ended=seen.frames)
            return
        plane = frame.planes[0]
        content = bytes(plane)
        if track.kind == "audio":
            seen.decoded(content[: frame.samples * len(frame.layout.channels) * frame.format.bytes])
            continue
        stride = plane.line_size
        # What lies between the rows is nobody's.
        seen.decoded(b"".join(content[y * stride : y * stride + frame.width] for y in range(frame.height)))
        if seen.frames == 1:
            say(first_frame_ms=round((time.monotonic() - started) * 1000))
        if seen.frames % 15 == 0:
            mean, variance = timecode.spread(content, stride, frame.width, frame.height)
            shown = timecode.read(content, stride, frame.width, frame.height)
            say(frames=seen.frames, width=frame.width, height=frame.height, mean=mean, variance=variance, shown=shown)


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--audio", action="store_true")
    arguments = parser.parse_args()
    count_packets()

    pc = RTCPeerConnection()
    started = time.monotonic()
    watchers = set()
    pc.on("connectionstatechange", lambda: say(state=pc.connectionState))
    pc.on("track", lambda track: watchers.add(asyncio.ensure_future(watch(track, started))))
    for kind in ["video", "audio"] if arguments.audio else ["video"]:
        pc.addTransceiver(kind, direction="recvonly")

    await pc.setLocalDescription(await pc.createOffer())
    answer, session = await asyncio.to_thread(post, arguments.url, pc.localDescription.sdp)
    say(resource=session)
    await pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    await stdin_closed()
    say(**{kind: vars(seen) for kind, seen in counts.items()})
    say(deleted=await asyncio.to_thread(delete, session))
    await pc.close()


asyncio.run(main())
