//! The formats of an m-line: `a=rtpmap`, `a=fmtp` and `a=rtcp-fb` put together.

use std::collections::BTreeMap;

use crate::id::PayloadType;
use crate::limits::SDP_FMTP_BYTES;
use crate::rtp::codec::{Codec, Format, MediaKind};
use crate::sdp::attributes::Attributes;
use crate::sdp::offer::SdpError;
use crate::sdp::parameters::parameter;
use crate::sfu::track::Feedback;

/// What a payload type carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Carries {
    /// Media.
    Media(Codec),
    /// Retransmissions (RFC 4588) of the payload type that `apt` names.
    Rtx(PayloadType),
    /// Redundant audio (RFC 2198): every block is of this payload type.
    Red(PayloadType),
}

impl Carries {
    fn suits(self, kind: MediaKind) -> bool {
        match self {
            Self::Media(codec) => codec.kind() == kind,
            Self::Rtx(_) => true,
            Self::Red(_) => kind == MediaKind::Audio,
        }
    }
}

/// A payload type that is understood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct OfferedFormat {
    pub(super) payload_type: PayloadType,
    pub(super) carries: Carries,
    /// `opus/48000/2`, with the name as the offer spells it.
    pub(super) encoding: String,
    /// The value of `a=fmtp`, or nothing.
    pub(super) fmtp: String,
    /// Feedback offered for it, as far as it is understood.
    pub(super) feedback: Feedback,
}

impl OfferedFormat {
    /// Its codec with its parameters, where it carries media.
    pub(super) fn format(&self) -> Option<Format> {
        match self.carries {
            Carries::Media(codec) => Some(Format { codec, fmtp: self.fmtp.clone() }),
            _ => None,
        }
    }
}

/// What the attributes say of one payload type.
#[derive(Default)]
struct Described<'a> {
    rtpmap: Option<&'a str>,
    fmtp: Option<&'a str>,
    feedback: Feedback,
}

/// The formats of an m-line that are understood and of its kind, in its order.
///
/// # Errors
/// [`SdpError::Invalid`] where a format of the m-line is no payload type.
pub(super) fn parse(
    kind: MediaKind,
    formats: &[String],
    attributes: Attributes<'_>,
) -> Result<Vec<OfferedFormat>, SdpError> {
    let mut described = describe(attributes);
    let mut understood = Vec::new();
    for format in formats {
        let number = payload_type(format).ok_or_else(|| SdpError::invalid("a payload type that is none"))?;
        // A second mention finds nothing left, so that each payload type is listed once.
        let Some(description) = described.remove(&number) else { continue };
        // With RTP and RTCP on one port the second byte tells them apart, so these numbers are RTCP's (RFC 5761 §4).
        if (64..96).contains(&number) {
            continue;
        }
        let format = understand(PayloadType(number), &description);
        understood.extend(format.filter(|format| format.carries.suits(kind)));
    }
    Ok(understood)
}

/// 0 to 127 in the one way to write it.
fn payload_type(text: &str) -> Option<u8> {
    text.parse().ok().filter(|number: &u8| *number < 128 && number.to_string() == text)
}

/// One pass over the attributes, however many payload types there are.
fn describe(attributes: Attributes<'_>) -> BTreeMap<u8, Described<'_>> {
    let mut described: BTreeMap<u8, Described<'_>> = BTreeMap::new();
    let numbered = |line: &'static str| {
        attributes.values(line).filter_map(|value| {
            let (number, rest) = value.split_once(' ')?;
            Some((payload_type(number)?, rest.trim()))
        })
    };
    for (number, rtpmap) in numbered("rtpmap") {
        described.entry(number).or_default().rtpmap.get_or_insert(rtpmap);
    }
    // These two go without `a=rtpmap` (RFC 3551 §6).
    for (number, rtpmap) in [(0, "PCMU/8000"), (8, "PCMA/8000")] {
        described.entry(number).or_default().rtpmap.get_or_insert(rtpmap);
    }
    for (number, fmtp) in numbered("fmtp") {
        described.entry(number).or_default().fmtp.get_or_insert(fmtp);
    }
    for (number, feedback) in numbered("rtcp-fb") {
        merge(&mut described.entry(number).or_default().feedback, feedback);
    }
    let every = attributes.values("rtcp-fb").filter_map(|value| value.strip_prefix("* "));
    for feedback in every {
        for format in described.values_mut() {
            merge(&mut format.feedback, feedback);
        }
    }
    described
}

fn merge(known: &mut Feedback, offered: &str) {
    match offered.trim() {
        "nack" => known.nack = true,
        "nack pli" => known.pli = true,
        "ccm fir" => known.fir = true,
        "transport-cc" => known.transport_cc = true,
        _ => {}
    }
}

fn understand(payload_type: PayloadType, described: &Described<'_>) -> Option<OfferedFormat> {
    let fmtp = described.fmtp.unwrap_or_default();
    let printable = fmtp.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    if fmtp.len() > SDP_FMTP_BYTES || !printable {
        return None;
    }
    let mut parts = described.rtpmap?.split('/');
    let (name, clock, channels) = (parts.next()?, parts.next()?, parts.next());
    if parts.next().is_some() {
        return None;
    }
    let carries = carries(name, clock, channels, fmtp)?;
    let channels = channels.map(|channels| format!("/{channels}")).unwrap_or_default();
    let encoding = format!("{name}/{clock}{channels}");
    Some(OfferedFormat { payload_type, carries, encoding, fmtp: fmtp.to_owned(), feedback: described.feedback })
}

/// Compares the whole of `a=rtpmap` with what is known, names in either case: GStreamer writes `OPUS`.
fn carries(name: &str, clock: &str, channels: Option<&str>, fmtp: &str) -> Option<Carries> {
    const CODECS: [Codec; 8] =
        [Codec::H264, Codec::H265, Codec::Vp8, Codec::Vp9, Codec::Av1, Codec::Opus, Codec::Pcmu, Codec::Pcma];
    let codec = CODECS.into_iter().find(|codec| {
        let channels_fit = match codec {
            Codec::Opus => channels == Some("2"),
            _ => channels.is_none_or(|channels| channels == "1"),
        };
        codec.name().eq_ignore_ascii_case(name) && codec.clock_rate().to_string() == clock && channels_fit
    });
    if let Some(codec) = codec {
        return Some(Carries::Media(codec));
    }
    if name.eq_ignore_ascii_case("rtx") && clock == "90000" && channels.is_none() {
        return parameter(fmtp, "apt").and_then(payload_type).map(|apt| Carries::Rtx(PayloadType(apt)));
    }
    if name.eq_ignore_ascii_case("red") && clock == "48000" && channels == Some("2") {
        let mut blocks = fmtp.split('/').map(payload_type);
        let first = blocks.next()??;
        return blocks.all(|block| block == Some(first)).then_some(Carries::Red(PayloadType(first)));
    }
    None
}

#[cfg(test)]
mod tests {
    use rtc_sdp::description::common::Attribute;

    use super::*;

    fn formats(line: &str, attributes: &[(&str, &str)]) -> Result<Vec<OfferedFormat>, SdpError> {
        let attributes: Vec<_> =
            attributes.iter().map(|(k, v)| Attribute::new((*k).into(), Some((*v).into()))).collect();
        let line: Vec<_> = line.split(' ').map(str::to_owned).collect();
        let kind = |kind| parse(kind, &line, Attributes::new(&attributes, &[]));
        Ok([kind(MediaKind::Audio)?, kind(MediaKind::Video)?].concat())
    }

    #[test]
    fn encodings() {
        let opus = Carries::Media(Codec::Opus);
        for (line, rtpmap, fmtp, expected) in [
            ("96", "96 opus/48000/2", "", Some(opus)),
            ("96", "96 OPUS/48000/2", "", Some(opus)),
            ("96", "96 opus/48000", "", None),
            ("96", "96 opus/48000/2/2", "", None),
            ("96", "96 H264/90000", "", Some(Carries::Media(Codec::H264))),
            ("96", "96 h265/90000", "", Some(Carries::Media(Codec::H265))),
            ("96", "96 VP8/8000", "", None),
            ("96", "96 VP8/+90000", "", None),
            ("96", "96 VP8", "", None),
            ("96", "95 VP8/90000", "", None),
            ("77", "77 VP8/90000", "", None),
            ("96", "96 PCMU/8000/1", "", Some(Carries::Media(Codec::Pcmu))),
            ("96", "96 telephone-event/8000", "", None),
            ("97", "97 rtx/90000", "97 apt=96", Some(Carries::Rtx(PayloadType(96)))),
            ("97", "97 rtx/90000", "97 rtx-time=3000; apt=96", Some(Carries::Rtx(PayloadType(96)))),
            ("97", "97 rtx/90000", "", None),
            ("63", "63 red/48000/2", "63 111/111", Some(Carries::Red(PayloadType(111)))),
            ("63", "63 red/48000/2", "63 111/0", None),
            ("63", "63 red/90000", "63 111/111", None),
            ("0", "", "", Some(Carries::Media(Codec::Pcmu))),
            ("8", "", "8 x=1", Some(Carries::Media(Codec::Pcma))),
            ("9", "", "", None),
        ] {
            let found = formats(line, &[("rtpmap", rtpmap), ("fmtp", fmtp)]).unwrap();
            assert_eq!(found.first().map(|format| format.carries), expected, "{line} {rtpmap} {fmtp}");
        }
    }

    #[test]
    fn bounds() {
        for bad in ["x", "128", "-1", "+8", "08", "96 300"] {
            assert!(formats(bad, &[]).is_err(), "{bad}");
        }
        let twice = formats("96 96 0 0", &[("rtpmap", "96 VP8/90000"), ("rtpmap", "96 VP9/90000")]).unwrap();
        let encodings: Vec<_> = twice.iter().map(|format| format.encoding.as_str()).collect();
        assert_eq!(encodings, ["PCMU/8000", "VP8/90000"]);
        let long = format!("96 {}", "x".repeat(SDP_FMTP_BYTES + 1));
        for fmtp in [long.as_str(), "96 ä"] {
            assert!(formats("96", &[("rtpmap", "96 VP8/90000"), ("fmtp", fmtp)]).unwrap().is_empty());
        }
    }

    #[test]
    fn feedback() {
        let lines = [
            ("rtpmap", "96 VP8/90000"),
            ("rtpmap", "97 H264/90000"),
            ("rtcp-fb", "96 nack"),
            ("rtcp-fb", "96 goog-remb"),
            ("rtcp-fb", "* nack pli"),
            ("rtcp-fb", "97 ccm fir"),
        ];
        let found = formats("96 97", &lines).unwrap();
        assert_eq!(found[0].feedback, Feedback { nack: true, pli: true, ..Feedback::default() });
        assert_eq!(found[1].feedback, Feedback { pli: true, fir: true, ..Feedback::default() });
    }
}
