"""A WHIP publisher on aiortc: plays a clip in a loop, encoded anew.

    aiortc_publish.py URL CLIP [--codec VP8|H264] [--passive]

--passive offers a=setup:passive as FFmpeg does, so that the server must be the DTLS client. Ends with its stdin.
"""

import argparse
import asyncio

from aiortc import RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.contrib.media import MediaPlayer

from aiortc_common import stdin_closed
from whip import delete, post, say


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("clip")
    parser.add_argument("--codec", default="VP8")
    parser.add_argument("--passive", action="store_true")
    arguments = parser.parse_args()

    pc = RTCPeerConnection()
    pc.on("connectionstatechange", lambda: say(state=pc.connectionState))
    player = MediaPlayer(arguments.clip, loop=True)
    transceiver = pc.addTransceiver(player.video, direction="sendonly")
    codecs = RTCRtpSender.getCapabilities("video").codecs
    transceiver.setCodecPreferences([c for c in codecs if c.mimeType == f"video/{arguments.codec}"])

    await pc.setLocalDescription(await pc.createOffer())
    offer = pc.localDescription.sdp
    if arguments.passive:
        offer = offer.replace("a=setup:actpass", "a=setup:passive")
    answer, session = await asyncio.to_thread(post, arguments.url, offer)
    say(resource=session, setup=next(line for line in answer.splitlines() if line.startswith("a=setup:")))
    await pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    await stdin_closed()
    say(deleted=await asyncio.to_thread(delete, session))
    await pc.close()


asyncio.run(main())
