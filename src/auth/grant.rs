//! What is asked for, and what is given.

use std::time::SystemTime;

use crate::auth::digest::Digest;
use crate::id::{RoomName, RoomPattern};

/// What a request wants to do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Action {
    /// Send media to a room.
    Publish,
    /// Receive a room's media.
    Play,
    /// Learn of a room: its state, its recordings, its events. The same credentials as for [`Action::Play`].
    Read,
    /// Change what others do, and see all of it.
    Admin,
}

impl Action {
    /// As webhooks and the log have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Play => "play",
            Self::Read => "read",
            Self::Admin => "admin",
        }
    }
}

/// An action, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Need<'a> {
    /// What.
    pub action: Action,
    /// In which room; `None`: in whichever it may be. What such a grant shows then is asked room by room
    /// ([`super::Authenticator::covers`]). Only an administrator of all rooms is one of no room in particular.
    pub room: Option<&'a RoomName>,
}

impl<'a> Need<'a> {
    /// An action in a room.
    #[must_use]
    pub fn in_room(action: Action, room: &'a RoomName) -> Self {
        Self { action, room: Some(room) }
    }

    /// An action that is about no room in particular.
    #[must_use]
    pub fn anywhere(action: Action) -> Self {
        Self { action, room: None }
    }
}

/// Whose credential it was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Principal {
    /// Nothing had to be shown.
    Anyone,
    /// Who knows this token.
    Token(Digest),
    /// The subject (`sub`) of a signed token, as this issuer (`iss`) names it.
    Subject {
        /// Who signed.
        issuer: Option<String>,
        /// For whom.
        subject: String,
    },
    /// Who holds a signed token that names no subject.
    Unnamed,
}

impl Principal {
    /// True where both are surely the same one: who has no name, or shares it with everybody, is nobody's equal.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        !matches!(self, Self::Anyone | Self::Unnamed) && self == other
    }
}

/// Rooms that a grant is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Scope {
    /// All of them.
    Any,
    /// Those that one of the patterns covers.
    Rooms(Vec<RoomPattern>),
    /// Those whose static token this is, and those that need none.
    Token(Option<Digest>),
}

/// What its bearer may do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Grant {
    /// Whose credential it was.
    pub principal: Principal,
    /// The administrator's.
    pub admin: bool,
    /// When the credential ends; `None`: never.
    pub expires_at: Option<SystemTime>,
    /// When a session that began with it is to end; `None` where it outlives its credential.
    pub session_until: Option<SystemTime>,
    pub(super) scope: Scope,
}

impl Grant {
    pub(super) fn new(principal: Principal, scope: Scope) -> Self {
        Self { principal, scope, admin: false, expires_at: None, session_until: None }
    }

    /// What everybody may where nothing is configured.
    #[must_use]
    pub fn anyone() -> Self {
        Self::new(Principal::Anyone, Scope::Token(None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn who_is_the_same() {
        let token = |text| Principal::Token(Digest::of(&Secret::new(text)));
        let subject = |issuer: Option<&str>, subject: &str| Principal::Subject {
            issuer: issuer.map(str::to_owned),
            subject: subject.to_owned(),
        };
        let table = [
            (Principal::Anyone, Principal::Anyone, false),
            (Principal::Unnamed, Principal::Unnamed, false),
            (token("a"), token("a"), true),
            (token("a"), token("b"), false),
            (token("a"), Principal::Anyone, false),
            (subject(None, "me"), subject(None, "me"), true),
            (subject(Some("x"), "me"), subject(Some("x"), "me"), true),
            (subject(Some("x"), "me"), subject(Some("y"), "me"), false),
            (subject(None, "me"), subject(None, "you"), false),
            (subject(None, "a"), token("a"), false),
        ];
        for (one, other, same) in table {
            assert_eq!((one.is_same(&other), other.is_same(&one)), (same, same), "{one:?} {other:?}");
        }
    }
}
