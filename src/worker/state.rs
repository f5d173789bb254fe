//! What a worker says of itself and of its sessions.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::id::{Rid, RoomName, SessionId};
use crate::peer::dtls::Security;
use crate::sdp::Transport;
use crate::sfu::counts::{Feedback, Flow, RoomCounts};
use crate::sfu::drop::DropCounts;
use crate::sfu::egress::Obstacle;
use crate::sfu::histogram::Histogram;
use crate::sfu::room::RoomMedia;

/// What a worker says of itself. The sums are since it began.
#[derive(Clone, Default, Debug)]
pub struct WorkerState {
    /// Its rooms.
    pub rooms: Vec<RoomState>,
    /// Its replicas of other workers' rooms.
    pub replicas: Vec<ReplicaState>,
    /// Its sessions, connected or not.
    pub sessions: usize,
    /// Drops.
    pub drops: DropCounts,
    /// UDP datagrams sent.
    pub datagrams_out: u64,
    /// Messages to the kernel that they went in: the fewer, the better.
    pub trains_out: u64,
    /// Their bytes, with what sealing adds, without the headers of IP and UDP.
    pub datagram_bytes_out: u64,
    /// RTP and RTCP of all sessions.
    pub flow: Flow,
    /// What rooms and replicas counted.
    pub counts: RoomCounts,
    /// How long its turns took, in microseconds.
    pub turns: Histogram,
    /// What waits in it.
    pub queues: Queues,
    /// Connections of ICE over TCP.
    pub tcp_connections: usize,
}

/// What waits in a worker.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Queues {
    /// Commands in its mailbox.
    pub mailbox: usize,
    /// Events that the control plane has had no room for.
    pub outbox: usize,
    /// Parcels in the rings of its replicas.
    pub rings: usize,
}

/// What a worker says of a room.
#[derive(Clone, Debug)]
pub struct RoomState {
    /// The room.
    pub name: RoomName,
    /// What the room says of itself.
    pub media: RoomMedia,
}

/// What a worker says of a replica.
#[derive(Clone, Debug)]
pub struct ReplicaState {
    /// The room.
    pub name: RoomName,
    /// Subscribers whose handshake is done.
    pub subscribers: usize,
}

/// Which sessions a worker is asked about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Which {
    /// All of them.
    All,
    /// A room's.
    Room(RoomName),
    /// These, those of them that it has.
    These(Arc<[SessionId]>),
}

/// Sessions of a worker: at most [`crate::limits::SESSIONS_PER_ANSWER`] at a time, so that its turn stays short.
#[derive(Clone, Default, Debug)]
pub struct SessionStates {
    /// In the order of the worker's table, or of the question.
    pub sessions: Vec<SessionState>,
    /// Where to go on, if there may be more.
    pub next: Option<u32>,
}

/// What a worker says of a session.
#[derive(Clone, Debug)]
pub struct SessionState {
    /// Its name.
    pub session: SessionId,
    /// Since it was admitted.
    pub age: Duration,
    /// Since its handshake was done; `None` before.
    pub connected: Option<Duration>,
    /// Since something authentic came from the client.
    pub silence: Duration,
    /// Where the client is: transport, its address, ours.
    pub path: Option<(Transport, SocketAddr, std::net::IpAddr)>,
    /// What protects it; `None` before the end of the handshake.
    pub security: Option<Security>,
    /// Bits per second between the last two times that something came from the client, at least a second apart: of RTP,
    /// to a subscriber or from a publisher.
    pub bitrate: u64,
    /// What has flowed, and what was asked.
    pub summary: Summary,
    /// What keeps a subscriber from getting media.
    pub obstacle: Option<Obstacle>,
    /// The simulcast layer that its room forwards; `None` where there is one encoding only, and in a replica, which
    /// does not know it.
    pub layer: Option<Rid>,
}

/// What is left of a session when it ends.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Summary {
    /// RTP and RTCP.
    pub flow: Flow,
    /// NACKs, retransmissions, key frame requests, loss, jitter, round trip.
    pub feedback: Feedback,
}
