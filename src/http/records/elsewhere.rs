//! What was uploaded, for who asks for it here: read from where it is, or asked for there with a URL that holds for a
//! while.

use std::time::{Duration, SystemTime};

use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, LOCATION};
use http::request::Parts;

use crate::http::Api;
use crate::http::endpoint::value;
use crate::http::error::ApiError;
use crate::http::records::file;
use crate::limits;
use crate::notify::now;
use crate::record::name::RecordName;
use crate::record::upload::Elsewhere;

/// `None` where it is to be read here. `until`: how long who asks may have it.
///
/// # Errors
/// As of a file that is here
pub(super) async fn answer(
    api: &Api,
    name: &RecordName,
    to_keep: bool,
    request: &Parts,
    until: Option<SystemTime>,
) -> Result<Option<Response>, ApiError> {
    let Some(uploader) = api.uploader.as_ref().filter(|uploader| uploader.gives()) else { return Ok(None) };
    let most = limits::RECORD_LINK_TIME_OF_READERS;
    let left = until.map_or(most, |until| until.duration_since(now()).unwrap_or_default());
    // Stores take whole seconds, and none of less than one.
    let time = left.clamp(Duration::from_secs(1), most);
    match uploader.elsewhere(name, &request.method, to_keep, time).await? {
        None => Ok(None),
        Some(Elsewhere::Folder(folder)) => {
            let download = api.library.download_from(folder, name).await?;
            file::answer(download, name, to_keep, request).await.map(Some)
        }
        Some(Elsewhere::Url(url)) => {
            let headers = [(LOCATION, value(url)), (CACHE_CONTROL, value("no-store".to_owned()))];
            Ok(Some((StatusCode::TEMPORARY_REDIRECT, headers).into_response()))
        }
    }
}
