//! What a newcomer missed, squeezed in time: sent at many times the speed of the original, with time stamps to
//! match, so that the player lands at the live edge instead of trailing by the age of the group.

use std::time::{Duration, Instant};

use crate::limits;

/// A mapping of timestamps: what lies before `edge` is squeezed towards it, what lies behind is left alone. A
/// function of the timestamp alone, so that a retransmission gets the same one again; it never runs backwards.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Squeeze {
    edge: i64,
}

impl Squeeze {
    /// Leaves everything alone.
    pub const NONE: Self = Self { edge: i64::MIN };

    /// For a burst that starts now at `first` while the live edge is at `live` (timestamps of one track). While the
    /// burst runs the edge moves on, so the two meet a little later: after `age / (speed - 1)`.
    #[must_use]
    pub fn new(first: i64, live: i64) -> Self {
        let age = (live - first).max(0);
        Self { edge: live + age / (limits::BURST_SPEED - 1) }
    }

    /// For a jump to the frame of timestamp `first`, when `sent` is the newest (squeezed) timestamp that went out. The
    /// frame keeps its own timestamp, which is about the present, so that the player shows it at once; where that would
    /// run backwards it gets the next one, and what follows is squeezed until the two meet.
    #[must_use]
    pub fn jump(first: i64, sent: i64) -> Self {
        let ahead = (sent + 1 - first).max(0);
        let speed = limits::BURST_SPEED;
        Self { edge: first + (ahead * speed + speed - 2) / (speed - 1) }
    }

    /// True for a timestamp that is left alone.
    #[must_use]
    pub fn is_past(self, timestamp: i64) -> bool {
        self.apply(timestamp) == timestamp
    }

    /// The squeezed timestamp.
    #[must_use]
    pub fn apply(self, timestamp: i64) -> i64 {
        if timestamp >= self.edge { timestamp } else { self.edge - (self.edge - timestamp) / limits::BURST_SPEED }
    }
}

/// The pace of one burst.
#[derive(Clone, Copy, Debug)]
pub struct Burst {
    started: Instant,
    first: i64,
}

impl Burst {
    /// A burst that begins now with the frame of this timestamp.
    #[must_use]
    pub fn new(now: Instant, first: i64) -> Self {
        Self { started: now, first }
    }

    /// The timestamp up to which frames may be sent by now. The first frame may go at once.
    #[must_use]
    pub fn allowed(&self, now: Instant, clock_rate: u32) -> i64 {
        let elapsed = now.saturating_duration_since(self.started);
        self.first + limits::BURST_SPEED * ticks(elapsed, clock_rate)
    }
}

/// A duration in units of a clock rate.
#[must_use]
pub fn ticks(duration: Duration, clock_rate: u32) -> i64 {
    i64::try_from(duration.as_micros() * u128::from(clock_rate) / 1_000_000).unwrap_or(i64::MAX / 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 90_000;

    #[test]
    fn a_jump_goes_to_the_present_but_never_backwards() {
        for (first, sent, at) in
            [(10_000, 2_000, 10_000), (10_000, 9_999, 10_000), (10_000, 10_000, 10_001), (10_000, 12_700, 12_701)]
        {
            let squeeze = Squeeze::jump(first, sent);
            assert!((at..=at + 1).contains(&squeeze.apply(first)), "{first} after {sent}: {}", squeeze.apply(first));
            assert!(squeeze.apply(first + 3_000) > squeeze.apply(first));
            assert_eq!(squeeze.apply(first + SECOND), first + SECOND);
        }
    }

    #[test]
    fn a_squeezed_burst_meets_the_live_edge() {
        let live = 1_000 * SECOND;
        for age in [0, SECOND / 30, SECOND, 10 * SECOND] {
            let squeeze = Squeeze::new(live - age, live);
            let meets = live + age / (limits::BURST_SPEED - 1);
            assert!((squeeze.apply(live - age) - live).abs() <= 1, "the first frame is shown as of now");
            assert_eq!(squeeze.apply(meets), meets);
            assert_eq!(squeeze.apply(meets + SECOND), meets + SECOND);
            let mut last = i64::MIN;
            for timestamp in (live - age..meets + SECOND).step_by(3_000) {
                assert!(squeeze.apply(timestamp) > last, "never backwards");
                last = squeeze.apply(timestamp);
            }
        }
    }

    #[test]
    fn without_a_squeeze_nothing_moves() {
        for timestamp in [-5, 0, 5, i64::MAX] {
            assert_eq!(Squeeze::NONE.apply(timestamp), timestamp);
        }
    }

    #[test]
    fn the_pace_is_twenty_times_the_original() {
        let start = Instant::now();
        let burst = Burst::new(start, 500);
        assert_eq!(burst.allowed(start, 90_000), 500);
        assert_eq!(burst.allowed(start + Duration::from_millis(100), 90_000), 500 + 2 * SECOND);
    }
}
