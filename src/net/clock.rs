//! The only clock of the data plane. Everything above is told the time.
#![expect(clippy::disallowed_methods, reason = "this is the place where the clock is read")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Seconds from the NTP epoch (1900) to the Unix epoch (1970).
const NTP_UNIX_OFFSET: u64 = 2_208_988_800;

/// Monotonic time, and the wall clock time that belongs to it.
///
/// The wall clock is read once: a clock that is set later must not move the sender reports of a running room, or audio
/// and video lose their common time.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
    wall: Duration,
}

impl Clock {
    /// Reads both clocks.
    #[must_use]
    pub fn start() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { origin: Instant::now(), wall }
    }

    /// Monotonic time.
    #[must_use]
    #[allow(clippy::unused_self)] // Who is not given a clock reads none.
    pub fn now(&self) -> Instant {
        Instant::now()
    }

    /// The NTP time of an instant, in seconds since 1900 as 32.32 bits fixed point (RFC 5905 §6).
    #[must_use]
    pub fn ntp(&self, at: Instant) -> u64 {
        let wall = self.wall + at.saturating_duration_since(self.origin);
        let fraction = (u64::from(wall.subsec_nanos()) << 32) / 1_000_000_000;
        // The seconds wrap in 2036, as the format has it.
        ((wall.as_secs() + NTP_UNIX_OFFSET) << 32) | fraction
    }
}

/// The wall clock, for what others date: tokens, webhooks.
#[must_use]
pub fn wall() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ntp_time_is_fixed_point_since_1900() {
        let origin = Instant::now();
        let clock = Clock { origin, wall: Duration::new(1_000, 500_000_000) };
        let second = 1u64 << 32;
        let start = (NTP_UNIX_OFFSET + 1_000) * second + second / 2;
        for (after, expected) in [
            (Duration::ZERO, start),
            (Duration::from_millis(250), start + second / 4),
            (Duration::from_millis(500), start + second / 2),
            (Duration::from_hours(1), start + 3_600 * second),
        ] {
            assert_eq!(clock.ntp(origin + after), expected, "{after:?}");
        }
    }

    #[test]
    fn an_instant_before_the_start_counts_as_the_start() {
        let clock = Clock::start();
        if let Some(before) = clock.origin.checked_sub(Duration::from_secs(1)) {
            assert_eq!(clock.ntp(before), clock.ntp(clock.origin));
        }
    }
}
