//! The order in which a request is looked at, before any of its body is read: CORS and preflight (in [`super::cors`]),
//! then the rate (in [`super::rate`]), both around all routes; then method, room name, token.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request};
use http::Method;
use http::header::{AUTHORIZATION, USER_AGENT};

use crate::auth::{Action, Grant, Need, Presented};
use crate::http::error::ApiError;
use crate::http::{Api, client_address};
use crate::id::{ClientAddress, RoomName};
use crate::limits;
use crate::session::Client;
use crate::traces::Span;

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

/// What the gate looks at: taken from the request before anything waits.
pub(super) struct Asked {
    pub method: Method,
    presented: Presented,
}

impl Asked {
    /// From a request.
    pub fn of(request: &Request) -> Self {
        // A header that is no text shows nothing, but is there: an unreadable `X-Auth-Token` still decides.
        let text = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap_or("\u{fffd}"));
        let presented = Presented::new(
            text(AUTHORIZATION.as_str()),
            text("x-auth-token"),
            client_address::of(request.extensions()),
        );
        Self { method: request.method().clone(), presented }
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
pub(super) async fn enter(
    api: &Api,
    methods: &Methods,
    asked: &Asked,
    room: RoomPath,
    action: Action,
) -> Result<Pass, ApiError> {
    methods.check(&asked.method)?;
    let room = room_name(room)?;
    let need = Need::in_room(action, &room);
    let grant = if asked.method == Method::OPTIONS {
        api.auth.judge(&asked.presented, need).await.ok()
    } else {
        Some(authorize(api, asked, need).await?)
    };
    Ok(Pass { room, grant })
}

/// A room's name.
///
/// # Errors
/// 400.
pub(super) fn room_name(room: RoomPath) -> Result<RoomName, ApiError> {
    room.ok().and_then(|Path(name)| RoomName::parse(&name)).ok_or(ApiError::InvalidRoomName)
}

/// What the request's credential grants.
///
/// # Errors
/// 401, whatever was wrong with it; 503 where the one who decides could not be asked, so that clients try again.
pub(super) async fn authorize(api: &Api, asked: &Asked, need: Need<'_>) -> Result<Grant, ApiError> {
    let verdict = Span::step("authorize").around(api.auth.authorize(&asked.presented, need)).await;
    verdict.map_err(|refusal| {
        if refusal.is_outage() { ApiError::Unavailable("who decides does not answer") } else { ApiError::Unauthorized }
    })
}

/// What an administrator's credential grants, where it is one; who has none is not refused for that, and not counted.
pub(super) async fn as_admin(api: &Api, asked: &Asked, room: Option<&RoomName>) -> Option<Grant> {
    api.auth.judge(&asked.presented, Need { action: Action::Admin, room }).await.ok()
}

/// The gate to what only an administrator may; `room` where it is about one, `None` where it is about all.
///
/// # Errors
/// 401, also where no administrator is configured.
pub(super) async fn admin(api: &Api, asked: &Asked, room: Option<&RoomName>) -> Result<Grant, ApiError> {
    authorize(api, asked, Need { action: Action::Admin, room }).await
}

/// The gate to a room's recordings, or to the list of all: for who may play there, and for the administrator. `None`
/// for the administrator, who may see all that this is about.
///
/// # Errors
/// 401
pub(super) async fn reader(api: &Api, asked: &Asked, room: Option<&RoomName>) -> Result<Option<Grant>, ApiError> {
    if as_admin(api, asked, room).await.is_some() {
        return Ok(None);
    }
    authorize(api, asked, Need { action: Action::Read, room }).await.map(Some)
}

/// Who asks for a session.
pub(super) fn client(request: &Request) -> Client {
    let name = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok());
    let user_agent = name.map(|name| Arc::from(&name[..name.len().min(limits::USER_AGENT_BYTES)]));
    let address = client_address::of(request.extensions());
    Client { user_agent, address: (address != ClientAddress::UNKNOWN).then(|| address.ip()) }
}

/// True for who may publish or play somewhere: such a caller may know of TURN.
pub(super) async fn may_anything(api: &Api, asked: &Asked) -> bool {
    for action in [Action::Play, Action::Publish] {
        if api.auth.judge(&asked.presented, Need::anywhere(action)).await.is_ok() {
            return true;
        }
    }
    false
}
