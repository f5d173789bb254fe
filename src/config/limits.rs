//! `[limits]`: what one client may have, and what all together.

use crate::config::error::ConfigError;
use crate::config::key::{Key, Section};
use crate::config::parse::number;
use crate::config::source::{Source, Values as _};
use crate::http::rate::RateConfig;
use crate::http::server::places::Bounds;
use crate::limits;
use crate::session::quota::Quotas;

const RATE: Key = Key::new(
    "limits.rate_rps",
    "RATE_LIMIT_RPS",
    "0",
    "requests per second of one client address (IPv6: of its /64); fractions are allowed, 0: no limit",
)
.expects("a number from 0 to 100000, such as 10 or 0.5")
.number();
const BURST: Key = Key::new(
    "limits.rate_burst",
    "RATE_LIMIT_BURST",
    "0",
    "requests that a client may send at once; 0: as many as come in two seconds, and at least 20",
)
.expects("a number from 0 to 100000")
.number();
const SUBSCRIBERS: Key =
    Key::new("limits.max_subscribers_per_room", "MAX_SUBS_PER_ROOM", "0", "most subscribers of a room; 0: no limit")
        .expects("a number")
        .number();
const SESSIONS: Key = Key::new("limits.max_sessions", "MAX_SESSIONS", "20000", "most publishers and subscribers")
    .expects("a number from 1 to 20000")
    .number();
const ROOMS: Key = Key::new("limits.max_rooms", "MAX_ROOMS", "2000", "most rooms at a time")
    .expects("a number from 1 to 20000")
    .number();
const PUBLISHERS: Key = Key::new("limits.max_publishers", "MAX_PUBLISHERS", "2000", "most publishers at a time")
    .expects("a number from 1 to 20000")
    .number();
const PENDING: Key = Key::new(
    "limits.max_pending_per_client",
    "MAX_PENDING_PER_CLIENT",
    "256",
    "most sessions of one client address that are not connected yet; 0: no limit",
)
.expects("a number")
.number();

const CONNECTIONS: Key =
    Key::new("limits.max_connections", "MAX_CONNECTIONS", "8192", "most HTTP connections; the idlest gives way")
        .expects("a number from 1 to 1000000")
        .number();
const CONNECTIONS_PER_CLIENT: Key = Key::new(
    "limits.max_connections_per_client",
    "MAX_CONNECTIONS_PER_CLIENT",
    "512",
    "most HTTP connections of one client address, trusted proxies excepted",
)
.expects("a number from 1 to 1000000")
.number();

/// `[limits]`
pub const LIMITS: Section = Section {
    about: "What one client may have, and what all together.",
    keys: &[
        &RATE,
        &BURST,
        &SUBSCRIBERS,
        &SESSIONS,
        &ROOMS,
        &PUBLISHERS,
        &PENDING,
        &CONNECTIONS,
        &CONNECTIONS_PER_CLIENT,
    ],
};

/// How often a client may ask.
///
/// # Errors
/// The first value that does not parse.
pub fn rate(source: &Source<'_>) -> Result<RateConfig, ConfigError> {
    let largest = limits::RATE_LARGEST;
    let rate = |text: &str| {
        let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        text.parse().ok().filter(|rate: &f64| plain && *rate <= f64::from(largest))
    };
    let burst = |text: &str| number(text).filter(|burst: &u32| *burst <= largest);
    Ok(RateConfig { per_second: source.value(&RATE, rate)?, burst: source.value(&BURST, burst)? })
}

/// How many sessions there may be.
///
/// # Errors
/// The first value that does not parse.
pub fn quotas(source: &Source<'_>) -> Result<Quotas, ConfigError> {
    let some = |text: &str| number(text).filter(|count| (1..=limits::SESSIONS).contains(count));
    Ok(Quotas {
        sessions: source.value(&SESSIONS, some)?,
        rooms: source.value(&ROOMS, some)?,
        publishers: source.value(&PUBLISHERS, some)?,
        pending_per_client: source.value(&PENDING, number)?,
    })
}

/// How many connections there may be.
///
/// # Errors
/// The first value that does not parse.
pub fn connections(source: &Source<'_>) -> Result<Bounds, ConfigError> {
    let some = |text: &str| number(text).filter(|count| (1..=1_000_000).contains(count));
    Ok(Bounds { all: source.value(&CONNECTIONS, some)?, per_client: source.value(&CONNECTIONS_PER_CLIENT, some)? })
}

/// Most subscribers of a room; 0: no limit.
///
/// # Errors
/// Where it is no number.
pub fn max_subscribers(source: &Source<'_>) -> Result<usize, ConfigError> {
    source.value(&SUBSCRIBERS, number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<'a>(variables: &'a [(&'a str, &'a str)]) -> Source<'a> {
        Source::new(|name| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into()))
    }

    #[test]
    fn defaults_and_values() {
        let nothing = with(&[]);
        assert_eq!(rate(&nothing), Ok(RateConfig::default()));
        assert_eq!(quotas(&nothing), Ok(Quotas::default()));
        assert_eq!(connections(&nothing), Ok(crate::http::server::DEFAULT_BOUNDS));
        assert_eq!(max_subscribers(&nothing), Ok(0));
        let something = with(&[("RATE_LIMIT_RPS", "2.5"), ("RATE_LIMIT_BURST", "9"), ("MAX_ROOMS", "1")]);
        assert_eq!(rate(&something), Ok(RateConfig { per_second: 2.5, burst: 9 }));
        assert_eq!(quotas(&something).unwrap().rooms, 1);
    }

    #[test]
    fn what_does_not_parse_is_named() {
        for (name, value) in [
            ("RATE_LIMIT_RPS", "-1"),
            ("RATE_LIMIT_RPS", "inf"),
            ("RATE_LIMIT_RPS", "1e3"),
            ("RATE_LIMIT_RPS", "100001"),
            ("RATE_LIMIT_BURST", "1.5"),
            ("MAX_SESSIONS", "0"),
            ("MAX_SESSIONS", "20001"),
            ("MAX_ROOMS", "many"),
        ] {
            let variables = [(name, value)];
            let source = with(&variables);
            let error = rate(&source).map(drop).and(quotas(&source).map(drop)).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
