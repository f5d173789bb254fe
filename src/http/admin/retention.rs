//! What the rules would delete now: the same decision that is then carried out.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::Response;
use serde::Serialize;

use crate::http::Api;
use crate::http::admin::enter;
use crate::http::error::ApiError;
use crate::http::gate::Asked;
use crate::http::info::{METHODS, fresh};
use crate::limits;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Retention {
    rules: Rules,
    recordings: usize,
    bytes: u64,
    /// How many would go, and their bytes.
    deletions: usize,
    deleted_bytes: u64,
    /// The first of them.
    list: Vec<Deletion>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rules {
    age_seconds: Option<u64>,
    total_bytes: Option<u64>,
    per_room: Option<usize>,
    uploaded_only: bool,
}

#[derive(Serialize)]
struct Deletion {
    name: String,
    size: u64,
    reason: &'static str,
}

/// A dry run.
pub(in crate::http) async fn retention(State(api): State<Arc<Api>>, request: Request) -> Result<Response, ApiError> {
    if let Some(answer) = enter(&api, &METHODS, &Asked::of(&request), Ok(None)).await? {
        return Ok(answer);
    }
    let rules = api.library.rules();
    let (doomed, totals) = api.library.plan().await?;
    Ok(fresh(Json(Retention {
        rules: Rules {
            age_seconds: rules.age.map(|age| age.as_secs()),
            total_bytes: rules.total,
            per_room: rules.per_room,
            uploaded_only: rules.uploaded_only,
        },
        recordings: totals.recordings,
        bytes: totals.bytes,
        deletions: doomed.len(),
        deleted_bytes: doomed.iter().map(|doomed| doomed.size).sum(),
        list: doomed
            .into_iter()
            .take(limits::RETENTION_DELETIONS)
            .map(|doomed| Deletion { name: doomed.name.to_string(), size: doomed.size, reason: doomed.reason.name() })
            .collect(),
    })))
}
