//! `/api/admin/…`: what only an administrator may. [`json`] says how it is written.

mod json;
mod look;
mod order;
mod record;
mod retention;

use axum::extract::Request;
use axum::response::Response;

use crate::http::error::ApiError;
use crate::http::gate::{self, Asked, Methods};
use crate::http::info::query;
use crate::http::{Api, info};
use crate::id::RoomName;

pub(super) use crate::http::admin::look::{blocks, history, overview, room_history, sessions, status};
pub(super) use crate::http::admin::order::{block, close, drain, log, reload, session};
pub(super) use crate::http::admin::record::record;
pub(super) use crate::http::admin::retention::retention;

/// Methods of what is done.
pub(super) const ACTION: Methods = Methods { allow: "POST, OPTIONS" };
/// Methods of a room's block, and of its recording.
pub(super) const BLOCK: Methods = Methods { allow: "POST, DELETE, OPTIONS" };
/// Methods of a session.
pub(super) const SESSION: Methods = Methods { allow: "GET, HEAD, DELETE, OPTIONS" };

/// The gate: method, then what the path names, then the token. `Some` answers an OPTIONS.
///
/// # Errors
/// 405, 400, 401
pub(super) async fn enter(
    api: &Api,
    methods: &Methods,
    asked: &Asked,
    room: Result<Option<&RoomName>, ApiError>,
) -> Result<Option<Response>, ApiError> {
    methods.check(&asked.method)?;
    let room = room?;
    if asked.method == http::Method::OPTIONS {
        return Ok(Some(info::options(methods)));
    }
    gate::admin(api, asked, room).await?;
    Ok(None)
}

/// A number of the query, where it is there, at most `most`.
///
/// # Errors
/// 400 where it is none.
pub(super) fn number<T: std::str::FromStr + Ord>(
    request: &Request,
    name: &str,
    most: T,
) -> Result<Option<T>, ApiError> {
    let Some(text) = query(request, name) else { return Ok(None) };
    let number = text.parse::<T>().map_err(|_| ApiError::InvalidRequest(format!("{name} is no number")))?;
    Ok(Some(number.min(most)))
}
