//! The order in which a request is looked at, before any of its body is read: CORS and preflight (in [`super::cors`]),
//! then the rate (in [`super::rate`]), both around all routes; then method, room name, token.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request};
use http::header::{AUTHORIZATION, USER_AGENT};
use http::{HeaderMap, Method};

use crate::auth::{Grant, Presented, Unauthorized};
use crate::http::{Api, client_address};
use crate::http::error::ApiError;
use crate::id::{ClientAddress, RoomName};
use crate::limits;
use crate::session::Client;

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

/// The gate to what only an administrator may.
///
/// # Errors
/// 401
pub(super) fn admin(api: &Api, headers: &HeaderMap, _room: Option<&RoomName>) -> Result<(), ApiError> {
    let admin = api.admin.is_enabled() && api.admin.authorize(presented(headers)).is_ok();
    if admin { Ok(()) } else { Err(ApiError::Unauthorized) }
}

/// Who asks for a session.
pub(super) fn client(request: &Request) -> Client {
    let name = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok());
    let user_agent = name.map(|name| Arc::from(&name[..name.len().min(limits::USER_AGENT_BYTES)]));
    let address = client_address::of(request.extensions());
    Client { user_agent, address: (address != ClientAddress::UNKNOWN).then(|| address.ip()) }
}

/// What the request's token grants.
///
/// # Errors
/// [`Unauthorized`]
pub(super) fn authorize(api: &Api, headers: &HeaderMap) -> Result<Grant, Unauthorized> {
    api.auth.authorize(presented(headers))
}

fn presented(headers: &HeaderMap) -> Presented<'_> {
    // A header that is no text shows nothing, but is there: an unreadable `X-Auth-Token` still decides.
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("\u{fffd}"));
    Presented { authorization: text(AUTHORIZATION.as_str()), x_auth_token: text("x-auth-token") }
}
