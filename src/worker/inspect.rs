//! Answers to the control plane's questions: what a worker, its rooms and its sessions are at. Whatever is counted is
//! counted elsewhere; here it is read.

use std::time::Instant;

use crate::id::PeerKey;
use crate::limits;
use crate::sfu::counts::Feedback;
use crate::sfu::egress::Obstacle;
use crate::worker::part::Part;
use crate::worker::sessions::{Role, Session};
use crate::worker::state::{Queues, ReplicaState, RoomState, SessionState, SessionStates, Summary, Which, WorkerState};
use crate::worker::turn::Worker;

impl Worker {
    /// The worker as a whole.
    pub(super) fn state(&mut self, now: Instant) -> WorkerState {
        let (mut rooms, mut replicas, mut rings) = (Vec::new(), Vec::new(), 0);
        self.rooms.for_each(|name, part| match part {
            _ if part.is_empty() => {}
            Part::Home(home) => rooms.push(RoomState { name: name.clone(), media: home.room.media(now) }),
            Part::Away(away) => {
                rings += away.waiting();
                let subscribers = away.replica.audience.started();
                replicas.push(ReplicaState { name: name.clone(), subscribers });
            }
        });
        let sent = self.ports.counts();
        WorkerState {
            rooms,
            replicas,
            sessions: self.sessions.len(),
            drops: self.drop_counts(),
            datagrams_out: sent.datagrams,
            trains_out: sent.trains,
            datagram_bytes_out: sent.bytes,
            flow: self.flow,
            counts: self.rooms.counts(),
            turns: self.turns.clone(),
            queues: Queues { mailbox: self.inbox.len(), outbox: self.outbox.len(), rings },
            tcp_connections: self.ports.tcp_mut().len(),
        }
    }

    /// A portion of the sessions that are asked about, from this slot of the table on.
    pub(super) fn session_states(&self, now: Instant, which: &Which, from: u32) -> SessionStates {
        let rooms = match which {
            Which::These(ids) => {
                let rest = ids.get(from as usize..).unwrap_or_default();
                let portion = &rest[..rest.len().min(limits::SESSIONS_PER_ANSWER)];
                let found = portion.iter().filter_map(|id| self.by_id.get(id));
                let found = found.filter_map(|key| Some((*key, self.sessions.get(*key)?)));
                let sessions = found.map(|(key, session)| self.session_state(now, key, session)).collect();
                let to = from.saturating_add(u32::try_from(portion.len()).unwrap_or(u32::MAX));
                let next = (portion.len() < rest.len()).then_some(to);
                return SessionStates { sessions, next };
            }
            Which::Room(name) => Some([self.rooms.find_home(name), self.rooms.find_replica(name)]),
            Which::All => None,
        };
        let mut states = SessionStates::default();
        for (key, session) in self.sessions.iter_from(from) {
            let looked_at = key.slot - from;
            if states.sessions.len() == limits::SESSIONS_PER_ANSWER || looked_at >= limits::SLOTS_PER_ANSWER {
                states.next = Some(key.slot);
                break;
            }
            if rooms.is_none_or(|rooms| rooms.contains(&Some(session.room))) {
                states.sessions.push(self.session_state(now, key, session));
            }
        }
        states
    }

    fn session_state(&self, now: Instant, key: PeerKey, session: &Session) -> SessionState {
        let since = |instant: Instant| now.saturating_duration_since(instant);
        let (feedback, obstacle) = self.media_state(now, key, session);
        let path = session.peer.path();
        SessionState {
            session: session.id,
            age: since(session.since),
            connected: session.connected.map(since),
            silence: since(session.peer.last_authentic()),
            path: path.map(|path| (path.transport, path.remote, path.local_ip)),
            security: session.peer.security(),
            bitrate: session.rate.get(now, session.media_bytes()),
            summary: Summary { flow: session.flow, feedback },
            obstacle,
            layer: match self.rooms.get(session.room) {
                Some(Part::Home(home)) => home.room.forwarded_layer().cloned(),
                _ => None,
            },
        }
    }

    /// What the room knows of the session.
    pub(super) fn media_state(&self, now: Instant, key: PeerKey, session: &Session) -> (Feedback, Option<Obstacle>) {
        let Some(part) = self.rooms.get(session.room) else { return Default::default() };
        match (part, session.role) {
            (Part::Home(home), Role::Publisher) if home.room.publisher() == Some(key) => {
                (home.room.publisher_feedback().unwrap_or_default(), None)
            }
            (Part::Home(home), Role::Subscriber) => home.room.audience.inspect(now, key).unwrap_or_default(),
            (Part::Away(away), Role::Subscriber) => away.replica.audience.inspect(now, key).unwrap_or_default(),
            (_, Role::Publisher) => Default::default(),
        }
    }
}
