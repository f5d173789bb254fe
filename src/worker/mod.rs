//! The data plane: pinned threads that own sockets, peers and rooms. The control plane meets them in [`mailbox`] alone.

mod admit;
mod bell;
mod bind;
pub mod door;
mod inspect;
pub mod mailbox;
mod outbox;
mod part;
mod ports;
pub mod relay;
mod rooms;
mod sessions;
mod sink;
pub mod state;
mod table;
pub mod timers;
mod turn;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, atomic};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use crate::limits;
use crate::net::clock::Clock;
use crate::net::cpu;
use crate::net::interfaces::InterfaceFilter;
use crate::net::poll::Poller;
use crate::net::udp::SocketBuffers;
use crate::peer::certificate::Certificate;
use crate::peer::demux::Demux;
use crate::sdp::Candidate;
use crate::sfu::audience::Batching;
use crate::sfu::counts::Flow;
use crate::sfu::drop::DropCounts;
use crate::sfu::histogram::{Bounds, Histogram};
use crate::sfu::random::Random;
use crate::worker::bind::Sockets;
use crate::worker::mailbox::{Busy, Command, Event, Mailbox, mailbox};
use crate::worker::outbox::Outbox;
use crate::worker::ports::{MAILBOX_TOKEN, Ports};
use crate::worker::relay::Rounds;
use crate::worker::rooms::Rooms;
use crate::worker::table::Table;
use crate::worker::timers::Timers;
use crate::worker::turn::Worker;

pub use crate::worker::bind::TcpSetting;

/// Bounds of turns' lengths, in microseconds.
const TURNS: Bounds = &[5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000];

/// What a worker is made of.
pub struct WorkerConfig {
    /// Its number, which its events carry.
    pub index: usize,
    /// Where it binds UDP, one address per family at most: usually `0.0.0.0` and `[::]` with the same port; port 0 is
    /// any free one. IPv6 on the wildcard address is done without where the machine does not have it.
    pub udp: Vec<SocketAddr>,
    /// Where it listens for ICE over TCP, on the same addresses.
    pub tcp: TcpSetting,
    /// The core that it stays on (modulo those that the process may use), if any.
    pub pin: Option<usize>,
    /// The only addresses in candidates, where there are any; else the interfaces' own.
    pub public_ips: Vec<IpAddr>,
    /// Which of the interfaces.
    pub interfaces: InterfaceFilter,
    /// The server's certificate.
    pub certificate: Arc<Certificate>,
    /// Feeds the random numbers of its rooms.
    pub seed: u64,
    /// How its rooms gather packets.
    pub batching: Batching,
    /// Datagrams to one address may leave as one message that the kernel cuts.
    pub trains: bool,
    /// Sessions that it may have.
    pub max_sessions: usize,
    /// Where its events go, with its number.
    pub events: mpsc::Sender<(usize, Event)>,
}

/// Why a worker did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A socket could not be bound.
    #[error("cannot bind {protocol} {address}: {source}")]
    Bind {
        /// UDP or TCP.
        protocol: &'static str,
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// Two addresses of one family were asked for.
    #[error("{0} is a second address of its family: a worker has one socket for IPv4 and one for IPv6")]
    SameFamily(SocketAddr),
    /// No address was asked for, or the machine has none of their families.
    #[error("no UDP socket could be bound")]
    NoSocket,
    /// The interfaces could not be asked for their addresses.
    #[error("cannot list the addresses of the interfaces: {0}")]
    Interfaces(io::Error),
    /// There is nothing for candidates to name.
    #[error("no address to be reached at: no interface that may be told has one of the sockets' families")]
    NoAddress,
    /// The kernel gives no descriptor or no thread.
    #[error("cannot start a worker's thread: {0}")]
    Thread(#[from] io::Error),
}

/// How a worker's thread ended where it should not have.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// A bug: the thread has said where.
    #[error("worker {0} panicked")]
    Panicked(usize),
    /// The kernel refused to tell of news.
    #[error("worker {0} cannot wait for its sockets: {1}")]
    Poll(usize, io::Error),
}

/// The control plane's end of a worker. Clones are the same worker.
#[derive(Clone)]
pub struct WorkerHandle {
    mailbox: Mailbox,
    candidates: Arc<[Candidate]>,
    buffers: SocketBuffers,
}

impl WorkerHandle {
    /// Puts a command into the worker's mailbox. It never waits.
    ///
    /// # Errors
    /// [`Busy`] where the mailbox is full, or the worker has ended.
    pub fn send(&self, command: Command) -> Result<(), Busy> {
        self.mailbox.send(command)
    }

    /// The worker's mailbox, for its siblings.
    #[must_use]
    pub fn mailbox(&self) -> &Mailbox {
        &self.mailbox
    }

    /// Where the worker listens, the best first: IPv4, IPv6, loopback; UDP before TCP.
    #[must_use]
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// What the kernel granted of [`limits::SOCKET_BUFFER_BYTES`].
    #[must_use]
    pub fn buffers(&self) -> SocketBuffers {
        self.buffers
    }
}

/// A worker's thread. Dropped, the thread goes on.
pub struct WorkerThread {
    index: usize,
    thread: JoinHandle<io::Result<()>>,
    ended: oneshot::Receiver<()>,
}

impl WorkerThread {
    /// Returns when the thread has ended, without keeping a thread of the caller's.
    ///
    /// # Errors
    /// Why it ended without having been told to: the server cannot go on.
    pub async fn ended(self) -> Result<(), WorkerError> {
        let Self { index, thread, ended } = self;
        // It fails when the thread drops its end, which is the last thing that the thread does, by itself or in a
        // panic.
        let _ = ended.await;
        Self::result(index, thread)
    }

    /// Waits for the end of the thread, like [`WorkerThread::ended`].
    ///
    /// # Errors
    /// Why it ended without having been told to.
    pub fn join(self) -> Result<(), WorkerError> {
        Self::result(self.index, self.thread)
    }

    fn result(index: usize, thread: JoinHandle<io::Result<()>>) -> Result<(), WorkerError> {
        match thread.join() {
            Ok(result) => result.map_err(|error| WorkerError::Poll(index, error)),
            Err(_) => Err(WorkerError::Panicked(index)),
        }
    }
}

/// Starts a worker's thread. The sockets are bound before it returns, so that a port in use is an error of the start.
///
/// # Errors
/// What could not be had.
pub fn spawn(config: WorkerConfig) -> Result<(WorkerHandle, WorkerThread), StartError> {
    let WorkerConfig {
        index,
        udp,
        tcp,
        pin,
        public_ips,
        interfaces,
        certificate,
        seed,
        batching,
        trains,
        max_sessions,
        events,
    } = config;
    let sockets = Sockets::bind(&udp, tcp)?;
    let candidates = sockets.candidates(&public_ips, &interfaces)?.into();
    let buffers = sockets.buffers();
    let poller = Poller::new()?;
    let (mailbox, inbox) = mailbox(poller.waker(MAILBOX_TOKEN)?);
    let clock = Clock::start();
    let worker = Worker {
        clock,
        certificate,
        seeds: Random(seed),
        batching,
        max_sessions,
        ports: Ports::new(sockets, trains, &poller)?,
        poller,
        door: inbox.door().clone(),
        rounds: Rounds::default(),
        relayed: false,
        awake_since: clock.now(),
        inbox,
        outbox: Outbox::new(index, events),
        sessions: Table::default(),
        by_id: BTreeMap::new(),
        demux: Demux::default(),
        rooms: Rooms::default(),
        timers: Timers::default(),
        drops: DropCounts::default(),
        commanded: true,
        draining: false,
        transmit: Vec::with_capacity(limits::DATAGRAM_BYTES),
        flow: Flow::default(),
        turns: Histogram::new(TURNS),
        scratch: vec![0; limits::DATAGRAM_BYTES].into(),
    };
    let (end, ended) = oneshot::channel();
    let thread = std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
        let _end: oneshot::Sender<()> = end;
        if let Some(Err(error)) = pin.map(cpu::pin) {
            tracing::warn!(worker = index, %error, "not pinned to a core");
        }
        worker.run()
    })?;
    Ok((WorkerHandle { mailbox, candidates, buffers }, WorkerThread { index, thread, ended }))
}

#[cfg(test)]
mod tests;
