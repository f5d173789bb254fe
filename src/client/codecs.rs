//! Our codecs as the `webrtc` crate names them, with the payload types that browsers use.

use rtc::rtp_transceiver::rtp_sender::{RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RtpCodecKind};
use webrtc::peer_connection::MediaEngine;

use crate::rtp::codec::{Codec, MediaKind};

/// The crate's name for the kind of an m-line.
pub(super) fn kind_of(kind: MediaKind) -> RtpCodecKind {
    match kind {
        MediaKind::Audio => RtpCodecKind::Audio,
        MediaKind::Video => RtpCodecKind::Video,
    }
}

/// The codec as it is offered; `fmtp` replaces the usual parameters.
pub(super) fn parameters_of(codec: Codec, fmtp: Option<&str>) -> RTCRtpCodecParameters {
    let (payload_type, usual) = match codec {
        Codec::Vp8 => (96, ""),
        Codec::Vp9 => (98, "profile-id=0"),
        Codec::H264 => (102, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"),
        Codec::Av1 => (41, "level-idx=5;profile=0;tier=0"),
        Codec::H265 => (49, "level-id=93;profile-id=1;tier-flag=0;tx-mode=SRST"),
        Codec::Opus => (111, "minptime=10;useinbandfec=1;stereo=1;sprop-stereo=1"),
        Codec::Pcmu => (0, ""),
        Codec::Pcma => (8, ""),
    };
    let prefix = if codec.kind() == MediaKind::Audio { "audio" } else { "video" };
    RTCRtpCodecParameters {
        rtp_codec: RTCRtpCodec {
            mime_type: format!("{prefix}/{}", codec.name()),
            clock_rate: codec.clock_rate(),
            channels: if codec == Codec::Opus { 2 } else { 0 },
            sdp_fmtp_line: fmtp.unwrap_or(usual).to_owned(),
            rtcp_feedback: Vec::new(),
        },
        payload_type,
    }
}

/// Retransmission by RFC 4588 for a codec.
pub(super) fn retransmission_of(codec: &RTCRtpCodecParameters) -> RTCRtpCodecParameters {
    RTCRtpCodecParameters {
        rtp_codec: RTCRtpCodec {
            mime_type: "video/rtx".to_owned(),
            clock_rate: 90_000,
            channels: 0,
            sdp_fmtp_line: format!("apt={}", codec.payload_type),
            rtcp_feedback: Vec::new(),
        },
        payload_type: codec.payload_type + 1,
    }
}

/// Adds `a=rtcp-fb` lines to the video codecs that are registered so far.
pub(super) fn register_feedback(engine: &mut MediaEngine, lines: &[(&str, &str)]) {
    for (typ, parameter) in lines {
        let feedback = RTCPFeedback { typ: (*typ).to_owned(), parameter: (*parameter).to_owned() };
        engine.register_feedback(feedback, RtpCodecKind::Video);
    }
}

/// The codecs that an SDP gives to payload types, in all of its m-lines.
pub(super) fn payload_types(sdp: &str) -> Vec<(u8, Codec)> {
    let all = [Codec::H264, Codec::H265, Codec::Vp8, Codec::Vp9, Codec::Av1, Codec::Opus, Codec::Pcmu, Codec::Pcma];
    let line = |line: &str| {
        let (number, encoding) = line.trim().strip_prefix("a=rtpmap:")?.split_once(' ')?;
        let name = encoding.split('/').next()?;
        let codec = all.into_iter().find(|codec| codec.name().eq_ignore_ascii_case(name))?;
        Some((number.parse().ok()?, codec))
    };
    sdp.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payload_types_of_an_answer() {
        let sdp = "v=0\r\nm=audio 9 X 111\r\na=rtpmap:111 opus/48000/2\r\nm=video 9 X 96 97\r\n\
                   a=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=rtpmap:41 AV1/90000\r\n";
        assert_eq!(payload_types(sdp), [(111, Codec::Opus), (96, Codec::Vp8), (41, Codec::Av1)]);
    }
}
