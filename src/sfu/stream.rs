//! One track of a room, as subscribers see it: its packets stand in one history, whatever publisher or layer they come
//! from. It is the same in the publisher's room and in a replica, down to the numbers.

use std::time::Instant;

use crate::limits;
use crate::rtp::codec::{Codec, MediaKind};
use crate::sfu::burst::ticks;
use crate::sfu::history::{Facts, History, Inserted};
use crate::sfu::level::level;

/// What is true of a stream as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct State {
    codec: Codec,
    attached: bool,
    /// Counts the publishers that came and went.
    generation: u64,
    /// The publisher's last sender report: its NTP time of a timestamp.
    report: Option<(u64, i64)>,
    /// Highest timestamp, and when its packet came.
    last: Option<(i64, Instant)>,
}

impl State {
    /// True where another publisher feeds the stream in `other`.
    #[must_use]
    pub fn is_older_than(&self, other: &Self) -> bool {
        self.generation != other.generation
    }

    /// The codec that feeds it.
    #[must_use]
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// A publisher feeds it.
    #[must_use]
    pub fn is_attached(&self) -> bool {
        self.attached
    }

    /// See [`Stream::set_report`].
    #[must_use]
    pub fn report(&self) -> Option<(u64, i64)> {
        self.report
    }
}

/// See the module.
pub struct Stream {
    state: State,
    history: History,
    late: Late,
    /// See [`Stream::ready`].
    ready: u64,
    /// Numbers before this one are not the present publisher's.
    publisher_since: u64,
    /// Numbers before this one may be of another codec.
    codec_since: u64,
    b_frames: bool,
}

impl Stream {
    /// A stream that has no publisher yet.
    #[must_use]
    pub fn new(codec: Codec) -> Self {
        Self {
            state: State { codec, attached: false, generation: 0, report: None, last: None },
            history: History::default(),
            late: Late::default(),
            ready: 0,
            publisher_since: 0,
            codec_since: 0,
            b_frames: false,
        }
    }

    /// A publisher feeds it from now on, with this codec.
    pub fn attach(&mut self, codec: Codec) {
        self.state.attached = true;
        self.state.generation += 1;
        if self.state.codec != codec {
            self.state.codec = codec;
            self.codec_since = self.end();
        }
    }

    /// The publisher is gone.
    pub fn detach(&mut self) {
        self.state.attached = false;
        self.state.generation += 1;
        self.state.report = None;
        self.publisher_since = self.end();
        self.history.forget_keyframes();
        self.b_frames = false;
    }

    /// The codec that feeds it.
    #[must_use]
    pub fn codec(&self) -> Codec {
        self.state.codec
    }

    /// A publisher feeds it.
    #[must_use]
    pub fn is_attached(&self) -> bool {
        self.state.attached
    }

    /// The packets.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The number that the next packet may have; the first one ever has 1.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.history.end().max(1)
    }

    /// Packets that filled a hole since the last [`Stream::flushed`].
    #[must_use]
    pub fn late(&self) -> &[u64] {
        self.late.unoffered()
    }

    /// Everything that came is about to leave: makes packets one length, with at most so many bytes of padding. Returns
    /// how many packets got some.
    pub fn make_ready(&mut self, padding: usize) -> u64 {
        let from = self.ready.max(self.history.oldest());
        let padded = level(&mut self.history, from, padding);
        self.ready = self.history.end();
        padded
    }

    /// Packets before this number may leave. Those behind wait for their padding: it is part of what an index of SRTP
    /// stands for, so it must not change once a packet has left.
    #[must_use]
    pub fn ready(&self) -> u64 {
        self.ready
    }

    /// What is not ready yet is whole and ends with the last packet of a frame, or a hole was filled in what has left:
    /// nothing is gained by waiting for more.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let is_there = |number| self.history.get(number).is_some();
        let newest = self.history.end().checked_sub(1).filter(|newest| *newest >= self.ready);
        let ends = newest.and_then(|newest| self.history.get(newest)).is_some_and(|(entry, _)| entry.marker);
        (ends && (self.ready.max(self.history.oldest())..self.history.end()).all(is_there))
            || self.late().iter().any(|number| *number < self.ready)
    }

    /// Pictures come out of presentation order.
    #[must_use]
    pub fn b_frames(&self) -> bool {
        self.b_frames
    }

    /// The highest timestamp, and when its packet came.
    #[must_use]
    pub fn last(&self) -> Option<(i64, Instant)> {
        self.state.last
    }

    /// Where the live edge is in the timeline by the packets that came; `None` before the first.
    #[must_use]
    pub fn live_edge(&self, now: Instant) -> Option<i64> {
        let (timestamp, arrival) = self.state.last?;
        Some(timestamp + ticks(now.saturating_duration_since(arrival), self.state.codec.clock_rate()))
    }

    /// Notes what the publisher's last sender report said: its NTP time of a timestamp.
    pub fn set_report(&mut self, report: Option<(u64, i64)>) {
        self.state.report = report;
    }

    /// See [`Stream::set_report`].
    #[must_use]
    pub fn report(&self) -> Option<(u64, i64)> {
        self.state.report
    }

    /// Everything in the history has been offered to everyone.
    pub fn flushed(&mut self, now: Instant) {
        self.late.flushed();
        self.history.trim(now, self.state.codec.kind() == MediaKind::Video);
    }

    /// Takes a packet into the history; see [`History::insert`].
    pub fn insert(&mut self, number: u64, facts: Facts, write: impl FnOnce(&mut Vec<u8>)) -> Inserted {
        let inserted = self.history.insert(number, facts, write);
        match inserted {
            Inserted::Newest => {
                let behind = self.state.last.is_some_and(|(last, _)| facts.timestamp < last);
                self.b_frames |= behind && self.state.codec.kind() == MediaKind::Video;
                if self.state.last.is_none_or(|(last, _)| facts.timestamp > last) {
                    self.state.last = Some((facts.timestamp, facts.arrival));
                }
            }
            Inserted::Late => self.late.push(number),
            Inserted::Duplicate | Inserted::TooOld | Inserted::TooFarAhead => {}
        }
        inserted
    }

    /// What a replica's stream has to know beside the packets.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Becomes what the stream of the publisher's room is; its packets follow. With `restart` they do not go on where
    /// the ones before ended, but begin at that number. True where subscribers have to begin anew as well.
    pub fn follow(&mut self, state: State, restart: Option<u64>) -> bool {
        let before = std::mem::replace(&mut self.state, state);
        if before.is_older_than(&state) {
            self.history.forget_keyframes();
        }
        if let Some(number) = restart {
            self.history = History::starting_at(number);
            self.late = Late::default();
            self.ready = number;
        }
        restart.is_some() || before.codec != state.codec
    }

    /// Numbers before this one may be of another codec than the present one.
    #[must_use]
    pub fn codec_since(&self) -> u64 {
        self.codec_since
    }

    /// True for a number whose packet may begin a key frame that is of use.
    #[must_use]
    pub fn is_present(&self, number: u64) -> bool {
        number >= self.publisher_since
    }

    /// Numbers before this one are not the present publisher's.
    #[must_use]
    pub fn publisher_since(&self) -> u64 {
        self.publisher_since
    }

    /// How many packets have filled a hole so far.
    #[must_use]
    pub fn late_count(&self) -> u64 {
        self.late.dropped + self.late.numbers.len() as u64
    }

    /// Numbers of packets that filled a hole, without the first `count`; and how many of those asked for are not known
    /// any more.
    #[must_use]
    pub fn late_since(&self, count: u64) -> (u64, &[u64]) {
        let forgotten = self.late.dropped.saturating_sub(count);
        let from = usize::try_from(count.saturating_sub(self.late.dropped)).unwrap_or(usize::MAX);
        (forgotten, self.late.numbers.get(from..).unwrap_or_default())
    }
}

/// Numbers of packets that filled a hole, the last ones at least. Whoever follows has a place in it, counted from the
/// first one ever.
#[derive(Default)]
struct Late {
    numbers: Vec<u64>,
    /// How many came before those that are kept.
    dropped: u64,
    /// How many of those that are kept everybody has been offered.
    offered: usize,
}

impl Late {
    fn push(&mut self, number: u64) {
        self.numbers.push(number);
    }

    fn unoffered(&self) -> &[u64] {
        &self.numbers[self.offered..]
    }

    fn flushed(&mut self) {
        let surplus = self.numbers.len().saturating_sub(limits::RELAY_LATE);
        self.numbers.drain(..surplus);
        self.dropped += surplus as u64;
        self.offered = self.numbers.len();
    }
}
