//! One track of a room, as subscribers see it: its packets stand in one history, whatever publisher or layer they come
//! from. It is the same in the publisher's room and in a replica, down to the numbers.

use std::time::Instant;

use crate::limits;
use crate::rtp::codec::{Codec, MediaKind};
use crate::sfu::burst::ticks;
use crate::sfu::history::{Facts, History, Inserted};

/// See the module.
pub struct Stream {
    codec: Codec,
    attached: bool,
    /// Counts the publishers that came and went.
    generation: u64,
    /// Numbers before this one are not the present publisher's.
    publisher_since: u64,
    /// Numbers before this one may be of another codec.
    codec_since: u64,
    history: History,
    late: Late,
    /// The publisher's last sender report: its NTP time of a timestamp.
    report: Option<(u64, i64)>,
    /// Highest timestamp, and when its packet came.
    last: Option<(i64, Instant)>,
    b_frames: bool,
}

impl Stream {
    /// A stream that has no publisher yet.
    #[must_use]
    pub fn new(codec: Codec) -> Self {
        Self {
            codec,
            attached: false,
            generation: 0,
            publisher_since: 0,
            codec_since: 0,
            history: History::default(),
            late: Late::default(),
            report: None,
            last: None,
            b_frames: false,
        }
    }

    /// A publisher feeds it from now on, with this codec.
    pub fn attach(&mut self, codec: Codec) {
        self.attached = true;
        self.generation += 1;
        if self.codec != codec {
            self.codec = codec;
            self.codec_since = self.end();
        }
    }

    /// The publisher is gone.
    pub fn detach(&mut self) {
        self.attached = false;
        self.generation += 1;
        self.publisher_since = self.end();
        self.history.forget_keyframes();
        self.report = None;
        self.b_frames = false;
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
        self.late.new()
    }

    /// Pictures come out of presentation order.
    #[must_use]
    pub fn b_frames(&self) -> bool {
        self.b_frames
    }

    /// The highest timestamp, and when its packet came.
    #[must_use]
    pub fn last(&self) -> Option<(i64, Instant)> {
        self.last
    }

    /// Where the live edge is in the timeline by the packets that came; `None` before the first.
    #[must_use]
    pub fn live_edge(&self, now: Instant) -> Option<i64> {
        let (timestamp, arrival) = self.last?;
        Some(timestamp + ticks(now.saturating_duration_since(arrival), self.codec.clock_rate()))
    }

    /// Notes what the publisher's last sender report said: its NTP time of a timestamp.
    pub fn set_report(&mut self, report: Option<(u64, i64)>) {
        self.report = report;
    }

    /// See [`Stream::set_report`].
    #[must_use]
    pub fn report(&self) -> Option<(u64, i64)> {
        self.report
    }

    /// Everything in the history has been offered to everyone.
    pub fn flushed(&mut self, now: Instant) {
        self.late.flushed();
        self.history.trim(now, self.codec.kind() == MediaKind::Video);
    }

    /// Takes a packet into the history; see [`History::insert`].
    pub fn insert(&mut self, number: u64, facts: Facts, write: impl FnOnce(&mut Vec<u8>)) -> Inserted {
        let inserted = self.history.insert(number, facts, write);
        match inserted {
            Inserted::Newest => {
                let behind = self.last.is_some_and(|(last, _)| facts.timestamp < last);
                self.b_frames |= behind && self.codec.kind() == MediaKind::Video;
                if self.last.is_none_or(|(last, _)| facts.timestamp > last) {
                    self.last = Some((facts.timestamp, facts.arrival));
                }
            }
            Inserted::Late => self.late.push(number),
            Inserted::Duplicate | Inserted::TooOld | Inserted::TooFarAhead => {}
        }
        inserted
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

    fn new(&self) -> &[u64] {
        &self.numbers[self.offered..]
    }

    fn flushed(&mut self) {
        let surplus = self.numbers.len().saturating_sub(limits::RELAY_LATE);
        self.numbers.drain(..surplus);
        self.dropped += surplus as u64;
        self.offered = self.numbers.len();
    }
}
