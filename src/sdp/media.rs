//! One m-line of an offer.

use rtc_sdp::MediaDescription;
use rtc_sdp::description::common::Attribute;

use crate::id::{Mid, Ssrc};
use crate::limits::{MID_BYTES, SDP_PAYLOAD_TYPES, SDP_TOKEN_BYTES};
use crate::rtp::codec::MediaKind;
use crate::sdp::attributes::Attributes;
use crate::sdp::codecs::{self, OfferedFormat};
use crate::sdp::extmap::{self, OfferedExtension};
use crate::sdp::guard::is_token;
use crate::sdp::offer::SdpError;
use crate::sdp::simulcast::Simulcast;
use crate::sdp::transport::Transport;

/// Which way media flows, as the offerer sees it (RFC 8866 §6.7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Direction {
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

impl Direction {
    /// The offerer sends.
    pub(super) fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// The offerer receives.
    pub(super) fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// From the attribute's name.
    pub(super) fn parse(name: &str) -> Option<Self> {
        match name {
            "sendrecv" => Some(Self::SendRecv),
            "sendonly" => Some(Self::SendOnly),
            "recvonly" => Some(Self::RecvOnly),
            "inactive" => Some(Self::Inactive),
            _ => None,
        }
    }
}

/// An m-line with its attributes. Every text in it is safe to repeat in an answer.
#[allow(clippy::struct_excessive_bools, reason = "four independent facts of an m-line")]
pub(super) struct Media {
    /// `audio`, `video`, `application` …
    pub(super) name: String,
    /// `None` for anything but audio and video.
    pub(super) kind: Option<MediaKind>,
    /// `UDP/TLS/RTP/SAVPF`, as the offer says.
    pub(super) proto: String,
    /// The first format of the m-line; a refusal repeats it.
    pub(super) first_format: String,
    pub(super) mid: Mid,
    /// Offered at all: a port other than 0, or 0 with `a=bundle-only` (RFC 9143 §6).
    pub(super) live: bool,
    pub(super) direction: Direction,
    pub(super) rtcp_mux: bool,
    pub(super) rtcp_rsize: bool,
    /// On the session's one transport (set by the offer, which knows the groups).
    pub(super) bundled: bool,
    /// `None` where the m-line names none and lives on another one's.
    pub(super) transport: Option<Transport>,
    /// The formats that are understood, in the offer's order.
    pub(super) formats: Vec<OfferedFormat>,
    pub(super) extensions: Vec<OfferedExtension>,
    /// The encodings that it sends.
    pub(super) simulcast: Option<Simulcast>,
    /// SSRC of the media and of its retransmissions, where named.
    pub(super) ssrc: Option<Ssrc>,
    pub(super) rtx_ssrc: Option<Ssrc>,
}

impl Media {
    pub(super) fn parse(description: &MediaDescription, session: &[Attribute]) -> Result<Self, SdpError> {
        let m_line = &description.media_name;
        let attributes = Attributes::new(&description.attributes, session);
        let proto = m_line.protos.join("/");
        let first_format = m_line.formats.first().cloned().unwrap_or_default();
        if !is_token(&proto, SDP_TOKEN_BYTES) || !is_token(&first_format, SDP_TOKEN_BYTES) {
            return Err(SdpError::invalid("an m-line that is no m-line"));
        }
        if m_line.formats.len() > SDP_PAYLOAD_TYPES {
            return Err(SdpError::invalid("too many payload types"));
        }
        let kind = match m_line.media.as_str() {
            "audio" => Some(MediaKind::Audio),
            "video" => Some(MediaKind::Video),
            _ => None,
        };
        let live = m_line.port.value != 0 || attributes.flag("bundle-only");
        let formats = match kind.filter(|_| is_rtp(&proto)) {
            Some(kind) => codecs::parse(kind, &m_line.formats, attributes)?,
            None => Vec::new(),
        };
        let (ssrc, rtx_ssrc) = ssrcs(attributes);
        Ok(Self {
            name: m_line.media.clone(),
            kind,
            proto,
            first_format,
            mid: mid(attributes)?,
            live,
            direction: direction(attributes),
            rtcp_mux: attributes.flag("rtcp-mux"),
            rtcp_rsize: attributes.flag("rtcp-rsize"),
            bundled: false,
            transport: if live { Transport::parse(attributes)? } else { None },
            formats,
            extensions: extmap::parse(attributes),
            simulcast: Simulcast::parse(attributes)?,
            ssrc,
            rtx_ssrc,
        })
    }

    /// Nothing is asked of us here: the offerer refuses the m-line itself, or neither sends nor receives on it.
    pub(super) fn is_idle(&self) -> bool {
        !self.live || self.direction == Direction::Inactive
    }

    /// Audio or video that we could answer, whatever its direction and formats; else why not.
    pub(super) fn servable(&self) -> Result<MediaKind, &'static str> {
        let kind = self.kind.ok_or("neither audio nor video")?;
        if !is_rtp(&self.proto) {
            return Err("not RTP");
        }
        if !self.rtcp_mux {
            return Err("no rtcp-mux");
        }
        if !self.bundled {
            return Err("not in the BUNDLE group");
        }
        Ok(kind)
    }
}

/// The protocols that JSEP has an answerer take for RTP over DTLS (RFC 8829 §5.1.2); whether there is a fingerprint
/// says the rest.
fn is_rtp(proto: &str) -> bool {
    proto.strip_prefix("UDP/TLS/").or_else(|| proto.strip_prefix("TCP/TLS/")).unwrap_or(proto).starts_with("RTP/")
}

/// The m-line's tag; BUNDLE, which WHIP requires (RFC 9725 §4.4.1), does not work without.
fn mid(attributes: Attributes<'_>) -> Result<Mid, SdpError> {
    let mid = attributes.values("mid").next().ok_or_else(|| SdpError::invalid("an m-line without a=mid"))?;
    if !is_token(mid, MID_BYTES) {
        return Err(SdpError::invalid("a malformed a=mid"));
    }
    Ok(Mid(mid.into()))
}

/// The m-line's direction, else the session's, else both ways.
fn direction(attributes: Attributes<'_>) -> Direction {
    attributes
        .flag_of(["sendrecv", "sendonly", "recvonly", "inactive"])
        .and_then(Direction::parse)
        .unwrap_or(Direction::SendRecv)
}

/// The SSRC of the media and of its retransmissions (RFC 5576 §4): the FID group says both, else the first `a=ssrc`
/// the one.
fn ssrcs(attributes: Attributes<'_>) -> (Option<Ssrc>, Option<Ssrc>) {
    let number = |word: &str| word.parse().ok().map(Ssrc);
    let group = attributes.values("ssrc-group").find_map(|group| {
        let mut words = group.split_ascii_whitespace();
        let pair = (words.next()? == "FID").then_some((words.next()?, words.next()?))?;
        Some((number(pair.0)?, number(pair.1)?))
    });
    match group {
        Some((media, rtx)) => (Some(media), Some(rtx)),
        None => (attributes.values("ssrc").find_map(|line| number(line.split(' ').next()?)), None),
    }
}
