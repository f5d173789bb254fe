//! Who may: what a request shows becomes a [`Grant`], or a [`Refusal`] with a name. [`Authenticator`] is the one place
//! where that is decided.
//!
//! A room's static tokens come before those of all rooms; a signed token is an alternative to either, and a webhook to
//! both. With nothing configured all may, but nobody is an administrator. A client hears `unauthorized` and nothing
//! more.

mod advice;
mod authenticator;
mod digest;
mod grant;
pub mod jwt;
mod presented;
mod refusal;
#[cfg(test)]
pub(crate) mod testing;
mod tiers;
mod webhook;
#[cfg(test)]
mod webhook_tests;

use crate::auth::jwt::JwtConfig;
use crate::id::RoomPattern;
use crate::secret::Secret;

pub use crate::auth::authenticator::Authenticator;
pub use crate::auth::grant::{Action, Grant, Need, Principal};
pub use crate::auth::presented::Presented;
pub use crate::auth::refusal::Refusal;

/// What the operator sets.
#[derive(Clone, Debug)]
pub struct AuthConfig {
    /// The token for publishing and playing, in every room; without any token anywhere all may.
    pub token: Option<Secret>,
    /// Whether playing needs a token.
    pub play: PlayPolicy,
    /// The token for playing, where it is not `token`.
    pub play_token: Option<Secret>,
    /// The token for publishing, where it is not `token`.
    pub publish_token: Option<Secret>,
    /// The administrator's token; without one, and without signed tokens, nobody is an administrator.
    pub admin_token: Option<Secret>,
    /// Rooms with rules of their own. Of several that fit a room, the first one that says something decides.
    pub rooms: Vec<RoomAccess>,
    /// Signed tokens.
    pub jwt: JwtConfig,
    /// Where it is asked who may, when no token says so.
    pub webhook_url: Option<String>,
    /// A session goes on when the signed token it began with has expired.
    pub session_outlives_token: bool,
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            token: None,
            play: PlayPolicy::default(),
            play_token: None,
            publish_token: None,
            admin_token: None,
            rooms: Vec::new(),
            jwt: JwtConfig::default(),
            webhook_url: None,
            session_outlives_token: true,
        }
    }
}

impl AuthConfig {
    /// True where there are credentials besides static tokens.
    fn has_other_credentials(&self) -> bool {
        self.jwt.is_enabled() || self.webhook_url.is_some()
    }
}

/// Whether playing needs a token.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum PlayPolicy {
    /// No: the streams are public.
    Open,
    /// Yes, where one is configured.
    #[default]
    Token,
}

/// The tokens of some rooms; what is not set is as it is for all rooms.
#[derive(Clone, Debug)]
pub struct RoomAccess {
    /// Which rooms.
    pub pattern: RoomPattern,
    /// The token for publishing and playing.
    pub token: Option<Secret>,
    /// Whether playing needs a token. Where it is not set but a token to play is, it does.
    pub play: Option<PlayPolicy>,
    /// The token for playing, where it is not `token`.
    pub play_token: Option<Secret>,
    /// The token for publishing, where it is not `token`.
    pub publish_token: Option<Secret>,
}
