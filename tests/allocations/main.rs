//! A forwarded packet allocates nothing: in a room on a simulated clock, and in a worker with its sockets.
#![allow(clippy::disallowed_methods, reason = "simulated time needs some instant to count from")]

#[path = "../../benches/common/mod.rs"]
mod common;
mod counting;

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use common::media::{Encoder, played, published};
use common::sink::PeersSink;
use common::stage::{Stage, ssrc};
use common::worker::{Connection, Worker};
use rillcast::id::PeerKey;
use rillcast::sfu::drop::DropReason;
use rillcast::sfu::sink::{Sent, Sink};

const SUBSCRIBERS: usize = 50;
/// Packets of a frame, and frames of a group: two seconds.
const FRAME: usize = 9;
const GROUP: usize = 60;
/// Ten seconds, after which the history is as large as it gets and sender reports flow.
const WARM_UP: usize = 5 * GROUP;
/// A thousand packets and some.
const MEASURED: usize = 2 * GROUP;

/// Packets that a subscriber asks for again, with each frame.
const ASKED: usize = 4;
/// One at a time, or they would count each other's.
static ALONE: Mutex<()> = Mutex::new(());

/// A room that counts.
struct Scene {
    stage: Stage,
    sink: PeersSink,
    /// By subscriber, the sequence number that went out last.
    newest: Vec<u16>,
    encoder: Encoder,
    frame: usize,
}

/// Notes the sequence numbers on their way into the sink.
struct Noting<'a> {
    sink: &'a mut PeersSink,
    newest: &'a mut [u16],
}

impl Sink for Noting<'_> {
    fn rtp(&mut self, to: PeerKey, index: u64, header: &[u8], payload: &[u8]) -> Sent {
        self.newest[to.slot as usize] = u16::from_be_bytes([header[2], header[3]]);
        self.sink.rtp(to, index, header, payload)
    }

    fn rtcp(&mut self, to: PeerKey, packet: &[u8]) -> Sent {
        self.sink.rtcp(to, packet)
    }

    fn is_ready(&mut self, to: PeerKey) -> bool {
        self.sink.is_ready(to)
    }

    fn skip(&mut self, reason: DropReason, packets: u64) {
        self.sink.skip(reason, packets);
    }
}

/// What some frames allocated, and how many datagrams and reports they made.
#[derive(Clone, Copy, Default, Debug)]
struct Sums {
    ingress: u64,
    flush: u64,
    datagrams: u64,
    reports: u64,
}

impl Scene {
    fn new(subscribers: usize) -> Self {
        let now = Instant::now();
        let (stage, sink) = (Stage::new(now, subscribers), PeersSink::connect(now, subscribers));
        Self { stage, sink, newest: vec![0; subscribers], encoder: Encoder::new(), frame: 0 }
    }

    fn run(&mut self, frames: usize, with_nacks: bool) -> Sums {
        let (datagrams, reports) = (self.sink.counts().datagrams, self.sink.reports);
        let mut sums = Sums::default();
        for _ in 0..frames {
            self.step(with_nacks, &mut sums);
        }
        sums.datagrams = self.sink.counts().datagrams - datagrams;
        sums.reports = self.sink.reports - reports;
        sums
    }

    /// One frame in, and out to everybody.
    fn step(&mut self, with_nacks: bool, sums: &mut Sums) {
        let packets = self.encoder.frame(FRAME, self.frame.is_multiple_of(GROUP));
        self.frame += 1;
        let before = counting::mine();
        self.stage.publish(&packets);
        sums.ingress += counting::mine() - before;
        if with_nacks {
            for (number, newest) in self.newest.iter().enumerate() {
                let nack = nack(ssrc(number), *newest);
                self.stage.room.audience.handle_rtcp(self.stage.now, PeersSink::key(number), &nack);
            }
        }
        let before = counting::mine();
        self.stage.flush(&mut Noting { sink: &mut self.sink, newest: &mut self.newest });
        self.sink.flush();
        sums.flush += counting::mine() - before;
    }
}

#[test]
fn a_room_allocates_nothing_for_a_packet_that_it_forwards() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let [one, many, again] =
        [(1, false), (SUBSCRIBERS, false), (SUBSCRIBERS, true)].map(|(subscribers, with_nacks)| {
            let mut scene = Scene::new(subscribers);
            scene.run(WARM_UP, with_nacks);
            scene.run(MEASURED, with_nacks)
        });
    println!("1 subscriber:   {one:?}\n{SUBSCRIBERS} subscribers: {many:?}\nwith NACKs:     {again:?}");
    let packets = MEASURED * FRAME;
    assert!(many.datagrams >= (packets * SUBSCRIBERS) as u64 && many.reports >= SUBSCRIBERS as u64);
    assert_eq!(again.datagrams, many.datagrams + (MEASURED * SUBSCRIBERS * ASKED) as u64);
    // What is left belongs to the publisher: its feedback, a packet's header on its way to the loss detection, and a
    // new chunk of history now and then.
    assert_eq!((many.ingress, many.flush), (one.ingress, one.flush));
    assert_eq!((again.ingress, again.flush), (one.ingress, one.flush));
    assert!(one.ingress <= 2 * packets as u64 && one.flush <= MEASURED as u64, "{one:?}");
}

#[test]
fn a_worker_allocates_nothing_for_a_packet_that_it_forwards() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let [one, many] = [1, SUBSCRIBERS].map(|subscribers| {
        let mut worker = Worker::start();
        let mut publisher = Source { connection: worker.publish("room", published()), encoder: Encoder::new() };
        let watchers: Vec<Connection> =
            (0..subscribers).map(|number| worker.play("room", played(ssrc(number)))).collect();
        // Who came last is served last.
        let last = &watchers[subscribers - 1];
        publisher.send(WARM_UP, last);
        let before = worker.state().datagrams_out;
        let allocations = counting::others();
        publisher.send(MEASURED, last);
        let allocations = counting::others() - allocations;
        let datagrams = worker.state().datagrams_out - before;
        assert!(datagrams >= (MEASURED * FRAME * subscribers) as u64, "{datagrams}");
        println!("{subscribers} subscribers: {allocations} allocations, {datagrams} datagrams out");
        worker.stop();
        allocations
    });
    // A turn has some of its own (timers, the publisher's feedback), and how many turns there are is the scheduler's.
    let forwarded = (MEASURED * FRAME * (SUBSCRIBERS - 1)) as u64;
    assert!(many.saturating_sub(one) < forwarded / 100, "{one} with one subscriber, {many} with {SUBSCRIBERS}");
}

/// A publisher that knows when its packets have arrived.
struct Source {
    connection: Connection,
    encoder: Encoder,
}

impl Source {
    /// Sends frames, each when the one before has reached the subscriber.
    fn send(&mut self, frames: usize, to: &Connection) {
        let mut sealed = [0; 2_048];
        for frame in 0..frames {
            for packet in self.encoder.frame(FRAME, frame == 0) {
                let sequence = u16::from_be_bytes([packet[2], packet[3]]);
                let (header, payload) = packet.split_at(12);
                let length = self.connection.srtp.seal_rtp(sequence.into(), header, payload, &mut sealed);
                let length = length.expect("the index is the packet's, and there is room");
                self.connection.socket.send(&sealed[..length]).expect("loopback takes everything");
            }
            let mut received = 0;
            while received < FRAME {
                let length = to.socket.recv(&mut sealed).expect("the frame arrives");
                received += usize::from(is_rtp(&sealed[..length]));
            }
        }
    }
}

/// RTP rather than RTCP, STUN or DTLS (RFC 7983, RFC 5761).
fn is_rtp(datagram: &[u8]) -> bool {
    matches!(datagram, [128..=191, second, ..] if !(192..=223).contains(second))
}

/// Asks for [`ASKED`] packets before the newest one (RFC 4585 §6.2.1).
fn nack(ssrc: u32, newest: u16) -> Vec<u8> {
    let first = newest.wrapping_sub(8).to_be_bytes();
    [&[0x81, 205, 0, 3, 0, 0, 0, 1], &ssrc.to_be_bytes()[..], &first, &[0, 7]].concat()
}
