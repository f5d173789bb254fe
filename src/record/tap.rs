//! What a recording hears of a room: each packet of each track once, in order, and the holes that nobody will fill any
//! more. It is a cursor into the room's histories, as a replica is: a recorder that was slow goes on where it was, and
//! one that was slower than the history is long goes on at a key frame.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use bytes::Bytes;

use crate::limits;
use crate::rtp::codec::{Codec, MediaKind};
use crate::sfu::history::Facts;
use crate::sfu::relay::{Parcel, Track};
use crate::sfu::stream::State;
use crate::sfu::streams::ByKind;

/// See the module. It follows one publisher: with another one it ends.
#[derive(Default)]
pub struct Tap {
    tracks: ByKind<TrackTap>,
    events: VecDeque<Tapped>,
    ended: bool,
}

/// What a tap tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Tapped {
    /// The publisher has such a track. Its packets follow.
    Track {
        /// Which one.
        kind: MediaKind,
        /// What it sends.
        codec: Codec,
    },
    /// A packet, one higher than the one before unless a gap was told.
    Packet {
        /// Of which track.
        kind: MediaKind,
        /// What it is.
        packet: Packet,
    },
    /// Packets are missing for good.
    Gap {
        /// Of which track.
        kind: MediaKind,
        /// How many.
        packets: u64,
    },
    /// The publisher's sender report: at that NTP time (32.32 bits, its own clock) the track had this timestamp (RFC
    /// 3550 §6.4.1).
    Report {
        /// Of which track.
        kind: MediaKind,
        /// NTP time.
        ntp: u64,
        /// In the track's timeline.
        timestamp: i64,
    },
    /// The publisher has gone, or another one has come. Nothing follows.
    Ended,
}

/// One RTP packet of the room's timeline.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Packet {
    /// Counts packets of the track.
    pub number: u64,
    /// In the track's timeline, in units of the clock rate. It neither wraps nor jumps with publishers.
    pub timestamp: i64,
    /// When it came.
    pub arrival: Instant,
    /// The marker bit: for video the last packet of a frame.
    pub marker: bool,
    /// A key frame begins here.
    pub keyframe_start: bool,
    /// The payload, without padding.
    pub payload: Bytes,
}

/// One track: what waits for its turn.
#[derive(Default)]
struct TrackTap {
    /// Of the publisher that is followed; `None` before it is known.
    state: Option<State>,
    /// The number that is next; `None` before the first.
    next: Option<u64>,
    waiting: BTreeMap<u64, Packet>,
}

impl Tap {
    /// The next thing to tell; `None` where there is nothing now.
    pub fn poll(&mut self, now: Instant) -> Option<Tapped> {
        if self.events.is_empty() && !self.ended {
            self.release(now, false);
        }
        self.events.pop_front()
    }

    /// The number of the video packet that is next: a key frame from there on would be news.
    #[must_use]
    pub fn next_video(&self) -> u64 {
        self.tracks.video.next.unwrap_or(1).max(1)
    }

    /// Takes in what the room sent.
    pub fn handle(&mut self, now: Instant, parcel: &Parcel) {
        if self.ended {
            return;
        }
        let replaced = [MediaKind::Audio, MediaKind::Video].map(|kind| {
            let known = self.tracks.get(kind).state;
            known.is_some_and(|known| known.is_older_than(&parcel.tracks.get(kind).state))
        });
        for kind in [MediaKind::Audio, MediaKind::Video] {
            self.follow(now, kind, parcel.tracks.get(kind));
        }
        // A parcel may have packets of two publishers, where the recorder was slow.
        let [audio, video] = replaced;
        for (kind, number, facts, payload) in parcel.packets() {
            let old = match kind {
                MediaKind::Audio => audio,
                MediaKind::Video => video,
            };
            if !old || number < parcel.tracks.get(kind).publisher_since {
                self.tracks.get_mut(kind).insert(number, facts, payload);
            }
        }
        self.release(now, audio || video);
        if audio || video {
            self.events.push_back(Tapped::Ended);
            self.ended = true;
        }
    }

    /// Takes in what the parcel says of the track as a whole.
    fn follow(&mut self, now: Instant, kind: MediaKind, told: &Track) {
        let track = self.tracks.get_mut(kind);
        if let Some(number) = told.restart {
            track.restart(kind, now, number, &mut self.events);
        }
        // The first state that has a publisher is the one that is followed.
        if track.state.is_none() && !told.state.is_attached() {
            return;
        }
        let before = track.state;
        if before.is_some_and(|before| before.is_older_than(&told.state)) {
            return;
        }
        track.state = Some(told.state);
        if before.is_none() {
            self.events.push_back(Tapped::Track { kind, codec: told.state.codec() });
        }
        if let Some((ntp, timestamp)) =
            told.state.report().filter(|report| before.and_then(|before| before.report()) != Some(*report))
        {
            self.events.push_back(Tapped::Report { kind, ntp, timestamp });
        }
    }

    /// Lets go what is in order, and gives up holes that have had their time, or all of them.
    fn release(&mut self, now: Instant, at_once: bool) {
        for kind in [MediaKind::Audio, MediaKind::Video] {
            let track = self.tracks.get_mut(kind);
            if track.state.is_some() {
                track.release(kind, now, at_once, &mut self.events);
            }
        }
    }
}

impl TrackTap {
    fn insert(&mut self, number: u64, facts: Facts, payload: &[u8]) {
        // Its hole was given up.
        if self.next.is_some_and(|next| number < next) {
            return;
        }
        let Facts { timestamp, arrival, marker, keyframe_start, .. } = facts;
        let payload = Bytes::copy_from_slice(payload);
        self.waiting.insert(number, Packet { number, timestamp, arrival, marker, keyframe_start, payload });
    }

    /// The packets begin anew at this number.
    fn restart(&mut self, kind: MediaKind, now: Instant, number: u64, events: &mut VecDeque<Tapped>) {
        self.release(kind, now, true, events);
        if let Some(packets) = self.next.map(|next| number.saturating_sub(next)).filter(|packets| *packets > 0) {
            events.push_back(Tapped::Gap { kind, packets });
        }
        self.next = Some(number);
    }

    fn release(&mut self, kind: MediaKind, now: Instant, at_once: bool, events: &mut VecDeque<Tapped>) {
        while let Some((&number, first)) = self.waiting.first_key_value() {
            let next = self.next.unwrap_or(number);
            if number > next {
                let waited = now.saturating_duration_since(first.arrival) >= limits::TAP_PATIENCE;
                if !waited && !at_once && self.waiting.len() <= limits::TAP_WAITING {
                    return;
                }
                events.push_back(Tapped::Gap { kind, packets: number - next });
            }
            self.next = Some(number + 1);
            if let Some((_, packet)) = self.waiting.pop_first() {
                events.push_back(Tapped::Packet { kind, packet });
            }
        }
    }
}
