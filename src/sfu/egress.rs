//! One track of one subscriber: a cursor into the room's history, and what turns the room's numbers into the
//! subscriber's.
//!
//! Whatever goes out is a function of the history's entry and of the [`Run`] it falls into. So a plain
//! retransmission comes out byte for byte as before, as the rule "one nonce, one plaintext" demands (RFC 3711
//! §9.1).

use std::collections::VecDeque;
use std::time::Instant;

use crate::id::{PayloadType, PeerKey};
use crate::limits;
use crate::rtp::codec::MediaKind;
use crate::rtp::extension::Extension;
use crate::rtp::packet::{Header, MAX_HEADER};
use crate::rtp::sequence::{low16, low32};
use crate::sfu::burst::{Burst, Squeeze};
use crate::sfu::drop::DropReason;
use crate::sfu::history::Entry;
use crate::sfu::report::{FIRST_REPORT_AFTER, REPORT_INTERVAL, RoomClock, SenderReport};
use crate::sfu::sink::{Sent, Sink};
use crate::sfu::stream::Stream;
use crate::sfu::track::PlayTrack;

/// A stretch of the history that goes out with consecutive sequence numbers.
#[derive(Clone, Copy, Debug)]
struct Run {
    /// Number of its first packet in the history.
    number: u64,
    /// Packet index (2^16 × ROC + SEQ) of that packet.
    index: u64,
    squeeze: Squeeze,
    payload_type: PayloadType,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// The handshake is not done, or the codec was not negotiated.
    Off,
    /// For a key frame that begins at this number or later.
    Waiting(u64),
    /// On the way from a past key frame to the live edge.
    Burst(Burst),
    /// Gets each packet as it comes.
    Live,
}

/// Why nothing is sent on a track.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Obstacle {
    /// The handshake is not done.
    NoHandshake,
    /// Nobody publishes.
    NoPublisher,
    /// What the publisher sends was not negotiated.
    NoCodec,
    /// No key frame has come yet.
    NoKeyframe,
    /// The way out is full, or was a moment ago.
    Congested,
}

/// See the module.
pub struct EgressTrack {
    track: PlayTrack,
    state: State,
    /// Number of the next packet to send.
    cursor: u64,
    runs: VecDeque<Run>,
    first_index: u64,
    timestamp_base: u32,
    /// The newest timestamp that went out, as squeezed.
    newest: i64,
    packets: u32,
    octets: u32,
    next_report: Option<Instant>,
    /// After congestion no key frame is asked for before this time.
    patient_until: Option<Instant>,
    /// The way out has been full since then.
    held_since: Option<Instant>,
    /// So many late packets of the stream have been looked at.
    late_seen: u64,
}

impl EgressTrack {
    /// A track that waits for its subscriber's handshake. `random` decides where sequence numbers and timestamps
    /// begin (RFC 3550 §5.1).
    #[must_use]
    pub fn new(track: PlayTrack, random: u64) -> Self {
        Self {
            track,
            state: State::Off,
            cursor: 0,
            runs: VecDeque::new(),
            // In the lower half, so that the first rollover is far away (RFC 3711 §3.3.1).
            first_index: random >> 32 & 0x7fff,
            timestamp_base: low32(random.cast_signed()),
            newest: i64::MIN / 2,
            packets: 0,
            octets: 0,
            next_report: None,
            patient_until: None,
            held_since: None,
            late_seen: 0,
        }
    }

    /// What was negotiated.
    #[must_use]
    pub fn track(&self) -> &PlayTrack {
        &self.track
    }

    /// Waits for a key frame, and the publisher may be asked for one. Who waits because its own connection is
    /// clogged has patience: else one slow subscriber would have all the others' publisher send nothing but key
    /// frames.
    #[must_use]
    pub fn wants_keyframe(&self, now: Instant) -> bool {
        matches!(self.state, State::Waiting(_)) && self.patient_until.is_none_or(|until| now >= until)
    }

    /// Has more to send even if nothing comes.
    #[must_use]
    pub fn is_bursting(&self) -> bool {
        matches!(self.state, State::Burst(_))
    }

    /// Does not go with the others: it waits for a key frame, or is on the way from a past one to the live edge.
    #[must_use]
    pub fn is_catching_up(&self) -> bool {
        matches!(self.state, State::Burst(_) | State::Waiting(_))
    }

    /// Has sent something of a picture.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.track.kind == MediaKind::Video && !self.runs.is_empty()
    }

    /// What keeps it from sending, apart from there being nothing to send.
    #[must_use]
    pub fn obstacle(&self, now: Instant) -> Option<Obstacle> {
        match self.state {
            State::Off => Some(Obstacle::NoCodec),
            State::Waiting(_) if self.patient_until.is_some_and(|until| now < until) => Some(Obstacle::Congested),
            State::Waiting(_) => Some(Obstacle::NoKeyframe),
            State::Live | State::Burst(_) => self.held_since.map(|_| Obstacle::Congested),
        }
    }

    /// Has more to send than its way out takes.
    #[must_use]
    pub fn is_held(&self) -> bool {
        matches!(self.state, State::Live) && self.held_since.is_some()
    }

    /// Media may flow from now on (the handshake is done, or the publisher changed its codec).
    pub fn start(&mut self, stream: &Stream) {
        let negotiated = self.track.payload_type(stream.codec()).is_some();
        self.held_since = None;
        self.state = match self.track.kind {
            _ if !negotiated => State::Off,
            MediaKind::Video => State::Waiting(0),
            // Sound needs no key frame; the past of it is of no use.
            MediaKind::Audio => {
                self.begin(stream.history().end().max(1), stream, Squeeze::NONE);
                State::Live
            }
        };
    }

    /// Sends what is due.
    pub fn flush(&mut self, now: Instant, stream: &Stream, to: PeerKey, sink: &mut impl Sink) {
        if let State::Waiting(after) = self.state {
            self.try_begin(now, stream, after);
        }
        if matches!(self.state, State::Off | State::Waiting(_)) {
            return;
        }
        self.send_late(stream, to, sink);
        if self.is_bursting() {
            self.skip_to_newer_keyframe(now, stream);
        } else {
            self.catch_up(now, stream, sink);
        }
        let (allowed, most) = match self.state {
            State::Burst(burst) => (burst.allowed(now, stream.codec().clock_rate()), limits::BURST_PACKETS_PER_TURN),
            _ => (i64::MAX, usize::MAX),
        };
        self.advance(now, stream, to, sink, allowed, most);
    }

    /// The way out takes nothing for the moment: what is due waits in the history.
    pub fn hold(&mut self, now: Instant) {
        if matches!(self.state, State::Live) {
            self.held_since.get_or_insert(now);
        }
    }

    /// Sends the packet of a sequence number once more, byte for byte. Returns its bytes; `None` where it is not known
    /// any more, or the way out does not take it.
    pub fn retransmit(&self, sequence: u16, stream: &Stream, to: PeerKey, sink: &mut impl Sink) -> Option<usize> {
        let next = self.next_index();
        let back = u64::from(low16(next).wrapping_sub(sequence));
        let index = next.checked_sub(back).filter(|index| *index < next)?;
        let run = self.runs.iter().rev().find(|run| run.index <= index)?;
        let number = run.number + (index - run.index);
        let (entry, payload) = stream.history().get(number)?;
        let mut header = [0; MAX_HEADER];
        let length = self.header(run, index, entry, &mut header);
        let sent = sink.rtp(to, index, &header[..length], payload);
        (sent == Sent::Yes).then_some(length + payload.len())
    }

    /// Sends a sender report where it is time to.
    pub fn report(&mut self, now: Instant, clock: &RoomClock, stream: &Stream, to: PeerKey, sink: &mut impl Sink) {
        if self.next_report.is_none_or(|due| now < due) {
            return;
        }
        let (Some(timestamp), Some(run)) = (clock.timestamp(now, stream), self.runs.back()) else { return };
        // In a burst the timestamps are squeezed: a report would tie them to the wrong time.
        if !run.squeeze.is_past(timestamp) {
            return;
        }
        let report = SenderReport {
            ssrc: self.track.ssrc,
            ntp: clock.ntp(now),
            timestamp: self.timestamp(run, timestamp),
            packets: self.packets,
            octets: self.octets,
        };
        if sink.rtcp(to, &report.write(self.track.cname)) == Sent::Yes {
            self.next_report = Some(now + REPORT_INTERVAL);
        }
    }

    /// Index of the next new packet.
    fn next_index(&self) -> u64 {
        self.runs.back().map_or(self.first_index, |run| run.index + (self.cursor - run.number))
    }

    fn begin(&mut self, number: u64, stream: &Stream, squeeze: Squeeze) {
        let Some(payload_type) = self.track.payload_type(stream.codec()) else { return };
        let run = Run { number, index: self.next_index(), squeeze, payload_type };
        if self.runs.len() == limits::EGRESS_CHANGES {
            self.runs.pop_front();
        }
        self.runs.push_back(run);
        self.cursor = number;
        self.late_seen = stream.late_count();
    }

    /// Begins at the newest whole key frame, else at one that is just coming in.
    fn try_begin(&mut self, now: Instant, stream: &Stream, after: u64) {
        let history = stream.history();
        // A whole one may be from before; then the newest is the one that was waited for.
        let starts = [history.whole_keyframe(), history.newest_keyframe()];
        let Some(start) = starts.into_iter().flatten().find(|start| *start >= after) else { return };
        let (Some((entry, _)), Some(live)) = (history.get(start), stream.live_edge(now)) else { return };
        let squeeze = match self.runs.back() {
            Some(_) => Squeeze::jump(entry.timestamp, self.newest),
            None => Squeeze::new(entry.timestamp, live),
        };
        self.begin(start, stream, squeeze);
        self.state = State::Burst(Burst::new(now, entry.timestamp));
    }

    /// A newer key frame that is whole makes what lies before it needless; so does a history that has moved on.
    fn skip_to_newer_keyframe(&mut self, now: Instant, stream: &Stream) {
        let newer = stream.history().whole_keyframe().filter(|start| *start > self.cursor);
        if let Some((start, (entry, _))) = newer.and_then(|start| Some((start, stream.history().get(start)?))) {
            self.begin(start, stream, Squeeze::jump(entry.timestamp, self.newest));
            // With the pace of the old burst the player would stand still until that had come so far.
            self.state = State::Burst(Burst::new(now, entry.timestamp));
        } else if self.cursor < stream.history().oldest() {
            self.state = State::Waiting(self.cursor);
        }
    }

    /// The way out was full for so long that what waits is of no use any more: the old is given up for the new.
    fn catch_up(&mut self, now: Instant, stream: &Stream, sink: &mut impl Sink) {
        if self.held_since.is_none_or(|since| now.saturating_duration_since(since) < limits::EGRESS_DELAY) {
            return;
        }
        let (before, end) = (self.cursor, stream.history().end());
        let mut goes_on_at = end;
        match self.track.kind {
            MediaKind::Audio => self.begin(end, stream, Squeeze::NONE),
            MediaKind::Video => {
                self.skip_to_newer_keyframe(now, stream);
                if self.is_bursting() {
                    goes_on_at = self.cursor;
                } else {
                    // The cursor stays, so that what is given up takes no numbers, and a key frame that is coming in
                    // will do.
                    self.state = State::Waiting(before);
                    self.patient_until = Some(now + limits::CONGESTION_PATIENCE);
                }
            }
        }
        self.held_since = None;
        sink.skip(DropReason::FellBehind, goes_on_at.saturating_sub(before));
    }

    fn advance(&mut self, now: Instant, stream: &Stream, to: PeerKey, sink: &mut impl Sink, allowed: i64, most: usize) {
        if matches!(self.state, State::Waiting(_)) {
            return;
        }
        let end = stream.ready();
        // Nothing before is there to be sent, however far the numbers have jumped.
        self.cursor = self.cursor.max(stream.history().oldest().min(end));
        let mut count = 0;
        while self.cursor < end {
            if let Some((entry, payload)) = stream.history().get(self.cursor) {
                if entry.timestamp > allowed || count == most {
                    return;
                }
                count += 1;
                let sent = self.send_next(now, entry, payload, to, sink);
                if sent == Sent::Later {
                    return self.hold(now);
                }
                if sent == Sent::Congested && self.track.kind == MediaKind::Video {
                    // The packet has taken no number: what follows later follows without a gap.
                    self.state = State::Waiting(self.cursor + 1);
                    self.held_since = None;
                    self.patient_until = Some(now + limits::CONGESTION_PATIENCE);
                    return;
                }
            }
            self.cursor += 1;
        }
        self.state = State::Live;
        self.held_since = None;
    }

    fn send_next(&mut self, now: Instant, entry: &Entry, payload: &[u8], to: PeerKey, sink: &mut impl Sink) -> Sent {
        let Some(run) = self.runs.back().copied() else { return Sent::Dropped };
        let sent = self.write(&run, self.next_index(), entry, payload, to, sink);
        if sent == Sent::Yes {
            self.newest = self.newest.max(run.squeeze.apply(entry.timestamp));
            self.count(now, entry.length());
        }
        sent
    }

    /// Sends the packets that filled holes behind the cursor since the last time; one before the cursor comes in its
    /// turn.
    fn send_late(&mut self, stream: &Stream, to: PeerKey, sink: &mut impl Sink) {
        let (forgotten, numbers) = stream.late_since(self.late_seen);
        self.late_seen += forgotten;
        for number in numbers {
            if *number < self.cursor && self.send_behind(*number, stream, to, sink) == Sent::Later {
                return;
            }
            self.late_seen += 1;
        }
        // The stream may have begun to count anew.
        self.late_seen = stream.late_count();
    }

    fn send_behind(&mut self, number: u64, stream: &Stream, to: PeerKey, sink: &mut impl Sink) -> Sent {
        let Some(place) = self.runs.iter().rposition(|run| run.number <= number) else { return Sent::Dropped };
        let run = self.runs[place];
        let index = run.index + (number - run.number);
        // Left out on purpose, by a jump to a newer key frame: its index belongs to another packet.
        if self.runs.get(place + 1).is_some_and(|next| index >= next.index) {
            return Sent::Dropped;
        }
        let Some((entry, payload)) = stream.history().get(number) else { return Sent::Dropped };
        let sent = self.write(&run, index, entry, payload, to, sink);
        if sent == Sent::Yes {
            self.count(entry.arrival, entry.length());
        }
        sent
    }

    #[expect(clippy::cast_possible_truncation, reason = "a payload is part of a datagram")]
    fn count(&mut self, now: Instant, octets: usize) {
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(octets as u32);
        if self.next_report.is_none() {
            self.next_report = Some(now + FIRST_REPORT_AFTER);
        }
    }

    fn timestamp(&self, run: &Run, timestamp: i64) -> u32 {
        low32(run.squeeze.apply(timestamp)).wrapping_add(self.timestamp_base)
    }

    fn write(&self, run: &Run, index: u64, entry: &Entry, payload: &[u8], to: PeerKey, sink: &mut impl Sink) -> Sent {
        let mut bytes = [0; MAX_HEADER];
        let length = self.header(run, index, entry, &mut bytes);
        sink.rtp(to, index, &bytes[..length], payload)
    }

    fn header(&self, run: &Run, index: u64, entry: &Entry, bytes: &mut [u8; MAX_HEADER]) -> usize {
        let header = Header {
            marker: entry.marker,
            padding: entry.padding > 0,
            payload_type: run.payload_type,
            sequence: low16(index),
            timestamp: self.timestamp(run, entry.timestamp),
            ssrc: self.track.ssrc,
        };
        let level = entry.audio_level.map(|level| [level]);
        let element = self.track.extensions.id(Extension::AudioLevel).zip(level.as_ref().map(<[u8; 1]>::as_slice));
        header.write(element.into_iter(), bytes)
    }
}
