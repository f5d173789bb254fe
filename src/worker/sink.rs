//! A room's way out: each packet is sealed for its peer, straight into the send batch or for its TCP connection.

use crate::id::PeerKey;
use crate::limits;
use crate::net::tcp::Push;
use crate::peer::path::Path;
use crate::sdp::Transport;
use crate::sfu::counts::Flow;
use crate::sfu::drop::{DropCounts, DropReason};
use crate::sfu::sink::{Sent, Sink};
use crate::worker::ports::{Ports, route};
use crate::worker::sessions::Session;
use crate::worker::table::Table;

/// The most that sealing adds: RFC 7714 §8 has a tag of 16 bytes, and SRTCP 4 more for its index.
const SEAL_BYTES: usize = 20;

/// What is sent.
#[derive(Clone, Copy)]
enum Kind {
    Rtp,
    Rtcp,
}

/// What a room's flush writes to.
pub struct PeerSink<'a> {
    /// The peers.
    pub sessions: &'a mut Table<Session>,
    /// The sockets.
    pub ports: &'a mut Ports,
    /// What goes no further.
    pub drops: &'a mut DropCounts,
    /// What has flowed.
    pub flow: &'a mut Flow,
    /// Space for one sealed packet on its way to TCP, [`limits::DATAGRAM_BYTES`].
    pub scratch: &'a mut [u8],
    /// Media packets that may still leave in this turn. Who has begun may end.
    pub budget: &'a mut usize,
}

impl Sink for PeerSink<'_> {
    fn rtp(&mut self, to: PeerKey, index: u64, header: &[u8], payload: &[u8]) -> Sent {
        let limit = limits::TCP_BACKLOG_BYTES;
        *self.budget = self.budget.saturating_sub(1);
        self.send(to, Kind::Rtp, header.len() + payload.len(), limit, |session, out| {
            session.peer.seal_rtp(index, header, payload, out)
        })
    }

    fn rtcp(&mut self, to: PeerKey, packet: &[u8]) -> Sent {
        let limit = limits::TCP_BACKLOG_BYTES + limits::TCP_CONTROL_BYTES;
        self.send(to, Kind::Rtcp, packet.len(), limit, |session, out| session.peer.seal_rtcp(packet, out))
    }

    fn is_ready(&mut self, to: PeerKey) -> bool {
        if *self.budget == 0 {
            return false;
        }
        let path = self.sessions.get(to).and_then(|session| session.peer.path());
        let Some(path) = path.filter(|path| path.transport == Transport::Udp) else { return true };
        self.ports.udp_for(&route(&path)).is_none_or(|port| !port.is_blocked())
    }

    fn skip(&mut self, reason: DropReason, packets: u64) {
        self.drops.count_many(reason, packets);
    }
}

impl PeerSink<'_> {
    /// `limit` is the largest backlog of a TCP connection. `seal` is called only for what is then sent.
    fn send(
        &mut self,
        to: PeerKey,
        kind: Kind,
        plain_bytes: usize,
        limit: usize,
        seal: impl FnOnce(&mut Session, &mut [u8]) -> Option<usize>,
    ) -> Sent {
        let Some(session) = self.sessions.get_mut(to) else { return self.drop(DropReason::NotConnected) };
        let Some(path) = session.peer.path() else { return self.drop(DropReason::NotConnected) };
        let bytes = plain_bytes + SEAL_BYTES;
        if path.transport == Transport::Tcp {
            match self.ports.tcp_mut().backlog(&route(&path)) {
                Some(backlog) if backlog + bytes > limit => {
                    self.drops.count(DropReason::Congested);
                    return Sent::Congested;
                }
                Some(_) => {}
                None => return self.drop(DropReason::SendFailed),
            }
        }
        if !session.peer.may_send(bytes) {
            return self.drop(DropReason::UnacknowledgedAddress);
        }
        let sent = match path.transport {
            Transport::Udp => seal_to_udp(session, self.ports, &path, seal),
            Transport::Tcp => seal_to_tcp(session, self.ports, &path, self.scratch, seal),
        };
        if sent == Ok(Sent::Yes) {
            let [mine, all] = match kind {
                Kind::Rtp => [&mut session.flow.rtp_out, &mut self.flow.rtp_out],
                Kind::Rtcp => [&mut session.flow.rtcp_out, &mut self.flow.rtcp_out],
            };
            mine.count(plain_bytes);
            all.count(plain_bytes);
        }
        sent.unwrap_or_else(|reason| self.drop(reason))
    }

    fn drop(&mut self, reason: DropReason) -> Sent {
        self.drops.count(reason);
        Sent::Dropped
    }
}

fn seal_to_udp(
    session: &mut Session,
    ports: &mut Ports,
    path: &Path,
    seal: impl FnOnce(&mut Session, &mut [u8]) -> Option<usize>,
) -> Result<Sent, DropReason> {
    let route = route(path);
    let port = ports.udp_for(&route).ok_or(DropReason::SendFailed)?;
    let Some(space) = port.begin() else { return Ok(Sent::Later) };
    let len = seal(session, space).ok_or(DropReason::NotConnected)?;
    port.commit(&route, len);
    Ok(Sent::Yes)
}

fn seal_to_tcp(
    session: &mut Session,
    ports: &mut Ports,
    path: &Path,
    scratch: &mut [u8],
    seal: impl FnOnce(&mut Session, &mut [u8]) -> Option<usize>,
) -> Result<Sent, DropReason> {
    let len = seal(session, scratch).ok_or(DropReason::NotConnected)?;
    let limit = limits::TCP_BACKLOG_BYTES + limits::TCP_CONTROL_BYTES;
    match ports.tcp_mut().push(&route(path), &scratch[..len], limit) {
        Push::Queued => Ok(Sent::Yes),
        Push::Full | Push::Gone => Err(DropReason::SendFailed),
    }
}
