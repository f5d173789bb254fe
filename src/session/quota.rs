//! How many sessions there may be, and whose. What is counted here is counted from the reservation on, so of two that
//! come at once for the last place one is refused.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::id::ClientGroup;
use crate::limits;
use crate::session::registry::Role;
use crate::session::{FULL, SessionError};

/// What the operator sets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quotas {
    /// Sessions of the server, at most [`limits::SESSIONS`].
    pub sessions: usize,
    /// Rooms that have a session.
    pub rooms: usize,
    /// Publishers; each costs a history of ten seconds.
    pub publishers: usize,
    /// Sessions of one client whose handshake is not done; 0: no limit. Each of them holds a peer for
    /// [`limits::HANDSHAKE_TIME`] and has proved nothing.
    pub pending_per_client: usize,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            sessions: limits::SESSIONS,
            rooms: limits::ROOMS,
            publishers: limits::ROOMS,
            pending_per_client: limits::PENDING_PER_CLIENT,
        }
    }
}

/// What there is when somebody comes, reservations included.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Present {
    pub sessions: usize,
    pub rooms: usize,
    pub publishers: usize,
    /// The room that is asked for is among the rooms.
    pub room_is_there: bool,
    /// In that room.
    pub subscribers: usize,
    /// Of that client.
    pub pending: usize,
}

/// What was full.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Refused {
    /// [`Quotas::sessions`]
    Sessions,
    /// [`Quotas::rooms`]
    Rooms,
    /// [`Quotas::publishers`]
    Publishers,
    /// [`crate::session::rules::Rules::max_subscribers`]
    Subscribers,
    /// [`Quotas::pending_per_client`]
    Pending,
}

impl Refused {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::Sessions, Self::Rooms, Self::Publishers, Self::Subscribers, Self::Pending];

    /// As counters name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Rooms => "rooms",
            Self::Publishers => "publishers",
            Self::Subscribers => "room_subscribers",
            Self::Pending => "pending_handshakes",
        }
    }
}

impl From<Refused> for SessionError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Sessions => FULL,
            Refused::Rooms => Self::Unavailable("the server has as many rooms as it may"),
            Refused::Publishers => Self::Unavailable("the server has as many publishers as it may"),
            Refused::Subscribers => Self::SubscriberLimit,
            Refused::Pending => Self::TooManyPending,
        }
    }
}

impl Quotas {
    /// Whether one more may come: the client's own bound first, then the room's, then the server's.
    pub(super) fn check(&self, role: Role, max_subscribers: Option<usize>, present: &Present) -> Result<(), Refused> {
        let publishes = role == Role::Publisher;
        let bounds = [
            (self.pending_per_client > 0 && present.pending >= self.pending_per_client, Refused::Pending),
            (!publishes && max_subscribers.is_some_and(|most| present.subscribers >= most), Refused::Subscribers),
            (publishes && present.publishers >= self.publishers, Refused::Publishers),
            (!present.room_is_there && present.rooms >= self.rooms, Refused::Rooms),
            (present.sessions >= self.sessions.min(limits::SESSIONS), Refused::Sessions),
        ];
        bounds.into_iter().find(|(full, _)| *full).map_or(Ok(()), |(_, refused)| Err(refused))
    }
}

/// Who is counted, beside the registry's own tables.
#[derive(Default)]
pub(super) struct Ledger {
    publishers: usize,
    /// Sessions whose handshake is not done, by client.
    pending: BTreeMap<ClientGroup, usize>,
    /// How often each bound refused somebody.
    refusals: [u64; Refused::ALL.len()],
}

impl Ledger {
    /// What is known here of those that are present.
    pub fn present(&self, client: ClientGroup) -> Present {
        let pending = self.pending.get(&client).copied().unwrap_or_default();
        Present { publishers: self.publishers, pending, ..Present::default() }
    }

    /// A session is reserved.
    pub fn enter(&mut self, role: Role, client: ClientGroup) {
        self.publishers += usize::from(role == Role::Publisher);
        *self.pending.entry(client).or_default() += 1;
    }

    /// Its handshake is done.
    pub fn connect(&mut self, client: ClientGroup) {
        if let Some(count) = self.pending.get_mut(&client) {
            *count -= 1;
            if *count == 0 {
                self.pending.remove(&client);
            }
        }
    }

    /// It has ended.
    pub fn leave(&mut self, role: Role, client: ClientGroup, was_connected: bool) {
        self.publishers -= usize::from(role == Role::Publisher);
        if !was_connected {
            self.connect(client);
        }
    }

    /// Somebody was refused.
    pub fn refuse(&mut self, refused: Refused) {
        self.refusals[refused as usize] += 1;
    }

    /// How often each bound refused somebody.
    pub fn refusals(&self) -> Vec<(Refused, u64)> {
        Refused::ALL.into_iter().zip(self.refusals).collect()
    }

    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.publishers == 0 && self.pending.is_empty()
    }
}

/// When a client may come again whose earlier handshakes are still open: most are done within a second.
pub const RETRY_PENDING: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_come() {
        let quotas = Quotas { sessions: 100, rooms: 10, publishers: 5, pending_per_client: 3 };
        let (publisher, subscriber) = (Role::Publisher, Role::Subscriber);
        let (open, of) = (None, Some);
        let there = Present { room_is_there: true, ..Present::default() };
        let table = [
            (publisher, open, Present::default(), None),
            (subscriber, open, there, None),
            (subscriber, open, Present { subscribers: 90, ..there }, None),
            (subscriber, of(2), Present { subscribers: 1, ..there }, None),
            (subscriber, of(2), Present { subscribers: 2, ..there }, Some(Refused::Subscribers)),
            (subscriber, of(0), there, Some(Refused::Subscribers)),
            (publisher, of(0), there, None),
            (publisher, open, Present { publishers: 4, ..there }, None),
            (publisher, open, Present { publishers: 5, ..there }, Some(Refused::Publishers)),
            (subscriber, open, Present { publishers: 5, ..there }, None),
            (publisher, open, Present { rooms: 10, ..Present::default() }, Some(Refused::Rooms)),
            (subscriber, open, Present { rooms: 10, ..Present::default() }, Some(Refused::Rooms)),
            (publisher, open, Present { rooms: 10, ..there }, None),
            (subscriber, open, Present { sessions: 99, ..there }, None),
            (subscriber, open, Present { sessions: 100, ..there }, Some(Refused::Sessions)),
            (subscriber, open, Present { pending: 2, ..there }, None),
            (subscriber, open, Present { pending: 3, ..there }, Some(Refused::Pending)),
            // The nearest bound is named.
            (subscriber, of(1), Present { pending: 3, subscribers: 1, sessions: 100, ..there }, Some(Refused::Pending)),
            (subscriber, of(1), Present { subscribers: 1, sessions: 100, ..there }, Some(Refused::Subscribers)),
        ];
        for (role, most, present, expected) in table {
            assert_eq!(quotas.check(role, most, &present).err(), expected, "{role:?} {most:?} {present:?}");
        }
        let none = Quotas { pending_per_client: 0, ..quotas };
        assert_eq!(none.check(subscriber, open, &Present { pending: 50, ..there }), Ok(()));
    }

    #[test]
    fn every_refusal_has_its_place_and_its_name() {
        let mut ledger = Ledger::default();
        for (times, refused) in (1..).zip(Refused::ALL) {
            (0..times).for_each(|_| ledger.refuse(refused));
        }
        let counts: Vec<_> = ledger.refusals().into_iter().map(|(refused, count)| (refused.name(), count)).collect();
        let expected = [("sessions", 1), ("rooms", 2), ("publishers", 3), ("room_subscribers", 4)];
        assert_eq!(counts[..4], expected);
        assert_eq!(counts[4], ("pending_handshakes", 5));
    }
}
