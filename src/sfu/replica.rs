//! A room's audience on another worker, fed by parcels from the publisher's room. Its histories have the same packets
//! under the same numbers, so that whatever is right there is right here.

use std::time::Instant;

use crate::id::PeerKey;
use crate::rtp::codec::MediaKind;
use crate::sfu::audience::{Audience, Batching};
use crate::sfu::relay::Parcel;
use crate::sfu::report::RoomClock;
use crate::sfu::sink::Sink;

/// See the module.
pub struct Replica {
    /// The subscribers, and what they hear.
    pub audience: Audience,
}

impl Replica {
    /// A replica that has nothing yet; see [`crate::sfu::room::Room::new`].
    #[must_use]
    pub fn new(now: Instant, ntp: u64, seed: u64, batching: Batching) -> Self {
        let mut audience = Audience::new(RoomClock::new(now, ntp), seed, batching);
        audience.ready = false;
        Self { audience }
    }

    /// Takes in what the room sent. Returns the subscribers that lack the publisher's codec.
    pub fn handle(&mut self, now: Instant, parcel: &Parcel) -> Vec<PeerKey> {
        let audience = &mut self.audience;
        audience.clock = parcel.clock;
        let mut lacking = Vec::new();
        for kind in [MediaKind::Audio, MediaKind::Video] {
            let track = parcel.tracks.get(kind);
            let stream = audience.streams.get_mut(kind);
            let new_publisher = stream.state().is_older_than(&track.state);
            let anew = stream.follow(track.state, track.restart);
            let attached = stream.is_attached();
            if anew || new_publisher {
                let without = audience.handle_attached(kind, anew);
                lacking.extend(without.into_iter().filter(|_| attached));
            }
            audience.ready &= track.restart.is_none();
        }
        lacking.sort_unstable();
        lacking.dedup();
        let mut keyframe = false;
        for (kind, number, facts, payload) in parcel.packets() {
            keyframe |= facts.keyframe_start;
            audience.streams.get_mut(kind).insert(number, facts, |out| out.extend_from_slice(payload));
        }
        audience.set_publishing(now, parcel.publishing);
        if parcel.complete && !std::mem::replace(&mut audience.ready, true) && audience.started() > 0 {
            audience.ask_where_stale(now);
        }
        audience.schedule(now, keyframe);
        lacking
    }

    /// Once, where subscribers want a key frame: the number from which on one would be news here; never 0.
    pub fn poll_keyframe_wish(&mut self) -> Option<u64> {
        let newest = self.audience.streams.video.history().newest_keyframe();
        self.audience.take_keyframe_wish().then(|| newest.map_or(1, |start| start + 1))
    }

    /// True when [`Replica::flush`] has something to do now.
    #[must_use]
    pub fn is_due(&self, now: Instant) -> bool {
        let due = self.audience.next_timeout().is_some_and(|due| due <= now);
        due || self.audience.is_unfinished(now)
    }

    /// Sends everything that is due.
    pub fn flush(&mut self, now: Instant, sink: &mut impl Sink) {
        self.audience.flush(now, sink);
    }
}
