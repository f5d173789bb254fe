//! Which packets to ask for, and when.

use std::ops::Range;
use std::time::{Duration, Instant};

use crate::limits::LOAD_MISSING_PACKETS;
use crate::rtp::sequence::low16;

/// What is out of order by less than this is not asked for.
const PATIENCE: Duration = Duration::from_millis(5);
/// From one NACK for a packet to the next.
const REPEAT: Duration = Duration::from_millis(50);
/// A packet that did not come after so many is given up.
const TRIES: u8 = 10;

/// The missing packets of one stream.
#[derive(Default)]
pub struct Missing {
    packets: Vec<Absent>,
    given_up: bool,
}

struct Absent {
    number: u64,
    next: Instant,
    tries: u8,
}

/// What is due.
#[derive(PartialEq, Eq, Debug)]
pub struct Due {
    /// To ask for, rising.
    pub numbers: Vec<u16>,
    /// Something will not come any more: a key frame is needed.
    pub given_up: bool,
}

impl Missing {
    /// These did not come before a later one.
    pub fn add(&mut self, now: Instant, numbers: Range<u64>) {
        self.packets.extend(numbers.map(|number| Absent { number, next: now + PATIENCE, tries: 0 }));
        if self.packets.len() > LOAD_MISSING_PACKETS {
            self.packets.clear();
            self.given_up = true;
        }
    }

    /// One has come.
    pub fn remove(&mut self, number: u64) {
        self.packets.retain(|absent| absent.number != number);
    }

    /// When [`Missing::poll`] has something to do.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.packets.iter().map(|absent| absent.next).min()
    }

    /// What is due now.
    pub fn poll(&mut self, now: Instant) -> Due {
        let mut given_up = std::mem::take(&mut self.given_up);
        let mut numbers = Vec::new();
        self.packets.retain_mut(|absent| {
            if absent.next > now {
                return true;
            }
            if absent.tries >= TRIES {
                given_up = true;
                return false;
            }
            absent.tries += 1;
            absent.next = now + REPEAT;
            numbers.push(low16(absent.number));
            true
        });
        Due { numbers, given_up }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_asked_for_until_it_comes_or_is_given_up() {
        let start = Instant::now();
        let mut missing = Missing::default();
        missing.add(start, 65_534..65_537);
        missing.remove(65_535);
        assert_eq!(missing.next(), Some(start + PATIENCE));
        assert_eq!(missing.poll(start), Due { numbers: vec![], given_up: false });
        let mut now = start + PATIENCE;
        for _ in 0..TRIES {
            assert_eq!(missing.poll(now), Due { numbers: vec![65_534, 0], given_up: false });
            now += REPEAT;
        }
        assert_eq!(missing.poll(now), Due { numbers: vec![], given_up: true });
        assert_eq!((missing.next(), missing.poll(now).given_up), (None, false));
    }

    #[test]
    fn too_many_are_given_up_at_once() {
        let start = Instant::now();
        let mut missing = Missing::default();
        missing.add(start, 0..LOAD_MISSING_PACKETS as u64 + 1);
        assert_eq!(missing.next(), None);
        assert!(missing.poll(start).given_up);
    }
}
