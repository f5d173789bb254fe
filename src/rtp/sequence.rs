//! Sequence numbers and timestamps without their wrap (RFC 3550 appendix A.1).

/// The sequence number of an extended one, or of a packet index: its low 16 bits.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "the low bits are meant")]
pub const fn low16(extended: u64) -> u16 {
    extended as u16
}

/// The timestamp of an extended one: its low 32 bits.
#[must_use]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the low bits are meant")]
pub const fn low32(extended: i64) -> u32 {
    extended as u32
}

/// Extends 16-bit sequence numbers to 64 bits. The first one lands in the second cycle, so that packets from before it
/// have numbers too.
#[derive(Clone, Copy, Default, Debug)]
pub struct SequenceExtender {
    highest: Option<u64>,
}

impl SequenceExtender {
    /// The extended number nearest to the highest one seen.
    pub fn extend(&mut self, sequence: u16) -> u64 {
        let extended = match self.highest {
            None => (1 << 16) + u64::from(sequence),
            Some(highest) => {
                let distance = sequence.wrapping_sub(low16(highest)).cast_signed();
                highest.saturating_add_signed(i64::from(distance))
            }
        };
        self.highest = Some(self.highest.map_or(extended, |highest| highest.max(extended)));
        extended
    }
}

/// Extends 32-bit timestamps to 64 bits likewise.
#[derive(Clone, Copy, Default, Debug)]
pub struct TimestampExtender {
    last: Option<i64>,
}

impl TimestampExtender {
    /// The extended timestamp nearest to the last one.
    pub fn extend(&mut self, timestamp: u32) -> i64 {
        let extended = match self.last {
            None => (1 << 32) + i64::from(timestamp),
            Some(last) => last + i64::from(timestamp.wrapping_sub(low32(last)).cast_signed()),
        };
        self.last = Some(extended);
        extended
    }

    /// How far a timestamp is from the last one. `None` before the first.
    #[must_use]
    pub fn distance(&self, timestamp: u32) -> Option<i64> {
        Some(self.peek(timestamp)? - self.last?)
    }

    /// The extended timestamp nearest to the last one, which stays the last one. `None` before the first.
    #[must_use]
    pub fn peek(&self, timestamp: u32) -> Option<i64> {
        self.last.map(|last| last + i64::from(timestamp.wrapping_sub(low32(last)).cast_signed()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_numbers_go_on_over_the_wrap_in_both_directions() {
        let mut extender = SequenceExtender::default();
        let table = [(65_534, 131_070), (65_535, 131_071), (0, 131_072), (65_533, 131_069), (2, 131_074), (1, 131_073)];
        for (sequence, expected) in table {
            assert_eq!(extender.extend(sequence), expected, "{sequence}");
        }
    }

    #[test]
    fn a_packet_from_before_the_first_has_a_number() {
        let mut extender = SequenceExtender::default();
        assert_eq!(extender.extend(0), 65_536);
        assert_eq!(extender.extend(65_535), 65_535);
    }

    #[test]
    fn timestamps_go_on_over_the_wrap() {
        let mut extender = TimestampExtender::default();
        let first = extender.extend(u32::MAX - 10);
        assert_eq!(extender.extend(20) - first, 31);
        assert_eq!(extender.peek(u32::MAX - 10), Some(first));
        assert_eq!(extender.extend(u32::MAX - 10), first);
    }
}
