//! What we answer.

use crate::id::Ssrc;
use crate::rtp::codec::Format;
use crate::sdp::offer::{Offer, SdpError};
use crate::sdp::{Candidate, Fingerprint, IceCredentials};
use crate::sfu::track::{PlayTrack, PublishTrack};

/// Our side of a session.
pub struct Local<'a> {
    /// Our ICE credentials for this session.
    pub credentials: &'a IceCredentials,
    /// Our certificate's digest.
    pub fingerprint: &'a Fingerprint,
    /// Where we listen, the best first.
    pub candidates: &'a [Candidate],
    /// A random number for the `o=` line.
    pub session_id: u64,
}

/// An answer to a publisher.
pub struct PublishAnswer {
    /// The text.
    pub sdp: String,
    /// What was agreed, in the order of the m-lines.
    pub tracks: Vec<PublishTrack>,
}

/// An answer to a subscriber.
pub struct PlayAnswer {
    /// The text.
    pub sdp: String,
    /// What was agreed, in the order of the m-lines.
    pub tracks: Vec<PlayTrack>,
}

/// Answers a WHIP offer.
///
/// # Errors
/// [`SdpError::Unservable`] where an m-line cannot be served.
pub fn answer_publish(offer: &Offer, local: &Local<'_>) -> Result<PublishAnswer, SdpError> {
    let _ = (offer, local);
    unimplemented!()
}

/// Answers a WHEP offer. `published` are the publisher's formats (empty where none is there yet): they come first in the
/// answer. `ssrc` gives a fresh random SSRC at each call.
///
/// # Errors
/// [`SdpError::Unservable`] where no m-line can be served.
pub fn answer_play(
    offer: &Offer,
    local: &Local<'_>,
    published: &[Format],
    ssrc: &mut dyn FnMut() -> Ssrc,
) -> Result<PlayAnswer, SdpError> {
    let _ = (offer, local, published, ssrc);
    unimplemented!()
}
