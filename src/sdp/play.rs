//! The answer to a subscriber (WHEP): m-line by m-line.

use crate::id::Ssrc;
use crate::limits::ANSWER_FORMATS;
use crate::rtp::codec::{Format, MediaKind};
use crate::rtp::extension::Extension;
use crate::sdp::answer::{Local, PlayAnswer};
use crate::sdp::codecs::{Carries, OfferedFormat};
use crate::sdp::extmap::{self, OfferedExtension};
use crate::sdp::media::{Direction, Media};
use crate::sdp::offer::{Offer, SdpError};
use crate::sdp::write::{self, Accepted, AnsweredFormat};
use crate::sdp::{fit, parameters};
use crate::sfu::track::{Cname, Feedback, PlayTrack};

/// The one stream of a room's tracks: players show all tracks of one `msid` together.
const STREAM: &str = "rillcast";

/// Answers a WHEP offer. `published` are the publisher's formats (empty where none is there yet): they come first
/// in the answer. `ssrc` gives a fresh random SSRC at each call.
///
/// An m-line is refused where the publisher sends its kind in a codec that it lacks. Where the publisher sends
/// nothing of that kind, it is accepted and waits, for a publisher that returns may.
///
/// # Errors
/// [`SdpError::Unservable`] where no m-line can be served.
pub fn answer_play(
    offer: &Offer,
    local: &Local<'_>,
    published: &[Format],
    ssrc: &mut dyn FnMut() -> Ssrc,
) -> Result<PlayAnswer, SdpError> {
    let mut tracks: Vec<PlayTrack> = Vec::new();
    let cname = cname(local.session_id);
    let mut sections = Vec::with_capacity(offer.media.len());
    for media in &offer.media {
        let Some(agreed) = Agreed::of(media, published, &tracks) else {
            sections.push(None);
            continue;
        };
        if tracks.is_empty() {
            offer.check_carrier(media)?;
        }
        let track = agreed.track(ssrc(), cname);
        sections.push(Some(agreed.section(track.ssrc, &cname)));
        tracks.push(track);
    }
    if tracks.is_empty() {
        return Err(SdpError::unservable("no m-line receives what is sent here"));
    }
    Ok(PlayAnswer { sdp: write::answer(offer, local, &sections)?, tracks })
}

/// A session's canonical name: the number of its `o=` line, which is random.
fn cname(session_id: u64) -> Cname {
    let digits = format!("{session_id:016x}");
    digits.as_bytes().try_into().expect("64 bits are sixteen hexadecimal digits")
}

/// What is accepted of one m-line.
struct Agreed<'a> {
    media: &'a Media,
    kind: MediaKind,
    /// Never empty.
    formats: Vec<&'a OfferedFormat>,
    extensions: Vec<OfferedExtension>,
}

impl<'a> Agreed<'a> {
    fn of(media: &'a Media, published: &[Format], tracks: &[PlayTrack]) -> Option<Self> {
        let kind = media.servable().ok()?;
        let wanted = media.live && media.direction.receives() && tracks.iter().all(|track| track.kind != kind);
        let published = published.iter().find(|format| format.codec.kind() == kind);
        let mut formats = fit::fitting(&media.formats, published);
        formats.truncate(ANSWER_FORMATS);
        let first = formats.first()?.carries;
        let has_published = published.is_none_or(|published| first == Carries::Media(published.codec));
        let extensions = media.extensions.iter().copied().filter(|offered| is_forwarded(*offered)).collect();
        (wanted && has_published).then_some(Self { media, kind, formats, extensions })
    }

    fn track(&self, ssrc: Ssrc, cname: Cname) -> PlayTrack {
        let named = |offered: &&OfferedFormat| offered.format().map(|format| (format, offered.payload_type));
        PlayTrack {
            mid: self.media.mid.clone(),
            kind: self.kind,
            ssrc,
            cname,
            formats: self.formats.iter().filter_map(named).collect(),
            extensions: extmap::map(&self.extensions),
            feedback: self.formats.first().map(|format| self.feedback(format)).unwrap_or_default(),
        }
    }

    /// What we serve of what is offered: bandwidth is not estimated from a subscriber's feedback.
    fn feedback(&self, offered: &OfferedFormat) -> Feedback {
        let video = self.kind == MediaKind::Video;
        let Feedback { nack, pli, fir, .. } = offered.feedback;
        Feedback { nack, pli: pli && video, fir: fir && video, transport_cc: false }
    }

    fn section(&self, ssrc: Ssrc, cname: &Cname) -> Accepted<'a> {
        let answered = |offered: &&'a OfferedFormat| AnsweredFormat {
            offered,
            fmtp: parameters::for_subscriber(offered),
            feedback: self.feedback(offered),
        };
        let track = match self.kind {
            MediaKind::Audio => "audio",
            MediaKind::Video => "video",
        };
        let lines = vec![
            format!("msid:{STREAM} {track}"),
            format!("ssrc:{} cname:{}", ssrc.0, String::from_utf8_lossy(cname)),
            format!("ssrc:{} msid:{STREAM} {track}", ssrc.0),
        ];
        Accepted {
            direction: "sendonly",
            formats: self.formats.iter().map(answered).collect(),
            extensions: self.extensions.clone(),
            lines,
        }
    }
}

/// The extensions that are passed on, under numbers that fit a one-byte header (RFC 8285 §4.2).
fn is_forwarded(offered: OfferedExtension) -> bool {
    offered.extension == Extension::AudioLevel && offered.id < 15 && offered.direction.is_none_or(Direction::receives)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::codec::Codec;
    use crate::sdp::{Fingerprint, IceCredentials};

    const CHROMIUM: &str = include_str!("../../tests/data/offers/chromium-H264-whep.sdp");
    const GSTREAMER: &str = include_str!("../../tests/data/offers/gstreamer-VP8-whep.sdp");

    /// A codec and its parameters.
    type Published = (Codec, &'static str);

    fn answer(offer: &str, published: &[Published]) -> Result<PlayAnswer, SdpError> {
        let credentials = IceCredentials { ufrag: "ufrag".into(), pwd: "a".repeat(22) };
        let fingerprint = Fingerprint { algorithm: "sha-256".into(), digest: vec![0; 32] };
        let local = Local { credentials: &credentials, fingerprint: &fingerprint, candidates: &[], session_id: 7 };
        let published: Vec<Format> =
            published.iter().map(|(codec, fmtp)| Format { codec: *codec, fmtp: (*fmtp).into() }).collect();
        let mut next = 0;
        let mut ssrc = || {
            next += 1;
            Ssrc(next)
        };
        answer_play(&Offer::parse(offer)?, &local, &published, &mut ssrc)
    }

    #[test]
    fn tracks_of_a_browser() {
        let published = [(Codec::H264, "profile-level-id=640032;packetization-mode=1"), (Codec::Opus, "")];
        let tracks = answer(CHROMIUM, &published).unwrap().tracks;
        let (video, audio) = (&tracks[0], &tracks[1]);
        assert_eq!(
            (video.kind, video.ssrc, audio.kind, audio.ssrc),
            (MediaKind::Video, Ssrc(1), MediaKind::Audio, Ssrc(2))
        );
        let types: Vec<_> = [Codec::H264, Codec::Vp8, Codec::Vp9, Codec::Av1, Codec::H265]
            .map(|codec| video.payload_type(codec).map(|number| number.0))
            .into();
        // High is not among Chromium's; Main is the nearest.
        assert_eq!(types, [Some(116), Some(96), Some(98), Some(45), None]);
        assert_eq!(video.feedback, Feedback { nack: true, pli: true, fir: true, transport_cc: false });
        assert_eq!(audio.extensions.id(Extension::AudioLevel), Some(14));
        assert_eq!(audio.extensions.id(Extension::Mid), None);
        let sdp = answer(CHROMIUM, &published).unwrap().sdp;
        assert!(!sdp.contains("rtx") && !sdp.contains("transport-cc") && !sdp.contains("goog-remb"), "{sdp}");
    }

    #[test]
    fn refused_alone() {
        let sendonly = CHROMIUM.replacen("a=recvonly", "a=sendonly", 1);
        let inactive = CHROMIUM.replacen("a=recvonly", "a=inactive", 1);
        let unbundled = CHROMIUM.replace("BUNDLE 0 1", "BUNDLE 1");
        let no_mux = CHROMIUM.replacen("a=rtcp-mux\r\n", "", 1);
        let second = CHROMIUM.replace("m=audio", "m=video");
        let vp8 = [(Codec::Vp8, "")];
        let cases: [(&str, &[Published], &[&str]); 9] = [
            (CHROMIUM, &vp8, &["0", "1"]),
            (GSTREAMER, &vp8, &["video0", "audio1"]),
            (GSTREAMER, &[(Codec::H264, "")], &["audio1"]),
            (GSTREAMER, &[(Codec::Pcmu, "")], &["video0"]),
            (&sendonly, &vp8, &["1"]),
            (&inactive, &vp8, &["1"]),
            (&unbundled, &vp8, &["1"]),
            (&no_mux, &vp8, &["1"]),
            (&second, &vp8, &["0"]),
        ];
        for (offer, published, mids) in cases {
            let answer = answer(offer, published).unwrap();
            let found: Vec<_> = answer.tracks.iter().map(|track| &*track.mid.0).collect();
            assert_eq!(found, mids, "{published:?}");
            assert!(answer.sdp.contains(&format!("a=group:BUNDLE {}\r\n", mids.join(" "))));
            assert_eq!(answer.sdp.matches("\r\nm=").count(), 2, "every m-line keeps its place");
        }
    }

    #[test]
    fn nothing_left() {
        let sendonly = CHROMIUM.replace("a=recvonly", "a=sendonly");
        // The audio that is left is not where the first m-line's ICE credentials lead.
        let apart = GSTREAMER.replacen("a=ice-ufrag:dQI1", "a=ice-ufrag:AAAA", 1);
        for (offer, published) in [
            (sendonly.as_str(), vec![]),
            (GSTREAMER, vec![(Codec::H264, ""), (Codec::Pcmu, "")]),
            (&apart, vec![(Codec::H264, "")]),
        ] {
            let result = answer(offer, &published).map(|answer| answer.sdp);
            assert!(matches!(result, Err(SdpError::Unservable(_))), "{published:?}: {result:?}");
        }
    }
}
