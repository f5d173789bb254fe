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
    /// `http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time`
    AbsCaptureTime,
}

impl Extension {
    /// All of them, in the order of the declaration.
    pub const ALL: [Self; 6] =
        [Self::Mid, Self::Rid, Self::RepairedRid, Self::TransportCc, Self::AudioLevel, Self::AbsCaptureTime];

    /// The URI of `a=extmap`.
    #[must_use]
    pub fn uri(self) -> &'static str {
        match self {
            Self::Mid => "urn:ietf:params:rtp-hdrext:sdes:mid",
            Self::Rid => "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
            Self::RepairedRid => "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
            Self::TransportCc => "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
            Self::AudioLevel => "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
            Self::AbsCaptureTime => "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
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
