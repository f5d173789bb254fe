"""A WHEP player on GStreamer's webrtcbin (run it with /usr/bin/python3): prints a JSON line per 15 decoded frames, and
in the end what came in all.

    webrtcbin_play.py URL [VP8 | VP9 | H264]
"""

import sys
import time

import gstreamer
import timecode
from counting import Counts
from gstreamer import Gst, GstVideo, GstWebRTC
from whip import delete, post, say

# Encoding name, what else the offer says, and what decodes it. One thread, so that no picture waits in the decoder.
VIDEO = {
    "VP8": ("", "rtpvp8depay ! vp8dec"),
    "VP9": ("", "rtpvp9depay ! vp9dec"),
    "H264": (
        ",packetization-mode=(string)1,profile-level-id=(string)42e01f",
        "rtph264depay ! h264parse ! avdec_h264 max-threads=1",
    ),
}


def main():
    (url, codec) = (*sys.argv[1:], "VP8")[:2]
    parameters, decode = VIDEO[codec]
    pipeline = Gst.Pipeline.new("play")
    rtc = Gst.ElementFactory.make("webrtcbin", "rtc")
    rtc.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
    pipeline.add(rtc)
    for caps in (
        f"application/x-rtp,media=video,encoding-name={codec},clock-rate=90000,payload=96{parameters}"
        ",rtcp-fb-nack-pli=true,rtcp-fb-nack=true",
        "application/x-rtp,media=audio,encoding-name=OPUS,clock-rate=48000,payload=97,encoding-params=(string)2",
    ):
        rtc.emit("add-transceiver", GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY, Gst.Caps.from_string(caps))
    started = time.monotonic()
    video, audio = Counts(), Counts()

    def on_video(sink):
        sample = sink.emit("pull-sample")
        info = GstVideo.VideoInfo.new_from_caps(sample.get_caps())
        luma = sample.get_buffer().extract_dup(0, info.stride[0] * info.height)
        video.decoded(luma)
        if video.frames == 1:
            say(first_frame_ms=round((time.monotonic() - started) * 1000))
        if video.frames % 15 == 0:
            mean, variance = timecode.spread(luma, info.stride[0], info.width, info.height)
            shown = timecode.read(luma, info.stride[0], info.width, info.height)
            say(frames=video.frames, sounds=audio.frames, width=info.width, height=info.height, mean=mean, variance=variance, shown=shown)
        return Gst.FlowReturn.OK

    def on_audio(sink):
        buffer = sink.emit("pull-sample").get_buffer()
        audio.decoded(buffer.extract_dup(0, buffer.get_size()))
        return Gst.FlowReturn.OK

    def on_packet(_, probed, counts):
        packet = probed.get_buffer()
        if packet.extract_dup(0, 1)[0] & 0x20:
            counts.padded(packet.extract_dup(packet.get_size() - 1, 1)[0])
        counts.packets += 1
        return Gst.PadProbeReturn.OK

    def on_pad(_, pad):
        if pad.get_direction() != Gst.PadDirection.SRC:
            return
        media = pad.get_current_caps().get_structure(0).get_string("media")
        chain = {
            "video": f"{decode} ! videoconvert ! video/x-raw,format=I420 ! appsink name=sink emit-signals=true sync=false",
            "audio": "rtpopusdepay ! opusdec ! appsink name=sink emit-signals=true sync=false",
        }[media]
        branch = Gst.parse_bin_from_description(f"queue ! {chain}", True)
        branch.get_by_name("sink").connect("new-sample", on_video if media == "video" else on_audio)
        pad.add_probe(Gst.PadProbeType.BUFFER, on_packet, video if media == "video" else audio)
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
    say(video=vars(video), audio=vars(audio))
    say(deleted=delete(session["url"]))


main()
