"""What both webrtcbin programs need: GStreamer itself, negotiation and the main loop."""

import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstVideo", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstVideo, GstWebRTC  # noqa: E402, F401

from whip import say  # noqa: E402

Gst.init(None)
parse = Gst.parse_launch


def send_only(rtc):
    """Makes every transceiver sendonly, as a WHIP offer must be."""
    n = 0
    while (transceiver := rtc.emit("get-transceiver", n)) is not None:
        transceiver.set_property("direction", GstWebRTC.WebRTCRTPTransceiverDirection.SENDONLY)
        n += 1


def negotiate(rtc, exchange):
    """Offers once webrtcbin wants to; `exchange` turns the offer's text into the answer's."""

    def on_offer(promise):
        promise.wait()
        reply = promise.get_reply()
        offer = reply.get_value("offer")
        text = offer.sdp.as_text()
        rtc.emit("set-local-description", offer, Gst.Promise.new())
        answer = exchange(text)
        _, message = GstSdp.SDPMessage.new_from_text(answer)
        description = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, message)
        rtc.emit("set-remote-description", description, Gst.Promise.new())

    done = []

    def on_needed(_):
        if not done:
            done.append(True)
            rtc.emit("create-offer", None, Gst.Promise.new_with_change_func(on_offer))

    rtc.connect("on-negotiation-needed", on_needed)
    rtc.connect("notify::connection-state", lambda *_: say(state=rtc.get_property("connection-state").value_nick))


def run(pipeline, _rtc):
    """Plays until the standard input closes or something fails."""
    loop = GLib.MainLoop()
    failures = []

    def on_message(_, message):
        if message.type == Gst.MessageType.ERROR:
            error, detail = message.parse_error()
            failures.append(f"{error.message}: {detail}")
            loop.quit()
        elif message.type == Gst.MessageType.WARNING:
            error, detail = message.parse_warning()
            say(warning=f"{error.message}: {detail}")
        elif message.type == Gst.MessageType.EOS:
            say(eos=True)

    bus = pipeline.get_bus()
    bus.add_signal_watch()
    bus.connect("message", on_message)
    threading.Thread(target=lambda: (sys.stdin.read(), loop.quit()), daemon=True).start()
    pipeline.set_state(Gst.State.PLAYING)
    loop.run()
    pipeline.set_state(Gst.State.NULL)
    if failures:
        say(failed=failures[0])
        sys.exit(1)
