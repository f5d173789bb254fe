"""A WHIP publisher on GStreamer's webrtcbin (run it with /usr/bin/python3): VP8 from a clip, a tone in Opus.

    webrtcbin_publish.py URL CLIP.ivf

Ends with its stdin.
"""

import sys

import gstreamer
from whip import delete, post, say


def main():
    url, clip = sys.argv[1:3]
    pipeline = gstreamer.parse(
        "webrtcbin name=rtc bundle-policy=max-bundle "
        f"filesrc location={clip} ! ivfparse ! vp8dec ! clocksync ! videoconvert ! "
        "vp8enc deadline=1 cpu-used=8 keyframe-max-dist=300 target-bitrate=300000 error-resilient=default ! "
        "rtpvp8pay picture-id-mode=15-bit ! application/x-rtp,media=video,encoding-name=VP8,payload=96 ! queue ! rtc. "
        "audiotestsrc is-live=true wave=sine ! audioconvert ! audioresample ! opusenc ! rtpopuspay ! "
        "application/x-rtp,media=audio,encoding-name=OPUS,payload=97 ! queue ! rtc."
    )
    rtc = pipeline.get_by_name("rtc")
    gstreamer.send_only(rtc)
    session = {}

    def offered(offer):
        answer, session["url"] = post(url, offer)
        mids = [line[6:] for line in offer.splitlines() if line.startswith("a=mid:")]
        say(resource=session["url"], mids=mids)
        return answer

    gstreamer.negotiate(rtc, offered)
    gstreamer.run(pipeline, rtc)
    say(deleted=delete(session["url"]))


main()
