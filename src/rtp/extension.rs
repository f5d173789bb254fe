//! RTP header extensions (RFC 8285): which ones are understood, and their numbers in one session.

/// A header extension that Rillcast understands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Extension {
    /// `urn:ietf:params:rtp-hdrext:sdes:mid` (RFC 9143)
    Mid,
    /// `urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id` (RFC 8852)
    Rid,
    /// `urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id` (RFC 8852)
    RepairedRid,
    /// Transport-wide sequence number (draft-holmer-rmcat-transport-wide-cc-extensions-01)
    TransportCc,
    /// `urn:ietf:params:rtp-hdrext:ssrc-audio-level` (RFC 6464)
    AudioLevel,
}

impl Extension {
    /// All of them, in the order of the declaration.
    pub const ALL: [Self; 5] = [Self::Mid, Self::Rid, Self::RepairedRid, Self::TransportCc, Self::AudioLevel];

    /// The URI of `a=extmap`.
    #[must_use]
    pub fn uri(self) -> &'static str {
        match self {
            Self::Mid => "urn:ietf:params:rtp-hdrext:sdes:mid",
            Self::Rid => "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
            Self::RepairedRid => "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
            Self::TransportCc => "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
            Self::AudioLevel => "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        }
    }

    /// The extension of a URI, where it is understood.
    #[must_use]
    pub fn from_uri(uri: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|extension| extension.uri() == uri)
    }
}

/// The numbers (1 to 255) that one m-line gives to the extensions; 0 stands for "not negotiated".
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ExtensionMap([u8; Extension::ALL.len()]);

impl ExtensionMap {
    /// Notes a number. A second one for the same extension replaces the first.
    pub fn set(&mut self, extension: Extension, id: u8) {
        self.0[extension as usize] = id;
    }

    /// The number of an extension, if it was negotiated.
    #[must_use]
    pub fn id(&self, extension: Extension) -> Option<u8> {
        Some(self.0[extension as usize]).filter(|id| *id != 0)
    }

    /// The extension of a number, if one was negotiated under it.
    #[must_use]
    pub fn extension(&self, id: u8) -> Option<Extension> {
        Extension::ALL.into_iter().find(|extension| id != 0 && self.0[*extension as usize] == id)
    }
}

/// The profile that marks one-byte elements (RFC 8285 §4.2).
pub const ONE_BYTE_PROFILE: u16 = 0xbede;

/// Walks the elements of a header extension, in the one-byte and the two-byte form. What does not parse ends the walk.
#[derive(Clone)]
pub struct Elements<'a> {
    two_bytes: bool,
    rest: &'a [u8],
}

impl<'a> Elements<'a> {
    /// The elements behind a profile; none for a profile that RFC 8285 does not know.
    #[must_use]
    pub fn new(profile: u16, bytes: &'a [u8]) -> Self {
        let two_bytes = profile & 0xfff0 == 0x1000;
        let known = two_bytes || profile == ONE_BYTE_PROFILE;
        Self { two_bytes, rest: if known { bytes } else { &[] } }
    }

    /// Identifier and length of the element at the front, and the bytes that say so.
    fn head(&self) -> Option<(u8, usize, usize)> {
        let first = *self.rest.first()?;
        if self.two_bytes {
            return Some((first, usize::from(*self.rest.get(1)?), 2));
        }
        // Identifier 15 is reserved and ends the walk (RFC 8285 §4.2).
        (first >> 4 != 15).then_some((first >> 4, usize::from(first & 0x0f) + 1, 1))
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        while self.rest.first() == Some(&0) {
            self.rest = &self.rest[1..];
        }
        let (id, length, head) = self.head()?;
        let value = self.rest.get(head..head + length)?;
        self.rest = &self.rest[head + length..];
        Some((id, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_of_both_forms() {
        type Row<'a> = (u16, &'a [u8], &'a [(u8, &'a [u8])]);
        let table: [Row<'_>; 7] = [
            (0xbede, &[0x10, 7, 0, 0x21, 8, 9, 0, 0], &[(1, &[7]), (2, &[8, 9])]),
            (0xbede, &[0xf0, 7, 0x10, 1], &[]),
            (0xbede, &[0x12, 7], &[]),
            (0x1000, &[1, 0, 2, 2, 8, 9, 0, 0], &[(1, &[]), (2, &[8, 9])]),
            (0x1005, &[200, 1, 5], &[(200, &[5])]),
            (0x1000, &[1], &[]),
            (0x2222, &[0x10, 7], &[]),
        ];
        for (profile, bytes, expected) in table {
            assert_eq!(Elements::new(profile, bytes).collect::<Vec<_>>(), expected, "{profile:x} {bytes:?}");
        }
    }

    #[test]
    fn maps_answer_both_ways() {
        let mut map = ExtensionMap::default();
        map.set(Extension::Mid, 4);
        assert_eq!((map.id(Extension::Mid), map.extension(4)), (Some(4), Some(Extension::Mid)));
        assert_eq!((map.id(Extension::Rid), map.extension(0)), (None, None));
        for extension in Extension::ALL {
            assert_eq!(Extension::from_uri(extension.uri()), Some(extension));
        }
    }
}
