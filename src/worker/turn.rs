//! The centre: a worker and its turn.
//!
//! ```text
//! sleep → receive batches, drive peers and rooms → look into the rings → obey commands → serve timers
//!       → feed the rings and ring, flush rooms, then sockets → sleep
//! ```
//!
//! Each step is bounded, so that none starves another; what is left over is the next turn's, which then does not sleep.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use crate::id::{PeerKey, SessionId};
use crate::limits;
use crate::net::batch::SendCounts;
use crate::net::clock::Clock;
use crate::net::mmsg::RecvBatch;
use crate::net::poll::Poller;
use crate::peer::Received;
use crate::peer::certificate::Certificate;
use crate::peer::demux::Demux;
use crate::peer::path::Path;
use crate::sdp::Transport;
use crate::sfu::audience::Batching;
use crate::sfu::counts::{Flow, micros};
use crate::sfu::drop::{DropCounts, DropReason};
use crate::sfu::histogram::Histogram;
use crate::sfu::random::Random;
use crate::worker::door::Door;
use crate::worker::mailbox::{EndReason, Inbox};
use crate::worker::outbox::Outbox;
use crate::worker::part::{Part, Taken};
use crate::worker::ports::{Ports, path};
use crate::worker::relay::Rounds;
use crate::worker::rooms::{RoomKey, Rooms};
use crate::worker::sessions::{Role, Session};
use crate::worker::sink::PeerSink;
use crate::worker::table::Table;
use crate::worker::timers::Timers;

/// Who can have a deadline.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum TimerKey {
    /// A peer: handshake, consent, retransmission.
    Peer(PeerKey),
    /// A room: reports, bursts, key frame requests.
    Room(RoomKey),
    /// TCP connections that no check has validated.
    Tcp,
    /// A UDP socket that took no more.
    Blocked,
    /// Events that the control plane had no room for.
    Outbox,
}

/// A worker: sockets, peers, rooms and timers that one thread owns.
pub struct Worker {
    pub(super) clock: Clock,
    pub(super) certificate: Arc<Certificate>,
    /// Seeds for rooms, out of the worker's own.
    pub(super) seeds: Random,
    pub(super) batching: Batching,
    pub(super) max_sessions: usize,
    pub(super) poller: Poller,
    pub(super) ports: Ports,
    pub(super) inbox: Inbox,
    pub(super) outbox: Outbox,
    /// Where siblings ring.
    pub(super) door: Arc<Door>,
    /// Doors of siblings to ring at.
    pub(super) rounds: Rounds,
    /// Parcels may be left over from the last turn.
    pub(super) relayed: bool,
    /// When the worker woke up, or said last how long it was awake.
    pub(super) awake_since: Instant,
    pub(super) sessions: Table<Session>,
    pub(super) by_id: BTreeMap<SessionId, PeerKey>,
    pub(super) demux: Demux,
    pub(super) rooms: Rooms,
    pub(super) timers: Timers<TimerKey>,
    /// What was dropped outside of rooms and sockets.
    pub(super) drops: DropCounts,
    /// What has flowed through all sessions.
    pub(super) flow: Flow,
    /// How long turns took, in microseconds.
    pub(super) turns: Histogram,
    /// Commands may be left over from the last turn.
    pub(super) commanded: bool,
    /// The worker ends with this turn.
    pub(super) draining: bool,
    /// One STUN or DTLS datagram on its way out.
    pub(super) transmit: Vec<u8>,
    /// One packet: a TCP frame on its way in, or a sealed one on its way to TCP.
    pub(super) scratch: Box<[u8]>,
}

impl Worker {
    /// Turns until the control plane says [`crate::worker::mailbox::Command::Shutdown`].
    pub(super) fn run(mut self) -> io::Result<()> {
        let mut batch = RecvBatch::default();
        while !self.draining {
            self.sleep()?;
            self.receive(&mut batch);
            let now = self.clock.now();
            self.look_into_rings(now);
            self.obey(now);
            self.serve_timers(now);
            self.flush(now);
        }
        self.say_goodbye();
        let SendCounts { datagrams, trains, full, failed, uncut, fragmented, .. } = self.ports.counts();
        tracing::info!(datagrams, trains, full, failed, uncut, fragmented, "worker ended");
        Ok(())
    }

    /// Until there is something to do.
    fn sleep(&mut self) -> io::Result<()> {
        // What a full socket holds up waits for its timer.
        let media = self.rooms.is_touched() && !self.ports.is_blocked();
        let busy = self.commanded || self.relayed || self.ports.has_work() || media;
        let now = self.clock.now();
        let turn = now.saturating_duration_since(self.awake_since);
        self.door.add_awake(turn);
        self.turns.observe(micros(turn));
        self.awake_since = now;
        let sleeps = !busy && self.door.try_sleep();
        let deadline = if sleeps { self.timers.next() } else { Some(now) };
        for ready in self.poller.wait_until(now, deadline)? {
            self.ports.handle_ready(ready);
        }
        if sleeps {
            self.awake_since = self.clock.now();
            // Who rings from now on need not wake it.
            self.relayed |= self.door.answer();
        }
        Ok(())
    }

    /// Takes what has come, batch by batch.
    fn receive(&mut self, batch: &mut RecvBatch) {
        for _ in 0..limits::BATCHES_PER_TURN {
            let mut received = false;
            for socket in 0..self.ports.udp_mut().len() {
                let port = &mut self.ports.udp_mut()[socket];
                if !port.is_readable() {
                    continue;
                }
                received = true;
                port.receive(batch);
                let now = self.clock.now();
                self.drops.count_many(DropReason::NotMultiplexed, batch.truncated() as u64);
                for index in 0..batch.len() {
                    let (route, datagram) = batch.datagram(index);
                    self.handle_datagram(now, path(Transport::Udp, route), datagram);
                }
            }
            if !received {
                break;
            }
        }
        self.receive_tcp();
    }

    fn receive_tcp(&mut self) {
        let now = self.clock.now();
        self.ports.tcp_mut().start_turn(now, &self.poller);
        let mut scratch = std::mem::take(&mut self.scratch);
        for _ in 0..limits::TCP_FRAMES_PER_TURN {
            let Some((route, len)) = self.ports.tcp_mut().poll_frame(&mut scratch) else { break };
            self.handle_datagram(now, path(Transport::Tcp, route), &mut scratch[..len]);
        }
        self.scratch = scratch;
        while let Some((route, key)) = self.ports.tcp_mut().poll_closed() {
            if let Some(session) = self.sessions.get_mut(key) {
                session.peer.handle_path_closed(&path(Transport::Tcp, route));
                self.drain(now, key);
            }
        }
        let deadline = self.ports.tcp_mut().next_timeout();
        self.arm(now, TimerKey::Tcp, deadline);
    }

    /// One datagram or frame: to its peer, and what the peer makes of it to the room.
    fn handle_datagram(&mut self, now: Instant, path: Path, data: &mut [u8]) {
        // UDP delivers empty datagrams too, and nobody below expects one.
        if data.is_empty() {
            return self.drops.count(DropReason::NotMultiplexed);
        }
        let key = match self.demux.route(&path, data) {
            Ok(key) => key,
            Err(reason) => return self.drops.count(reason),
        };
        let Some(session) = self.sessions.get_mut(key) else { return self.drops.count(DropReason::UnknownAddress) };
        match (session.peer.handle_datagram(now, path, data), session.role) {
            (Received::Rtp(len), Role::Publisher) => {
                session.flow.rtp_in.count(len);
                self.flow.rtp_in.count(len);
                if let Some(home) = self.rooms.touch_home(session.room) {
                    // What the room drops, it has counted.
                    let _ = home.room.handle_publisher_rtp(now, &data[..len]);
                    if home.room.is_publisher_excessive() {
                        self.end(now, key, EndReason::BitrateExceeded);
                    }
                }
            }
            (Received::Rtp(_), Role::Subscriber) => self.drops.count(DropReason::NotPublisher),
            (Received::Rtcp(len), Role::Publisher) => {
                session.heard(now, len, &mut self.flow);
                if let Some(home) = self.rooms.touch_home(session.room) {
                    home.room.handle_publisher_rtcp(now, &data[..len]);
                }
            }
            (Received::Rtcp(len), Role::Subscriber) => {
                session.heard(now, len, &mut self.flow);
                if let Some(part) = self.rooms.touch(session.room) {
                    part.audience().handle_rtcp(now, key, &data[..len]);
                }
            }
            (Received::Control, _) => {
                session.look(now);
                self.drain(now, key);
            }
            (Received::Dropped(reason), _) => {
                self.drops.count(reason);
                // A refused DTLS record may still have an alert as its answer.
                self.drain(now, key);
            }
        }
    }

    /// Takes what siblings have put into the rings: parcels for replicas, and what replicas want of rooms here.
    fn look_into_rings(&mut self, now: Instant) {
        let left = std::mem::take(&mut self.relayed);
        if !self.door.answer() && !left {
            return;
        }
        let mut place = 0;
        while let Some(key) = self.rooms.linked(place) {
            place += 1;
            let taken = match self.rooms.get_mut(key) {
                Some(Part::Away(away)) => away.take(now),
                Some(Part::Home(home)) => {
                    let (any, linked) = (home.listen(), home.has_replicas());
                    if !linked {
                        self.rooms.unlink(key);
                        place -= 1;
                    }
                    Taken { any, ..Taken::default() }
                }
                None => continue,
            };
            self.relayed |= taken.more;
            if taken.any {
                self.rooms.touch(key);
            }
            for subscriber in taken.lacking {
                self.end(now, subscriber, EndReason::CodecMismatch);
            }
        }
    }

    /// Does what the control plane says.
    fn obey(&mut self, now: Instant) {
        self.commanded = false;
        for _ in 0..limits::COMMANDS_PER_TURN {
            let Some(command) = self.inbox.take() else { return };
            self.handle_command(now, command);
        }
        self.commanded = true;
    }

    fn serve_timers(&mut self, now: Instant) {
        for _ in 0..limits::TIMERS_PER_TURN {
            let Some(owner) = self.timers.pop_due(now) else { return };
            match owner {
                TimerKey::Peer(key) => {
                    let Some(session) = self.sessions.get_mut(key) else { continue };
                    if session.peer.next_timeout().is_some_and(|deadline| deadline <= now) {
                        session.peer.handle_timeout(now);
                    }
                    self.drain(now, key);
                }
                TimerKey::Room(key) => drop(self.rooms.touch(key)),
                TimerKey::Tcp => {
                    self.ports.tcp_mut().handle_timeout(now);
                    let deadline = self.ports.tcp_mut().next_timeout();
                    self.arm(now, TimerKey::Tcp, deadline);
                }
                TimerKey::Blocked => self.ports.retry(now),
                // Flushed in every turn.
                TimerKey::Outbox => {}
            }
        }
    }

    /// Sends what rooms and peers have to send, and tells the control plane what happened.
    fn flush(&mut self, now: Instant) {
        self.feed_rings(now);
        let mut budget = limits::MEDIA_PER_TURN;
        for _ in 0..self.rooms.touched() {
            if budget == 0 {
                break;
            }
            if let Some(key) = self.rooms.pop_touched() {
                self.flush_room(now, key, &mut budget);
            }
        }
        self.ports.flush();
        if self.ports.is_blocked() {
            self.arm(now, TimerKey::Blocked, Some(now + limits::SEND_RETRY));
        }
        self.outbox.flush();
        if !self.outbox.is_empty() {
            self.arm(now, TimerKey::Outbox, Some(now + limits::EVENT_RETRY));
        }
    }

    /// Before the flush, so that siblings work at the same time.
    fn feed_rings(&mut self, now: Instant) {
        let mut place = 0;
        while let Some(key) = self.rooms.peek_touched(place) {
            if let Some(Part::Home(home)) = self.rooms.get_mut(key) {
                home.feed(now, &mut self.rounds);
            }
            place += 1;
        }
        self.rounds.make();
    }

    fn flush_room(&mut self, now: Instant, key: RoomKey, budget: &mut usize) {
        let Some(room) = self.rooms.get_mut(key) else { return };
        if room.is_empty() {
            self.rooms.remove(key);
            return self.timers.disarm(TimerKey::Room(key));
        }
        if room.is_due(now) {
            let Self { sessions, ports, drops, flow, scratch, .. } = self;
            room.flush(now, &mut PeerSink { sessions, ports, drops, flow, scratch, budget });
        }
        let (deadline, is_unfinished) = (room.next_timeout(now), room.is_unfinished(now));
        if is_unfinished {
            self.rooms.touch(key);
        }
        // What a full socket holds up waits until it is tried again.
        let least = if self.ports.is_blocked() { limits::SEND_RETRY } else { limits::TIMER_RESOLUTION };
        self.timers.set(TimerKey::Room(key), deadline.map(|deadline| deadline.max(now + least)));
    }

    pub(super) fn arm(&mut self, now: Instant, owner: TimerKey, deadline: Option<Instant>) {
        self.timers.arm(owner, deadline.map(|deadline| deadline.max(now + limits::TIMER_RESOLUTION)));
    }

    /// Ends every session, and answers who still asks.
    fn say_goodbye(&mut self) {
        let now = self.clock.now();
        let keys: Vec<PeerKey> = self.sessions.keys().collect();
        for key in keys {
            self.end(now, key, EndReason::Shutdown);
        }
        for _ in 0..limits::MAILBOX_COMMANDS {
            let Some(command) = self.inbox.take() else { break };
            self.handle_command(now, command);
        }
        self.ports.flush();
        self.outbox.flush();
        // The control plane may be slow, but it must not keep the thread for ever.
        let deadline = now + limits::LAST_EVENTS_TIME;
        while !self.outbox.is_empty() && self.clock.now() < deadline {
            std::thread::sleep(limits::EVENT_RETRY);
            self.outbox.flush();
        }
    }

    /// All drops since the start.
    pub(super) fn drop_counts(&self) -> DropCounts {
        let mut drops = self.rooms.drops();
        drops.add(&self.drops);
        let sent = self.ports.counts();
        drops.count_many(DropReason::SocketFull, sent.full);
        drops.count_many(DropReason::SendFailed, sent.failed);
        drops
    }
}
