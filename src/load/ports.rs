//! The sockets of one thread.
//!
//! Against a server on this machine one wildcard socket serves all sessions of a thread: each session has a loopback
//! address of its own (all of 127.0.0.0/8 is ours), which `IP_PKTINFO` makes its source, and by which what comes is
//! told apart. So thousands of sessions are received by one system call. Against another machine each session has a
//! socket of its own.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::sys::socket::{setsockopt, sockopt};

use crate::limits;
use crate::net::Route;
use crate::net::batch::SendBatch;
use crate::net::mmsg::RecvBatch;
use crate::net::poll::{Poller, Waker};
use crate::net::udp::UdpSocket;

/// The poller's number for a wake-up by another thread.
const WAKE: usize = usize::MAX - 1;

/// One session's place: where it sends from, and the number by which it is found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// Below [`limits::LOAD_SESSIONS_PER_THREAD`].
    pub key: usize,
    port: usize,
    local: Ipv4Addr,
}

/// Sockets, their poller, and what is on its way through them.
pub struct Ports {
    shared: Option<Addresses>,
    sockets: Vec<Option<UdpSocket>>,
    /// Datagrams that each socket has dropped.
    overflows: Vec<u32>,
    /// The same of sockets that were closed.
    overflows_before: u64,
    poller: Poller,
    ready: Vec<usize>,
    out: SendBatch,
    /// The socket that `out` belongs to.
    out_port: usize,
    arrived: RecvBatch,
    gro: bool,
}

/// Loopback addresses, given out in turn, so that one that was left is not taken again soon.
struct Addresses {
    base: u32,
    next: usize,
    taken: Vec<bool>,
}

impl Ports {
    /// For the thread of this number. `loopback`: the server is on this machine. `gro`: let the kernel put datagrams
    /// together.
    ///
    /// # Errors
    /// Where the kernel gives no socket.
    pub fn new(thread: u8, loopback: bool, gro: bool) -> io::Result<Self> {
        let arrived = if gro { RecvBatch::with_places_of(limits::TRAIN_BYTES) } else { RecvBatch::default() };
        let mut ports = Self {
            shared: None,
            sockets: Vec::new(),
            overflows: Vec::new(),
            overflows_before: 0,
            poller: Poller::new()?,
            ready: Vec::new(),
            out: SendBatch::new(false),
            out_port: 0,
            arrived,
            gro,
        };
        if loopback {
            let base = u32::from(Ipv4Addr::new(127, 16 + thread % 200, 0, 1));
            ports.shared = Some(Addresses { base, next: 0, taken: vec![false; limits::LOAD_SESSIONS_PER_THREAD] });
            ports.sockets.push(Some(ports.bind(0)?));
        }
        Ok(ports)
    }

    /// What wakes [`Ports::wait`].
    ///
    /// # Errors
    /// Where the kernel gives no descriptor.
    pub fn waker(&self) -> io::Result<Waker> {
        self.poller.waker(WAKE)
    }

    /// A place for one session more.
    ///
    /// # Errors
    /// Where the kernel gives no socket, or there are as many sessions as a thread may have.
    pub fn open(&mut self) -> io::Result<Place> {
        if let Some(addresses) = &mut self.shared {
            let (key, local) = addresses.take().ok_or(io::ErrorKind::QuotaExceeded)?;
            return Ok(Place { key, port: 0, local });
        }
        let free = self.sockets.iter().position(Option::is_none);
        let port = free.unwrap_or(self.sockets.len());
        if port >= limits::LOAD_SOCKETS_PER_THREAD {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        let socket = self.bind(port)?;
        match free {
            Some(free) => self.sockets[free] = Some(socket),
            None => self.sockets.push(Some(socket)),
        }
        Ok(Place { key: port, port, local: Ipv4Addr::UNSPECIFIED })
    }

    /// A session has gone.
    pub fn close(&mut self, place: Place) {
        if let Some(addresses) = &mut self.shared {
            addresses.taken[place.key] = false;
            return;
        }
        if self.out_port == place.port {
            self.flush();
        }
        self.overflows_before += self.overflows.get_mut(place.port).map_or(0, |count| u64::from(std::mem::take(count)));
        self.sockets[place.port] = None;
    }

    /// Queues a datagram that `write` makes; nothing where it makes none.
    pub fn send_with(&mut self, place: Place, to: SocketAddr, write: impl FnOnce(&mut [u8]) -> Option<usize>) {
        if place.port != self.out_port || self.out.is_full() {
            self.flush();
            self.out_port = place.port;
        }
        if let Some(len) = write(self.out.begin()) {
            self.out.commit(&Route { local: IpAddr::V4(place.local), remote: to }, len);
        }
    }

    /// Queues a datagram.
    pub fn send(&mut self, place: Place, to: SocketAddr, datagram: &[u8]) {
        self.send_with(place, to, |out| {
            out.get_mut(..datagram.len())?.copy_from_slice(datagram);
            Some(datagram.len())
        });
    }

    /// Sends what is queued.
    pub fn flush(&mut self) {
        if let Some(Some(socket)) = self.sockets.get_mut(self.out_port) {
            self.out.flush(socket);
        }
    }

    /// Datagrams that could not be sent.
    #[must_use]
    pub fn send_failures(&self) -> u64 {
        let counts = self.out.counts();
        counts.full + counts.failed
    }

    /// Datagrams that our sockets have dropped, because we were late.
    #[must_use]
    pub fn overflows(&self) -> u64 {
        self.overflows.iter().map(|count| u64::from(*count)).sum::<u64>() + self.overflows_before
    }

    /// True where all sessions share a socket: it may be read without waiting for news of it.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// Sleeps until something comes, another thread knocks, or the time is over.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        let now = Instant::now();
        for ready in self.poller.wait_until(now, Some(now + timeout))? {
            if ready.token != WAKE && !self.ready.contains(&ready.token) {
                self.ready.push(ready.token);
            }
        }
        Ok(())
    }

    /// Takes the next batch and hands out each datagram: its session's key, when it came (since 1970), its bytes.
    /// False where there is no more.
    pub fn receive(&mut self, mut take: impl FnMut(usize, Duration, &mut [u8])) -> bool {
        let port = if self.shared.is_some() { Some(0) } else { self.ready.last().copied() };
        let Some(socket) = port.and_then(|port| self.sockets.get(port)?.as_ref()) else {
            self.ready.pop();
            return !self.ready.is_empty();
        };
        let more = self.arrived.receive(socket.as_fd()).unwrap_or(false);
        if let (Some(count), Some(port)) = (self.arrived.overflows(), port) {
            if self.overflows.len() <= port {
                self.overflows.resize(port + 1, 0);
            }
            self.overflows[port] = count;
        }
        for index in 0..self.arrived.len() {
            let at = self.arrived.arrival(index).unwrap_or_default();
            let segment = self.arrived.segment(index);
            let (route, data) = self.arrived.datagram(index);
            let key = match (&self.shared, route.local, port) {
                (Some(addresses), IpAddr::V4(local), _) => u32::from(local).wrapping_sub(addresses.base) as usize,
                (_, _, Some(port)) => port,
                _ => continue,
            };
            let segment = segment.unwrap_or(data.len()).max(1);
            data.chunks_mut(segment).for_each(|datagram| take(key, at, datagram));
        }
        if !more {
            self.ready.pop();
        }
        more || !self.ready.is_empty()
    }

    fn bind(&self, token: usize) -> io::Result<UdpSocket> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0).into())?;
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
        setsockopt(&socket, sockopt::RxqOvfl, &1)?;
        if self.gro {
            setsockopt(&socket, sockopt::UdpGroSegment, &true)?;
        }
        if self.shared.is_some() {
            // Beyond the kernel's limit where we may; otherwise what `bind` got has to do.
            let _ = setsockopt(&socket, sockopt::RcvBufForce, &limits::LOAD_RECEIVE_BUFFER_BYTES);
        }
        self.poller.watch_reads(&socket, token)?;
        Ok(socket)
    }
}

impl Addresses {
    fn take(&mut self) -> Option<(usize, Ipv4Addr)> {
        let count = self.taken.len();
        let key = (0..count).map(|step| (self.next + step) % count).find(|key| !self.taken[*key])?;
        self.taken[key] = true;
        self.next = key + 1;
        Some((key, Ipv4Addr::from(self.base + u32::try_from(key).ok()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_of_one_socket_are_told_apart_by_their_address() {
        for gro in [false, true] {
            let mut ports = Ports::new(3, true, gro).unwrap();
            let server = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            let mut seen = Vec::new();
            for text in [b"one", b"two"] {
                let place = ports.open().unwrap();
                ports.send(place, server.local_addr().unwrap(), text);
                ports.flush();
                let mut data = [0; 16];
                let (len, from) = server.recv_from(&mut data).unwrap();
                assert_eq!((&data[..len], from.ip()), (&text[..], place.local.into()));
                server.send_to(text, from).unwrap();
                ports.wait(Duration::from_secs(5)).unwrap();
                while ports.receive(|key, at, data| seen.push((key, at > Duration::from_secs(1 << 30), data.to_vec())))
                {
                }
                assert_eq!(seen.pop(), Some((place.key, true, text.to_vec())));
            }
        }
    }

    #[test]
    fn what_our_own_socket_drops_is_known() {
        let mut ports = Ports::new(0, true, false).unwrap();
        let place = ports.open().unwrap();
        let server = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let socket = ports.sockets[0].as_ref().unwrap();
        let to = SocketAddr::from((place.local, socket.address().port()));
        setsockopt(socket, sockopt::RcvBuf, &4_096).unwrap();
        let mut arrived = 0;
        for count in [100, 1] {
            for _ in 0..count {
                server.send_to(&[0; 1_000], to).unwrap();
            }
            while ports.receive(|_, _, _| arrived += 1) {}
        }
        assert!(arrived < 50, "{arrived}");
        assert_eq!(ports.overflows(), 101 - arrived, "the last datagram tells of those before it");
    }

    #[test]
    fn an_address_that_was_left_is_not_the_next_one() {
        let mut ports = Ports::new(0, true, false).unwrap();
        let first = ports.open().unwrap();
        ports.close(first);
        assert_ne!(ports.open().unwrap(), first);
    }

    #[test]
    fn sessions_have_sockets_of_their_own_elsewhere() {
        let mut ports = Ports::new(0, false, false).unwrap();
        let places = [ports.open().unwrap(), ports.open().unwrap()];
        let server = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut froms = Vec::new();
        for place in places {
            ports.send(place, server.local_addr().unwrap(), b"x");
            ports.flush();
            froms.push(server.recv_from(&mut [0; 4]).unwrap().1);
        }
        assert_ne!(froms[0], froms[1]);
        server.send_to(b"y", froms[1]).unwrap();
        ports.wait(Duration::from_secs(5)).unwrap();
        let mut seen = Vec::new();
        while ports.receive(|key, _, _| seen.push(key)) {}
        assert_eq!(seen, [places[1].key]);
        ports.close(places[0]);
        assert_eq!(ports.open().unwrap().key, places[0].key);
    }
}
