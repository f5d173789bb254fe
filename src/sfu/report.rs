//! One clock per room: the publisher's sender reports tie its tracks to each other, ours repeat that tie in our own
//! time, so that lip-sync holds whatever the publisher's clock says (RFC 3550 §6.4.1).

use std::time::{Duration, Instant};

use crate::id::Ssrc;
use crate::sfu::stream::Stream;
use crate::sfu::track::Cname;

/// Between two sender reports to one subscriber for one track.
pub const REPORT_INTERVAL: Duration = Duration::from_secs(2);
/// The first one follows the first packet so soon: players need it for lip-sync.
pub const FIRST_REPORT_AFTER: Duration = Duration::from_millis(100);
/// How long a publisher's first report is waited for before the arrival times have to do.
const PATIENCE: Duration = Duration::from_secs(5);
/// The publisher's clock is followed by a sixteenth of each new difference: jitter goes, drift stays.
const SMOOTHING: i64 = 16;

/// A difference of more than a second (32.32 bits) is no jitter.
const CLOCK_STEP: u64 = 1 << 32;

/// The room's clock.
#[derive(Clone, Copy, Debug)]
pub struct RoomClock {
    epoch: Instant,
    epoch_ntp: u64,
    /// Our NTP time less the publisher's.
    offset: Option<i64>,
    publisher_since: Instant,
}

impl RoomClock {
    /// `ntp` is the NTP time (32.32 bits) of `now`.
    #[must_use]
    pub fn new(now: Instant, ntp: u64) -> Self {
        Self { epoch: now, epoch_ntp: ntp, offset: None, publisher_since: now }
    }

    /// NTP time of an instant.
    #[must_use]
    pub fn ntp(&self, now: Instant) -> u64 {
        let elapsed = now.saturating_duration_since(self.epoch);
        let fraction = (u64::from(elapsed.subsec_nanos()) << 32) / 1_000_000_000;
        self.epoch_ntp.wrapping_add(elapsed.as_secs() << 32).wrapping_add(fraction)
    }

    /// Another publisher: its clock is another one.
    pub fn restart(&mut self, now: Instant) {
        self.offset = None;
        self.publisher_since = now;
    }

    /// A sender report of the publisher came, for whichever track.
    pub fn handle_report(&mut self, now: Instant, publisher_ntp: u64) {
        let difference = self.ntp(now).wrapping_sub(publisher_ntp).cast_signed();
        self.offset = Some(match self.offset {
            None => difference,
            // Its clock was set: following that step by step would take minutes.
            Some(offset) if difference.wrapping_sub(offset).unsigned_abs() > CLOCK_STEP => difference,
            // All in wrapping arithmetic: a publisher may claim any time.
            Some(offset) => offset.wrapping_add(difference.wrapping_sub(offset) / SMOOTHING),
        });
    }

    /// The timestamp that a stream's timeline has now, as a sender report may say it; `None` while it is too early
    /// to tell.
    #[must_use]
    pub fn timestamp(&self, now: Instant, stream: &Stream) -> Option<i64> {
        if let (Some(offset), Some((ntp, timestamp))) = (self.offset, stream.report()) {
            let reported = ntp.wrapping_add_signed(offset);
            let since = self.ntp(now).wrapping_sub(reported).cast_signed();
            let ticks = (i128::from(since) * i128::from(stream.codec().clock_rate())) >> 32;
            return i64::try_from(ticks).ok().and_then(|ticks| timestamp.checked_add(ticks));
        }
        let waited = now.saturating_duration_since(self.publisher_since) >= PATIENCE;
        if waited { stream.live_edge(now) } else { None }
    }
}

/// A sender report with the counts of what went out, and the source description that must go with it (RFC 3550 §6.1).
#[derive(Clone, Copy, Debug)]
pub struct SenderReport {
    /// Our SSRC.
    pub ssrc: Ssrc,
    /// NTP time, 32.32 bits.
    pub ntp: u64,
    /// The RTP timestamp of the same moment.
    pub timestamp: u32,
    /// Packets sent.
    pub packets: u32,
    /// Payload bytes sent.
    pub octets: u32,
}

/// Bytes of a [`SenderReport`] as written: 28 for the report, 28 for the description.
pub const REPORT_BYTES: usize = 56;

impl SenderReport {
    /// Writes the compound packet with the canonical name of the SSRC.
    #[must_use]
    pub fn write(&self, cname: Cname) -> [u8; REPORT_BYTES] {
        let mut out = [0; REPORT_BYTES];
        out[..4].copy_from_slice(&[0x80, 200, 0, 6]);
        out[4..8].copy_from_slice(&self.ssrc.0.to_be_bytes());
        out[8..16].copy_from_slice(&self.ntp.to_be_bytes());
        out[16..20].copy_from_slice(&self.timestamp.to_be_bytes());
        out[20..24].copy_from_slice(&self.packets.to_be_bytes());
        out[24..28].copy_from_slice(&self.octets.to_be_bytes());
        out[28..32].copy_from_slice(&[0x81, 202, 0, 6]);
        out[32..36].copy_from_slice(&self.ssrc.0.to_be_bytes());
        out[36..38].copy_from_slice(&[1, 16]);
        out[38..54].copy_from_slice(&cname);
        out
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn reports_are_read_by_the_family() {
        let report = SenderReport { ssrc: Ssrc(7), ntp: 1 << 40, timestamp: 9, packets: 3, octets: 4 };
        let bytes = report.write(*b"rillcastrillcast");
        let packets = rtcp::packet::unmarshal(&mut Bytes::copy_from_slice(&bytes)).unwrap();
        assert_eq!(packets.len(), 2);
        let sender = packets[0].as_any().downcast_ref::<rtcp::sender_report::SenderReport>().unwrap();
        assert_eq!((sender.ssrc, sender.ntp_time, sender.rtp_time), (7, 1 << 40, 9));
        assert_eq!((sender.packet_count, sender.octet_count), (3, 4));
        let description = packets[1].as_any().downcast_ref::<rtcp::source_description::SourceDescription>().unwrap();
        assert_eq!(description.chunks[0].items[0].text, Bytes::from_static(b"rillcastrillcast"));
    }

    #[test]
    fn the_room_clock_counts_in_ntp_units() {
        let start = Instant::now();
        let clock = RoomClock::new(start, 5 << 32);
        assert_eq!(clock.ntp(start + Duration::from_millis(1_500)), (6 << 32) + (1 << 31));
    }

    #[test]
    fn a_drifting_publisher_is_followed_and_an_absurd_one_does_no_harm() {
        let start = Instant::now();
        let mut clock = RoomClock::new(start, 5 << 32);
        for second in 0..600 {
            let now = start + Duration::from_secs(second);
            // Its clock runs one per mille too fast.
            clock.handle_report(now, (second << 32) + (second << 32) / 1_000);
        }
        let lag = (5_i64 << 32) - (599 << 32) / 1_000 - clock.offset.unwrap();
        assert!(lag.abs() < (1 << 32) / 50, "within 20 ms after ten minutes: {lag}");
        for ntp in [0, u64::MAX, 1 << 63, 3] {
            clock.handle_report(start, ntp);
        }
    }
}
