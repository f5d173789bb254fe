//! The order in which a request is looked at, before any of its body is read: CORS and preflight (in [`super::cors`]),
//! then the rate (in [`super::rate`]), both around all routes; then method, room name, token.

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method};

use crate::auth::{Grant, Presented, Unauthorized};
use crate::http::Api;
use crate::http::error::ApiError;
use crate::id::RoomName;

/// A room's name from the path, percent-decoded by axum; not UTF-8 makes the rejection.
pub(super) type RoomPath = Result<Path<String>, PathRejection>;

/// The methods of a resource.
pub(super) struct Methods {
    /// The value of `Allow`.
    pub allow: &'static str,
}

impl Methods {
    /// # Errors
    /// 405 with `Allow`.
    pub fn check(&self, method: &Method) -> Result<(), ApiError> {
        let allowed = self.allow.split(", ").any(|allowed| allowed == method.as_str());
        if allowed { Ok(()) } else { Err(ApiError::MethodNotAllowed(self.allow)) }
    }
}

/// What went through the gate to a room.
#[derive(Debug)]
pub(super) struct Pass {
    pub room: RoomName,
    /// `None` for an OPTIONS without a valid token: it is answered, but not told of TURN.
    pub grant: Option<Grant>,
}

/// The gate to a room.
///
/// # Errors
/// 405, 400, 401, in this order.
pub(super) fn enter(
    api: &Api,
    methods: &Methods,
    method: &Method,
    headers: &HeaderMap,
    room: RoomPath,
) -> Result<Pass, ApiError> {
    methods.check(method)?;
    let room = room_name(room)?;
    match authorize(api, headers) {
        Ok(grant) => Ok(Pass { room, grant: Some(grant) }),
        Err(_) if *method == Method::OPTIONS => Ok(Pass { room, grant: None }),
        Err(Unauthorized) => Err(ApiError::Unauthorized),
    }
}

/// A room's name.
///
/// # Errors
/// 400.
pub(super) fn room_name(room: RoomPath) -> Result<RoomName, ApiError> {
    room.ok().and_then(|Path(name)| RoomName::parse(&name)).ok_or(ApiError::InvalidRoomName)
}

/// What the request's token grants.
///
/// # Errors
/// [`Unauthorized`]
pub(super) fn authorize(api: &Api, headers: &HeaderMap) -> Result<Grant, Unauthorized> {
    // A header that is no text shows nothing, but is there: an unreadable `X-Auth-Token` still decides.
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("\u{fffd}"));
    api.settings()
        .auth
        .authorize(Presented { authorization: text(AUTHORIZATION.as_str()), x_auth_token: text("x-auth-token") })
}
