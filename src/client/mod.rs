//! The offerer side: a WHIP publisher, a WHEP player, and the media files that one sends and the other writes.
//!
//! [`Publisher::connect`] and [`Player::connect`] post an offer with all candidates in it (no trickle) and return
//! when the server has answered; `wait_connected` waits for ICE and DTLS. `close` ends the session resource by
//! DELETE; `abort`, and dropping, vanish without a goodbye, as a process does that is killed.

mod codecs;
mod error;
mod feedback;
mod http;
mod link;
pub mod media;
mod runtime;
#[cfg(test)]
mod session_tests;
mod stream;
mod whep;
mod whip;

pub use error::ClientError;
pub use feedback::{Feedback, FeedbackSnapshot};
pub use http::{Session, agent, post};
pub use link::{LinkOptions, LinkState};
pub use stream::{Progress, Source, Streaming};
pub use whep::{Milestones, Player, PlayerEvent, PlayerOptions};
pub use whip::{Publisher, RemoteReport, TrackOffer};
