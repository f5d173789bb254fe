//! A track as negotiated: what the answer promised, in the room's terms.

use crate::id::{Mid, PayloadType, Rid, Ssrc};
use crate::rtp::codec::{Codec, Format, MediaKind};
use crate::rtp::extension::ExtensionMap;

/// Feedback that both sides agreed to send and understand for a track (RFC 4585, RFC 5104).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, not a state")]
pub struct Feedback {
    /// Generic NACK.
    pub nack: bool,
    /// Picture loss indication.
    pub pli: bool,
    /// Full intra request.
    pub fir: bool,
    /// Transport-wide congestion control.
    pub transport_cc: bool,
}

/// One m-line that a publisher sends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublishTrack {
    /// The m-line's identification.
    pub mid: Mid,
    /// The one format accepted.
    pub format: Format,
    /// Its payload type.
    pub payload_type: PayloadType,
    /// The payload type of its retransmissions (RFC 4588), if accepted.
    pub rtx: Option<PayloadType>,
    /// The payload type of redundant audio (RFC 2198), if accepted.
    pub red: Option<PayloadType>,
    /// Header extension numbers accepted.
    pub extensions: ExtensionMap,
    /// Encodings in the order of `a=simulcast:send`; empty for a plain track.
    pub rids: Vec<Rid>,
    /// SSRC of the media and of its retransmissions, where the offer names them.
    pub ssrc: Option<Ssrc>,
    /// See [`PublishTrack::ssrc`].
    pub rtx_ssrc: Option<Ssrc>,
    /// Feedback accepted.
    pub feedback: Feedback,
}

/// A canonical name: sixteen ASCII characters.
pub type Cname = [u8; 16];

/// One m-line that a subscriber receives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlayTrack {
    /// The m-line's identification.
    pub mid: Mid,
    /// Audio or video.
    pub kind: MediaKind,
    /// Our SSRC, as the answer names it.
    pub ssrc: Ssrc,
    /// Its canonical name (RFC 3550 §6.5.1), as the answer gives it: the same for all tracks of a session.
    pub cname: Cname,
    /// The formats that may be sent and the subscriber's payload type for each, the best one first.
    pub formats: Vec<(Format, PayloadType)>,
    /// Header extension numbers accepted.
    pub extensions: ExtensionMap,
    /// Feedback accepted.
    pub feedback: Feedback,
}

impl PlayTrack {
    /// The subscriber's payload type for what the publisher sends: the same codec, and for H264 the entry that fits
    /// best (`sdp::h264` holds the rule at negotiation; here the order of `formats` already says it).
    #[must_use]
    pub fn payload_type(&self, codec: Codec) -> Option<PayloadType> {
        self.formats.iter().find(|(format, _)| format.codec == codec).map(|(_, pt)| *pt)
    }
}
