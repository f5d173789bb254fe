//! What an administrator sees.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::Response;

use crate::http::Api;
use crate::http::admin::json::{BlockJson, HistoryJson, Limits, OverviewJson, SessionsJson, Status, WorkerJson};
use crate::http::admin::{enter, number, query};
use crate::http::error::ApiError;
use crate::http::gate::{self, Asked, RoomPath};
use crate::http::info::{METHODS, fresh};
use crate::id::{RoomName, SessionKey};
use crate::limits;

/// How the server is.
pub(in crate::http) async fn status(State(api): State<Arc<Api>>, request: Request) -> Result<Response, ApiError> {
    if let Some(answer) = enter(&api, &METHODS, &Asked::of(&request), Ok(None)).await? {
        return Ok(answer);
    }
    let counts = api.sessions.census();
    let worker = |(sessions, load): (usize, f64)| WorkerJson { sessions, load: (load * 1_000.0).round() / 1_000.0 };
    Ok(fresh(Json(Status {
        version: crate::version::VERSION,
        uptime_seconds: api.started.elapsed().as_secs(),
        draining: !api.sessions.is_open(),
        rooms: counts.rooms,
        sessions: counts.sessions,
        publishers: counts.publishers,
        subscribers: counts.subscribers,
        blocks: api.sessions.blocked().len(),
        workers: counts.by_worker.into_iter().zip(api.sessions.loads()).map(worker).collect(),
        limits: Limits {
            sessions: limits::SESSIONS,
            connections: limits::HTTP_CONNECTIONS,
            blocks: limits::BLOCKS,
            block_seconds: limits::BLOCK_TIME.as_secs(),
        },
    })))
}

/// All rooms with their last minutes: one cheap call for a page that shows them all.
pub(in crate::http) async fn overview(State(api): State<Arc<Api>>, request: Request) -> Result<Response, ApiError> {
    if let Some(answer) = enter(&api, &METHODS, &Asked::of(&request), Ok(None)).await? {
        return Ok(answer);
    }
    let since = number(&request, "since", u64::MAX)?.unwrap_or(0);
    let points = number(&request, "points", limits::HISTORY_POINTS)?.unwrap_or(limits::HISTORY_POINTS / 2);
    Ok(fresh(Json(OverviewJson::from(api.sessions.overview(since, points)))))
}

/// The whole server's last minutes.
pub(in crate::http) async fn history(State(api): State<Arc<Api>>, request: Request) -> Result<Response, ApiError> {
    if let Some(answer) = enter(&api, &METHODS, &Asked::of(&request), Ok(None)).await? {
        return Ok(answer);
    }
    let overview = api.sessions.overview(0, limits::HISTORY_POINTS);
    Ok(fresh(Json(HistoryJson::new(&overview.server))))
}

/// A room's last minutes.
pub(in crate::http) async fn room_history(
    State(api): State<Arc<Api>>,
    room: RoomPath,
    request: Request,
) -> Result<Response, ApiError> {
    let room = gate::room_name(room);
    if let Some(answer) =
        enter(&api, &METHODS, &Asked::of(&request), room.as_ref().map(Some).map_err(Clone::clone)).await?
    {
        return Ok(answer);
    }
    let history = api.sessions.room_history(&room?).ok_or(ApiError::RoomNotFound)?;
    Ok(fresh(Json(HistoryJson::new(&history.points))))
}

/// Some of the sessions, of one room or of all.
pub(in crate::http) async fn sessions(State(api): State<Arc<Api>>, request: Request) -> Result<Response, ApiError> {
    let room = query(&request, "room").map(|room| RoomName::parse(room).ok_or(ApiError::InvalidRoomName)).transpose();
    if let Some(answer) =
        enter(&api, &METHODS, &Asked::of(&request), room.as_ref().map(Option::as_ref).map_err(Clone::clone)).await?
    {
        return Ok(answer);
    }
    let after = query(&request, "after")
        .map(|key| SessionKey::parse(key).ok_or_else(|| ApiError::InvalidRequest("after is no session's key".into())));
    let limit = number(&request, "limit", limits::SESSIONS_PER_PAGE)?.unwrap_or(limits::SESSIONS_PER_PAGE_DEFAULT);
    let page = api.sessions.page(room?.as_ref(), after.transpose()?, limit.max(1)).await;
    Ok(fresh(Json(SessionsJson {
        sessions: page.sessions.into_iter().map(Into::into).collect(),
        next: page.next.map(|key| key.to_string()),
    })))
}

/// The blocked rooms.
pub(in crate::http) async fn blocks(State(api): State<Arc<Api>>, request: Request) -> Result<Response, ApiError> {
    if let Some(answer) = enter(&api, &METHODS, &Asked::of(&request), Ok(None)).await? {
        return Ok(answer);
    }
    let blocks: Vec<BlockJson> = api.sessions.blocked().into_iter().map(Into::into).collect();
    Ok(fresh(Json(blocks)))
}
