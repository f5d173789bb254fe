//! What changes a recording, and who shares it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Json;
use axum::extract::{Request, State};
use axum::response::Response;
use http::Method;
use serde::Serialize;

use crate::http::admin::{ACTION, enter};
use crate::http::error::ApiError;
use crate::http::gate::{self, Asked, Methods, RoomPath};
use crate::http::info::{fresh, options};
use crate::http::records::json::{ChangeOrder, LinkJson, LinkOrder, MarkerOrder, RecordJson};
use crate::http::records::{CHANGE, record_name};
use crate::http::{Api, body};
use crate::limits;
use crate::notify::now;
use crate::record::name::RecordName;

#[derive(Serialize)]
struct Deleted {
    name: String,
    deleted: bool,
}

/// The name of the recording that an administrator asks for; or the answer, where nothing is to be done.
async fn enter_one(
    api: &Api,
    methods: &Methods,
    name: RoomPath,
    asked: Asked,
) -> Result<Result<RecordName, Response>, ApiError> {
    let name = record_name(name);
    let room = name.as_ref().map(|name| Some(name.room())).map_err(Clone::clone);
    match enter(api, methods, &asked, room).await? {
        Some(answer) => Ok(Err(answer)),
        None => Ok(Ok(name?)),
    }
}

/// Changes title, tags and whether it is kept; deletes it.
pub(in crate::http) async fn change(
    State(api): State<Arc<Api>>,
    name: RoomPath,
    request: Request,
) -> Result<Response, ApiError> {
    let name = match enter_one(&api, &CHANGE, name, Asked::of(&request)).await? {
        Ok(name) => name,
        Err(answer) => return Ok(answer),
    };
    if *request.method() == Method::DELETE {
        api.library.delete(&name).await?;
        return Ok(fresh(Json(Deleted { name: name.to_string(), deleted: true })));
    }
    let order: ChangeOrder = body::json(request).await?;
    let recording = api.library.change(&name, order.check()?).await?;
    Ok(fresh(Json(RecordJson::new(recording, true))))
}

/// Marks a place in it.
pub(in crate::http) async fn mark(
    State(api): State<Arc<Api>>,
    name: RoomPath,
    request: Request,
) -> Result<Response, ApiError> {
    let name = match enter_one(&api, &ACTION, name, Asked::of(&request)).await? {
        Ok(name) => name,
        Err(answer) => return Ok(answer),
    };
    let order: MarkerOrder = body::json(request).await?;
    let recording = api.library.mark(&name, order.at, order.text()?).await?;
    Ok(fresh(Json(RecordJson::new(recording, true))))
}

/// Uploads it now, whenever it was to be tried again.
pub(in crate::http) async fn upload(
    State(api): State<Arc<Api>>,
    name: RoomPath,
    request: Request,
) -> Result<Response, ApiError> {
    let name = match enter_one(&api, &ACTION, name, Asked::of(&request)).await? {
        Ok(name) => name,
        Err(answer) => return Ok(answer),
    };
    #[cfg(feature = "upload")]
    if let Some(uploader) = &api.uploader {
        return Ok(fresh(Json(RecordJson::new(uploader.retry(&name).await?, true))));
    }
    api.library.get(&name).await?;
    Err(ApiError::RecordConflict("this server does not upload"))
}

/// Makes a link to it. An administrator's may hold for weeks; who may play it gets one too, for a browser's player,
/// which cannot show a token, but no longer than the token holds.
pub(in crate::http) async fn link(
    State(api): State<Arc<Api>>,
    name: RoomPath,
    request: Request,
) -> Result<Response, ApiError> {
    ACTION.check(request.method())?;
    let name = record_name(name)?;
    if *request.method() == Method::OPTIONS {
        return Ok(options(&ACTION));
    }
    let grant = gate::reader(&api, &Asked::of(&request), Some(name.room())).await?;
    let order: LinkOrder = body::json(request).await?;
    let most = limits::RECORD_LINK_TIME;
    let asked = order.seconds.map_or(limits::RECORD_LINK_TIME_DEFAULT, Duration::from_secs);
    if asked.is_zero() || asked > most {
        return Err(ApiError::InvalidRequest(format!("seconds is a number from 1 to {}", most.as_secs())));
    }
    api.library.get(&name).await?;
    let mut until = now() + asked;
    if let Some(grant) = grant {
        until = until.min(now() + limits::RECORD_LINK_TIME_OF_READERS);
        until = grant.expires_at.map_or(until, |end| until.min(end));
    }
    let seconds = until.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let signature = api.library.signer().sign(&name, seconds);
    let url = format!("/records/{name}?expires={seconds}&signature={signature}");
    Ok(fresh(Json(LinkJson::new(url, SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)))))
}
