//! The recordings: `/api/records` and `/records/{name}`. A recording is for who may play its room.

mod file;
mod range;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use http::Method;
use serde::Serialize;

use crate::http::Api;
use crate::http::error::ApiError;
use crate::http::gate::{self, Asked, RoomPath};
use crate::http::info::{METHODS, fresh, options, query, read_only};
use crate::notify::rfc3339;
use crate::record::folder::Entry;
use crate::record::name::RecordName;

/// A recording as the list has it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    name: String,
    /// Bytes.
    size: u64,
    /// When it was written last.
    mod_time: String,
    /// Where its file is.
    url: String,
    room: String,
}

impl From<Entry> for Record {
    fn from(entry: Entry) -> Self {
        Self {
            size: entry.size,
            mod_time: rfc3339(entry.modified),
            url: format!("/records/{}", entry.name),
            room: entry.name.room().to_string(),
            name: entry.name.to_string(),
        }
    }
}

/// The recordings of the rooms that one may play, newest first.
pub(super) async fn list(State(api): State<Arc<Api>>, request: Request) -> Result<Response, ApiError> {
    if let Some(answer) = read_only(&request)? {
        return Ok(answer);
    }
    let grant = gate::reader(&api, &Asked::of(&request), None).await?;
    let mut records = api.library.list().await?;
    records.retain(|entry| grant.as_ref().is_none_or(|grant| api.auth.covers(grant, entry.name.room())));
    Ok(fresh(Json(records.into_iter().map(Record::from).collect::<Vec<_>>())))
}

/// The file of one.
pub(super) async fn file(State(api): State<Arc<Api>>, name: RoomPath, request: Request) -> Result<Response, ApiError> {
    METHODS.check(request.method())?;
    let name = name.ok().and_then(|Path(name)| RecordName::parse(&name)).ok_or(ApiError::RecordNotFound)?;
    if *request.method() == Method::OPTIONS {
        return Ok(options(&METHODS));
    }
    gate::reader(&api, &Asked::of(&request), Some(name.room())).await?;
    let download = api.library.download(&name).await?;
    let to_keep = query(&request, "download").is_some_and(|value| value == "1");
    file::answer(download, &name, to_keep, &request.into_parts().0).await
}
