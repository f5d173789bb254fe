//! What a worker has of a room: the room itself, with its publisher, or a replica of it.

use std::sync::Arc;
use std::time::Instant;

use crate::id::PeerKey;
use crate::limits;
use crate::sfu::audience::Audience;
use crate::sfu::counts::RoomCounts;
use crate::sfu::replica::Replica;
use crate::sfu::room::Room;
use crate::sfu::sink::Sink;
use crate::worker::door::Door;
use crate::worker::relay::{self, Feed, Feeder, Rounds};

/// See the module.
pub enum Part {
    /// The publisher is here.
    Home(Box<Home>),
    /// The publisher is on another worker.
    Away(Box<Away>),
}

/// A room, and the replicas that it feeds.
pub struct Home {
    /// The room.
    pub room: Room,
    feeders: Vec<Feeder>,
    /// When a replica that is behind is served again.
    retry: Option<Instant>,
}

/// A replica, and where it is fed from.
pub struct Away {
    /// The replica.
    pub replica: Replica,
    feed: Feed,
}

/// What came of a look into a replica's ring.
#[derive(Default)]
pub struct Taken {
    /// Subscribers that lack the publisher's codec.
    pub lacking: Vec<PeerKey>,
    /// Something came.
    pub any: bool,
    /// Some is left for the next turn.
    pub more: bool,
}

impl Home {
    /// A room without replicas.
    #[must_use]
    pub fn new(room: Room) -> Self {
        Self { room, feeders: Vec::new(), retry: None }
    }

    /// Feeds one more replica from now on.
    pub fn attach(&mut self, feeder: Feeder) {
        self.feeders.push(feeder);
    }

    /// True where it has replicas.
    #[must_use]
    pub fn has_replicas(&self) -> bool {
        !self.feeders.is_empty()
    }

    /// Looks what the replicas say: some have gone, some want a key frame. True where there was something.
    pub fn listen(&mut self) -> bool {
        let before = self.feeders.len();
        self.feeders.retain(|feeder| !feeder.is_abandoned());
        let mut heard = self.feeders.len() < before;
        for feeder in &self.feeders {
            if let Some(from) = feeder.take_wish() {
                self.room.handle_keyframe_wish(from);
                heard = true;
            }
        }
        heard
    }

    /// Passes on to the replicas what is new.
    pub fn feed(&mut self, now: Instant, rounds: &mut Rounds) {
        let retry = relay::feed(&mut self.room, &mut self.feeders, rounds);
        self.retry = retry.map(|retry| now + retry);
    }
}

impl Away {
    /// A replica that has nothing yet.
    #[must_use]
    pub fn new(replica: Replica, feed: Feed) -> Self {
        Self { replica, feed }
    }

    /// Is fed by another worker from now on: the room has moved, because for a moment it had no session.
    pub fn refeed(&mut self, feed: Feed) {
        self.feed = feed;
    }

    /// True where the worker with this door feeds it.
    #[must_use]
    pub fn is_fed_by(&self, door: &Arc<Door>) -> bool {
        self.feed.is_from(door)
    }

    /// Parcels that have not been taken in.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.feed.waiting()
    }

    /// Takes in what has come.
    pub fn take(&mut self, now: Instant) -> Taken {
        let mut taken = Taken::default();
        for _ in 0..limits::RELAY_PARCELS_PER_TURN {
            let Some(parcel) = self.feed.take() else { return taken };
            taken.any = true;
            taken.lacking.extend(self.replica.handle(now, &parcel));
        }
        taken.more = self.feed.has_more();
        taken
    }
}

impl Part {
    /// The subscribers here.
    pub fn audience(&mut self) -> &mut Audience {
        match self {
            Self::Home(home) => &mut home.room.audience,
            Self::Away(away) => &mut away.replica.audience,
        }
    }

    /// What has been counted here so far.
    #[must_use]
    pub fn counts(&self) -> RoomCounts {
        match self {
            Self::Home(home) => home.room.counts(),
            Self::Away(away) => away.replica.audience.counts.clone(),
        }
    }

    /// True when nobody needs it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Home(home) => home.room.is_empty() && home.feeders.is_empty(),
            Self::Away(away) => away.replica.audience.is_empty(),
        }
    }

    /// True when [`Part::flush`] has something to do now.
    pub fn is_due(&mut self, now: Instant) -> bool {
        match self {
            Self::Home(home) => home.room.is_due(now),
            Self::Away(away) => away.replica.is_due(now),
        }
    }

    /// True when the last flush could not send all that is due.
    pub fn is_unfinished(&mut self, now: Instant) -> bool {
        self.audience().is_unfinished(now)
    }

    /// When there is something to do even if nothing arrives.
    pub fn next_timeout(&mut self, now: Instant) -> Option<Instant> {
        match self {
            Self::Home(home) => [home.room.next_timeout(now), home.retry].into_iter().flatten().min(),
            Self::Away(away) => away.replica.audience.next_timeout(),
        }
    }

    /// Sends everything that is due.
    pub fn flush(&mut self, now: Instant, sink: &mut impl Sink) {
        match self {
            Self::Home(home) => home.room.flush(now, sink),
            Self::Away(away) => {
                away.replica.flush(now, sink);
                if let Some(from) = away.replica.poll_keyframe_wish() {
                    away.feed.wish(from);
                }
            }
        }
    }
}
