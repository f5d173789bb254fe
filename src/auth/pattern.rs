//! Names of rooms with wildcards.

use std::fmt;

use crate::id::RoomName;
use crate::limits;

/// A room's name in which `*` stands for any characters, none included.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern(Box<str>);

impl Pattern {
    /// The pattern, or `None` where it is empty, longer than [`limits::ROOM_PATTERN_BYTES`], or has a character that
    /// neither a name nor a wildcard has.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-*".contains(&byte);
        let fits = (1..=limits::ROOM_PATTERN_BYTES).contains(&text.len());
        (fits && text.bytes().all(allowed)).then(|| Self(text.into()))
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True for the name of one room.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        !self.0.contains('*')
    }

    /// True where the room is one of those that are meant. Takes no more than the product of both lengths.
    #[must_use]
    pub fn covers(&self, room: &RoomName) -> bool {
        let (pattern, name) = (self.0.as_bytes(), room.as_str().as_bytes());
        let (mut p, mut n) = (0, 0);
        // Where the last wildcard stands, and up to where it reaches.
        let mut wildcard: Option<(usize, usize)> = None;
        while n < name.len() {
            if pattern.get(p) == Some(&b'*') {
                wildcard = Some((p, n));
                p += 1;
            } else if pattern.get(p) == Some(&name[n]) {
                (p, n) = (p + 1, n + 1);
            } else if let Some((at, reach)) = wildcard {
                wildcard = Some((at, reach + 1));
                (p, n) = (at + 1, reach + 1);
            } else {
                return false;
            }
        }
        pattern[p..].iter().all(|byte| *byte == b'*')
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_patterns_cover() {
        let table = [
            ("room", "room", true),
            ("room", "Room", false),
            ("room", "room2", false),
            ("room", "roo", false),
            ("*", "anything", true),
            ("**", "x", true),
            ("live-*", "live-", true),
            ("live-*", "live-1", true),
            ("live-*", "live", false),
            ("*-cam", "hall-cam", true),
            ("*-cam", "hall-cam-2", false),
            ("a*b*c", "abc", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("a*a", "a", false),
            ("*a*", "bab", true),
        ];
        for (pattern, room, expected) in table {
            let covers = Pattern::parse(pattern).unwrap().covers(&RoomName::parse(room).unwrap());
            assert_eq!(covers, expected, "{pattern} {room}");
        }
    }

    #[test]
    fn a_pattern_made_to_be_slow_is_not() {
        let pattern = Pattern::parse(&"*a".repeat(limits::ROOM_PATTERN_BYTES / 2)).unwrap();
        assert!(!pattern.covers(&RoomName::parse(&"a".repeat(63)).unwrap()));
        assert!(!pattern.covers(&RoomName::parse(&format!("{}b", "a".repeat(63))).unwrap()));
    }

    #[test]
    fn what_is_no_pattern() {
        for text in ["", "a b", "a/b", "ä", "a?", "..", &"a".repeat(limits::ROOM_PATTERN_BYTES + 1)] {
            assert!(Pattern::parse(text).is_none(), "{text}");
        }
    }
}
