//! How many bits a publisher may send per second, and how far beyond that it may go: what is above the limit is lent to
//! it, up to [`limits::BITRATE_GRACE`] times a second's worth. So a key frame or a moment of motion does no harm, twice
//! the limit ends it after the grace, ten times the limit sooner, and in the long run nobody gets more than the limit.

use std::time::{Duration, Instant};

use crate::limits;

/// Over so long it is looked whether a publisher is above its limit.
const INTERVAL: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Clone, Debug)]
pub struct BitrateLimit {
    /// Bytes per interval.
    allowed: u64,
    /// Bytes above that so far, less what was left over since.
    debt: u64,
    /// Bytes since the interval began.
    bytes: u64,
    until: Instant,
    is_over: bool,
    times_over: u64,
}

impl BitrateLimit {
    /// A limit in bits per second, for a publisher that comes now.
    #[must_use]
    pub fn new(now: Instant, bits_per_second: u64) -> Self {
        let allowed = bits_per_second / 8 * INTERVAL.as_secs();
        Self { allowed, debt: 0, bytes: 0, until: now + INTERVAL, is_over: false, times_over: 0 }
    }

    /// A packet came. False where the publisher has gone too far.
    #[must_use]
    pub fn admits(&mut self, now: Instant, bytes: usize) -> bool {
        self.bytes += bytes as u64;
        if now >= self.until {
            self.settle(now);
        }
        self.debt + self.bytes <= self.allowed.saturating_mul(1 + limits::BITRATE_GRACE.as_secs())
    }

    fn settle(&mut self, now: Instant) {
        // With silence in between there are several.
        let more = now.saturating_duration_since(self.until).as_secs() / INTERVAL.as_secs();
        let allowed = self.allowed.saturating_mul(1 + more);
        self.is_over = self.bytes > allowed;
        self.times_over += u64::from(self.is_over);
        self.debt = (self.debt + self.bytes).saturating_sub(allowed);
        self.bytes = 0;
        self.until += INTERVAL * u32::try_from(1 + more).unwrap_or(u32::MAX);
    }

    /// The last interval was above the limit.
    #[must_use]
    pub fn is_over(&self, now: Instant) -> bool {
        self.is_over && now < self.until + INTERVAL
    }

    /// How many intervals were above the limit.
    #[must_use]
    pub fn times_over(&self) -> u64 {
        self.times_over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends so many times the limit of 1 Mbit/s for each span of milliseconds, in packets of 10 ms. Returns when it
    /// was cut off, whether it is over in the end, and how often it was.
    fn run(spans: &[(u64, f64)]) -> (Option<u64>, bool, u64) {
        let start = Instant::now();
        let mut limit = BitrateLimit::new(start, 1_000_000);
        let mut time = 0;
        for (span, times) in spans {
            let end = time + span;
            while time < end {
                #[allow(clippy::cast_sign_loss, reason = "a positive number")]
                let bytes = (1_250.0 * times) as usize;
                if bytes > 0 && !limit.admits(start + Duration::from_millis(time), bytes) {
                    return (Some(time), limit.is_over(start + Duration::from_millis(time)), limit.times_over());
                }
                time += 10;
            }
        }
        (None, limit.is_over(start + Duration::from_millis(time)), limit.times_over())
    }

    #[test]
    fn the_more_the_sooner_and_within_the_limit_never() {
        type Row<'a> = (&'a [(u64, f64)], Option<std::ops::Range<u64>>, bool);
        let grace = limits::BITRATE_GRACE.as_secs() * 1_000;
        assert_eq!(grace, 5_000, "the table is made for it");
        let table: [Row<'_>; 9] = [
            (&[(60_000, 1.0)], None, false),
            (&[(60_000, 0.5), (2_000, 2.0)], None, true),
            (&[(60_000, 0.5), (2_000, 2.0), (3_000, 0.5)], None, false),
            (&[(60_000, 2.0)], Some(5_000..6_100), true),
            (&[(60_000, 11.0)], Some(500..700), false),
            (&[(60_000, 1_000.0)], Some(0..10), false),
            (&[(4_000, 2.0), (60_000, 1.0)], None, false),
            // To and fro: one and a half times the limit in the mean.
            (&[(1_000, 2.0), (1_000, 1.0)].repeat(30), Some(9_000..12_000), true),
            (&[(2_000, 2.0), (30_000, 0.0), (1_000, 1.0)], None, false),
        ];
        for (spans, cut, over) in table {
            let (at, is_over, times) = run(spans);
            assert_eq!(at.is_some(), cut.is_some(), "{spans:?}: {at:?}");
            assert!(at.zip(cut).is_none_or(|(at, cut)| cut.contains(&at)), "{spans:?}: {at:?}");
            assert!(is_over == over || at.is_some(), "{spans:?}: {times}");
            assert!(times > 0 || !over, "{spans:?}");
        }
    }
}
