//! Names and numbers with a type of their own, in the words of the RFCs.

mod client;

use std::fmt;
use std::sync::Arc;

pub use client::{ClientAddress, ClientGroup};

/// A room's name: `^[A-Za-z0-9_-]{1,64}$`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomName(Arc<str>);

impl RoomName {
    /// The name, or `None` where it is empty, too long or has another character than the allowed ones.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        let fits = (1..=crate::limits::ROOM_NAME_BYTES).contains(&name.len());
        (fits && name.bytes().all(allowed)).then(|| Self(name.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Room names that have something in common: a name in which `*` stands for any characters, none included.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RoomPattern(Arc<str>);

impl RoomPattern {
    /// The pattern, or `None` where it is empty, too long or has another character than a name's and `*`.
    #[must_use]
    pub fn parse(pattern: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-*".contains(&byte);
        let fits = (1..=crate::limits::ROOM_NAME_BYTES).contains(&pattern.len());
        (fits && pattern.bytes().all(allowed)).then(|| Self(pattern.into()))
    }

    /// The pattern as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True for the name of one room.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        !self.0.contains('*')
    }

    /// Whether a room's name fits. The time is bounded by the product of the lengths.
    #[must_use]
    pub fn matches(&self, room: &RoomName) -> bool {
        let Some((start, rest)) = self.0.split_once('*') else { return *self.0 == *room.0 };
        let Some(mut name) = room.0.strip_prefix(start) else { return false };
        let mut parts = rest.split('*').peekable();
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                return name.ends_with(part);
            }
            // The first place is as good as any other: what is left over is the longest then.
            let Some(place) = name.find(part) else { return false };
            name = &name[place + part.len()..];
        }
        true
    }
}

/// What names a session resource: 128 random bits, written as 32 hexadecimal digits in `Location`.
/// Who knows it may end the session, so it is secret: `Debug` shows the first digits only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId([u8; 16]);

impl SessionId {
    /// From 16 bytes of the caller's random source.
    #[must_use]
    pub fn from_random(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The identifier from its 32 hexadecimal digits, or `None`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        u128::from_str_radix(text, 16).ok().map(|n| Self(n.to_be_bytes()))
    }
}

impl SessionId {
    /// What may be shown of the session.
    #[must_use]
    pub fn key(self) -> SessionKey {
        let digest = ring::digest::digest(&ring::digest::SHA256, &self.0);
        SessionKey(digest.as_ref()[..8].try_into().expect("SHA-256 has 32 bytes"))
    }
}

/// A session's name in the log, in events and in the admin API: 16 hexadecimal digits of the identifier's SHA-256. It
/// says nothing of the identifier, so who knows it may do nothing by it alone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey([u8; 8]);

impl SessionKey {
    /// The key from its 16 hexadecimal digits, or `None`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 16 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        u64::from_str_radix(text, 16).ok().map(|n| Self(n.to_be_bytes()))
    }
}

impl fmt::Display for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}{:02x}…", self.0[0], self.0[1])
    }
}

/// A worker's name for one of its peers: a slot and its generation, so that a slot used again is never
/// taken for the peer that was there before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PeerKey {
    /// Index into the worker's table.
    pub slot: u32,
    /// How often the slot had been taken before.
    pub generation: u32,
}

/// A synchronisation source (RFC 3550 §3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ssrc(pub u32);

/// An RTP payload type, 0 to 127 (RFC 3550 §5.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PayloadType(pub u8);

/// The identification tag of an m-line (RFC 8843), at most [`crate::limits::MID_BYTES`] long.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Mid(pub Arc<str>);

/// A restriction identifier: one encoding of a simulcast track (RFC 8851).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Rid(pub Arc<str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_names() {
        let longest = "a".repeat(64);
        for good in ["a", "Room_1-x", longest.as_str()] {
            assert_eq!(RoomName::parse(good).unwrap().as_str(), good);
        }
        let long = "a".repeat(65);
        for bad in ["", "a b", "../x", "ä", "a/b", "a.b", long.as_str()] {
            assert!(RoomName::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn keys_round_trip_and_are_not_the_identifier() {
        let id = SessionId::from_random([0xab; 16]);
        assert_eq!(SessionKey::parse(&id.key().to_string()), Some(id.key()));
        assert!(!id.to_string().contains(&id.key().to_string()[..4]));
        assert_ne!(id.key(), SessionId::from_random([0xac; 16]).key());
        for bad in ["", "ab", &"g".repeat(16), &"+".repeat(16), &id.to_string()] {
            assert!(SessionKey::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn room_patterns() {
        let table = [
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "a", true),
            ("a*", "a", true),
            ("a*", "abc", true),
            ("a*", "ba", false),
            ("*a", "ba", true),
            ("*a", "ab", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("*b*", "abc", true),
            ("**", "x", true),
            ("*ab", "aab", true),
        ];
        for (pattern, name, matches) in table {
            let fits = RoomPattern::parse(pattern).unwrap().matches(&RoomName::parse(name).unwrap());
            assert_eq!(fits, matches, "{pattern} {name}");
        }
        for bad in ["", "a?", "a/*", "ä"] {
            assert!(RoomPattern::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn session_ids_round_trip_and_hide() {
        let id = SessionId::from_random([0xab; 16]);
        assert_eq!(SessionId::parse(&id.to_string()), Some(id));
        assert!(format!("{id:?}").len() < 8);
        for bad in ["", "ab", &"g".repeat(32), &"+".repeat(32)] {
            assert!(SessionId::parse(bad).is_none(), "{bad:?}");
        }
    }
}
