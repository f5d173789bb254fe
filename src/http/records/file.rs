//! A file as an answer: all of it or a part, read piece by piece as the client takes it.

use std::io::{self, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::SystemTime;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::header::{ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncSeekExt as _, ReadBuf, Take};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::io::ReaderStream;
use tracing::error;

use crate::http::endpoint::value;
use crate::http::error::ApiError;
use crate::http::records::range::{self, Version, Wanted};
use crate::limits;
use crate::record::library::Download;
use crate::record::name::RecordName;

/// 200, 206 or 304; `to_keep` has browsers store it rather than show it.
///
/// # Errors
/// 412, 416
pub(super) async fn answer(
    download: Download,
    name: &RecordName,
    to_keep: bool,
    request: &Parts,
) -> Result<Response, ApiError> {
    let Download { file, metadata, place } = download;
    let size = metadata.len();
    let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    let since = modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    // A recording that is whole is not written again: what differs in neither is the same.
    let version = Version { etag: format!("\"{size:x}-{:x}\"", since.as_nanos()), modified, size };
    let (status, first, length) = match range::wanted(&request.method, &request.headers, &version) {
        Wanted::Whole => (StatusCode::OK, 0, size),
        Wanted::Part(range) => (StatusCode::PARTIAL_CONTENT, *range.start(), range.end() - range.start() + 1),
        Wanted::NotModified => return Ok((StatusCode::NOT_MODIFIED, stamps(&version)).into_response()),
        Wanted::NotSatisfiable => return Err(ApiError::RangeNotSatisfiable(size)),
        Wanted::Failed => return Err(ApiError::PreconditionFailed),
    };
    let body = if request.method == Method::HEAD {
        Body::empty()
    } else {
        let file = part(File::from_std(file), first, length).await.map_err(|error| {
            error!(%error, %name, "a recording cannot be read");
            ApiError::Internal
        })?;
        Body::from_stream(ReaderStream::with_capacity(Held { file, _place: place }, limits::RECORD_PIECE_BYTES))
    };
    let mut response = (status, stamps(&version), body).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(name.container().media_type()));
    headers.insert(CONTENT_LENGTH, length.into());
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if status == StatusCode::PARTIAL_CONTENT {
        headers.insert(CONTENT_RANGE, value(format!("bytes {first}-{}/{size}", first + length - 1)));
    }
    if to_keep {
        headers.insert(CONTENT_DISPOSITION, value(format!("attachment; filename=\"{name}\"")));
    }
    Ok(response)
}

/// What a 304 has too.
fn stamps(version: &Version) -> http::HeaderMap {
    let stamps = range::headers(version).map(|(name, text)| (name, value(text)));
    // Who was shown it once may have lost the right to: it is asked for each time.
    let kept = [(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"))];
    stamps.into_iter().chain(kept).collect()
}

async fn part(mut file: File, first: u64, length: u64) -> io::Result<Take<File>> {
    file.seek(SeekFrom::Start(first)).await?;
    Ok(file.take(length))
}

/// The place of a download is free again when its body goes.
struct Held {
    file: Take<File>,
    _place: OwnedSemaphorePermit,
}

impl AsyncRead for Held {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.file).poll_read(cx, buffer)
    }
}
