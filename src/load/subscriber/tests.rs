//! A subscriber that is sent good and bad packets: it must see which is which.

use std::collections::VecDeque;
use std::sync::Arc;

use super::*;
use crate::load::link::Agreement;
use crate::load::media::{Encoder, PAYLOAD_BYTES};
use crate::load::plan::{Media, Pacing};
use crate::load::ports::Ports;
use crate::peer::certificate::Certificate;
use crate::peer::keys::{Profile, split_exported};
use crate::sdp::{DtlsRole, IceCredentials};

const RUN: u16 = 7;
const ROOM: u32 = 3;

/// A server with one subscriber, and a publisher.
struct World {
    subscriber: Subscriber,
    server: Srtp,
    encoder: Encoder,
    board: Board,
    random: Random,
    until_sample: u64,
    rules: Rules,
    now: Instant,
    index: u64,
}

fn world(loss: u64) -> World {
    let now = Instant::now();
    let gop = Duration::from_secs(2);
    let (codec, size, pacing) = (Codec::Vp8, (640, 360), Pacing::Frame);
    let media = Media { codec, bitrate: 1_000_000, fps: 30, gop, size, pacing, audio: false };
    let certificate = Arc::new(Certificate::generate().unwrap());
    let credentials = || IceCredentials { ufrag: "abcd".into(), pwd: "secret".into() };
    let agreement = Agreement {
        local: credentials(),
        remote: credentials(),
        fingerprint: certificate.fingerprint(),
        role: DtlsRole::Client,
        server: "127.0.0.1:9".parse().unwrap(),
    };
    let place = Ports::new(0, true, false).unwrap().open().unwrap();
    let formats = vec![(96, codec)];
    let agreed = Agreed { room: ROOM, began: now, answered: Duration::ZERO, formats, transport_cc: None };
    let exported: Vec<u8> = (0..56).collect();
    let (client, server) = split_exported(Profile::AeadAes128Gcm, &exported).unwrap();
    let mut world = World {
        subscriber: Subscriber::new(place, Link::new(now, agreement, &certificate), agreed, 1),
        server: Srtp::new(Profile::AeadAes128Gcm, &server, &client),
        encoder: Encoder::new(&media, 1),
        board: Board::default(),
        random: Random(1),
        until_sample: 0,
        rules: Rules { loss, feedback: Feedback::Basic, late: 100_000, run: Some(RUN) },
        now,
        index: 1_000,
    };
    let keys = Box::new(Srtp::new(Profile::AeadAes128Gcm, &client, &server));
    assert!(world.act(|subscriber, context| subscriber.follow(Step::Connected(keys), context)).is_none());
    world
}

impl World {
    fn act<T>(&mut self, act: impl FnOnce(&mut Subscriber, &mut Context<'_>) -> T) -> T {
        let mut context = Context {
            now: self.now,
            board: &mut self.board,
            random: &mut self.random,
            until_sample: &mut self.until_sample,
            rules: &self.rules,
        };
        act(&mut self.subscriber, &mut context)
    }

    /// The sealed packets of the next frame, sent to this room at this time.
    fn frame(&mut self, room: u32, run: u16, sent: u64) -> Vec<Vec<u8>> {
        let mut pieces = VecDeque::new();
        self.encoder.next_frame(&mut pieces);
        let seal = |piece| {
            let mut payload = [0; PAYLOAD_BYTES];
            let length = self.encoder.write(&piece, Stamp::new(room, 1, sent, run), &mut payload);
            self.index += 1;
            let mut header = vec![0x80, 0x60 | u8::from(piece.last) << 7];
            header.extend_from_slice(&self.index.to_be_bytes()[6..]);
            header.extend_from_slice(&piece.timestamp.to_be_bytes());
            header.extend_from_slice(&[0, 0, 0, 9]);
            let mut sealed = vec![0; 1_500];
            let length = self.server.seal_rtp(self.index, &header, &payload[..length], &mut sealed).unwrap();
            sealed.truncate(length);
            sealed
        };
        pieces.into_iter().map(seal).collect()
    }

    fn receive(&mut self, packets: Vec<Vec<u8>>, arrival: u64) {
        for mut packet in packets {
            // Each one is a sample.
            self.until_sample = 0;
            self.act(|subscriber, context| {
                subscriber.handle_rtp(Duration::from_nanos(arrival), &mut packet, context);
            });
        }
    }

    fn live(&mut self) -> u64 {
        self.subscriber.live_since + 1_000_000
    }
}

#[test]
fn good_packets_are_delivered_and_their_latency_is_known() {
    let mut world = world(0);
    let sent = world.live();
    let first = world.frame(ROOM, RUN, sent);
    let key_frame = first.len() as u64;
    world.receive(first, sent + 5_000_000);
    assert!(!world.subscriber.is_joining() && world.board.counts.playing == 1);
    let late = world.frame(ROOM, RUN, sent);
    let count = late.len() as u64;
    world.receive(late, sent + 500_000_000);
    let cached = world.frame(ROOM, RUN, sent - 2_000_000);
    world.receive(cached, sent + 500_000_000);
    let counts = world.board.counts;
    assert_eq!((counts.frames, counts.late, counts.missing), (3, count, 0));
    assert_eq!(counts.corrupt + counts.misrouted + counts.unauthentic + counts.duplicates, 0);
    assert_eq!(world.board.latency.milliseconds().count, key_frame + count, "what came from the cache says nothing");
    assert!((world.board.latency.milliseconds().p50 - 5.0).abs() < 0.1);
}

#[test]
fn bad_packets_are_told_apart() {
    let mut world = world(0);
    let sent = world.live();
    let elsewhere = world.frame(ROOM + 1, RUN, sent);
    let strangers = world.frame(ROOM, RUN + 1, sent);
    let misrouted = (elsewhere.len() + strangers.len()) as u64;
    world.receive(elsewhere, sent);
    world.receive(strangers, sent);
    let mut forged = world.frame(ROOM, RUN, sent);
    for packet in &mut forged {
        packet[40] ^= 1;
    }
    let unauthentic = forged.len() as u64;
    world.receive(forged, sent);
    let twice = world.frame(ROOM, RUN, sent);
    let duplicates = twice.len() as u64;
    world.receive(twice.clone(), sent);
    world.receive(twice, sent);
    // Sealed by the server, but not what was published.
    world.index += 1;
    let mut header = vec![0x80, 96];
    header.extend_from_slice(&world.index.to_be_bytes()[6..]);
    header.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 9]);
    let mut garbage = vec![0; 200];
    let length = world.server.seal_rtp(world.index, &header, &[0x10; 100], &mut garbage).unwrap();
    garbage.truncate(length);
    world.receive(vec![garbage], sent);
    let counts = world.board.counts;
    assert_eq!((counts.misrouted, counts.unauthentic), (misrouted, unauthentic));
    assert_eq!((counts.duplicates, counts.corrupt), (duplicates, 1));
}

#[test]
fn a_gap_is_lost_and_asked_for_and_a_missing_picture_too() {
    let mut world = world(0);
    let sent = world.live();
    let mut packets = world.frame(ROOM, RUN, sent);
    let missing = packets.remove(1);
    world.receive(packets, sent);
    assert_eq!((world.board.counts.missing, world.subscriber.outcome().lost), (1, 1));
    assert!(world.subscriber.is_joining());
    let mut compound = Compound::default();
    world.now += Duration::from_millis(300);
    assert!(world.act(|subscriber, context| subscriber.poll_feedback(&mut compound, context)));
    assert_eq!((world.board.counts.nacks, world.board.counts.key_frame_requests), (1, 1));
    let asked: Vec<_> = feedback(compound.as_bytes()).collect();
    assert!(matches!(&asked[..], [FromServer::Nack(_), FromServer::KeyframeRequest]), "{asked:?}");
    world.receive(vec![missing], sent);
    assert_eq!((world.board.counts.missing, world.subscriber.outcome().lost), (0, 0));
    assert!(!world.subscriber.is_joining(), "the key frame is whole now");
}

#[test]
fn simulated_loss_has_its_share() {
    let mut world = world((1 << 32) / 10);
    let sent = world.live();
    for _ in 0..300 {
        let frame = world.frame(ROOM, RUN, sent);
        world.receive(frame, sent);
    }
    let counts = world.board.counts;
    assert!(counts.discarded.abs_diff(counts.packets / 10) < counts.packets / 50, "{counts:?}");
    assert!(counts.missing.abs_diff(counts.discarded) < 3, "{counts:?}");
}
