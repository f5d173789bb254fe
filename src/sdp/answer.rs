//! What we answer.

use crate::sdp::{Candidate, Fingerprint, IceCredentials};
use crate::sfu::track::{PlayTrack, PublishTrack};

pub use crate::sdp::play::answer_play;
pub use crate::sdp::publish::answer_publish;

/// Our side of a session.
pub struct Local<'a> {
    /// Our ICE credentials for this session.
    pub credentials: &'a IceCredentials,
    /// Our certificate's digest.
    pub fingerprint: &'a Fingerprint,
    /// Where we listen, the best first.
    pub candidates: &'a [Candidate],
    /// A random number for the `o=` line; a subscriber's CNAME is made of it too.
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
