//! The answer to a publisher (WHIP): all or nothing.

use crate::id::PayloadType;
use crate::limits::LAYERS_PER_TRACK;
use crate::rtp::codec::MediaKind;
use crate::rtp::extension::Extension;
use crate::sdp::answer::{Local, PublishAnswer};
use crate::sdp::codecs::{Carries, OfferedFormat};
use crate::sdp::extmap::{self, OfferedExtension};
use crate::sdp::media::{Direction, Media};
use crate::sdp::offer::{Offer, SdpError};
use crate::sdp::simulcast::Simulcast;
use crate::sdp::write::{self, Accepted, AnsweredFormat};
use crate::sdp::{fit, parameters};
use crate::sfu::track::{Feedback, PublishTrack};

/// Answers a WHIP offer.
///
/// # Errors
/// [`SdpError::Unservable`] where an m-line cannot be served.
pub fn answer_publish(offer: &Offer, local: &Local<'_>) -> Result<PublishAnswer, SdpError> {
    let mut tracks: Vec<PublishTrack> = Vec::new();
    let mut sections = Vec::with_capacity(offer.media.len());
    for media in &offer.media {
        if media.is_idle() || media.name == "application" {
            sections.push(None);
            continue;
        }
        let agreed = Agreed::of(media, &tracks)
            .map_err(|why| SdpError::Unservable(format!("m-line with mid {}: {why}", media.mid.0)))?;
        if tracks.is_empty() {
            offer.check_carrier(media)?;
        }
        tracks.push(agreed.track());
        sections.push(Some(agreed.section()));
    }
    if tracks.is_empty() {
        return Err(SdpError::unservable("no m-line sends audio or video"));
    }
    Ok(PublishAnswer { sdp: write::answer(offer, local, &sections)?, tracks })
}

/// What is accepted of one m-line.
struct Agreed<'a> {
    media: &'a Media,
    format: &'a OfferedFormat,
    feedback: Feedback,
    rtx: Option<&'a OfferedFormat>,
    red: Option<&'a OfferedFormat>,
    extensions: Vec<OfferedExtension>,
    simulcast: Option<&'a Simulcast>,
}

impl<'a> Agreed<'a> {
    /// The first codec that is allowed, with what belongs to it; or why the m-line cannot be served.
    fn of(media: &'a Media, tracks: &[PublishTrack]) -> Result<Self, &'static str> {
        let kind = media.servable()?;
        if !media.direction.sends() {
            return Err("it sends nothing");
        }
        if tracks.iter().any(|track| track.format.codec.kind() == kind) {
            return Err("more than one audio or one video");
        }
        let fitting = fit::fitting(&media.formats, None);
        let format = *fitting.first().ok_or("no codec that is forwarded")?;
        let carrying = |carries| media.formats.iter().find(|format| format.carries == carries);
        let rtx = carrying(Carries::Rtx(format.payload_type));
        let red = carrying(Carries::Red(format.payload_type));
        let (feedback, extensions) = feedback_and_extensions(media, kind, format.feedback);
        // Without the identifier in the packets nobody could tell the encodings apart: such a client sends one
        // plain stream.
        let identified = extensions.iter().any(|offered| offered.extension == Extension::Rid);
        let simulcast = media.simulcast.as_ref().filter(|_| identified && kind == MediaKind::Video);
        if simulcast.is_some_and(|simulcast| simulcast.rids.len() > LAYERS_PER_TRACK) {
            return Err("too many encodings");
        }
        let agreed = Self { media, format, feedback, rtx, red, extensions, simulcast };
        // Bundled m-lines share one number space (RFC 9143 §9.1).
        let taken = |number| tracks.iter().any(|t| [Some(t.payload_type), t.rtx, t.red].contains(&Some(number)));
        if agreed.formats().any(|format| taken(format.payload_type)) {
            return Err("a payload type that another m-line uses too");
        }
        Ok(agreed)
    }

    fn formats(&self) -> impl Iterator<Item = &'a OfferedFormat> {
        [Some(self.format), self.rtx, self.red].into_iter().flatten()
    }

    fn track(&self) -> PublishTrack {
        let payload_type = |format: &OfferedFormat| -> PayloadType { format.payload_type };
        let rids = self.simulcast.map(|simulcast| simulcast.rids.clone()).unwrap_or_default();
        // With encodings told apart by rid, one SSRC could not say which of them it is.
        let named = rids.is_empty();
        PublishTrack {
            mid: self.media.mid.clone(),
            format: self.format.format().expect("what fits carries media"),
            payload_type: self.format.payload_type,
            rtx: self.rtx.map(payload_type),
            red: self.red.map(payload_type),
            extensions: extmap::map(&self.extensions),
            rids,
            ssrc: self.media.ssrc.filter(|_| named),
            rtx_ssrc: self.media.rtx_ssrc.filter(|_| named && self.rtx.is_some()),
            feedback: self.feedback,
        }
    }

    fn section(&self) -> Accepted<'a> {
        let answered = |offered: &'a OfferedFormat| AnsweredFormat {
            offered,
            fmtp: parameters::for_publisher(offered),
            feedback: if offered == self.format { self.feedback } else { Feedback::default() },
        };
        let mut lines = Vec::new();
        if let Some(simulcast) = self.simulcast {
            lines.extend(simulcast.rids.iter().map(|rid| format!("rid:{} recv", rid.0)));
            lines.push(format!("simulcast:recv {}", simulcast.list));
        }
        Accepted {
            direction: "recvonly",
            formats: self.formats().map(answered).collect(),
            extensions: self.extensions.clone(),
            lines,
        }
    }
}

/// What we serve of both. Transport-wide feedback needs its line and its extension, so it is both or none; a picture is
/// asked for on video only. All extensions that are understood are wanted.
fn feedback_and_extensions(media: &Media, kind: MediaKind, offered: Feedback) -> (Feedback, Vec<OfferedExtension>) {
    let sent = |offered: &&OfferedExtension| offered.direction.is_none_or(Direction::sends);
    let mut extensions: Vec<OfferedExtension> = media.extensions.iter().filter(sent).copied().collect();
    let numbered = extensions.iter().any(|offered| offered.extension == Extension::TransportCc);
    let video = kind == MediaKind::Video;
    let feedback = Feedback {
        nack: offered.nack,
        pli: offered.pli && video,
        fir: offered.fir && video,
        transport_cc: offered.transport_cc && numbered,
    };
    if !feedback.transport_cc {
        extensions.retain(|offered| offered.extension != Extension::TransportCc);
    }
    (feedback, extensions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Rid, Ssrc};
    use crate::rtp::codec::Codec;
    use crate::sdp::{Fingerprint, IceCredentials};

    const CHROMIUM: &str = include_str!("../../tests/data/offers/chromium-H264-whip.sdp");
    const SIMULCAST: &str = include_str!("../../tests/data/offers/chromium-simulcast-VP8-whip.sdp");
    const OBS: &str = include_str!("../../tests/data/offers/obs-32-whip.sdp");
    const GSTREAMER: &str = include_str!("../../tests/data/offers/gst-plugins-rs-VP8-whip.sdp");

    fn answer(offer: &str) -> Result<PublishAnswer, SdpError> {
        let credentials = IceCredentials { ufrag: "ufrag".into(), pwd: "a".repeat(22) };
        let fingerprint = Fingerprint { algorithm: "sha-256".into(), digest: vec![0; 32] };
        let local = Local { credentials: &credentials, fingerprint: &fingerprint, candidates: &[], session_id: 7 };
        answer_publish(&Offer::parse(offer)?, &local)
    }

    #[test]
    fn tracks_of_real_publishers() {
        let tracks = answer(CHROMIUM).unwrap().tracks;
        let (audio, video) = (&tracks[0], &tracks[1]);
        assert_eq!((audio.format.codec, audio.payload_type.0, audio.red), (Codec::Opus, 111, Some(PayloadType(63))));
        assert_eq!((audio.ssrc, audio.rtx, audio.rtx_ssrc), (Some(Ssrc(256_750_032)), None, None));
        assert_eq!(audio.feedback, Feedback { transport_cc: true, ..Feedback::default() });
        assert_eq!((video.format.codec, video.payload_type.0, video.rtx), (Codec::H264, 102, Some(PayloadType(103))));
        assert_eq!((video.ssrc, video.rtx_ssrc), (Some(Ssrc(1_327_296_095)), Some(Ssrc(890_032_678))));
        assert_eq!(video.feedback, Feedback { nack: true, pli: true, fir: true, transport_cc: true });
        assert_eq!(
            (video.extensions.id(Extension::TransportCc), video.extensions.id(Extension::Mid)),
            (Some(3), Some(4))
        );
        assert!(video.format.fmtp.contains("profile-level-id=42001f") && video.rids.is_empty());

        let video = answer(SIMULCAST).unwrap().tracks.remove(1);
        assert_eq!(video.rids, ["l", "m", "h"].map(|rid| Rid(rid.into())));
        assert_eq!((video.ssrc, video.rtx), (None, Some(PayloadType(97))));

        let tracks = answer(GSTREAMER).unwrap().tracks;
        assert_eq!((&*tracks[0].mid.0, &*tracks[1].mid.0, tracks[1].format.codec), ("video0", "audio1", Codec::Opus));
    }

    #[test]
    fn obs_simulcast() {
        let lines = "a=rid:0 send\r\na=rid:1 send\r\na=rid:2 send\r\na=simulcast:send 0;~1;2\r\na=mid:1\r\n";
        let offer = OBS.replace("a=mid:1\r\n", lines);
        let sdp = answer(&offer).unwrap().sdp;
        assert!(sdp.contains("a=rid:0 recv\r\na=rid:1 recv\r\na=rid:2 recv\r\na=simulcast:recv 0;1;2\r\n"), "{sdp}");
        let unnumbered = offer.replace("a=extmap:2 ", "a=extmap:0 ");
        assert!(!answer(&unnumbered).unwrap().sdp.contains("simulcast"));
        let five = offer
            .replace("0;~1;2", "0;1;2;3;4")
            .replace("a=rid:2 send", "a=rid:2 send\r\na=rid:3 send\r\na=rid:4 send");
        assert!(matches!(answer(&five), Err(SdpError::Unservable(_))));
    }

    #[test]
    fn refused_alone() {
        let application = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:2\r\na=ice-ufrag:1b6j\r\n\
                           a=ice-pwd:RSgWyHLU9TwJru5irblBfc\r\na=setup:actpass\r\n";
        let inactive = OBS.replacen("a=sendonly", "a=inactive", 1);
        let declined = OBS.replacen("m=audio 9", "m=audio 0", 1);
        for (offer, refusal, bundle) in [
            (format!("{OBS}{application}"), "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n", "BUNDLE 0 1\r\n"),
            (inactive, "m=audio 0 UDP/TLS/RTP/SAVPF 111\r\n", "BUNDLE 1\r\n"),
            (declined, "m=audio 0 UDP/TLS/RTP/SAVPF 111\r\n", "BUNDLE 1\r\n"),
        ] {
            let sdp = answer(&offer).unwrap().sdp;
            assert!(sdp.contains(refusal) && sdp.contains(bundle), "{sdp}");
        }
    }

    #[test]
    fn refused_whole() {
        let second_audio = OBS.replace("m=video 9", "m=audio 9").replace("H264/90000", "opus/48000/2");
        let text = format!("{OBS}m=text 9 UDP/TLS/RTP/SAVPF 98\r\na=mid:2\r\n");
        let everything = OBS.replace("a=sendonly", "a=inactive");
        let shared = OBS.replace(":96", ":111").replace("SAVPF 96", "SAVPF 111");
        for (what, offer) in [
            ("recvonly", OBS.replacen("a=sendonly", "a=recvonly", 1)),
            ("no rtcp-mux", OBS.replacen("a=rtcp-mux\r\n", "", 1)),
            ("unknown codec", OBS.replace("H264/90000", "H266/90000")),
            ("codec of another kind", OBS.replace("opus/48000/2", "VP8/90000")),
            ("not bundled", OBS.replace("BUNDLE 0 1", "BUNDLE 0")),
            ("no group", OBS.replace("a=group:BUNDLE 0 1\r\n", "")),
            ("other transport", OBS.replace("m=audio 9 UDP/TLS/RTP/SAVPF", "m=audio 9 UDP")),
            ("second audio", second_audio),
            ("text", text),
            ("nothing sent", everything),
            ("one payload type for two things", shared),
        ] {
            let result = answer(&offer).map(|answer| answer.sdp);
            assert!(matches!(result, Err(SdpError::Unservable(_))), "{what}: {result:?}");
        }
    }
}
