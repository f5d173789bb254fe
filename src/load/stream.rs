//! What a light subscriber knows of one SSRC.

use std::time::{Duration, Instant};

use crate::limits::LOAD_MISSING_PACKETS;
use crate::load::board::Counts;
use crate::load::missing::Missing;
use crate::load::plan::Feedback;
use crate::load::rtcp::ReportBlock;
use crate::load::sequence::{Arrival, SequenceLog};
use crate::rtp::codec::{Codec, MediaKind};

/// What is known of one SSRC.
pub struct Stream {
    /// Its own.
    pub ssrc: u32,
    /// That of its payload type, if it is one of ours.
    pub codec: Option<Codec>,
    /// What came.
    pub log: SequenceLog,
    /// What did not, and may be asked for.
    pub missing: Missing,
    jitter: u32,
    transit: u32,
    /// The middle of the last sender report's time, and when it came.
    pub report: Option<(u32, Instant)>,
    /// Expected and lost at our last report.
    reported: (u64, u64),
}

impl Stream {
    /// A stream of which nothing is known. `codec`: that of its payload type.
    pub fn new(ssrc: u32, codec: Option<Codec>) -> Self {
        Self {
            ssrc,
            codec,
            log: SequenceLog::default(),
            missing: Missing::default(),
            jitter: 0,
            transit: 0,
            report: None,
            reported: (0, 0),
        }
    }

    /// It carries video.
    pub fn is_video(&self) -> bool {
        self.codec.is_some_and(|codec| codec.kind() == MediaKind::Video)
    }

    /// A packet came that was counted so.
    pub fn note_gap(&mut self, number: u64, kind: Arrival, now: Instant, counts: &mut Counts, feedback: Feedback) {
        match kind {
            Arrival::Ahead(0) | Arrival::First | Arrival::Duplicate => {}
            Arrival::Ahead(gap) => {
                counts.missing += gap;
                // Nobody offers NACK for audio.
                if feedback != Feedback::Off && self.is_video() {
                    self.missing.add(now, number - gap.min(LOAD_MISSING_PACKETS as u64 + 1)..number);
                }
            }
            Arrival::Filled => {
                counts.missing -= 1;
                counts.reordered += 1;
                self.missing.remove(number);
            }
            Arrival::Earlier => {
                counts.reordered += 1;
            }
        }
    }

    /// Follows the jitter (RFC 3550 appendix A.8).
    pub fn note_transit(&mut self, arrival: Duration, timestamp: u32) {
        let rate = u64::from(self.codec.map_or(90_000, Codec::clock_rate));
        let ticks = arrival.as_secs().wrapping_mul(rate) + u64::from(arrival.subsec_micros()) * rate / 1_000_000;
        let transit = u32::try_from(ticks & 0xffff_ffff).expect("32 bits").wrapping_sub(timestamp);
        let distance = transit.wrapping_sub(self.transit).cast_signed().unsigned_abs();
        let is_first = self.transit == 0;
        self.transit = transit;
        if !is_first {
            self.jitter = self.jitter.wrapping_add(distance).wrapping_sub((self.jitter + 8) >> 4);
        }
    }

    /// The block of a receiver report, and the beginning of the next one.
    pub fn block(&mut self, now: Instant) -> ReportBlock {
        let (expected, lost) = (self.log.expected(), self.log.lost());
        let expected_since = expected.saturating_sub(self.reported.0);
        let lost_since = lost.saturating_sub(self.reported.1);
        self.reported = (expected, lost);
        let fraction = (lost_since << 8).checked_div(expected_since).unwrap_or(0).min(255);
        let (last_report, delay) = self.report.map_or((0, 0), |(middle, at)| {
            let delay = now.saturating_duration_since(at).as_micros() * 65_536 / 1_000_000;
            (middle, u32::try_from(delay).unwrap_or(u32::MAX))
        });
        ReportBlock {
            ssrc: self.ssrc,
            fraction_lost: u8::try_from(fraction).unwrap_or(255),
            lost: u32::try_from(lost).unwrap_or(u32::MAX),
            highest: self.log.extended_highest(),
            jitter: self.jitter >> 4,
            last_report,
            delay,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Notes the numbers, 33 ms and one frame of 30 per second apart.
    fn stream(numbers: &[u16], start: Instant) -> (Stream, Counts) {
        let mut stream = Stream::new(7, Some(Codec::Vp8));
        let mut counts = Counts::default();
        for sequence in numbers {
            let (number, kind) = stream.log.note(*sequence);
            stream.note_gap(number, kind, start, &mut counts, Feedback::Basic);
            let frame = u32::from(*sequence);
            stream.note_transit(Duration::from_secs(9) + Duration::from_secs(1) * frame / 30, frame * 3_000);
        }
        (stream, counts)
    }

    #[test]
    fn gaps_are_counted_until_they_are_filled() {
        let start = Instant::now();
        let (mut stream, counts) = stream(&[10, 11, 15, 13, 13], start);
        assert_eq!((counts.missing, counts.reordered), (2, 1));
        let due = stream.missing.poll(start + Duration::from_secs(1));
        assert_eq!(due.numbers, [12, 14]);
    }

    #[test]
    fn reports_say_what_was_lost_since_the_last_one() {
        let start = Instant::now();
        let (mut stream, _) = stream(&[0, 1, 4, 5, 6, 7], start);
        stream.report = Some((5, start));
        let block = stream.block(start + Duration::from_secs(2));
        assert_eq!((block.fraction_lost, block.lost, block.highest), (64, 2, 7), "two of eight");
        assert_eq!((block.jitter, block.last_report, block.delay), (0, 5, 2 * 65_536));
        let next = stream.block(start);
        assert_eq!((next.fraction_lost, next.lost), (0, 2));
    }

    #[test]
    fn uneven_arrivals_are_jitter() {
        let mut stream = Stream::new(7, Some(Codec::Vp8));
        for frame in 0..200_u32 {
            let late = if frame % 2 == 0 { 10 } else { 0 };
            stream.note_transit(Duration::from_millis(1_000 * u64::from(frame) / 30 + 5_000 + late), frame * 3_000);
        }
        // 10 ms are 900 ticks.
        assert!(stream.block(Instant::now()).jitter.abs_diff(900) < 60, "{}", stream.block(Instant::now()).jitter);
    }
}
