//! From a room to its replicas: a replica is a cursor into the room's histories, as a subscriber is. What it gets live,
//! what it gets when it is new, and what it gets after it was slow are the same thing at different places of the same
//! history.

use std::mem;

use crate::limits;
use crate::rtp::codec::MediaKind;
use crate::sfu::audience::Publishing;
use crate::sfu::drop::{DropCounts, DropReason};
use crate::sfu::history::Facts;
use crate::sfu::report::RoomClock;
use crate::sfu::stream::{State, Stream};
use crate::sfu::streams::{ByKind, Streams};

/// How far a replica is; by default it has nothing.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Cursor {
    revision: u64,
    places: ByKind<Place>,
}

/// How far it is in one track.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Place {
    /// Number of the next packet; 0 where it has none yet.
    next: u64,
    /// How many packets that filled a hole it has been offered.
    late: u64,
}

/// What a replica gets at a time: the state of its room, and packets. One parcel serves all replicas that are equally
/// far.
pub struct Parcel {
    pub(super) clock: RoomClock,
    pub(super) publishing: Option<Publishing>,
    /// Both tracks.
    pub tracks: ByKind<Track>,
    /// Nothing is behind it for the moment.
    pub(super) complete: bool,
    packets: Vec<Packet>,
    bytes: Vec<u8>,
}

/// A track at the time of a parcel.
#[derive(Clone, Copy, Debug)]
pub struct Track {
    /// The stream.
    pub state: State,
    /// The packets begin here, and do not go on from those before.
    pub restart: Option<u64>,
    /// Numbers before this one are not the present publisher's.
    pub publisher_since: u64,
}

#[derive(Clone, Copy, Debug)]
struct Packet {
    kind: MediaKind,
    number: u64,
    facts: Facts,
    length: usize,
}

impl Cursor {
    /// Moves on as far as one parcel reaches, and returns that; `None` where there is nothing new.
    pub(super) fn advance(
        &mut self,
        revision: u64,
        clock: RoomClock,
        publishing: Option<Publishing>,
        streams: &Streams,
        drops: &mut DropCounts,
    ) -> Option<Parcel> {
        let changed = mem::replace(&mut self.revision, revision) != revision;
        let ByKind { audio, video } = &mut self.places;
        if !changed && audio.is_at_end(&streams.audio) && video.is_at_end(&streams.video) {
            return None;
        }
        let tracks = ByKind { audio: audio.track(&streams.audio, drops), video: video.track(&streams.video, drops) };
        let mut parcel = Parcel::new(clock, publishing, tracks);
        audio.fill(&streams.audio, &mut parcel, drops);
        video.fill(&streams.video, &mut parcel, drops);
        parcel.complete = audio.is_at_end(&streams.audio) && video.is_at_end(&streams.video);
        Some(parcel)
    }
}

impl Place {
    fn is_at_end(&self, stream: &Stream) -> bool {
        self.next == stream.end() && self.late == stream.late_count()
    }

    /// The track's state. Jumps to where the replica has to begin anew, where it cannot go on.
    fn track(&mut self, stream: &Stream, drops: &mut DropCounts) -> Track {
        let oldest = stream.history().oldest();
        if self.next >= oldest.max(stream.codec_since()).max(1) {
            return Track { state: stream.state(), restart: None, publisher_since: stream.publisher_since() };
        }
        if self.next > 0 {
            drops.count_many(DropReason::RelayBehind, oldest.saturating_sub(self.next));
        }
        let history = stream.history();
        let keyframe = history.whole_keyframe().or_else(|| history.newest_keyframe());
        // Sound needs no key frame, and the past of it is of no use; but its last packet is there for certain, so that
        // one behind it that comes late has its place.
        let last = stream.history().end().checked_sub(1).filter(|last| stream.is_present(*last));
        self.next = keyframe.or(last).unwrap_or_else(|| stream.end()).max(stream.codec_since()).max(1);
        self.late = stream.late_count();
        Track { state: stream.state(), restart: Some(self.next), publisher_since: stream.publisher_since() }
    }

    fn fill(&mut self, stream: &Stream, parcel: &mut Parcel, drops: &mut DropCounts) {
        let kind = stream.codec().kind();
        let (forgotten, late) = stream.late_since(self.late);
        drops.count_many(DropReason::RelayBehind, forgotten);
        self.late += forgotten;
        // Those that are still ahead come in their turn.
        for number in late {
            if *number < self.next && !parcel.take(kind, *number, stream) {
                return;
            }
            self.late += 1;
        }
        while self.next < stream.end() {
            if !parcel.take(kind, self.next, stream) {
                return;
            }
            self.next += 1;
        }
    }
}

impl Parcel {
    fn new(clock: RoomClock, publishing: Option<Publishing>, tracks: ByKind<Track>) -> Self {
        Self { clock, publishing, tracks, complete: false, packets: Vec::new(), bytes: Vec::new() }
    }

    /// Takes a packet in, if there is one of that number. False where there is no room for it.
    fn take(&mut self, kind: MediaKind, number: u64, stream: &Stream) -> bool {
        let Some((entry, payload)) = stream.history().get(number) else { return true };
        // Padding is decided where it is known what leaves together.
        let payload = &payload[..entry.length()];
        let full = self.packets.len() == limits::RELAY_PARCEL_PACKETS
            || self.bytes.len() + payload.len() > limits::RELAY_PARCEL_BYTES;
        if full {
            return false;
        }
        let mut facts = entry.facts();
        facts.keyframe_start &= stream.is_present(number);
        self.packets.push(Packet { kind, number, facts, length: payload.len() });
        self.bytes.extend_from_slice(payload);
        true
    }

    /// The packets: kind, number, facts, payload.
    pub fn packets(&self) -> impl Iterator<Item = (MediaKind, u64, Facts, &[u8])> {
        let mut rest = self.bytes.as_slice();
        self.packets.iter().map(move |packet| {
            let (payload, tail) = rest.split_at(packet.length);
            rest = tail;
            (packet.kind, packet.number, packet.facts, payload)
        })
    }
}
