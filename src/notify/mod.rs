//! What happens to rooms and sessions, told to whoever listens: the [`bus::Bus`] remembers the last [`Notice`]s, and
//! each listener reads them at its own pace. Nobody who tells ever waits, and a listener that is too slow loses what
//! came first; how much is counted, and told to it.

pub mod bus;
mod notice;

use std::time::SystemTime;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub use crate::notify::notice::{Notice, What};

/// The wall clock, for what is shown to people.
#[must_use]
pub fn now() -> SystemTime {
    SystemTime::now()
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
