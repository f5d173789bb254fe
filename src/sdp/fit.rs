//! Which offered formats can be forwarded, the best first.

use crate::rtp::codec::{Codec, Format};
use crate::sdp::codecs::{Carries, OfferedFormat};
use crate::sdp::h264;
use crate::sdp::parameters::parameter;

/// The media formats of an m-line that can be forwarded: those of the published codec first, then codec by codec as
/// the offer mentions them, and within a codec the best fitting ones first. Without a published format this is the
/// offer's own preference.
pub(super) fn fitting<'a>(offered: &'a [OfferedFormat], published: Option<&Format>) -> Vec<&'a OfferedFormat> {
    let mut ranked = Vec::new();
    for format in offered {
        let Carries::Media(codec) = format.carries else { continue };
        let same = published.filter(|published| published.codec == codec);
        let Some(rank) = rank(codec, same.map(|format| format.fmtp.as_str()), &format.fmtp) else { continue };
        let mentioned = offered.iter().position(|other| other.carries == format.carries);
        ranked.push(((same.is_none(), mentioned, rank), format));
    }
    ranked.sort_by_key(|(rank, _)| *rank);
    let mut fitting: Vec<_> = ranked.into_iter().map(|(_, format)| format).collect();
    drop_single_nal_unit_mode(&mut fitting);
    fitting
}

/// What comes in packetization mode 1 does not fit into mode 0, so mode 0 is taken only where nothing else is offered.
fn drop_single_nal_unit_mode(fitting: &mut Vec<&OfferedFormat>) {
    let h264 = |format: &OfferedFormat| format.carries == Carries::Media(Codec::H264);
    if fitting.iter().any(|format| h264(format) && h264::is_non_interleaved(&format.fmtp)) {
        fitting.retain(|format| !h264(format) || h264::is_non_interleaved(&format.fmtp));
    }
}

/// How well an offered format takes the published one of its codec (or, without one, how much it is preferred), the
/// smaller the better; `None` where it cannot.
fn rank(codec: Codec, published: Option<&str>, offered: &str) -> Option<u8> {
    let profile = |name, default| {
        let of = |fmtp| parameter(fmtp, name).unwrap_or(default).to_owned();
        (published.map(of), of(offered))
    };
    match codec {
        Codec::H264 => h264::rank(published, offered),
        // Decoders of one profile do not take another one; without a publisher profile 0 is the likely one.
        Codec::Vp9 => match profile("profile-id", "0") {
            (Some(published), offered) => (published == offered).then_some(0),
            (None, offered) => Some(u8::from(offered != "0")),
        },
        Codec::Av1 => (profile("profile", "0").1 == "0").then_some(0),
        // One stream per SSRC is the only mode forwarded (RFC 7798 §7.1). Profiles match loosely, as with H264.
        Codec::H265 if parameter(offered, "tx-mode").is_some_and(|mode| mode != "SRST") => None,
        Codec::H265 => match profile("profile-id", "1") {
            (Some(published), offered) => Some(u8::from(published != offered)),
            (None, offered) => Some(u8::from(offered != "1")),
        },
        Codec::Vp8 | Codec::Opus | Codec::Pcmu | Codec::Pcma => Some(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::PayloadType;
    use crate::sfu::track::Feedback;

    fn offer(formats: &[(u8, Codec, &str)]) -> Vec<OfferedFormat> {
        let format = |(number, codec, fmtp): &(u8, Codec, &str)| OfferedFormat {
            payload_type: PayloadType(*number),
            carries: Carries::Media(*codec),
            encoding: String::new(),
            fmtp: (*fmtp).to_owned(),
            feedback: Feedback::default(),
        };
        formats.iter().map(format).collect()
    }

    /// What is published, and the payload types in the order expected.
    type Case = (Option<(Codec, &'static str)>, &'static [u8]);

    #[test]
    fn order() {
        let browser = offer(&[
            (96, Codec::Vp8, ""),
            (98, Codec::Vp9, "profile-id=0"),
            (100, Codec::Vp9, "profile-id=2"),
            (104, Codec::H264, "packetization-mode=0;profile-level-id=42001f"),
            (102, Codec::H264, "packetization-mode=1;profile-level-id=42001f"),
            (108, Codec::H264, "packetization-mode=1;profile-level-id=42e01f"),
            (45, Codec::Av1, "profile=0"),
            (47, Codec::Av1, "profile=1"),
            (49, Codec::H265, "profile-id=2"),
            (50, Codec::H265, "profile-id=1;tx-mode=SRST"),
            (51, Codec::H265, "tx-mode=MRST"),
        ]);
        let cases: [Case; 6] = [
            (None, &[96, 98, 100, 102, 108, 45, 50, 49]),
            (Some((Codec::H264, "profile-level-id=42e01f;packetization-mode=1")), &[108, 102, 96, 98, 100, 45, 50, 49]),
            (Some((Codec::H264, "profile-level-id=640032")), &[102, 108, 96, 98, 100, 45, 50, 49]),
            (Some((Codec::Vp9, "profile-id=2")), &[100, 96, 102, 108, 45, 50, 49]),
            (Some((Codec::Vp9, "")), &[98, 96, 102, 108, 45, 50, 49]),
            (Some((Codec::H265, "profile-id=2")), &[49, 50, 96, 98, 100, 102, 108, 45]),
        ];
        for (published, expected) in cases {
            let published = published.map(|(codec, fmtp)| Format { codec, fmtp: fmtp.to_owned() });
            let found: Vec<u8> =
                fitting(&browser, published.as_ref()).iter().map(|format| format.payload_type.0).collect();
            assert_eq!(found, expected, "{published:?}");
        }
    }

    #[test]
    fn single_nal_unit_mode_where_nothing_else_is_offered() {
        let old = offer(&[(97, Codec::H264, ""), (98, Codec::H264, "packetization-mode=2")]);
        let found: Vec<u8> = fitting(&old, None).iter().map(|format| format.payload_type.0).collect();
        assert_eq!(found, [97]);
    }
}
