//! One timeline per track. Publishers come and go, layers switch, padding is left out: the timeline's numbers and
//! timestamps go on without a gap, so that what a subscriber gets differs from it by constants only.

use std::collections::VecDeque;

use crate::limits;

/// From a number in the publisher's sequence on, this much is added.
#[derive(Clone, Copy, Debug)]
struct Change {
    from: u64,
    delta: i64,
}

/// Maps one publisher's sequence numbers and timestamps to the track's.
#[derive(Default, Debug)]
pub struct Timeline {
    changes: VecDeque<Change>,
    highest: u64,
    timestamp_delta: i64,
}

impl Timeline {
    /// A source (another publisher, another layer) takes over with this packet, which gets the number `next` and
    /// the timestamp `timestamp` of the timeline. What came before it belongs to nobody.
    pub fn begin(&mut self, sequence: u64, source_timestamp: i64, next: u64, timestamp: i64) {
        self.changes.clear();
        self.changes.push_back(Change { from: sequence, delta: next.wrapping_sub(sequence).cast_signed() });
        self.highest = sequence;
        self.timestamp_delta = timestamp - source_timestamp;
    }

    /// No source any more: nothing maps until [`Timeline::begin`].
    pub fn end(&mut self) {
        self.changes.clear();
    }

    /// True when packets of the source map.
    #[must_use]
    pub fn is_running(&self) -> bool {
        !self.changes.is_empty()
    }

    /// The timeline's number of a packet; `None` for one from before the source took over, or too long ago.
    pub fn map(&mut self, sequence: u64) -> Option<u64> {
        let number = self.peek(sequence)?;
        self.highest = self.highest.max(sequence);
        Some(number)
    }

    /// The same, without noting that the packet came.
    #[must_use]
    pub fn peek(&self, sequence: u64) -> Option<u64> {
        let change = self.changes.iter().rev().find(|change| change.from <= sequence)?;
        Some(sequence.wrapping_add_signed(change.delta))
    }

    /// The timeline's timestamp of the source's.
    #[must_use]
    pub fn timestamp(&self, source_timestamp: i64) -> i64 {
        source_timestamp + self.timestamp_delta
    }

    /// Leaves a packet out of the timeline: the numbers close behind it. False where that is too late, because
    /// packets behind it have their numbers already.
    pub fn skip(&mut self, sequence: u64) -> bool {
        self.shift(sequence, sequence + 1, -1)
    }

    /// Makes room for one packet of our own in front of this one, and returns its number. `None` where that is too
    /// late.
    pub fn insert_before(&mut self, sequence: u64) -> Option<u64> {
        let number = self.peek(sequence)?;
        self.shift(sequence, sequence, 1).then_some(number)
    }

    fn shift(&mut self, sequence: u64, from: u64, by: i64) -> bool {
        let Some(last) = self.changes.back().copied() else { return false };
        let first = self.changes.len() == 1 && last.from == sequence;
        if sequence < last.from || (sequence <= self.highest && !first) {
            return false;
        }
        self.highest = self.highest.max(from - 1);
        // A row of skipped packets is one change: nothing lies between them that could still come.
        if last.from == sequence && !first {
            self.changes.pop_back();
        } else if self.changes.len() == limits::TIMELINE_CHANGES {
            self.changes.pop_front();
        }
        self.changes.push_back(Change { from, delta: last.delta + by });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running() -> Timeline {
        let mut timeline = Timeline::default();
        timeline.begin(100, 5_000, 1, 90);
        assert_eq!(timeline.map(100), Some(1));
        timeline
    }

    #[test]
    fn a_source_goes_on_where_the_last_one_stopped() {
        let mut timeline = running();
        assert_eq!((timeline.map(101), timeline.map(99)), (Some(2), None));
        assert_eq!(timeline.timestamp(5_300), 390);
        timeline.begin(7, 0, 3, 400);
        assert_eq!((timeline.map(7), timeline.map(6), timeline.timestamp(10)), (Some(3), None, 410));
        timeline.end();
        assert_eq!(timeline.map(8), None);
    }

    #[test]
    fn skipped_packets_leave_no_gap() {
        let mut timeline = running();
        assert!(timeline.skip(101) && timeline.skip(102));
        assert_eq!(timeline.map(103), Some(2));
        assert_eq!(timeline.map(105), Some(4), "104 may still come");
        assert_eq!(timeline.map(104), Some(3));
        assert!(!timeline.skip(104), "105 has its number");
        assert!(timeline.skip(108), "106 and 107 may still come");
        assert_eq!((timeline.map(107), timeline.map(106), timeline.map(109)), (Some(6), Some(5), Some(7)));
    }

    #[test]
    fn a_long_row_of_padding_forgets_nothing_that_came_before() {
        let mut timeline = running();
        for sequence in 102..500 {
            assert!(timeline.skip(sequence));
        }
        assert_eq!((timeline.map(101), timeline.map(500)), (Some(2), Some(3)));
        assert!(timeline.changes.len() <= 3);
    }

    #[test]
    fn packets_of_our_own_find_a_place() {
        let mut timeline = running();
        assert_eq!(timeline.insert_before(101), Some(2));
        assert_eq!(timeline.map(101), Some(3));
        assert_eq!(timeline.insert_before(101), None);
        let mut fresh = Timeline::default();
        fresh.begin(100, 0, 1, 0);
        assert_eq!(fresh.insert_before(100), Some(1));
        assert_eq!(fresh.map(100), Some(2));
    }

    #[test]
    fn the_memory_of_changes_is_bounded() {
        let mut timeline = running();
        for sequence in (101..2_000).step_by(2) {
            assert!(timeline.skip(sequence));
            assert!(timeline.map(sequence + 1).is_some());
        }
        assert_eq!(timeline.changes.len(), limits::TIMELINE_CHANGES);
        assert_eq!(timeline.map(150), None, "too long ago");
    }
}
