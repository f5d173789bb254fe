//! What the receiver of our media says of it: loss, jitter and round trip, from the reception blocks of its reports
//! (RFC 3550 §6.4.1). All of it is the client's word, so nothing is decided by it.

use std::time::{Duration, Instant};

use crate::id::Ssrc;
use crate::sfu::rtcp;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
/// Bytes of a block, and of what stands before the first one.
const BLOCK: usize = 24;
const SENDER_HEAD: usize = 28;
const RECEIVER_HEAD: usize = 8;

/// A longer round trip is none: a report that answers another server's, or a lie.
const LONGEST_ROUND_TRIP: Duration = Duration::from_secs(30);
/// A report that follows so soon after another one is not counted again: how often they come is the client's choice,
/// and must not weigh in what is said of all.
const COUNTED_EACH: Duration = Duration::from_millis(500);

/// One block of a report.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Block {
    /// Whose packets it is about.
    pub ssrc: Ssrc,
    /// Lost since the report before, in parts of 256.
    pub fraction_lost: u8,
    /// Lost since the beginning; duplicates count against it, so it may be negative.
    pub lost: i32,
    /// Interarrival jitter in units of the clock rate.
    pub jitter: u32,
    /// The middle 32 bits of the NTP time of the last sender report; 0 where none has come.
    pub last_report: u32,
    /// Time since then, in units of 1/65,536 s.
    pub delay: u32,
}

/// The blocks of all sender and receiver reports in a compound packet.
pub fn blocks(compound: &[u8]) -> impl Iterator<Item = Block> {
    rtcp::parts(compound)
        .filter_map(|(kind, count, part)| {
            let head = match kind {
                SENDER_REPORT => SENDER_HEAD,
                RECEIVER_REPORT => RECEIVER_HEAD,
                _ => return None,
            };
            Some(part.get(head..)?.chunks_exact(BLOCK).take(count.into()).map(Block::read))
        })
        .flatten()
}

impl Block {
    fn read(bytes: &[u8]) -> Self {
        let word = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        Self {
            ssrc: Ssrc(word(0)),
            fraction_lost: bytes[4],
            // 24 bits with a sign.
            lost: (word(4) << 8).cast_signed() >> 8,
            jitter: word(12),
            last_report: word(16),
            delay: word(20),
        }
    }

    /// How long our sender report and this one were under way, where `ntp` (32.32 bits) is our time now, by the clock
    /// that the sender reports were made with.
    #[must_use]
    pub fn round_trip(&self, ntp: u64) -> Option<Duration> {
        if self.last_report == 0 {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "the middle 32 bits")]
        let now = (ntp >> 16) as u32;
        let units = now.wrapping_sub(self.last_report).wrapping_sub(self.delay);
        let time = Duration::from_nanos((u64::from(units) * 1_000_000_000) >> 16);
        // A negative one is a very long one here. The client's clock runs a little differently, so that on a short way
        // the difference may fall below zero: that is a short one.
        let slightly_negative = units.wrapping_neg() < 1 << 10;
        if slightly_negative { Some(Duration::ZERO) } else { Some(time).filter(|time| *time <= LONGEST_ROUND_TRIP) }
    }
}

/// What the reports for one track say so far.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Reception {
    /// Packets lost since the beginning.
    pub lost: u64,
    /// Lost between the last two reports, in parts of 256; `None` before the first report.
    pub fraction_lost: Option<u8>,
    /// Interarrival jitter.
    pub jitter: Option<Duration>,
    /// The last round trip.
    pub round_trip: Option<Duration>,
    pub(super) counted: Option<Instant>,
}

impl Reception {
    /// Takes in what a block says. True where it counts in what is said of all.
    pub fn handle(&mut self, now: Instant, block: &Block, ntp: u64, clock_rate: u32) -> bool {
        self.lost = u64::try_from(block.lost).unwrap_or(0);
        self.fraction_lost = Some(block.fraction_lost);
        self.jitter = Some(Duration::from_secs(1) * block.jitter / clock_rate.max(1));
        self.round_trip = block.round_trip(ntp).or(self.round_trip);
        let counts = self.counted.is_none_or(|last| now.saturating_duration_since(last) >= COUNTED_EACH);
        if counts {
            self.counted = Some(now);
        }
        counts
    }

    /// Of several tracks: losses add up, of the rest the worst is said.
    #[must_use]
    pub fn with(self, other: &Self) -> Self {
        Self {
            lost: self.lost + other.lost,
            fraction_lost: self.fraction_lost.max(other.fraction_lost),
            jitter: self.jitter.max(other.jitter),
            round_trip: self.round_trip.max(other.round_trip),
            counted: self.counted.max(other.counted),
        }
    }
}

#[cfg(test)]
mod tests {
    use ::rtcp::reception_report::ReceptionReport;
    use ::rtcp::{receiver_report, sender_report};
    use bytes::Bytes;
    use rtc_shared::marshal::Marshal as _;

    use super::*;

    fn report(total_lost: u32) -> ReceptionReport {
        ReceptionReport {
            ssrc: 7,
            fraction_lost: 64,
            total_lost,
            last_sequence_number: 9,
            jitter: 900,
            last_sender_report: 0x0001_8000,
            delay: 0x8000,
        }
    }

    #[test]
    fn blocks_are_read_as_the_family_writes_them() {
        let receiver =
            receiver_report::ReceiverReport { reports: vec![report(5), report(0x7f_ffff)], ..Default::default() };
        let sender = sender_report::SenderReport { reports: vec![report(6)], ..Default::default() };
        let compound: Vec<u8> = [receiver.marshal(), sender.marshal()].into_iter().flat_map(Result::unwrap).collect();
        let lost: Vec<i32> = blocks(&compound).map(|block| block.lost).collect();
        assert_eq!(lost, [5, 0x7f_ffff, 6]);
        let first = blocks(&compound).next().unwrap();
        assert_eq!((first.ssrc, first.fraction_lost, first.jitter), (Ssrc(7), 64, 900));
        assert_eq!((first.last_report, first.delay), (0x0001_8000, 0x8000));
        for cut in 0..compound.len() {
            assert!(blocks(&compound[..cut]).count() < 3);
        }
        let mut negative = Bytes::from(compound).to_vec();
        negative[13..16].copy_from_slice(&[0xff, 0xff, 0xfe]);
        assert_eq!(blocks(&negative).next().unwrap().lost, -2);
    }

    #[test]
    fn round_trips() {
        // last report and delay in units of 1/65,536 s, our time in seconds and parts of 65,536, milliseconds
        let table = [
            (0, 0, (5, 0), None),
            (0x0001_8000, 0x8000, (2, 0), Some(0)),
            (0x0001_8000, 0x8000, (2, 0x4000), Some(250)),
            (0x0001_8000, 0, (31, 0), Some(29_500)),
            (0x0001_8000, 0, (32, 0), None),
            (0x0001_8000, 0x8040, (2, 0), Some(0)),
            (0x0001_8000, 0x9000, (2, 0), None),
            // Over the end of the 16 bits of seconds.
            (0xffff_8000, 0x4000, (65_536, 0), Some(250)),
        ];
        for (last_report, delay, (seconds, parts), expected) in table {
            let block = Block { ssrc: Ssrc(1), fraction_lost: 0, lost: 0, jitter: 0, last_report, delay };
            let found = block.round_trip(seconds << 32 | parts << 16).map(|time| time.as_millis());
            assert_eq!(found, expected, "{last_report:x} {delay:x} {seconds}");
        }
    }

    #[test]
    fn a_flood_of_reports_counts_once_in_a_while() {
        let start = Instant::now();
        let mut reception = Reception::default();
        let block = Block { ssrc: Ssrc(1), fraction_lost: 3, lost: -2, jitter: 90, last_report: 0, delay: 0 };
        let counted = (0..1_000).filter(|ms| reception.handle(start + Duration::from_millis(*ms), &block, 0, 90_000));
        assert_eq!(counted.count(), 2);
        assert_eq!((reception.lost, reception.fraction_lost), (0, Some(3)));
        assert_eq!((reception.jitter, reception.round_trip), (Some(Duration::from_millis(1)), None));
        let worse = Reception { lost: 4, round_trip: Some(Duration::from_millis(9)), ..Reception::default() };
        let both = reception.with(&worse);
        assert_eq!((both.lost, both.fraction_lost, both.round_trip), (4, Some(3), worse.round_trip));
    }
}
