//! What can be asked of the server: `/api/bootstrap`, `/api/rooms`, `/healthz`, `/readyz`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CACHE_CONTROL};
use http::{HeaderValue, Method, StatusCode};
use serde::Serialize;

use crate::auth::{Action, Need};
use crate::http::Api;
use crate::http::error::ApiError;
use crate::http::gate::{self, Asked, Methods, RoomPath};
use crate::http::ice::IceServerJson;
use crate::net::clock;
use crate::session::rooms::RoomView;

/// Methods of everything that is only read.
pub(super) const METHODS: Methods = Methods { allow: "GET, HEAD, OPTIONS" };

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bootstrap {
    auth_enabled: bool,
    record_enabled: bool,
    ice_servers: Vec<IceServerJson>,
    features: Features,
}

#[derive(Serialize)]
struct Features {
    rooms: bool,
    records: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Room {
    name: String,
    has_publisher: bool,
    tracks: usize,
    subscribers: usize,
    workers: usize,
    gcm_sessions: usize,
    cm_sessions: usize,
    codecs: Vec<&'static str>,
    /// Bits per second.
    bitrate: u64,
    b_frames: bool,
    /// The publisher sends more than it may, and is cut off if it goes on.
    over_bitrate: bool,
    packets_in: u64,
    bytes_in: u64,
}

impl From<RoomView> for Room {
    fn from(room: RoomView) -> Self {
        Self {
            name: room.name.to_string(),
            has_publisher: room.has_publisher,
            tracks: room.tracks,
            subscribers: room.subscribers,
            workers: room.workers,
            gcm_sessions: room.gcm_sessions,
            cm_sessions: room.cm_sessions,
            codecs: room.codecs.into_iter().map(crate::rtp::codec::Codec::name).collect(),
            bitrate: room.bitrate,
            b_frames: room.b_frames,
            over_bitrate: room.over_bitrate,
            packets_in: room.packets_in,
            bytes_in: room.bytes_in,
        }
    }
}

pub(super) async fn bootstrap(State(api): State<Arc<Api>>, request: Request) -> Result<Response, ApiError> {
    if let Some(answer) = read_only(&request)? {
        return Ok(answer);
    }
    let authorised = gate::may_anything(&api, &Asked::of(&request)).await;
    Ok(fresh(Json(Bootstrap {
        auth_enabled: api.auth.is_enabled(),
        record_enabled: api.library.is_on(),
        ice_servers: api.settings().ice.json(authorised, clock::wall()),
        features: Features { rooms: true, records: api.library.is_on() },
    })))
}

pub(super) async fn rooms(State(api): State<Arc<Api>>, request: Request) -> Result<Response, ApiError> {
    if let Some(answer) = read_only(&request)? {
        return Ok(answer);
    }
    let grant = gate::authorize(&api, &Asked::of(&request), Need::anywhere(Action::Read)).await?;
    let mut rooms = api.sessions.rooms().await;
    rooms.retain(|room| api.auth.covers(&grant, &room.name));
    Ok(fresh(Json(rooms.into_iter().map(Room::from).collect::<Vec<_>>())))
}

pub(super) async fn room(State(api): State<Arc<Api>>, room: RoomPath, request: Request) -> Result<Response, ApiError> {
    let pass = gate::enter(&api, &METHODS, &Asked::of(&request), room, Action::Read).await?;
    if let Some(answer) = read_only(&request)? {
        return Ok(answer);
    }
    let room = api.sessions.room(&pass.room).await.ok_or(ApiError::RoomNotFound)?;
    Ok(fresh(Json(Room::from(room))))
}

/// The process runs.
pub(super) async fn healthz(request: Request) -> Result<Response, ApiError> {
    Ok(read_only(&request)?.unwrap_or_else(|| fresh("ok")))
}

/// New sessions are taken.
pub(super) async fn readyz(State(api): State<Arc<Api>>, request: Request) -> Result<Response, ApiError> {
    match read_only(&request)? {
        Some(answer) => Ok(answer),
        None if api.sessions.is_open() => Ok(fresh("ok")),
        None => Err(ApiError::Unavailable("the server is stopping")),
    }
}

/// Refuses what changes things, and answers OPTIONS; `None` for GET and HEAD.
///
/// # Errors
/// 405
pub(super) fn read_only(request: &Request) -> Result<Option<Response>, ApiError> {
    METHODS.check(request.method())?;
    Ok((*request.method() == Method::OPTIONS).then(|| options(&METHODS)))
}

/// The answer to an OPTIONS that is no preflight.
pub(super) fn options(methods: &Methods) -> Response {
    (StatusCode::NO_CONTENT, [(ALLOW, HeaderValue::from_static(methods.allow))]).into_response()
}

/// A value of the query. What we take from there (names, keys, numbers) is never written with escapes.
pub(super) fn query<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    let pairs = request.uri().query().unwrap_or_default().split('&');
    pairs.filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// True now, and perhaps not a moment later.
pub(super) fn fresh(body: impl IntoResponse) -> Response {
    ([(CACHE_CONTROL, HeaderValue::from_static("no-store"))], body).into_response()
}
