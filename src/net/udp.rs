//! UDP sockets that know which of our addresses a datagram came to, and send from it.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};

use crate::limits;
use crate::net::Route;
use crate::net::batch::{SendBatch, SendCounts, Train, Transmit};
use crate::net::mmsg::{self, RecvBatch};

/// What the kernel granted of [`limits::SOCKET_BUFFER_BYTES`], in bytes. Less means that bursts are lost: raise
/// `net.core.rmem_max` and `net.core.wmem_max`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SocketBuffers {
    /// For what arrives.
    pub receive: usize,
    /// For what leaves.
    pub send: usize,
}

/// One bound socket.
pub struct UdpSocket {
    socket: Socket,
    address: SocketAddr,
    buffers: SocketBuffers,
    offload: bool,
}

impl UdpSocket {
    /// Binds, with all options set. An IPv6 socket takes IPv6 alone.
    ///
    /// # Errors
    /// What the kernel says: the port is in use, the address is not ours, there is no such family.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
            setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
        } else {
            setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
        }
        // Asking for more than the kernel allows is no error, it gives what it may.
        socket.set_recv_buffer_size(limits::SOCKET_BUFFER_BYTES)?;
        socket.set_send_buffer_size(limits::SOCKET_BUFFER_BYTES)?;
        // The kernel doubles what it grants, for its own bookkeeping (socket(7)).
        let buffers = SocketBuffers { receive: socket.recv_buffer_size()? / 2, send: socket.send_buffer_size()? / 2 };
        mmsg::set_fragments(socket.as_fd(), address.is_ipv4(), false)?;
        // A kernel that does not know the option would send a train as one large datagram.
        let offload = setsockopt(&socket, sockopt::UdpGsoSegment, &0).is_ok();
        socket.bind(&address.into())?;
        let address = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::Unsupported)?;
        Ok(Self { socket, address, buffers, offload })
    }

    /// The address it is bound to, with the port that the kernel chose where none was given.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the kernel granted.
    #[must_use]
    pub fn buffers(&self) -> SocketBuffers {
        self.buffers
    }
}

impl AsFd for UdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Transmit for UdpSocket {
    fn transmit(&mut self, bytes: &[u8], trains: &[Train]) -> io::Result<usize> {
        mmsg::send(self.as_fd(), bytes, trains)
    }

    fn transmit_in_fragments(&mut self, bytes: &[u8], datagram: &Train) -> io::Result<()> {
        mmsg::set_fragments(self.as_fd(), self.address.is_ipv4(), true)?;
        let sent = mmsg::send(self.as_fd(), bytes, std::slice::from_ref(datagram));
        mmsg::set_fragments(self.as_fd(), self.address.is_ipv4(), false)?;
        sent.map(drop)
    }
}

/// A socket with its send batch.
pub struct UdpPort {
    socket: UdpSocket,
    batch: SendBatch,
    /// The kernel said that there is something, and has not said since that there is no more.
    readable: bool,
    /// The socket takes nothing, and was found so first at this time.
    blocked_since: Option<Instant>,
}

impl UdpPort {
    /// A port whose datagrams leave one by one: for devices that mistreat trains.
    #[must_use]
    pub fn without_trains(socket: UdpSocket) -> Self {
        Self::new(UdpSocket { offload: false, ..socket })
    }

    /// A port with nothing in its batch.
    #[must_use]
    pub fn new(socket: UdpSocket) -> Self {
        let batch = SendBatch::new(socket.offload);
        Self { socket, batch, readable: true, blocked_since: None }
    }

    /// The socket.
    #[must_use]
    pub fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    /// The poller has news.
    pub fn set_readable(&mut self) {
        self.readable = true;
    }

    /// True until [`UdpPort::receive`] has found the end.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.readable
    }

    /// Replaces `batch` by the next datagrams; it is empty where there is none.
    pub fn receive(&mut self, batch: &mut RecvBatch) {
        // Whatever the error: a datagram that arrives later makes the socket readable anew.
        self.readable = batch.receive(self.socket.as_fd()).unwrap_or(false);
    }

    /// Space for one datagram on this route; [`UdpPort::commit`] makes it one. A full batch is flushed first; `None`
    /// where the socket takes nothing for the moment.
    pub fn begin(&mut self) -> Option<&mut [u8]> {
        if self.batch.is_full() {
            self.flush();
        }
        (!self.batch.is_full()).then(|| self.batch.begin())
    }

    /// True where the socket takes nothing for the moment: it gets another try with [`UdpPort::retry`].
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.batch.is_blocked()
    }

    /// The first `len` bytes of what [`UdpPort::begin`] gave are a datagram on this route.
    pub fn commit(&mut self, route: &Route, len: usize) {
        self.batch.commit(route, len);
    }

    /// Sends what is in the batch.
    pub fn flush(&mut self) {
        self.batch.flush(&mut self.socket);
    }

    /// Offers what the socket did not take once more. What it has not taken for [`limits::SEND_BLOCKED_TIME`] is
    /// dropped.
    pub fn retry(&mut self, now: Instant) {
        if !self.batch.is_blocked() {
            return;
        }
        self.batch.retry(&mut self.socket);
        let since = *self.blocked_since.get_or_insert(now);
        if !self.batch.is_blocked() {
            self.blocked_since = None;
        } else if now.saturating_duration_since(since) >= limits::SEND_BLOCKED_TIME {
            self.batch.give_up();
            self.blocked_since = None;
        }
    }

    /// What became of the datagrams so far.
    #[must_use]
    pub fn counts(&self) -> SendCounts {
        self.batch.counts()
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket as Plain;
    use std::time::Duration;

    use super::*;
    use crate::net::poll::Poller;

    fn receive_one(port: &mut UdpPort, batch: &mut RecvBatch) -> (Route, Vec<u8>) {
        let mut poller = Poller::new().unwrap();
        poller.watch_reads(port.socket(), 0).unwrap();
        assert_eq!(poller.wait(Some(Duration::from_secs(10))).unwrap().count(), 1);
        port.set_readable();
        port.receive(batch);
        assert_eq!(batch.len(), 1);
        let (route, data) = batch.datagram(0);
        (route, data.to_vec())
    }

    /// Both families on the wildcard address, where this machine has them.
    fn ports() -> Vec<(UdpPort, Vec<&'static str>)> {
        let v4 = (UdpSocket::bind("0.0.0.0:0".parse().unwrap()).unwrap(), vec!["127.0.0.1", "127.0.0.2"]);
        let v6 = UdpSocket::bind("[::]:0".parse().unwrap()).ok().filter(|_| Plain::bind("[::1]:0").is_ok());
        let both = std::iter::once(v4).chain(v6.map(|socket| (socket, vec!["::1"])));
        both.map(|(socket, addresses)| (UdpPort::new(socket), addresses)).collect()
    }

    #[test]
    fn replies_leave_from_the_address_that_the_datagram_came_to() {
        for (mut port, addresses) in ports() {
            let mut batch = RecvBatch::default();
            for address in addresses {
                let ours = SocketAddr::new(address.parse().unwrap(), port.socket().address().port());
                // Bound to another address where the family has one, so that the kernel's own choice would be wrong.
                let client = Plain::bind((if ours.is_ipv4() { "127.0.0.1" } else { "::1" }, 0)).unwrap();
                client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
                client.send_to(b"check", ours).unwrap();
                let (route, data) = receive_one(&mut port, &mut batch);
                assert_eq!((route.local, route.remote), (ours.ip(), client.local_addr().unwrap()));
                assert_eq!(data, b"check");

                port.begin().unwrap()[..5].copy_from_slice(b"reply");
                port.commit(&route, 5);
                port.flush();
                let mut answer = [0; 16];
                let (len, from) = client.recv_from(&mut answer).unwrap();
                assert_eq!((&answer[..len], from), (&b"reply"[..], ours));
            }
        }
    }

    #[test]
    fn trains_arrive_as_the_datagrams_they_were() {
        for (mut port, addresses) in ports() {
            let client = Plain::bind((addresses[0], 0)).unwrap();
            client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let route = Route { local: addresses[0].parse().unwrap(), remote: client.local_addr().unwrap() };
            let sizes = [1_200, 1_200, 1_200, 77, 900, 900];
            for (index, size) in (0..).zip(sizes) {
                port.begin().unwrap()[..size].fill(index);
                port.commit(&route, size);
            }
            port.flush();
            for (index, size) in (0..).zip(sizes) {
                let mut data = [0; 2_048];
                let len = client.recv(&mut data).unwrap();
                assert_eq!(len, size);
                assert!(data[..len].iter().all(|byte| *byte == index));
            }
            let counts = port.counts();
            assert_eq!((counts.datagrams, counts.full, counts.failed), (6, 0, 0));
            if port.socket.offload && counts.uncut == 0 {
                assert_eq!(counts.trains, 2);
            }
        }
    }

    /// In a network of the test's own, whose loopback is as narrow as the narrowest path of IPv6.
    #[test]
    fn on_a_narrow_path_what_fits_goes_in_trains_and_the_rest_in_fragments() {
        let narrow = std::thread::spawn(|| {
            if nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).is_err() {
                println!("not root: not shown on a real narrow path");
                return;
            }
            let ip = std::process::Command::new("ip").args(["link", "set", "lo", "up", "mtu", "1280"]).status();
            assert!(ip.unwrap().success());
            let mut port = UdpPort::new(UdpSocket::bind("0.0.0.0:0".parse().unwrap()).unwrap());
            let client = Plain::bind("127.0.0.1:0").unwrap();
            client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let route = Route { local: [127, 0, 0, 1].into(), remote: client.local_addr().unwrap() };
            for (size, trains, fragmented) in [(1_200, 1, 0), (1_400, 3, 3), (1_200, 1, 0)] {
                let before = port.counts();
                for _ in 0..3 {
                    port.begin().unwrap()[..size].fill(7);
                    port.commit(&route, size);
                }
                port.flush();
                let mut data = [0; 2_048];
                assert!((0..3).all(|_| client.recv(&mut data).unwrap() == size && data[..size] == [7; 2_048][..size]));
                let after = port.counts();
                let went = (after.trains - before.trains, after.fragmented - before.fragmented);
                assert_eq!(went, (trains, fragmented), "{size} bytes");
                assert_eq!((after.failed, after.full), (0, 0));
            }
        });
        narrow.join().unwrap();
    }

    #[test]
    fn a_batch_is_received_at_once_and_the_end_is_known() {
        let mut port = UdpPort::new(UdpSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap());
        let client = Plain::bind("127.0.0.1:0").unwrap();
        let count = limits::RECV_BATCH_DATAGRAMS + 3;
        for index in 0..u8::try_from(count).unwrap() {
            client.send_to(&[index; 20], port.socket().address()).unwrap();
        }
        client.send_to(&[9; limits::DATAGRAM_BYTES + 1], port.socket().address()).unwrap();
        let mut batch = RecvBatch::default();
        port.receive(&mut batch);
        assert_eq!((batch.len(), port.is_readable()), (limits::RECV_BATCH_DATAGRAMS, true));
        assert!((0..batch.len()).all(|index| batch.datagram(index).1.iter().all(|byte| usize::from(*byte) == index)));
        port.receive(&mut batch);
        assert_eq!((batch.len(), batch.truncated(), port.is_readable()), (3, 1, false), "one was too large");
        port.receive(&mut batch);
        assert!(batch.is_empty());
    }

    #[test]
    fn buffers_are_reported_as_granted() {
        let socket = UdpSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let granted = socket.buffers();
        for bytes in [granted.receive, granted.send] {
            assert!(bytes > 0 && bytes <= limits::SOCKET_BUFFER_BYTES, "{bytes}");
        }
    }

    #[test]
    fn a_port_in_use_is_an_error() {
        let first = UdpSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let second = UdpSocket::bind(first.address());
        assert_eq!(second.err().map(|error| error.kind()), Some(io::ErrorKind::AddrInUse));
    }
}
