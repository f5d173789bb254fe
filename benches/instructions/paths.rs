//! The paths whose instructions are counted. Everything but the path itself is done outside of [`counted`].
#![allow(clippy::disallowed_methods, reason = "simulated time needs some instant to count from")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use rillcast::id::{PeerKey, Ssrc};
use rillcast::peer::Received;
use rillcast::peer::certificate::Certificate;
use rillcast::peer::demux::Demux;
use rillcast::peer::keys::Profile;
use rillcast::sdp::answer::{Local, answer_play};
use rillcast::sdp::offer::Offer;
use rillcast::sdp::{Candidate, Transport};
use rillcast::sfu::drop::DropReason;
use rillcast::sfu::sink::{Sent, Sink};

use crate::common::client::{Client, credentials};
use crate::common::media::{Encoder, format};
use crate::common::peers::{connect, path};
use crate::common::sink::PeersSink;
use crate::common::stage::Stage;

pub struct Path {
    pub name: &'static str,
    /// What one of the things is that it does.
    pub what: &'static str,
    /// How many of them it does.
    pub count: u32,
    /// Does them, and says how many.
    pub run: fn() -> u32,
}

pub const PATHS: [Path; 5] = [
    Path { name: "turn", what: "a packet forwarded, sealed, in the batch", count: 9 * 100 * TURNS, run: turn },
    Path { name: "room", what: "the same without seal and batch", count: 9 * 100 * TURNS, run: room },
    Path { name: "open", what: "a publisher's datagram opened", count: DATAGRAMS, run: open },
    Path { name: "demux", what: "a datagram's peer found, 1,000 peers", count: DATAGRAMS, run: demux },
    Path { name: "answer", what: "Chromium's offer to play, parsed and answered", count: ANSWERS, run: answer },
];

const SUBSCRIBERS: usize = 100;
const FRAME: usize = 9;
/// Turns before those that are counted.
const WARM_UP: u32 = 70;
const TURNS: u32 = 10;
const DATAGRAMS: u32 = 1_000;
const ANSWERS: u32 = 10;
const OFFER: &str = include_str!("../../tests/data/offers/chromium-H264-whep.sdp");

/// Callgrind looks at what runs in here alone.
#[inline(never)]
fn counted<T>(work: impl FnOnce() -> T) -> T {
    black_box(work())
}

fn turn() -> u32 {
    let now = Instant::now();
    forward(PeersSink::connect(now, SUBSCRIBERS), PeersSink::flush, |sink| sink.counts().datagrams)
}

fn room() -> u32 {
    forward(Counter::default(), |_| (), |sink| sink.0)
}

/// Takes everything.
#[derive(Default)]
struct Counter(u64);

impl Sink for Counter {
    fn rtp(&mut self, _to: PeerKey, _index: u64, header: &[u8], payload: &[u8]) -> Sent {
        black_box((header, payload));
        self.0 += 1;
        Sent::Yes
    }

    fn rtcp(&mut self, _to: PeerKey, _packet: &[u8]) -> Sent {
        Sent::Yes
    }

    fn is_ready(&mut self, _to: PeerKey) -> bool {
        true
    }

    fn skip(&mut self, _reason: DropReason, _packets: u64) {}
}

/// Turns of a room whose subscribers are all live: a frame comes, and goes to everybody.
fn forward<S: Sink>(mut sink: S, end: fn(&mut S), sent: fn(&S) -> u64) -> u32 {
    let mut stage = Stage::new(Instant::now(), SUBSCRIBERS);
    let mut encoder = Encoder::new();
    let mut frames = (0..WARM_UP + TURNS).map(|number| encoder.frame(FRAME, number == 0)).collect::<Vec<_>>();
    let measured = frames.split_off(WARM_UP as usize);
    let mut turns = |sink: &mut S, frames: &[Vec<Vec<u8>>]| {
        for frame in frames {
            stage.publish(frame);
            stage.flush(sink);
            end(sink);
        }
    };
    turns(&mut sink, &frames);
    let before = sent(&sink);
    counted(|| turns(&mut sink, &measured));
    u32::try_from(sent(&sink) - before).expect("a few thousand")
}

fn open() -> u32 {
    let certificate = Arc::new(Certificate::generate().expect("there is randomness"));
    let now = Instant::now();
    let (mut peer, client, _) = connect(now, &certificate, Profile::AeadAes128Gcm, path(0));
    let mut srtp = client.srtp();
    let mut datagrams: Vec<Vec<u8>> = Encoder::new()
        .frame(DATAGRAMS as usize, true)
        .iter()
        .map(|packet| {
            let index = u64::from(u16::from_be_bytes([packet[2], packet[3]]));
            let mut sealed = vec![0; 2_048];
            let length = srtp.seal_rtp(index, &packet[..12], &packet[12..], &mut sealed);
            sealed.truncate(length.expect("the index is the packet's, and there is room"));
            sealed
        })
        .collect();
    let opened = counted(|| {
        let received = datagrams.iter_mut().map(|datagram| peer.handle_datagram(now, path(0), datagram));
        received.filter(|received| matches!(received, Received::Rtp(_))).count()
    });
    u32::try_from(opened).expect("a thousand")
}

fn demux() -> u32 {
    let mut demux = Demux::default();
    let key = |number: u32| PeerKey { slot: number, generation: 0 };
    let paths: Vec<_> = (0..DATAGRAMS).map(|number| path(number as usize)).collect();
    (0..).zip(&paths).for_each(|(number, path)| demux.add_path(*path, key(number)));
    let datagram = [0x80; 1_200];
    let found =
        counted(|| (0..).zip(&paths).filter(|(number, path)| demux.route(path, &datagram) == Ok(key(*number))).count());
    u32::try_from(found).expect("a thousand")
}

fn answer() -> u32 {
    let (credentials, fingerprint) = (credentials("server"), Client::fingerprint());
    let at = |transport| Candidate { transport, address: ([192, 0, 2, 1], 7_000).into() };
    let candidates = [at(Transport::Udp), at(Transport::Tcp)];
    let local = Local { credentials: &credentials, fingerprint: &fingerprint, candidates: &candidates, session_id: 1 };
    let formats = [format()];
    let answers = counted(|| {
        let answers = (0..ANSWERS).filter(|_| {
            let offer = Offer::parse(OFFER).expect("a real client sent it");
            let answer = answer_play(&offer, &local, &formats, &mut || Ssrc(7));
            !answer.expect("a real client sent it").sdp.is_empty()
        });
        answers.count()
    });
    u32::try_from(answers).expect("a few")
}
