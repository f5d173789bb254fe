"""A WHEP player on GStreamer's webrtcbin (run it with /usr/bin/python3): prints a JSON line per 15 decoded frames.

    webrtcbin_play.py URL
"""

import sys
import time

import gstreamer
import timecode
from gstreamer import Gst, GstVideo, GstWebRTC
from whip import delete, post, say


def main():
    (url,) = sys.argv[1:2]
    pipeline = Gst.Pipeline.new("play")
    rtc = Gst.ElementFactory.make("webrtcbin", "rtc")
    rtc.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
    pipeline.add(rtc)
    for caps in (
        "application/x-rtp,media=video,encoding-name=VP8,clock-rate=90000,payload=96,rtcp-fb-nack-pli=true,rtcp-fb-nack=true",
        "application/x-rtp,media=audio,encoding-name=OPUS,clock-rate=48000,payload=97,encoding-params=(string)2",
    ):
        rtc.emit("add-transceiver", GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY, Gst.Caps.from_string(caps))
    started = time.monotonic()
    seen = {"video": 0, "audio": 0}

    def on_video(sink):
        sample = sink.emit("pull-sample")
        seen["video"] += 1
        if seen["video"] == 1:
            say(first_frame_ms=round((time.monotonic() - started) * 1000))
        if seen["video"] % 15 == 0:
            info = GstVideo.VideoInfo.new_from_caps(sample.get_caps())
            ok, mapped = sample.get_buffer().map(Gst.MapFlags.READ)
            luma = bytes(mapped.data) if ok else b""
            sample.get_buffer().unmap(mapped)
            mean, variance = timecode.spread(luma, info.stride[0], info.width, info.height)
            shown = timecode.read(luma, info.stride[0], info.width, info.height)
            say(frames=seen["video"], sounds=seen["audio"], width=info.width, height=info.height, mean=mean, variance=variance, shown=shown)
        return Gst.FlowReturn.OK

    def on_audio(sink):
        sink.emit("pull-sample")
        seen["audio"] += 1
        return Gst.FlowReturn.OK

    def on_pad(_, pad):
        if pad.get_direction() != Gst.PadDirection.SRC:
            return
        media = pad.get_current_caps().get_structure(0).get_string("media")
        chain = {
            "video": "rtpvp8depay ! vp8dec ! videoconvert ! video/x-raw,format=I420 ! appsink name=sink emit-signals=true sync=false",
            "audio": "rtpopusdepay ! opusdec ! appsink name=sink emit-signals=true sync=false",
        }[media]
        branch = Gst.parse_bin_from_description(f"queue ! {chain}", True)
        branch.get_by_name("sink").connect("new-sample", on_video if media == "video" else on_audio)
        pipeline.add(branch)
        branch.sync_state_with_parent()
        pad.link(branch.get_static_pad("sink"))
        say(track=media)

    rtc.connect("pad-added", on_pad)
    session = {}

    def offered(offer):
        answer, session["url"] = post(url, offer)
        say(resource=session["url"])
        return answer

    gstreamer.negotiate(rtc, offered)
    gstreamer.run(pipeline, rtc)
    say(deleted=delete(session["url"]))


main()
