//! The life of a session in its worker: it is admitted, its peer says what happens to it, it ends.

use std::time::Instant;

use crate::id::{PeerKey, RoomName, SessionId};
use crate::limits;
use crate::peer::path::Path;
use crate::peer::{Peer, PeerConfig, PeerEnd, PeerEvent};
use crate::sdp::Transport;
use crate::sfu::room::Room;
use crate::worker::admit::{self, Load};
use crate::worker::mailbox::{
    AdmitError, AdmitPublisher, AdmitSubscriber, Command, EndReason, Event, PeerSetup, RoomState, WorkerState,
};
use crate::worker::ports::route;
use crate::worker::rooms::RoomKey;
use crate::worker::turn::{TimerKey, Worker};

/// What a session is to its room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// It sends.
    Publisher,
    /// It receives.
    Subscriber,
}

/// One session.
pub struct Session {
    /// Its name in the control plane.
    pub id: SessionId,
    /// Its ICE, DTLS and SRTP.
    pub peer: Peer,
    /// Its room.
    pub room: RoomKey,
    /// What it is to the room.
    pub role: Role,
}

impl Worker {
    /// Does what the control plane says.
    pub(super) fn handle_command(&mut self, now: Instant, command: Command) {
        match command {
            // Who does not wait for the answer any longer must not push a publisher out.
            Command::AdmitPublisher(admit) if !admit.reply.is_closed() => self.admit_publisher(now, *admit),
            Command::AdmitSubscriber(admit) if !admit.reply.is_closed() => self.admit_subscriber(now, *admit),
            Command::AdmitPublisher(_) | Command::AdmitSubscriber(_) => {}
            Command::RestartIce { session, local, remote, reply } => {
                let key = self.by_id.get(&session).copied();
                if let Some(key) = key
                    && let Some(session) = self.sessions.get_mut(key)
                {
                    self.demux.add_ufrag(&local.ufrag, key);
                    session.peer.restart_ice(local, remote);
                    self.drain(now, key);
                }
                let _ = reply.send(key.is_some());
            }
            Command::Remove { session, reason, reply } => {
                let key = self.by_id.get(&session).copied();
                if let Some(key) = key {
                    self.end(now, key, reason);
                }
                let _ = reply.send(key.is_some());
            }
            Command::Inspect { reply } => {
                let _ = reply.send(self.state(now));
            }
            Command::Shutdown => self.draining = true,
        }
    }

    fn admit_publisher(&mut self, now: Instant, admit: AdmitPublisher) {
        let incumbent = self.publisher(&admit.peer.room);
        let last_authentic = incumbent.and_then(|key| Some(self.sessions.get(key)?.peer.last_authentic()));
        match admit::publisher(&self.load(), now, last_authentic, admit.takeover) {
            Err(error) => {
                let _ = admit.reply.send(Err(error));
            }
            Ok(end) => {
                if let (Some(key), Some(reason)) = (incumbent, end) {
                    self.end(now, key, reason);
                }
                let (key, room) = self.add(now, admit.peer, Role::Publisher);
                let lacking = self.rooms.touch(room).map(|room| room.set_publisher(now, key, admit.tracks));
                for subscriber in lacking.into_iter().flatten() {
                    self.end(now, subscriber, EndReason::CodecMismatch);
                }
                self.answer(now, key, admit.reply);
            }
        }
    }

    fn admit_subscriber(&mut self, now: Instant, admit: AdmitSubscriber) {
        if let Err(error) = self.load().admits() {
            let _ = admit.reply.send(Err(error));
            return;
        }
        let (key, room) = self.add(now, admit.peer, Role::Subscriber);
        if let Some(room) = self.rooms.touch(room) {
            room.add_subscriber(now, key, admit.tracks);
        }
        self.answer(now, key, admit.reply);
    }

    /// Says yes; a session that nobody wants any longer ends.
    fn answer(&mut self, now: Instant, key: PeerKey, reply: tokio::sync::oneshot::Sender<Result<(), AdmitError>>) {
        if reply.send(Ok(())).is_err() {
            self.end(now, key, EndReason::Deleted);
        }
    }

    fn add(&mut self, now: Instant, setup: PeerSetup, role: Role) -> (PeerKey, RoomKey) {
        let PeerSetup { session, room, local, remote, fingerprint, role: dtls } = setup;
        let ufrag = local.ufrag.clone();
        let certificate = self.certificate.clone();
        let peer = Peer::new(now, PeerConfig { local, remote, fingerprint, role: dtls, certificate });
        let (clock, seeds, batching) = (&self.clock, &mut self.seeds, self.batching);
        let room = self.rooms.find_or_insert(&room, || Room::new(now, clock.ntp(now), seeds.draw(), batching));
        let key = self.sessions.insert(Session { id: session, peer, room, role });
        self.by_id.insert(session, key);
        self.demux.add_ufrag(&ufrag, key);
        self.drain(now, key);
        (key, room)
    }

    fn publisher(&self, room: &RoomName) -> Option<PeerKey> {
        self.rooms.get(self.rooms.find(room)?)?.publisher()
    }

    fn load(&self) -> Load {
        let sessions = self.sessions.len() + self.outbox.len();
        Load { draining: self.draining, sessions, max_sessions: self.max_sessions }
    }

    /// Takes out of a peer what it has to send and to say, and notes when it wants to be called.
    pub(super) fn drain(&mut self, now: Instant, key: PeerKey) {
        for _ in 0..limits::PEER_DRAIN_STEPS {
            let Some(session) = self.sessions.get_mut(key) else { return };
            let Some(path) = session.peer.poll_transmit(&mut self.transmit) else { break };
            self.send_control(&path);
        }
        for _ in 0..limits::PEER_DRAIN_STEPS {
            let Some(session) = self.sessions.get_mut(key) else { return };
            let Some(event) = session.peer.poll_event() else { break };
            self.handle_event(now, key, &event);
        }
        if let Some(session) = self.sessions.get(key) {
            let deadline = session.peer.next_timeout();
            self.arm(now, TimerKey::Peer(key), deadline);
        }
    }

    /// Whether another session that is alive has the path: a check with a forged source address must not take its media
    /// away. A client that uses its socket for a new session waits until the old one has been silent for a moment.
    fn is_in_use(&self, now: Instant, path: &Path, key: PeerKey) -> bool {
        let owner = self.demux.owner(path).filter(|owner| *owner != key);
        let session = owner.and_then(|owner| self.sessions.get(owner));
        session.is_some_and(|session| {
            let silence = now.saturating_duration_since(session.peer.last_authentic());
            session.peer.is_connected() && session.peer.path() == Some(*path) && silence < limits::PATH_SILENCE
        })
    }

    fn handle_event(&mut self, now: Instant, key: PeerKey, event: &PeerEvent) {
        let Some(Session { id, room, role, .. }) = self.sessions.get(key) else { return };
        let (session, room, role) = (*id, *room, *role);
        match *event {
            PeerEvent::PathValidated(path) => {
                if self.is_in_use(now, &path, key) {
                    return;
                }
                self.demux.add_path(path, key);
                if path.transport == Transport::Tcp {
                    self.ports.tcp_mut().validate(&route(&path), key);
                }
            }
            PeerEvent::PathForgotten(path) => {
                self.demux.remove_path(&path, key);
                if path.transport == Transport::Tcp {
                    self.ports.tcp_mut().close(&route(&path));
                }
            }
            PeerEvent::PathSelected { .. } => {}
            PeerEvent::Connected { gcm } => {
                self.outbox.push(Event::Connected { session, gcm });
                if role == Role::Subscriber
                    && let Some(room) = self.rooms.touch(room)
                {
                    room.start_subscriber(now, key);
                }
            }
            PeerEvent::Closed(end) => self.end(now, key, reason(end)),
        }
    }

    /// Ends a session: a goodbye, then nothing of it is left here.
    pub(super) fn end(&mut self, now: Instant, key: PeerKey, reason: EndReason) {
        let Some(mut session) = self.sessions.remove(key) else { return };
        session.peer.close();
        for _ in 0..limits::PEER_DRAIN_STEPS {
            let Some(path) = session.peer.poll_transmit(&mut self.transmit) else { break };
            self.send_control(&path);
        }
        self.by_id.remove(&session.id);
        self.demux.remove_peer(key);
        self.timers.disarm(TimerKey::Peer(key));
        self.ports.tcp_mut().close_owned(key);
        if let Some(room) = self.rooms.touch(session.room) {
            match session.role {
                Role::Publisher if room.publisher() == Some(key) => room.remove_publisher(now),
                Role::Publisher => {}
                Role::Subscriber => room.remove_subscriber(key),
            }
        }
        self.outbox.push(Event::Ended { session: session.id, reason });
    }

    /// Sends what `transmit` holds.
    fn send_control(&mut self, path: &Path) {
        if let Err(reason) = self.ports.send(path, &self.transmit) {
            self.drops.count(reason);
        }
    }

    fn state(&mut self, now: Instant) -> WorkerState {
        let mut rooms = Vec::new();
        self.rooms.for_each(|name, room| {
            if !room.is_empty() {
                rooms.push(RoomState { name: name.clone(), media: room.media(now) });
            }
        });
        WorkerState {
            rooms,
            sessions: self.sessions.len(),
            drops: self.drop_counts(),
            datagrams_out: self.ports.counts().datagrams,
            trains_out: self.ports.counts().trains,
        }
    }
}

fn reason(end: PeerEnd) -> EndReason {
    match end {
        PeerEnd::CloseNotify => EndReason::CloseNotify,
        PeerEnd::ConsentExpired => EndReason::ConsentExpired,
        PeerEnd::HandshakeTimeout => EndReason::HandshakeTimeout,
        PeerEnd::HandshakeFailed => EndReason::HandshakeFailed,
    }
}
