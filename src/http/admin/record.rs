//! Recording a room, or no longer.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::Response;
use http::Method;
use serde::Serialize;

use crate::http::Api;
use crate::http::admin::{BLOCK, enter};
use crate::http::error::ApiError;
use crate::http::gate::{self, Asked, RoomPath};
use crate::http::info::fresh;
use crate::record::recorder::StartError;

#[derive(Serialize)]
struct RecordingJson<'a> {
    room: &'a str,
    recording: bool,
}

/// Records what is published in a room, until its publisher ends; ends that.
pub(in crate::http) async fn record(
    State(api): State<Arc<Api>>,
    room: RoomPath,
    request: Request,
) -> Result<Response, ApiError> {
    let room = gate::room_name(room);
    let asked = Asked::of(&request);
    if let Some(answer) = enter(&api, &BLOCK, &asked, room.as_ref().map(Some).map_err(Clone::clone)).await? {
        return Ok(answer);
    }
    let room = room?;
    let recording = *request.method() != Method::DELETE;
    if recording {
        api.recorder.begin(&room)?;
    } else if !api.recorder.end(&room)? {
        return Err(ApiError::NotRecorded);
    }
    Ok(fresh(Json(RecordingJson { room: room.as_str(), recording })))
}

impl From<StartError> for ApiError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Off => Self::RecordConflict("this server does not record"),
            StartError::Running => Self::RecordConflict("the room is being recorded already"),
            StartError::Session(error) => error.into(),
            StartError::Write(_) => Self::Unavailable("as many rooms are recorded as may be"),
        }
    }
}
