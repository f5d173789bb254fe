//! What happens to rooms and sessions, told to whoever listens: the [`bus::Bus`] remembers the last [`Notice`]s, and
//! each listener reads them at its own pace. Nobody who tells ever waits, and a listener that is too slow loses what
//! came first; how much is counted, and told to it.

pub mod bus;
mod notice;
mod queue;
pub mod sign;
pub mod webhook;

use std::time::SystemTime;

use ring::rand::{SecureRandom as _, SystemRandom};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub use crate::notify::notice::{Notice, What};

/// The wall clock, for what is shown to people.
#[must_use]
pub fn now() -> SystemTime {
    SystemTime::now()
}

/// From 0 to 1, for waits of many that must not end at the same time.
#[must_use]
pub fn jitter() -> f64 {
    let mut bytes = [0; 4];
    // Without random numbers there is none, and no harm.
    let _ = SystemRandom::new().fill(&mut bytes);
    f64::from(u32::from_be_bytes(bytes)) / f64::from(u32::MAX)
}

/// A time as JSON has it: RFC 3339, in UTC, in milliseconds.
#[must_use]
pub fn rfc3339(time: SystemTime) -> String {
    let time = OffsetDateTime::from(time);
    let time = time.replace_millisecond(time.millisecond()).unwrap_or(time);
    time.format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times() {
        let table = [(0, "1970-01-01T00:00:00Z"), (1_764_115_245_120, "2025-11-26T00:00:45.12Z")];
        for (milliseconds, text) in table {
            assert_eq!(rfc3339(SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds)), text);
        }
    }
}
