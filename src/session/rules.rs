//! What holds in a room: what the operator says of all rooms, and what of those whose names fit a pattern.

use crate::id::{RoomName, RoomPattern};
use crate::rtp::codec::Codec;
use crate::session::SessionConfig;

/// What is said of some rooms; `None`: nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoomRule {
    /// Of which ones.
    pub pattern: RoomPattern,
    /// Codecs that a publisher may send.
    pub codecs: Option<Vec<Codec>>,
    /// See [`SessionConfig::wait_for_publisher`].
    pub wait_for_publisher: Option<bool>,
    /// See [`SessionConfig::takeover`].
    pub takeover: Option<bool>,
    /// See [`SessionConfig::max_subscribers`].
    pub max_subscribers: Option<usize>,
    /// See [`SessionConfig::max_bitrate`].
    pub max_bitrate: Option<u64>,
}

/// What holds in one room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rules {
    /// Codecs that its publisher may send; `None`: every one that can be forwarded.
    pub codecs: Option<Vec<Codec>>,
    /// A subscriber may come before the publisher.
    pub wait_for_publisher: bool,
    /// A second publisher with the same credential takes over.
    pub takeover: bool,
    /// Most subscribers, those being admitted included; `None`: no limit.
    pub max_subscribers: Option<usize>,
    /// Most that the publisher may send, in bits per second; `None`: no limit.
    pub max_bitrate: Option<u64>,
}

impl SessionConfig {
    /// What holds in a room: of the rules that fit, the first one that says something decides.
    #[must_use]
    pub fn rules(&self, room: &RoomName) -> Rules {
        let fitting: Vec<&RoomRule> = self.rooms.iter().filter(|rule| rule.pattern.matches(room)).collect();
        // 0 says that there is no limit, which is more than saying nothing.
        let first = |said: fn(&RoomRule) -> Option<u64>| fitting.iter().find_map(|rule| said(rule));
        let limit = |said: Option<u64>, all: u64| Some(said.unwrap_or(all)).filter(|limit| *limit > 0);
        let subscribers =
            limit(first(|rule| rule.max_subscribers.map(|most| most as u64)), self.max_subscribers as u64);
        Rules {
            codecs: fitting.iter().find_map(|rule| rule.codecs.clone()),
            wait_for_publisher: fitting
                .iter()
                .find_map(|rule| rule.wait_for_publisher)
                .unwrap_or(self.wait_for_publisher),
            takeover: fitting.iter().find_map(|rule| rule.takeover).unwrap_or(self.takeover),
            max_subscribers: subscribers.and_then(|most| usize::try_from(most).ok()),
            max_bitrate: limit(first(|rule| rule.max_bitrate), self.max_bitrate),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_says_something_decides() {
        let rule = |pattern: &str| RoomRule {
            pattern: RoomPattern::parse(pattern).unwrap(),
            codecs: None,
            wait_for_publisher: None,
            takeover: None,
            max_subscribers: None,
            max_bitrate: None,
        };
        let config = SessionConfig {
            max_subscribers: 7,
            takeover: true,
            rooms: vec![
                RoomRule { max_subscribers: Some(0), ..rule("a") },
                RoomRule { max_subscribers: Some(3), max_bitrate: Some(1_000), ..rule("a*") },
                RoomRule { takeover: Some(false), codecs: Some(vec![Codec::Vp8]), ..rule("*") },
            ],
            ..SessionConfig::default()
        };
        let of = |name: &str| config.rules(&RoomName::parse(name).unwrap());
        assert_eq!(
            (of("a").max_subscribers, of("ab").max_subscribers, of("b").max_subscribers),
            (None, Some(3), Some(7))
        );
        assert_eq!((of("a").max_bitrate, of("b").max_bitrate), (Some(1_000), None));
        assert_eq!((of("a").takeover, of("a").codecs), (false, Some(vec![Codec::Vp8])));
        assert!(!of("a").wait_for_publisher);
    }
}
