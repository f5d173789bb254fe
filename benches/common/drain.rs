//! The receiving side: a thread that empties its sockets again and again.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use rillcast::limits;
use rillcast::net::cpu;
use rillcast::net::mmsg::RecvBatch;

use super::Stopwatch;

/// Between two looks at the sockets.
const NAP: Duration = Duration::from_micros(200);
/// Nothing comes for so long: nothing is on its way.
const SILENCE: Duration = Duration::from_millis(100);
/// Smaller ones are reports, which nobody waits for.
const MEDIA_BYTES: usize = 500;
/// Loopback loses nothing while the sockets have room, so nothing takes longer.
const MOST_NAPS: u32 = 25_000;

/// What the sockets ask the kernel for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Receive {
    /// Datagram by datagram, by recvmmsg.
    Datagrams,
    /// Trains as they were sent (`UDP_GRO`).
    Trains,
}

/// The thread and its sockets.
pub struct Drain {
    addresses: Vec<SocketAddr>,
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    bytes: AtomicU64,
    /// CPU time of the thread, in nanoseconds, without the looks that found nothing.
    cpu: AtomicU64,
    stop: AtomicBool,
}

impl Drain {
    /// New sockets; `core` is where the thread runs.
    pub fn start(sockets: usize, receive: Receive, core: usize) -> Self {
        Self::over((0..sockets).map(|_| bind(receive)).collect(), receive, core)
    }

    /// Sockets that are there.
    pub fn over(sockets: Vec<UdpSocket>, receive: Receive, core: usize) -> Self {
        for socket in &sockets {
            socket.set_nonblocking(true).expect("a socket can be made so");
        }
        let addresses = sockets.iter().map(|socket| socket.local_addr().expect("it is bound")).collect();
        let shared = Arc::new(Shared::default());
        let mine = shared.clone();
        let thread = std::thread::spawn(move || {
            // Where the machine has fewer cores, or the kernel refuses, it runs where it can.
            let _ = cpu::pin(core);
            run(&sockets, receive, &mine);
        });
        Self { addresses, shared, thread }
    }

    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// CPU time of receiving so far.
    pub fn cpu(&self) -> Duration {
        Duration::from_nanos(self.shared.cpu.load(Ordering::Relaxed))
    }

    /// Waits until so many bytes have come since the last call.
    pub fn wait_for(&self, bytes: u64) {
        let mut naps = 0;
        while self.shared.bytes.load(Ordering::Acquire) < bytes {
            assert!(naps < MOST_NAPS, "datagrams were lost on loopback");
            naps += 1;
            std::thread::sleep(NAP);
        }
        self.shared.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Waits until nothing comes any more, and forgets what came.
    pub fn settle(&self) {
        loop {
            std::thread::sleep(SILENCE);
            if self.shared.bytes.swap(0, Ordering::AcqRel) == 0 {
                return;
            }
        }
    }

    pub fn stop(self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the thread does not panic");
    }
}

fn bind(receive: Receive) -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
    socket2::SockRef::from(&socket)
        .set_recv_buffer_size(limits::SOCKET_BUFFER_BYTES)
        .expect("a size is no more than asked for");
    if receive == Receive::Trains {
        setsockopt(&socket, sockopt::UdpGroSegment, &true).expect("the kernel knows UDP_GRO");
    }
    socket
}

fn run(sockets: &[UdpSocket], receive: Receive, shared: &Shared) {
    let mut batch = RecvBatch::default();
    let mut train = vec![0; 1 << 16];
    while !shared.stop.load(Ordering::Relaxed) {
        let watch = Stopwatch::start();
        let bytes: usize = sockets
            .iter()
            .map(|socket| match receive {
                Receive::Datagrams => drain_datagrams(socket, &mut batch),
                Receive::Trains => std::iter::from_fn(|| socket.recv(&mut train).ok()).sum(),
            })
            .sum();
        if bytes == 0 {
            std::thread::sleep(NAP);
            continue;
        }
        let used = u64::try_from(watch.elapsed().as_nanos()).expect("a look is short");
        shared.cpu.fetch_add(used, Ordering::Relaxed);
        shared.bytes.fetch_add(bytes as u64, Ordering::Release);
    }
}

fn drain_datagrams(socket: &UdpSocket, batch: &mut RecvBatch) -> usize {
    let mut bytes = 0;
    loop {
        let more = batch.receive(socket.as_fd()).unwrap_or(false);
        bytes += (0..batch.len())
            .map(|index| batch.datagram(index).1.len())
            .filter(|len| *len >= MEDIA_BYTES)
            .sum::<usize>();
        if !more {
            return bytes;
        }
    }
}
