//! Every offer that a real client sent is parsed, answered and checked, by a checker that shares nothing with the
//! code that answers.

mod broken;
mod checker;
mod formats;
mod golden;
mod mutate;
mod read;

use std::fs;
use std::path::{Path, PathBuf};

use rillcast::id::Ssrc;
use rillcast::rtp::codec::{Codec, Format};
use rillcast::sdp::answer::{Local, answer_play, answer_publish};
use rillcast::sdp::offer::{Offer, SdpError};
use rillcast::sdp::{Candidate, Fingerprint, IceCredentials, Transport};

use checker::{Kind, check_answer};

/// Where the test data lies.
fn data(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(folder)
}

/// A real offer.
fn offer(name: &str) -> String {
    fs::read_to_string(data("offers").join(name)).unwrap()
}

/// All real offers: name, text, and what the client wants.
fn offers() -> Vec<(String, String, Kind)> {
    let files = fs::read_dir(data("offers")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut offers: Vec<_> = files
        .filter(|name| Path::new(name).extension().is_some_and(|ending| ending == "sdp"))
        .map(|name| {
            let kind = if name.contains("whep") { Kind::Play } else { Kind::Publish };
            (name.clone(), offer(&name), kind)
        })
        .collect();
    offers.sort_by(|a, b| a.0.cmp(&b.0));
    offers
}

/// What a publisher sends: nothing, or H264 or VP8 and Opus.
fn published(video: Option<Codec>) -> Vec<Format> {
    let Some(codec) = video else { return Vec::new() };
    let fmtp = match codec {
        Codec::H264 => "profile-level-id=42e01f;packetization-mode=1;level-asymmetry-allowed=1",
        _ => "",
    };
    let opus = Format { codec: Codec::Opus, fmtp: "minptime=10;stereo=1".into() };
    vec![opus, Format { codec, fmtp: fmtp.into() }]
}

/// Our answer, with nothing random in it.
fn answer(offer: &str, kind: Kind, published: &[Format]) -> Result<String, SdpError> {
    let credentials = IceCredentials { ufrag: "OurUfrag".into(), pwd: "OurPasswordOf24Character".into() };
    let fingerprint = Fingerprint { algorithm: "sha-256".into(), digest: (0..32).collect() };
    let at = |transport, address: &str| Candidate { transport, address: address.parse().unwrap() };
    let candidates = [
        at(Transport::Udp, "192.0.2.1:7000"),
        at(Transport::Tcp, "192.0.2.1:7000"),
        at(Transport::Udp, "[2001:db8::1]:7000"),
        at(Transport::Tcp, "[2001:db8::1]:7000"),
    ];
    let local =
        Local { credentials: &credentials, fingerprint: &fingerprint, candidates: &candidates, session_id: u64::MAX };
    let offer = Offer::parse(offer)?;
    let mut next = 1000;
    let mut ssrc = || {
        next += 1;
        Ssrc(next)
    };
    match kind {
        Kind::Publish => answer_publish(&offer, &local).map(|answer| answer.sdp),
        Kind::Play => answer_play(&offer, &local, published, &mut ssrc).map(|answer| answer.sdp),
    }
}

#[test]
fn every_real_offer_is_answered() {
    let offers = offers();
    assert!(offers.len() >= 15, "{} offers", offers.len());
    for (name, text, kind) in offers {
        for video in [None, Some(Codec::H264), Some(Codec::Vp8)] {
            let answer = answer(&text, kind, &published(video)).unwrap_or_else(|error| panic!("{name}: {error}"));
            let wrong = check_answer(&text, &answer, kind);
            assert!(wrong.is_empty(), "{name}, {video:?}: {wrong:#?}\n{answer}");
        }
    }
}

#[test]
fn a_publisher_s_codec_comes_first() {
    for (name, video, line) in [
        ("chromium-H264-whep.sdp", Some(Codec::H264), "m=video 9 UDP/TLS/RTP/SAVPF 108 102 116 41 "),
        ("chromium-H264-whep.sdp", Some(Codec::Vp8), "m=video 9 UDP/TLS/RTP/SAVPF 96 98 "),
        ("chromium-H264-whep.sdp", None, "m=video 9 UDP/TLS/RTP/SAVPF 96 98 "),
        ("aiortc-VP8-whep.sdp", Some(Codec::H264), "m=video 9 UDP/TLS/RTP/SAVPF 101 99 97\r\n"),
        ("gstreamer-VP8-whep.sdp", Some(Codec::Vp8), "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n"),
        ("gstreamer-VP8-whep.sdp", Some(Codec::H264), "m=video 0 UDP/TLS/RTP/SAVPF 96\r\n"),
        ("gstreamer-VP8-whep.sdp", Some(Codec::H264), "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"),
        ("gstreamer-VP8-whep.sdp", Some(Codec::H264), "a=group:BUNDLE audio1\r\n"),
    ] {
        let answer = answer(&offer(name), Kind::Play, &published(video)).unwrap();
        assert!(answer.contains(line), "{name}, {video:?}, {line}:\n{answer}");
    }
}
