//! What an administrator does.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use http::Method;

use crate::http::admin::json::{
    BlockJson, BlockOrder, Closed, DrainOrder, Draining, Ended, LogOrder, Logging, ReloadedJson, SessionJson, Unblocked,
};
use crate::http::admin::{ACTION, BLOCK, SESSION, enter};
use crate::http::error::ApiError;
use crate::http::gate::{self, Asked, RoomPath};
use crate::http::info::fresh;
use crate::http::operations::{OperationError, Operations, Unsupported};
use crate::http::{Api, body};
use crate::id::SessionKey;
use crate::limits;
use crate::session::TooManyBlocks;

/// Ends a room with all its sessions.
pub(in crate::http) async fn close(
    State(api): State<Arc<Api>>,
    room: RoomPath,
    request: Request,
) -> Result<Response, ApiError> {
    let room = gate::room_name(room);
    if let Some(answer) =
        enter(&api, &ACTION, &Asked::of(&request), room.as_ref().map(Some).map_err(Clone::clone)).await?
    {
        return Ok(answer);
    }
    let room = room?;
    api.sessions.close_room(&room).await?;
    Ok(fresh(Json(Closed { room: room.as_str(), closed: true })))
}

/// Keeps a room's new sessions out for a while, and ends the old ones where asked; lets them in again.
pub(in crate::http) async fn block(
    State(api): State<Arc<Api>>,
    room: RoomPath,
    request: Request,
) -> Result<Response, ApiError> {
    let room = gate::room_name(room);
    if let Some(answer) =
        enter(&api, &BLOCK, &Asked::of(&request), room.as_ref().map(Some).map_err(Clone::clone)).await?
    {
        return Ok(answer);
    }
    let room = room?;
    if *request.method() == Method::DELETE {
        let was = api.sessions.unblock(&room);
        return if was {
            Ok(fresh(Json(Unblocked { room: room.as_str(), blocked: false })))
        } else {
            Err(ApiError::BlockNotFound)
        };
    }
    let order: BlockOrder = body::json(request).await?;
    let most = limits::BLOCK_TIME.as_secs();
    if !(1..=most).contains(&order.seconds) {
        return Err(ApiError::InvalidRequest(format!("seconds is a number from 1 to {most}")));
    }
    let block = api
        .sessions
        .block(&room, Duration::from_secs(order.seconds))
        .map_err(|TooManyBlocks| ApiError::InvalidRequest(format!("{} rooms are blocked already", limits::BLOCKS)))?;
    if order.close {
        match api.sessions.close_room(&room).await {
            Ok(()) | Err(crate::session::SessionError::RoomNotFound) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(fresh(Json(BlockJson::from(block))))
}

/// One session: looks at it, or ends it.
pub(in crate::http) async fn session(
    State(api): State<Arc<Api>>,
    key: RoomPath,
    request: Request,
) -> Result<Response, ApiError> {
    if let Some(answer) = enter(&api, &SESSION, &Asked::of(&request), Ok(None)).await? {
        return Ok(answer);
    }
    let key = key.ok().and_then(|Path(key)| SessionKey::parse(&key)).ok_or(ApiError::SessionNotFound)?;
    if *request.method() == Method::DELETE {
        api.sessions.end_session(key).await?;
        return Ok(fresh(Json(Ended { key: key.to_string(), ended: true })));
    }
    let session = api.sessions.session(key).await.ok_or(ApiError::SessionNotFound)?;
    Ok(fresh(Json(SessionJson::from(session))))
}

/// Takes no new sessions, or takes them again.
pub(in crate::http) async fn drain(State(api): State<Arc<Api>>, request: Request) -> Result<Response, ApiError> {
    if let Some(answer) = enter(&api, &ACTION, &Asked::of(&request), Ok(None)).await? {
        return Ok(answer);
    }
    let order: DrainOrder = body::json(request).await?;
    api.sessions.set_draining(order.on);
    Ok(fresh(Json(Draining { draining: order.on })))
}

/// Reads the configuration again.
pub(in crate::http) async fn reload(State(api): State<Arc<Api>>, request: Request) -> Result<Response, ApiError> {
    if let Some(answer) = enter(&api, &ACTION, &Asked::of(&request), Ok(None)).await? {
        return Ok(answer);
    }
    let done = operate(&api, |operations| operations.reload()).await?.map_err(|error| match error {
        OperationError::Invalid(detail) => ApiError::InvalidConfiguration(detail),
        OperationError::Unsupported => ApiError::NotFound,
    })?;
    Ok(fresh(Json(ReloadedJson { needs_restart: done.needs_restart })))
}

/// Logs by another filter.
pub(in crate::http) async fn log(State(api): State<Arc<Api>>, request: Request) -> Result<Response, ApiError> {
    if let Some(answer) = enter(&api, &ACTION, &Asked::of(&request), Ok(None)).await? {
        return Ok(answer);
    }
    let LogOrder { filter } = body::json(request).await?;
    let wanted = filter.clone();
    operate(&api, move |operations| operations.set_log_filter(&wanted)).await?.map_err(|error| match error {
        OperationError::Invalid(detail) => ApiError::InvalidRequest(detail),
        OperationError::Unsupported => ApiError::NotFound,
    })?;
    Ok(fresh(Json(Logging { filter })))
}

/// Files are read, so not on a thread that others wait for.
async fn operate<T: Send + 'static>(
    api: &Api,
    operation: impl FnOnce(Arc<dyn Operations>) -> T + Send + 'static,
) -> Result<T, ApiError> {
    let operations = api.operations.get().cloned().unwrap_or_else(|| Arc::new(Unsupported));
    let done = tokio::task::spawn_blocking(move || operation(operations));
    done.await.map_err(|_| ApiError::Internal)
}
