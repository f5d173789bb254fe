//! The codecs that are forwarded, and a format as SDP names it.

/// Audio or video.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum MediaKind {
    /// `m=audio`
    Audio,
    /// `m=video`
    Video,
}

/// A codec that Rillcast forwards.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Codec {
    /// RFC 6184
    H264,
    /// RFC 7798
    H265,
    /// RFC 7741
    Vp8,
    /// RFC 9628
    Vp9,
    /// The AV1 RTP payload format
    Av1,
    /// RFC 7587
    Opus,
    /// G.711 µ-law, RFC 3551
    Pcmu,
    /// G.711 A-law, RFC 3551
    Pcma,
}

impl Codec {
    /// The kind of m-line that the codec belongs to.
    #[must_use]
    pub fn kind(self) -> MediaKind {
        match self {
            Self::H264 | Self::H265 | Self::Vp8 | Self::Vp9 | Self::Av1 => MediaKind::Video,
            Self::Opus | Self::Pcmu | Self::Pcma => MediaKind::Audio,
        }
    }

    /// RTP clock rate in Hz.
    #[must_use]
    pub fn clock_rate(self) -> u32 {
        match self {
            Self::Opus => 48_000,
            Self::Pcmu | Self::Pcma => 8_000,
            _ => 90_000,
        }
    }

    /// The encoding name of `a=rtpmap`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::H264 => "H264",
            Self::H265 => "H265",
            Self::Vp8 => "VP8",
            Self::Vp9 => "VP9",
            Self::Av1 => "AV1",
            Self::Opus => "opus",
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }

    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::H264, Self::H265, Self::Vp8, Self::Vp9, Self::Av1, Self::Opus, Self::Pcmu, Self::Pcma];

    /// The codec of an encoding name, in any case (RFC 8866 §6.6).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.name().eq_ignore_ascii_case(name))
    }
}

/// A codec with the parameters of its `a=fmtp` line, without the payload type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Format {
    /// The codec.
    pub codec: Codec,
    /// The value of `a=fmtp` after the payload type; empty where there is none.
    pub fmtp: String,
}
