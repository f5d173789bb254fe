//! The checker itself is checked: a right answer with one thing made wrong, and what must be said of it.

use rillcast::rtp::codec::Codec;

use crate::checker::{Kind, check_answer};
use crate::{answer, offer, published};

/// What is replaced, by what, and a part of the complaint.
type Break = (&'static str, &'static str, &'static str);

fn check(name: &str, kind: Kind, breaks: &[Break]) {
    let text = offer(name);
    let right = answer(&text, kind, &published(Some(Codec::H264))).unwrap();
    assert_eq!(check_answer(&text, &right, kind), [""; 0], "{name}");
    for (from, to, complaint) in breaks {
        assert!(right.contains(from), "{name} has no {from:?}:\n{right}");
        let wrong = check_answer(&text, &right.replacen(from, to, 1), kind);
        assert!(wrong.iter().any(|said| said.contains(complaint)), "{name}, {from:?} → {to:?}: {wrong:?}");
    }
}

#[test]
fn of_a_publisher() {
    let long = Box::leak("a=x\r\n".repeat(2_000).into_boxed_str());
    check(
        "chromium-H264-whip.sdp",
        Kind::Publish,
        &[
            ("v=0\r\n", "\r\nv=0\r\n", "does not begin"),
            ("t=0 0\r\n", "t=0 0\n", "line ends"),
            ("t=0 0\r\n", "t=0 0\r\nrubbish\r\n", "without type"),
            ("s=-\r\n", "", "lead"),
            ("a=end-of-candidates\r\n", long, "8 KB"),
            ("a=group:BUNDLE 0 1\r\n", "a=group:BUNDLE 0\r\n", "BUNDLE"),
            ("a=group:BUNDLE 0 1\r\n", "", "BUNDLE"),
            ("a=group:BUNDLE 0 1\r\n", "a=group:BUNDLE 0 1\r\na=group:LS 0 1\r\n", "more than one group"),
            ("a=ice-lite\r\n", "", "ice-lite"),
            ("a=mid:1\r\n", "a=mid:video\r\n", "mid"),
            ("m=video 9", "m=audio 9", "another kind"),
            ("m=video 9", "m=video 0", "refuses the whole offer"),
            ("a=rtcp-mux\r\n", "", "rtcp-mux"),
            ("a=rtcp-rsize\r\n", "", "rtcp-rsize"),
            ("a=recvonly\r\n", "a=sendrecv\r\n", "direction"),
            ("a=recvonly\r\n", "", "direction"),
            ("a=setup:passive\r\n", "a=setup:active\r\n", "setup"),
            ("a=setup:passive\r\n", "a=setup:actpass\r\n", "setup"),
            ("a=fingerprint:sha-256 00:", "a=fingerprint:sha-256 ", "fingerprint"),
            ("a=ice-pwd:OurPassword", "a=ice-pwd:", "ICE credentials"),
            ("a=ice-ufrag:OurUfrag", "a=ice-ufrag:Another", "more than one pair"),
            ("a=end-of-candidates\r\n", "", "end of them"),
            (" udp 2130706431 ", " tcp 2130706431 ", "not UDP"),
            (" udp 2130706431 ", " udp 1 ", "do not fall"),
            ("192.0.2.1 7000 typ host\r\n", "media.local 7000 typ host\r\n", "candidate"),
            (" tcptype passive", " tcptype active", "candidate"),
            ("a=rtpmap:103 rtx/90000", "a=rtpmap:103 VP8/90000", "more than one codec"),
            ("m=video 9 UDP/TLS/RTP/SAVPF 102 103", "m=video 9 UDP/TLS/RTP/SAVPF 102", "retransmission"),
            ("m=video 9 UDP/TLS/RTP/SAVPF 102 103", "m=video 9 UDP/TLS/RTP/SAVPF 102 103 99", "was not offered so"),
            ("m=video 9 UDP/TLS/RTP/SAVPF 102 103", "m=video 9 UDP/TLS/RTP/SAVPF 103 102", "stands before"),
            ("a=rtpmap:102 H264/90000", "a=rtpmap:102 VP8/90000", "was not offered so"),
            ("profile-level-id=42001f", "profile-level-id=64001f", "was not offered"),
            ("packetization-mode=1;", "", "packetization-mode differs"),
            ("apt=102", "apt=108", "apt differs"),
            ("a=rtcp-fb:102 nack\r\n", "a=rtcp-fb:102 goog-remb\r\n", "feedback goog-remb"),
            ("a=rtcp-fb:102 nack\r\n", "", "nack of payload type 102 is missing"),
            ("a=rtcp-fb:102 nack\r\n", "a=rtcp-fb:103 nack\r\n", "feedback nack of payload type 103"),
            ("a=extmap:3 http", "a=extmap:5 http", "was not offered as 5"),
            (
                "a=rtpmap:102",
                "a=extmap:13 urn:3gpp:video-orientation\r\na=rtpmap:102",
                "video-orientation is not served",
            ),
            ("a=rtpmap:102", "a=ssrc:1 cname:x\r\na=rtpmap:102", "a stream of ours"),
            ("c=IN IP4 0.0.0.0\r\n", "c=IN IP4 0.0.0.0\r\nb=AS:1000\r\n", "bandwidth"),
            ("c=IN IP4 0.0.0.0\r\n", "", "c= line"),
            ("m=video 9", "m=text 9 RTP/AVP 0\r\na=mid:2\r\nm=video 9", "2 m-lines answered by 3"),
        ],
    );
    check("obs-32-whip.sdp", Kind::Publish, &[("stereo=1;", "stereo=0;", "stereo")]);
    check("ffmpeg-9-whip.sdp", Kind::Publish, &[("a=setup:active", "a=setup:passive", "setup")]);
}

#[test]
fn of_a_simulcast_publisher() {
    check(
        "chromium-simulcast-VP8-whip.sdp",
        Kind::Publish,
        &[
            ("a=simulcast:recv l;m;h", "a=simulcast:recv l;h", "encodings"),
            ("a=simulcast:recv l;m;h", "a=simulcast:recv l;~m;h", "paused"),
            ("a=simulcast:recv l;m;h", "a=simulcast:send l;m;h", "encodings"),
            ("a=rid:m recv\r\n", "", "encodings"),
            ("a=rid:m recv\r\n", "a=rid:m send\r\n", "encodings"),
        ],
    );
}

#[test]
fn of_a_subscriber() {
    check(
        "chromium-H264-whep.sdp",
        Kind::Play,
        &[
            ("a=sendonly\r\n", "a=sendrecv\r\n", "direction"),
            ("SAVPF 108 102", "SAVPF 108 109 102", "more than codecs"),
            ("SAVPF 108 102", "SAVPF 108 108", "payload types"),
            ("SAVPF 108 102", "SAVPF 108", "not in the m-line"),
            ("a=rtcp-fb:108 nack\r\n", "a=rtcp-fb:108 nack\r\na=rtcp-fb:108 transport-cc\r\n", "feedback transport-cc"),
            ("a=rtcp-fb:108 nack pli\r\n", "", "nack pli of payload type 108 is missing"),
            ("a=msid:rillcast video", "a=msid:other video", "streams"),
            ("a=msid:rillcast video\r\n", "", "SSRC or msid"),
            ("a=ssrc:1001 cname", "a=ssrc:1002 cname", "SSRC or msid"),
            ("a=mid:0\r\n", "a=mid:0\r\na=extmap:9 urn:ietf:params:rtp-hdrext:sdes:mid\r\n", "is not served"),
        ],
    );
}
