//! What a receiver can tell from sequence numbers alone: what was lost for good, what came twice, what came late.

use crate::rtp::sequence::SequenceExtender;

/// Numbers behind the highest one that can still be told apart: four seconds of 250 packets.
const WINDOW: u64 = 1024;
const WORDS: usize = (WINDOW / 64) as usize;

/// One stream's numbers.
#[derive(Default)]
pub struct SequenceLog {
    extender: SequenceExtender,
    first: u64,
    highest: u64,
    /// Packets with a number of their own.
    received: u64,
    /// Bit `number mod WINDOW`: it came.
    came: Came,
}

struct Came([u64; WORDS]);

/// What a packet was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arrival {
    /// The first of its stream.
    First,
    /// Ahead of all before it, with so many missing in between.
    Ahead(u64),
    /// One that was missing.
    Filled,
    /// One that was there already, or that is too old to know.
    Duplicate,
    /// From before the first one.
    Earlier,
}

impl Default for Came {
    fn default() -> Self {
        Self([0; WORDS])
    }
}

impl SequenceLog {
    /// Notes a packet. Returns its extended number too.
    pub fn note(&mut self, sequence: u16) -> (u64, Arrival) {
        let number = self.extender.extend(sequence);
        let arrival = self.place(number);
        if arrival != Arrival::Duplicate {
            self.received += 1;
            self.came.set(number);
        }
        (number, arrival)
    }

    fn place(&mut self, number: u64) -> Arrival {
        if self.received == 0 {
            (self.first, self.highest) = (number, number);
            return Arrival::First;
        }
        if number > self.highest {
            let missing = number - self.highest - 1;
            for skipped in (self.highest + 1..=number).rev().take(WORDS * 64) {
                self.came.clear(skipped);
            }
            self.highest = number;
            return Arrival::Ahead(missing);
        }
        if self.highest - number >= WINDOW || self.came.get(number) {
            return Arrival::Duplicate;
        }
        if number < self.first {
            self.first = number;
            return Arrival::Earlier;
        }
        Arrival::Filled
    }

    /// Numbers between the first and the highest that never came.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.expected().saturating_sub(self.received)
    }

    /// Numbers from the first to the highest (RFC 3550 appendix A.3).
    #[must_use]
    pub fn expected(&self) -> u64 {
        if self.received == 0 { 0 } else { self.highest - self.first + 1 }
    }

    /// The highest number, as receiver reports count it: cycles from the first packet on, then the number itself.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the low 32 bits are what a report has room for")]
    pub fn extended_highest(&self) -> u32 {
        self.highest.saturating_sub(self.first & !0xffff) as u32
    }
}

impl Came {
    fn get(&self, number: u64) -> bool {
        let (word, bit) = Self::place(number);
        self.0[word] & bit != 0
    }

    fn set(&mut self, number: u64) {
        let (word, bit) = Self::place(number);
        self.0[word] |= bit;
    }

    fn clear(&mut self, number: u64) {
        let (word, bit) = Self::place(number);
        self.0[word] &= !bit;
    }

    fn place(number: u64) -> (usize, u64) {
        let at = number % WINDOW;
        ((at / 64) as usize, 1 << (at % 64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals() {
        use Arrival::{Ahead, Duplicate, Earlier, Filled, First};
        let table = [
            (65_534, First, 0),
            (65_535, Ahead(0), 0),
            (65_535, Duplicate, 0),
            (2, Ahead(2), 2),
            (1, Filled, 1),
            (1, Duplicate, 1),
            (65_532, Earlier, 2), // 65,533 and 0 are missing now
            (0, Filled, 1),
            (65_533, Filled, 0),
            (1_100, Ahead(1_097), 1_097),
            (3, Duplicate, 1_097), // too old to know
            (1_000, Filled, 1_096),
        ];
        let mut log = SequenceLog::default();
        for (sequence, expected, lost) in table {
            assert_eq!((log.note(sequence).1, log.lost()), (expected, lost), "{sequence}");
        }
        assert_eq!(log.expected(), 4 + 1_101);
        assert_eq!(log.extended_highest(), 65_536 + 1_100);
    }

    #[test]
    fn a_window_later_everything_is_new_again() {
        let mut log = SequenceLog::default();
        for sequence in 0..=u16::MAX {
            assert_ne!(log.note(sequence).1, Arrival::Duplicate);
        }
        assert_eq!((log.lost(), log.note(u16::MAX).1), (0, Arrival::Duplicate));
    }
}
