"""A WHEP player on aiortc: prints a JSON line per 15 decoded frames with what it sees.

    aiortc_play.py URL
"""

import argparse
import asyncio
import time

from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError

import timecode
from aiortc_common import stdin_closed
from whip import delete, post, say


async def watch(track, started):
    frames = 0
    while True:
        try:
            frame = await track.recv()
        except MediaStreamError:
            say(ended=frames)
            return
        frames += 1
        if frames == 1:
            say(first_frame_ms=round((time.monotonic() - started) * 1000))
        if frames % 15 == 0:
            plane = frame.planes[0]
            luma, stride = bytes(plane), plane.line_size
            mean, variance = timecode.spread(luma, stride, frame.width, frame.height)
            shown = timecode.read(luma, stride, frame.width, frame.height)
            say(frames=frames, width=frame.width, height=frame.height, mean=mean, variance=variance, shown=shown)


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    arguments = parser.parse_args()

    pc = RTCPeerConnection()
    started = time.monotonic()
    watchers = set()
    pc.on("connectionstatechange", lambda: say(state=pc.connectionState))
    pc.on("track", lambda track: watchers.add(asyncio.ensure_future(watch(track, started))))
    pc.addTransceiver("video", direction="recvonly")

    await pc.setLocalDescription(await pc.createOffer())
    answer, session = await asyncio.to_thread(post, arguments.url, pc.localDescription.sdp)
    say(resource=session)
    await pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    await stdin_closed()
    say(deleted=await asyncio.to_thread(delete, session))
    await pc.close()


asyncio.run(main())
