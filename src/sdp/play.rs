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
use crate::sfu::track::{Feedback, PlayTrack};

/// The one stream of a room's tracks: players show all tracks of one `msid` together.
const STREAM: &str = "rillcast";

/// Answers a WHEP offer. `published` are the publisher's formats (empty where none is there yet): they come first in the
/// answer. `ssrc` gives a fresh random SSRC at each call.
///
/// An m-line is refused where the publisher sends its kind in a codec that it lacks. Where the publisher sends nothing of that kind, it is
/// accepted and waits, for a publisher that returns may.
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
    let mut sections = Vec::with_capacity(offer.media.len());
    for media in &offer.media {
        let Some(agreed) = Agreed::of(media, published, &tracks) else {
            sections.push(None);
            continue;
        };
        if tracks.is_empty() {
            offer.check_carrier(media)?;
        }
        let track = agreed.track(ssrc());
        sections.push(Some(agreed.section(track.ssrc, local.session_id)));
        tracks.push(track);
    }
    if tracks.is_empty() {
        return Err(SdpError::unservable("no m-line receives what is sent here"));
    }
    Ok(PlayAnswer { sdp: write::answer(offer, local, &sections)?, tracks })
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
        let extensions = media.extensions.iter().filter(|offered| is_forwarded(offered)).copied().collect();
        (wanted && has_published).then_some(Self { media, kind, formats, extensions })
    }

    fn track(&self, ssrc: Ssrc) -> PlayTrack {
        let named = |offered: &&OfferedFormat| offered.format().map(|format| (format, offered.payload_type));
        PlayTrack {
            mid: self.media.mid.clone(),
            kind: self.kind,
            ssrc,
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

    fn section(&self, ssrc: Ssrc, session_id: u64) -> Accepted<'a> {
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
            format!("ssrc:{} cname:{session_id:016x}", ssrc.0),
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
fn is_forwarded(offered: &OfferedExtension) -> bool {
    matches!(offered.extension, Extension::AudioLevel | Extension::AbsCaptureTime)
        && offered.id < 15
        && offered.direction.is_none_or(Direction::receives)
}
