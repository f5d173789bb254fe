//! Every bound of the server, with its reason. Full means refuse or drop, and count.

mod address;
mod auth;
mod client;
mod control;
mod door;
mod load;
mod notify;
mod peer;
mod record;
mod room;
mod sdp;
mod tap;
mod worker;

pub use address::*;
pub use auth::*;
pub use client::*;
pub use control::*;
pub use door::*;
pub use load::*;
pub use notify::*;
pub use peer::*;
pub use record::*;
pub use room::*;
pub use sdp::*;
pub use tap::*;
pub use worker::*;

const _: () = {
    assert!(SEND_BLOCKED_TIME.as_millis() < EGRESS_DELAY.as_millis(), "what is sealed goes first");
    assert!(PUBLISHER_EVICTABLE_AFTER.as_secs() < CONSENT_EXPIRY.as_secs(), "eviction is the quicker way");
};
