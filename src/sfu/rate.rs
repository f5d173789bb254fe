//! A session's bit rate, from its count of bytes: looked at now and then, so that it costs a packet nothing.

use std::time::{Duration, Instant};

/// The shortest time that a rate is measured over.
const INTERVAL: Duration = Duration::from_secs(1);

/// The rate between the last two looks, which are a second apart at least.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    at: Instant,
    bytes: u64,
    bits_per_second: u64,
}

impl Rate {
    /// Nothing has flowed yet.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { at: now, bytes: 0, bits_per_second: 0 }
    }

    /// A look: so many bytes by now. Whoever counts looks whenever the client is heard of, which is every few seconds.
    pub fn look(&mut self, now: Instant, bytes: u64) {
        if now.saturating_duration_since(self.at) >= INTERVAL {
            *self = Self { at: now, bytes, bits_per_second: self.get(now, bytes) };
        }
    }

    /// Bits per second since the last look, where that is long enough ago; else between the last two.
    #[must_use]
    pub fn get(&self, now: Instant, bytes: u64) -> u64 {
        let time = now.saturating_duration_since(self.at);
        if time < INTERVAL {
            return self.bits_per_second;
        }
        let bits = u128::from(bytes.saturating_sub(self.bytes)) * 8;
        u64::try_from(bits * 1_000_000 / time.as_micros()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_between_looks() {
        let start = Instant::now();
        let mut rate = Rate::new(start);
        // milliseconds, bytes by then, bits per second that are told before and after the look
        for (at, bytes, told) in [
            (0, 0, 0),
            (500, 62_500, 0),
            (1_000, 125_000, 1_000_000),
            (1_500, 500_000, 1_000_000),
            (2_000, 500_000, 3_000_000),
            (12_000, 500_000, 0),
            (14_000, 1_000_000, 2_000_000),
        ] {
            let now = start + Duration::from_millis(at);
            assert_eq!(rate.get(now, bytes), told, "at {at}");
            rate.look(now, bytes);
            assert_eq!(rate.get(now, bytes), told, "at {at}, after the look");
        }
    }
}
