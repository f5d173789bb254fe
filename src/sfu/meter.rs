//! Bit rate over the last second or so.

use std::time::{Duration, Instant};

const SLOT: Duration = Duration::from_millis(250);
const SLOTS: usize = 4;

/// Counts bytes in four slots of a quarter of a second.
#[derive(Clone, Debug)]
pub struct Meter {
    slots: [u64; SLOTS],
    current: usize,
    until: Instant,
}

impl Meter {
    /// A meter that has seen nothing.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { slots: [0; SLOTS], current: 0, until: now + SLOT }
    }

    /// Counts bytes.
    pub fn add(&mut self, now: Instant, bytes: usize) {
        self.advance(now);
        self.slots[self.current] += bytes as u64;
    }

    /// Bits per second over the three full slots before the current one.
    pub fn bitrate(&mut self, now: Instant) -> u64 {
        self.advance(now);
        let full: u64 = self.slots.iter().sum::<u64>() - self.slots[self.current];
        full * 8 * 4 / (SLOTS as u64 - 1)
    }

    fn advance(&mut self, now: Instant) {
        for _ in 0..SLOTS {
            if now < self.until {
                return;
            }
            self.current = (self.current + 1) % SLOTS;
            self.slots[self.current] = 0;
            self.until += SLOT;
        }
        if now >= self.until {
            self.until = now + SLOT;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_rate_is_told_and_silence_too() {
        let start = Instant::now();
        let mut meter = Meter::new(start);
        for step in 0..200 {
            meter.add(start + Duration::from_millis(10 * step), 1_250);
        }
        assert_eq!(meter.bitrate(start + Duration::from_secs(2)), 1_000_000);
        assert_eq!(meter.bitrate(start + Duration::from_mins(1)), 0);
    }
}
