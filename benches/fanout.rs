//! A whole turn: a frame of one publisher goes to all subscribers of its room.
//!
//! Without the kernel: the room takes the frame in and flushes; every packet is sealed by its subscriber's own key into
//! the send batch, which goes nowhere. With the kernel: all that a real worker does, from its wake-up to sendmmsg, for
//! subscribers whose sockets another core drains; the CPU time is that of the worker's thread.
#![allow(clippy::disallowed_methods, reason = "a benchmark's time has to begin somewhere")]

mod common;

use std::net::Ipv4Addr;
use std::os::fd::AsFd as _;
use std::time::Instant;

use common::drain::{Drain, Receive};
use common::media::{Encoder, played, published};
use common::sink::PeersSink;
use common::stage::{Stage, ssrc};
use common::worker::{Connection, Worker};
use common::{Effort, Table, median, nanoseconds_each, per};
use rillcast::net::Route;
use rillcast::net::batch::Train;
use rillcast::net::mmsg;
use rillcast::rtp::packet::FIXED_HEADER;

/// Packets of a frame, which leave as one train.
const TRAINS: [usize; 4] = [1, 3, 9, 16];
/// A key frame comes every so many frames: two seconds.
const GROUP: usize = 60;
/// The publisher's and the drain's thread; the worker has the first core.
const OTHER_CORE: usize = 1;

fn main() {
    let effort = Effort::from_arguments();
    let rooms = effort.of(vec![10, 100, 1_000, 5_000], vec![10]);
    let heading = ["subscribers", "k = 1", "k = 3", "k = 9", "k = 16"];
    let mut sealed = Table::new(&heading);
    let mut sink = PeersSink::connect(Instant::now(), rooms[rooms.len() - 1]);
    for &subscribers in &rooms {
        sealed.row(subscribers.to_string(), &TRAINS.map(|train| without_kernel(effort, &mut sink, subscribers, train)));
    }
    sealed.print("Room, seal and batch, ns of CPU time per packet forwarded, frames of k packets:");

    let mut sent = Table::new(&heading);
    for &subscribers in &rooms {
        let turns = with_kernel(effort, subscribers);
        sent.row(subscribers.to_string(), &turns.map(|turn| turn.cost));
        sent.row("  datagrams per train", &turns.map(|turn| turn.train));
    }
    sent.print("A whole worker, ns of CPU time per packet forwarded, frames of k packets:");
}

fn without_kernel(effort: Effort, sink: &mut PeersSink, subscribers: usize, train: usize) -> f64 {
    let mut stage = Stage::new(Instant::now(), subscribers);
    let mut encoder = Encoder::new();
    let mut frame = encoder.frame(train, true);
    let mut frames = 0;
    nanoseconds_each(effort, || {
        let before = sink.counts().datagrams;
        encoder.renew(&mut frame, frames % GROUP == 0);
        frames += 1;
        stage.publish(&frame);
        stage.flush(sink);
        sink.flush();
        sink.counts().datagrams - before
    })
}

/// For each length of a frame.
fn with_kernel(effort: Effort, subscribers: usize) -> [Turn; TRAINS.len()] {
    let mut worker = Worker::on(Some(0));
    let mut publisher = Publisher::new(&mut worker);
    // Nobody waits for a key frame: one has come before they have.
    publisher.send(1, true);
    let connections: Vec<Connection> =
        (0..subscribers).map(|number| worker.play("room", played(ssrc(number)))).collect();
    let drain = Drain::over(connections.into_iter().map(|connection| connection.socket).collect(), RECEIVE, OTHER_CORE);
    drain.settle();
    let figures = TRAINS.map(|train| {
        let rounds = effort.of((200_000 / (subscribers * train)).clamp(5, 2_000), 2);
        let samples = (0..=effort.of(3, 1)).map(|_| measure(&worker, &mut publisher, &drain, train, rounds));
        // The first sample warms up.
        let samples: Vec<Turn> = samples.skip(1).collect();
        let middle = |figure: fn(&Turn) -> f64| median(samples.iter().map(figure).collect());
        Turn { cost: middle(|turn| turn.cost), train: middle(|turn| turn.train) }
    });
    drain.stop();
    worker.stop();
    figures
}

/// Datagram by datagram: the kernel cuts the trains, as it must for a network card that cannot.
const RECEIVE: Receive = Receive::Datagrams;

/// What a datagram cost, in nanoseconds, and how many left together.
#[derive(Clone, Copy)]
struct Turn {
    cost: f64,
    train: f64,
}

fn measure(worker: &Worker, publisher: &mut Publisher, drain: &Drain, train: usize, rounds: usize) -> Turn {
    let (cpu, before) = (worker.cpu(), worker.state());
    for round in 0..rounds {
        let sent = publisher.send(train, round % GROUP == 0);
        drain.wait_for((sent * drain.addresses().len()) as u64);
    }
    let cpu = worker.cpu().saturating_sub(cpu);
    let after = worker.state();
    let (datagrams, trains) = (after.datagrams_out - before.datagrams_out, after.trains_out - before.trains_out);
    #[allow(clippy::cast_precision_loss, reason = "figures for people to read")]
    let train = datagrams as f64 / trains as f64;
    Turn { cost: per(cpu, datagrams), train }
}

/// A publisher whose frames come as one train, so that the worker finds them whole when it wakes.
struct Publisher {
    connection: Connection,
    server: Route,
    encoder: Encoder,
    /// Of the last packet: its sequence number and how often that has begun anew (RFC 3711 §3.3.1).
    index: u64,
    sealed: Vec<u8>,
}

impl Publisher {
    fn new(worker: &mut Worker) -> Self {
        let server = Route { local: Ipv4Addr::LOCALHOST.into(), remote: worker.address };
        let connection = worker.publish("room", published());
        Self { connection, server, encoder: Encoder::new(), index: 1, sealed: vec![0; 1 << 16] }
    }

    /// Sends one frame and says how many bytes it has.
    fn send(&mut self, packets: usize, keyframe: bool) -> usize {
        let mut used = 0;
        for packet in self.encoder.frame(packets, keyframe) {
            let (header, payload) = packet.split_at(FIXED_HEADER);
            self.index += 1;
            let out = &mut self.sealed[used..];
            used +=
                self.connection.srtp.seal_rtp(self.index, header, payload, out).expect("packets are in their order");
        }
        let segment = used / packets;
        let train = Train {
            route: self.server,
            start: 0,
            len: used,
            segment: u16::try_from(segment).expect("a datagram"),
            datagrams: u16::try_from(packets).expect("a few"),
        };
        let sent = mmsg::send(self.connection.socket.as_fd(), &self.sealed, &[train]);
        assert_eq!(sent.expect("loopback takes everything"), 1);
        used
    }
}
