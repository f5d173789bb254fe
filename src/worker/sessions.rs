//! The life of a session in its worker: it is admitted, its peer says what happens to it, it ends.

use std::time::Instant;

use crate::id::{PeerKey, RoomName, SessionId};
use crate::limits;
use crate::peer::path::Path;
use crate::peer::{Peer, PeerConfig, PeerEnd, PeerEvent};
use crate::sdp::Transport;
use crate::sfu::counts::Flow;
use crate::sfu::rate::Rate;
use crate::sfu::replica::Replica;
use crate::sfu::room::Room;
use crate::worker::admit::{self, Load};
use crate::worker::mailbox::{
    AdmitError, AdmitPublisher, AdmitSubscriber, Busy, Command, EndReason, Event, Mailbox, PeerSetup, Summary,
};
use crate::worker::part::{Away, Home, Part};
use crate::worker::ports::route;
use crate::worker::relay::{self, Feeder};
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
    /// When it was admitted.
    pub since: Instant,
    /// When its handshake was done.
    pub connected: Option<Instant>,
    /// What has flowed through it.
    pub flow: Flow,
    /// How fast.
    pub rate: Rate,
}

impl Session {
    /// Bytes of its media so far.
    #[must_use]
    pub fn media_bytes(&self) -> u64 {
        match self.role {
            Role::Publisher => self.flow.rtp_in.bytes,
            Role::Subscriber => self.flow.rtp_out.bytes,
        }
    }

    /// A compound packet of RTCP came.
    pub fn heard(&mut self, now: Instant, bytes: usize, all: &mut Flow) {
        self.flow.rtcp_in.count(bytes);
        all.rtcp_in.count(bytes);
        self.look(now);
    }

    /// The client was heard of otherwise than by media: time to look how fast that flows.
    pub fn look(&mut self, now: Instant) {
        self.rate.look(now, self.media_bytes());
    }
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
                let _ = reply.send(key.and_then(|key| self.end(now, key, reason)));
            }
            Command::AttachReplica { room, feeder } => self.attach_replica(now, &room, *feeder),
            Command::Inspect { reply } => {
                let _ = reply.send(self.state(now));
            }
            Command::InspectSessions { which, from, reply } => {
                let _ = reply.send(self.session_states(now, &which, from));
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
                let room = self.home(now, &admit.peer.room);
                let key = self.add(now, admit.peer, room, Role::Publisher);
                let home = self.rooms.touch_home(room);
                let lacking = home.map(|home| {
                    let lacking = home.room.set_publisher(now, key, admit.tracks);
                    home.room.limit_publisher(now, admit.max_bitrate);
                    lacking
                });
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
        let part = match &admit.relay {
            None => Ok(self.home(now, &admit.peer.room)),
            Some(home) => self.replica(now, &admit.peer.room, home),
        };
        let Ok(room) = part else {
            let _ = admit.reply.send(Err(AdmitError::HomeBusy));
            return;
        };
        let key = self.add(now, admit.peer, room, Role::Subscriber);
        if let Some(part) = self.rooms.touch(room) {
            part.audience().add(now, key, admit.tracks);
        }
        self.answer(now, key, admit.reply);
    }

    /// The room of a name, which is here.
    fn home(&mut self, now: Instant, name: &RoomName) -> RoomKey {
        let (clock, seeds, batching) = (&self.clock, &mut self.seeds, self.batching);
        self.rooms.home(name, || Home::new(Room::new(now, clock.ntp(now), seeds.draw(), batching)))
    }

    /// The replica of a room that is on the worker of this mailbox.
    fn replica(&mut self, now: Instant, name: &RoomName, home: &Mailbox) -> Result<RoomKey, Busy> {
        let known = self.rooms.find_replica(name);
        let away = known.and_then(|key| self.rooms.touch_replica(key));
        if let Some((key, _)) = known.zip(away.as_ref()).filter(|(_, away)| away.is_fed_by(home.door())) {
            return Ok(key);
        }
        let (feeder, feed) = relay::link(home.door().clone(), self.door.clone());
        home.send(Command::AttachReplica { room: name.clone(), feeder: Box::new(feeder) })?;
        if let Some((key, away)) = known.zip(away) {
            away.refeed(feed);
            return Ok(key);
        }
        let replica = Replica::new(now, self.clock.ntp(now), self.seeds.draw(), self.batching);
        Ok(self.rooms.insert_replica(name, Away::new(replica, feed)))
    }

    /// A room here feeds a replica on another worker from now on. It may be the first that is heard of the room.
    fn attach_replica(&mut self, now: Instant, name: &RoomName, feeder: Feeder) {
        let key = self.home(now, name);
        if let Some(home) = self.rooms.touch_home(key) {
            home.attach(feeder);
            self.rooms.link(key);
        }
        // It may have gone again already, and have rung before.
        self.relayed = true;
    }

    /// Says yes; a session that nobody wants any longer ends.
    fn answer(&mut self, now: Instant, key: PeerKey, reply: tokio::sync::oneshot::Sender<Result<(), AdmitError>>) {
        if reply.send(Ok(())).is_err() {
            self.end(now, key, EndReason::Deleted);
        }
    }

    fn add(&mut self, now: Instant, setup: PeerSetup, room: RoomKey, role: Role) -> PeerKey {
        let PeerSetup { session, room: _, local, remote, fingerprint, role: dtls } = setup;
        let ufrag = local.ufrag.clone();
        let certificate = self.certificate.clone();
        let peer = Peer::new(now, PeerConfig { local, remote, fingerprint, role: dtls, certificate });
        let key = self.sessions.insert(Session {
            id: session,
            peer,
            room,
            role,
            since: now,
            connected: None,
            flow: Flow::default(),
            rate: Rate::new(now),
        });
        self.by_id.insert(session, key);
        self.demux.add_ufrag(&ufrag, key);
        self.drain(now, key);
        key
    }

    fn publisher(&self, room: &RoomName) -> Option<PeerKey> {
        match self.rooms.get(self.rooms.find_home(room)?)? {
            Part::Home(home) => home.room.publisher(),
            Part::Away(_) => None,
        }
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
                if let Some(session) = self.sessions.get_mut(key) {
                    session.connected = Some(now);
                }
                self.outbox.push(Event::Connected { session, gcm });
                if role == Role::Subscriber
                    && let Some(part) = self.rooms.touch(room)
                {
                    part.audience().start(now, key);
                }
            }
            PeerEvent::Closed(end) => drop(self.end(now, key, reason(end))),
        }
    }

    /// Ends a session: a goodbye, then nothing of it is left here but what it was.
    pub(super) fn end(&mut self, now: Instant, key: PeerKey, reason: EndReason) -> Option<Summary> {
        let mut session = self.sessions.remove(key)?;
        let (feedback, _) = self.media_state(now, key, &session);
        session.peer.close();
        for _ in 0..limits::PEER_DRAIN_STEPS {
            let Some(path) = session.peer.poll_transmit(&mut self.transmit) else { break };
            self.send_control(&path);
        }
        self.by_id.remove(&session.id);
        self.demux.remove_peer(key);
        self.timers.disarm(TimerKey::Peer(key));
        self.ports.tcp_mut().close_owned(key);
        match (self.rooms.touch(session.room), session.role) {
            (Some(part), Role::Subscriber) => part.audience().remove(key),
            (Some(Part::Home(home)), Role::Publisher) if home.room.publisher() == Some(key) => {
                home.room.remove_publisher(now);
            }
            (_, Role::Publisher) | (None, Role::Subscriber) => {}
        }
        let summary = Summary { flow: session.flow, feedback };
        self.outbox.push(Event::Ended { session: session.id, reason, summary });
        Some(summary)
    }

    /// Sends what `transmit` holds.
    fn send_control(&mut self, path: &Path) {
        if let Err(reason) = self.ports.send(path, &self.transmit) {
            self.drops.count(reason);
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
