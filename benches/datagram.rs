//! The floor: what the kernel takes for a datagram of 1,200 bytes, by the way it is handed over.
//!
//! A thread sends over loopback to many sockets that another thread drains, and both count their own CPU time.
//! Loopback delivers within the sender's call, so the sender's figure has the way up to the receiving socket in it. The
//! receiver sleeps between two looks instead of waiting at its sockets, so that no wake-up is in it.
//!
//! "Cut": who receives without `UDP_GRO` makes the kernel cut each train before it is queued, as it must for a network
//! card that cannot. "Whole": with `UDP_GRO` a train stays in one piece, as it does up to a card that cuts by itself.
//!
//! "One core": the receiver looks when the sender has finished its round. "Two cores": it looks all the time, and
//! memory travels between the cores; so it is when the server and a load generator share a machine.
#![allow(clippy::cast_precision_loss, reason = "figures for people to read")]

mod common;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket as Plain};
use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use common::drain::{Drain, Receive};
use common::{Effort, Stopwatch, Table, line_through, median, per};
use rillcast::limits;
use rillcast::net::Route;
use rillcast::net::batch::Train;
use rillcast::net::cpu;
use rillcast::net::mmsg;
use rillcast::net::udp::{UdpPort, UdpSocket};

/// Of one datagram: a browser's packet with its SRTP tag.
const DATAGRAM: usize = 1_200;
/// Subscribers. Each has a socket of its own, so that the kernel looks each of them up.
const DESTINATIONS: usize = 64;
const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Trains of so many datagrams are sent.
const TRAINS: [usize; 5] = [1, 2, 4, 8, 16];

/// One way to hand datagrams to the kernel.
trait Strategy: Send {
    /// Sends `length` datagrams to each destination.
    fn send(&mut self, destinations: &[SocketAddr], length: usize);
}

fn main() {
    let effort = Effort::from_arguments();
    let mut single = Table::new(&["one datagram per message", "one core", "two cores", "receiver, one core"]);
    let mut row = |name: &str, strategy: &mut dyn Strategy| {
        let [one, two] = [0, 1].map(|core| measure(effort, strategy, 1, Receive::Datagrams, core));
        single.row(name, &[one.sender, two.sender, one.receiver]);
    };
    row("sendto", &mut SendTo::new());
    row("send, a connected socket each", &mut Connected::default());
    row("sendmmsg of 16", &mut Batched::new(16));
    row("sendmmsg of 64", &mut Batched::new(64));
    single.print("Sending one datagram of 1,200 bytes over loopback, ns of CPU time:");
    trains(effort);
}

/// Trains of several lengths through the server's own batch, and what a train costs by its length.
fn trains(effort: Effort) {
    const WAYS: [(&str, Receive, usize); 4] = [
        ("cut, one core", Receive::Datagrams, 0),
        ("cut, two cores", Receive::Datagrams, 1),
        ("whole, one core", Receive::Trains, 0),
        ("whole, two cores", Receive::Trains, 1),
    ];
    let names = WAYS.map(|(name, ..)| name);
    let heading = ["trains of k", names[0], names[1], names[2], names[3], "receiver, cut", "receiver, whole"];
    let mut table = Table::new(&heading);
    let mut costs = WAYS.map(|_| Vec::new());
    let mut port = Port::new();
    for length in TRAINS {
        let figures = WAYS.map(|(_, receive, core)| measure(effort, &mut port, length, receive, core));
        for (costs, figures) in costs.iter_mut().zip(&figures) {
            costs.push((length as f64, figures.sender * length as f64 / 1_000.0));
        }
        let [cut, cut_apart, whole, whole_apart] = figures;
        let senders = [cut.sender, cut_apart.sender, whole.sender, whole_apart.sender];
        table.row(format!("k = {length}"), &[&senders[..], &[cut.receiver, whole.receiver]].concat());
    }
    table.print("The same in trains (UDP_SEGMENT) through src/net, ns of CPU time per datagram:");
    println!();
    for (name, costs) in names.iter().zip(costs) {
        let (start, slope) = line_through(&costs);
        println!("A train of k datagrams, {name}: {start:.2} + {slope:.2} k µs of the sender.");
    }
}

/// Nanoseconds per datagram.
#[derive(Clone, Copy)]
struct Figures {
    sender: f64,
    receiver: f64,
}

/// Sends from a thread on the first core to one that drains on `core`.
fn measure(effort: Effort, strategy: &mut dyn Strategy, length: usize, receive: Receive, core: usize) -> Figures {
    let drain = Drain::start(DESTINATIONS, receive, core);
    let figures = thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let _ = cpu::pin(0);
            send_to(&drain, effort, strategy, length)
        });
        sender.join().expect("the sender does not panic")
    });
    drain.stop();
    figures
}

/// Sends `length` datagrams to each destination, again and again.
fn send_to(drain: &Drain, effort: Effort, strategy: &mut dyn Strategy, length: usize) -> Figures {
    let rounds = effort.of(480 / length.min(4), 2);
    let count = (rounds * DESTINATIONS * length) as u64;
    let (mut sender, mut receiver) = (Vec::new(), Vec::new());
    // The first sample warms caches and sockets up.
    for sample in 0..=effort.of(5, 1) {
        let before = drain.cpu();
        let mut used = Duration::ZERO;
        for _ in 0..rounds {
            let watch = Stopwatch::start();
            strategy.send(drain.addresses(), length);
            used += watch.elapsed();
            drain.wait_for((DESTINATIONS * length * DATAGRAM) as u64);
        }
        if sample > 0 {
            sender.push(per(used, count));
            receiver.push(per(drain.cpu().saturating_sub(before), count));
        }
    }
    Figures { sender: median(sender), receiver: median(receiver) }
}

/// One system call per datagram.
struct SendTo {
    socket: Plain,
}

impl SendTo {
    fn new() -> Self {
        Self { socket: sending_socket() }
    }
}

impl Strategy for SendTo {
    fn send(&mut self, destinations: &[SocketAddr], length: usize) {
        for destination in destinations {
            for _ in 0..length {
                self.socket.send_to(&[7; DATAGRAM], destination).expect("loopback takes everything");
            }
        }
    }
}

/// A socket for each destination, so that the kernel keeps the way there.
#[derive(Default)]
struct Connected {
    sockets: Vec<Plain>,
    destinations: Vec<SocketAddr>,
}

impl Strategy for Connected {
    fn send(&mut self, destinations: &[SocketAddr], length: usize) {
        if self.destinations != destinations {
            self.destinations = destinations.to_vec();
            self.sockets = destinations.iter().map(connected_socket).collect();
        }
        for socket in &self.sockets {
            for _ in 0..length {
                socket.send(&[7; DATAGRAM]).expect("loopback takes everything");
            }
        }
    }
}

fn connected_socket(destination: &SocketAddr) -> Plain {
    let socket = sending_socket();
    socket.connect(destination).expect("the destination is bound");
    socket
}

/// One system call for some datagrams, each a message of its own.
struct Batched {
    socket: Plain,
    per_call: usize,
    bytes: Vec<u8>,
}

impl Batched {
    fn new(per_call: usize) -> Self {
        Self { socket: sending_socket(), per_call, bytes: vec![7; per_call * DATAGRAM] }
    }
}

impl Strategy for Batched {
    fn send(&mut self, destinations: &[SocketAddr], length: usize) {
        let singles: Vec<SocketAddr> = destinations.iter().flat_map(|to| std::iter::repeat_n(*to, length)).collect();
        for destinations in singles.chunks(self.per_call) {
            let trains: Vec<Train> = destinations
                .iter()
                .enumerate()
                .map(|(index, remote)| Train {
                    route: Route { local: LOCAL, remote: *remote },
                    start: index * DATAGRAM,
                    len: DATAGRAM,
                    segment: 1_200,
                    datagrams: 1,
                })
                .collect();
            let sent = mmsg::send(self.socket.as_fd(), &self.bytes, &trains).expect("loopback takes everything");
            assert_eq!(sent, trains.len());
        }
    }
}

/// The server's socket with its batch: what goes to one address in a row leaves as one train.
struct Port(UdpPort);

impl Port {
    fn new() -> Self {
        Self(UdpPort::new(UdpSocket::bind(SocketAddr::new(LOCAL, 0)).expect("loopback has a free port")))
    }
}

impl Strategy for Port {
    fn send(&mut self, destinations: &[SocketAddr], length: usize) {
        for destination in destinations {
            let route = Route { local: LOCAL, remote: *destination };
            for _ in 0..length {
                // What was written before is still there: writing it is the cipher's work, and counted with it.
                let _ = self.0.begin();
                self.0.commit(&route, DATAGRAM);
            }
        }
        self.0.flush();
        let counts = self.0.counts();
        assert_eq!((counts.full, counts.failed, counts.uncut), (0, 0, 0), "{counts:?}");
    }
}

fn sending_socket() -> Plain {
    let socket = Plain::bind((LOCAL, 0)).expect("loopback has a free port");
    socket2::SockRef::from(&socket)
        .set_send_buffer_size(limits::SOCKET_BUFFER_BYTES)
        .expect("a size is no more than asked for");
    socket
}
