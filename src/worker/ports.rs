//! A worker's ways out and in: one UDP socket per address family, and TCP.

use std::io;
use std::time::Instant;

use crate::limits;
use crate::net::Route;
use crate::net::batch::SendCounts;
use crate::net::poll::{Poller, Ready};
use crate::net::tcp::{Push, TcpPort};
use crate::net::udp::UdpPort;
use crate::peer::path::Path;
use crate::sdp::Transport;
use crate::sfu::drop::DropReason;
use crate::worker::bind::Sockets;

/// The mailbox's number at the poller.
pub const MAILBOX_TOKEN: usize = 0;
const FIRST_UDP_TOKEN: usize = 1;
const FIRST_TCP_TOKEN: usize = 8;

/// All sockets of a worker.
pub struct Ports {
    udp: Vec<UdpPort>,
    tcp: TcpPort,
}

impl Ports {
    /// Has the poller tell of the sockets. `trains`: datagrams to one address may leave as one message.
    ///
    /// # Errors
    /// Where the poller refuses.
    pub fn new(sockets: Sockets, trains: bool, poller: &Poller) -> io::Result<Self> {
        for (index, socket) in sockets.udp.iter().enumerate() {
            poller.watch_reads(socket, FIRST_UDP_TOKEN + index)?;
        }
        let tcp = TcpPort::new(sockets.tcp, poller, FIRST_TCP_TOKEN)?;
        let port = if trains { UdpPort::new } else { UdpPort::without_trains };
        Ok(Self { udp: sockets.udp.into_iter().map(port).collect(), tcp })
    }

    /// The poller has news.
    pub fn handle_ready(&mut self, ready: Ready) {
        if ready.token >= FIRST_TCP_TOKEN {
            self.tcp.handle_ready(ready);
        } else if let Some(index) = ready.token.checked_sub(FIRST_UDP_TOKEN)
            && let Some(port) = self.udp.get_mut(index)
        {
            port.set_readable();
        }
    }

    /// True where something may be there to be received without news.
    #[must_use]
    pub fn has_work(&self) -> bool {
        self.tcp.has_work() || self.udp.iter().any(UdpPort::is_readable)
    }

    /// The UDP sockets, for receiving.
    pub fn udp_mut(&mut self) -> &mut [UdpPort] {
        &mut self.udp
    }

    /// The TCP connections, for receiving.
    pub fn tcp_mut(&mut self) -> &mut TcpPort {
        &mut self.tcp
    }

    /// The UDP socket that a path leaves by, for sending.
    pub fn udp_for(&mut self, route: &Route) -> Option<&mut UdpPort> {
        let v4 = route.remote.is_ipv4();
        self.udp.iter_mut().find(|port| port.socket().address().is_ipv4() == v4)
    }

    /// Sends what must not wait for a key frame: STUN, DTLS, RTCP.
    ///
    /// # Errors
    /// Why it was dropped.
    pub fn send(&mut self, path: &Path, datagram: &[u8]) -> Result<(), DropReason> {
        let route = route(path);
        match path.transport {
            Transport::Udp => {
                let port = self.udp_for(&route).ok_or(DropReason::SendFailed)?;
                let space = port.begin().ok_or(DropReason::SocketFull)?;
                let place = space.get_mut(..datagram.len()).ok_or(DropReason::SendFailed)?;
                place.copy_from_slice(datagram);
                port.commit(&route, datagram.len());
                Ok(())
            }
            Transport::Tcp => {
                let limit = limits::TCP_BACKLOG_BYTES + limits::TCP_CONTROL_BYTES;
                match self.tcp.push(&route, datagram, limit) {
                    Push::Queued => Ok(()),
                    Push::Full => Err(DropReason::Congested),
                    Push::Gone => Err(DropReason::SendFailed),
                }
            }
        }
    }

    /// True where a UDP socket takes nothing for the moment.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.udp.iter().any(UdpPort::is_blocked)
    }

    /// Offers a UDP socket that took no more what it left.
    pub fn retry(&mut self, now: Instant) {
        self.udp.iter_mut().for_each(|port| port.retry(now));
    }

    /// Sends everything that waits.
    pub fn flush(&mut self) {
        self.udp.iter_mut().for_each(UdpPort::flush);
        self.tcp.flush();
    }

    /// What became of the datagrams so far, all sockets together.
    #[must_use]
    pub fn counts(&self) -> SendCounts {
        self.udp.iter().map(UdpPort::counts).fold(SendCounts::default(), SendCounts::plus)
    }
}

/// The addresses that a path travels between.
#[must_use]
pub fn route(path: &Path) -> Route {
    Route { local: path.local_ip, remote: path.remote }
}

/// The path of what came by these addresses.
#[must_use]
pub fn path(transport: Transport, route: Route) -> Path {
    Path { transport, local_ip: route.local, remote: route.remote }
}
