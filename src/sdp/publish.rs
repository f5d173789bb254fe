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
        let red = carrying(Carries::Red(format.payload_type)).filter(|_| kind == MediaKind::Audio);
        let (feedback, extensions) = feedback_and_extensions(media, kind, format.feedback);
        // Without the identifier in the packets nobody could tell the encodings apart: such a client sends one plain stream.
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
