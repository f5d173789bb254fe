//! From an offer to a session: its answer, its admission by a worker, and its handshake.
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock where the server would")]

mod common;

use std::sync::Arc;
use std::time::Instant;

use common::client::{Client, credentials};
use common::media::format;
use common::peers::{connect, path};
use common::worker::Worker;
use common::{Effort, Stopwatch, Table, median, nanoseconds_each, per};
use rillcast::id::Ssrc;
use rillcast::peer::certificate::Certificate;
use rillcast::peer::keys::Profile;
use rillcast::sdp::answer::{Local, PlayAnswer, answer_play, answer_publish};
use rillcast::sdp::offer::Offer;
use rillcast::sdp::{Candidate, Transport};

/// What real clients sent.
const OFFERS: [(&str, &str); 5] = [
    ("Chromium publishes", include_str!("../tests/data/offers/chromium-H264-whip.sdp")),
    ("OBS publishes", include_str!("../tests/data/offers/obs-32-whip.sdp")),
    ("FFmpeg publishes", include_str!("../tests/data/offers/ffmpeg-9-whip.sdp")),
    ("Chromium plays", include_str!("../tests/data/offers/chromium-H264-whep.sdp")),
    ("Firefox plays", include_str!("../tests/data/offers/firefox-VP9-whep.sdp")),
];

fn main() {
    let effort = Effort::from_arguments();
    answers(effort);
    sessions(effort);
}

fn answers(effort: Effort) {
    let mut table = Table::new(&["offer", "bytes", "parsed, ns", "parsed and answered, ns"]);
    for (name, text) in OFFERS {
        let parsed = nanoseconds_each(effort, || {
            parse(text);
            1
        });
        let answered = nanoseconds_each(effort, || {
            let offer = parse(text);
            if name.ends_with("publishes") {
                publish(&offer);
            } else {
                play(&offer);
            }
            1
        });
        #[allow(clippy::cast_precision_loss, reason = "a few thousand")]
        table.row(name, &[text.len() as f64, parsed, answered]);
    }
    table.print("Offers of real clients, CPU time of the thread that answers:");
}

/// What one session costs before its media flows.
fn sessions(effort: Effort) {
    let mut table = Table::new(&["a subscriber's session", "control plane, ns", "worker, ns"]);
    let [control, worker] = admission(effort);
    table.row("Chromium's offer → answer → admitted", &[control, worker]);
    let certificate = Arc::new(Certificate::generate().expect("there is randomness"));
    for (name, profile) in [("GCM", Profile::AeadAes128Gcm), ("CM", Profile::AesCmSha1)] {
        let handshake = (0..effort.of(200, 1)).map(|number| {
            let (_, _, used) = connect(Instant::now(), &certificate, profile, path(number));
            per(used, 1)
        });
        table.row(format!("check and handshake, {name} (the peer alone)"), &[0.0, median(handshake.collect())]);
    }
    table.print("Sessions, CPU time each:");
}

/// Nanoseconds of the thread that answers and of the worker's, from an offer to the worker's verdict. No client ever
/// connects.
fn admission(effort: Effort) -> [f64; 2] {
    let (_, text) = OFFERS[3];
    let count = effort.of(2_000, 10);
    let mut worker = Worker::start();
    let before = worker.cpu();
    let watch = Stopwatch::start();
    for number in 0..count {
        let offer = parse(text);
        let answer = play(&offer);
        let setup =
            worker.setup(&format!("room{}", number % 20), offer.credentials().clone(), offer.fingerprint().clone());
        worker.admit(setup, answer.tracks);
    }
    let control = per(watch.elapsed(), count);
    let figures = [control, per(worker.cpu().saturating_sub(before), count)];
    assert_eq!(worker.state().sessions as u64, count);
    worker.stop();
    figures
}

fn parse(text: &str) -> Offer {
    Offer::parse(text).expect("a real client sent it")
}

fn publish(offer: &Offer) {
    local(|local| answer_publish(offer, local).expect("a real client sent it"));
}

/// To a publisher of H264.
fn play(offer: &Offer) -> PlayAnswer {
    let mut ssrc = 1_000;
    let mut next = || {
        ssrc += 1;
        Ssrc(ssrc)
    };
    local(|local| answer_play(offer, local, &[format()], &mut next).expect("a real client sent it"))
}

fn local<T>(answer: impl FnOnce(&Local<'_>) -> T) -> T {
    let at = |transport| Candidate { transport, address: ([192, 0, 2, 1], 7_000).into() };
    let candidates = [at(Transport::Udp), at(Transport::Tcp)];
    answer(&Local {
        credentials: &credentials("server"),
        fingerprint: &Client::fingerprint(),
        candidates: &candidates,
        session_id: 1,
    })
}
