//! The pages, embedded: one table.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse as _, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderValue, StatusCode};

use crate::http::error::ApiError;
use crate::http::gate::{self, RoomPath};
use crate::http::{Api, info};

/// A file under `web/`.
struct Asset {
    name: &'static str,
    bytes: Cow<'static, [u8]>,
    /// Quoted, from the content.
    etag: HeaderValue,
}

macro_rules! embed {
    ($($name:literal),* $(,)?) => {
        /// Names and contents of all files.
        const FILES: &[(&str, &[u8])] = &[$(($name, include_bytes!(concat!("../../web/", $name)))),*];
    };
}

embed![
    "admin-api.js",
    "admin-ask.js",
    "admin-events.js",
    "admin-feed.js",
    "admin-list.js",
    "admin-plot.js",
    "admin-rooms.js",
    "admin-server.js",
    "admin-sessions.js",
    "admin.css",
    "admin.html",
    "admin.js",
    "api.js",
    "capture.js",
    "connection.js",
    "icon.svg",
    "index.css",
    "index.html",
    "index.js",
    "level.js",
    "player-controls.js",
    "player.css",
    "player.html",
    "player.js",
    "publisher-figures.js",
    "publisher-source.js",
    "publisher.css",
    "publisher.html",
    "publisher.js",
    "records-api.js",
    "records-ask.js",
    "records-files.js",
    "records-list.js",
    "records-live.js",
    "records-player.js",
    "records-source.js",
    "records-webm.js",
    "records.css",
    "records.html",
    "records.js",
    "resource.js",
    "sdp.js",
    "stats.js",
    "style.css",
    "testsource.js",
    "ticker.js",
    "ui.js",
    "whep.js",
    "whip.js",
];

/// The start page as `/` has it. Its links are relative, so that they work below a proxy's base path, and count from
/// there.
const START: &str = "";

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    let asset = |(name, bytes): &(&'static str, &'static [u8])| match *name {
        "index.html" => Asset::new(name, from_below(bytes)),
        _ => Asset::new(name, Cow::Borrowed(*bytes)),
    };
    let start = FILES.iter().filter(|(name, _)| *name == "index.html");
    let start = start.map(|(_, bytes)| Asset::new(START, Cow::Borrowed(*bytes)));
    FILES.iter().map(asset).chain(start).collect()
});

impl Asset {
    fn new(name: &'static str, bytes: Cow<'static, [u8]>) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA256, &bytes);
        let start = digest.as_ref()[..8].try_into().expect("SHA-256 has 32 bytes");
        let etag =
            HeaderValue::try_from(format!("\"{:016x}\"", u64::from_be_bytes(start))).expect("hexadecimal digits");
        Self { name, bytes, etag }
    }

    fn body(&self) -> Bytes {
        match &self.bytes {
            Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            Cow::Owned(bytes) => Bytes::copy_from_slice(bytes),
        }
    }
}

/// The start page for `/web/index.html`, one level below: its links count from above.
fn from_below(page: &[u8]) -> Cow<'static, [u8]> {
    let page = String::from_utf8_lossy(page);
    Cow::Owned(page.replacen("<head>", "<head>\n  <base href=\"../\">", 1).into_bytes())
}

/// `/`
pub(super) async fn index(request: Request) -> Result<Response, ApiError> {
    serve(START, &request)
}

/// `/web/{name}`
pub(super) async fn file(name: RoomPath, request: Request) -> Result<Response, ApiError> {
    let Path(name) = name.map_err(|_| ApiError::NotFound)?;
    serve(&name, &request)
}

/// `/watch/{room}`: the page finds the room in its own address.
pub(super) async fn watch(_: State<Arc<Api>>, room: RoomPath, request: Request) -> Result<Response, ApiError> {
    info::METHODS.check(request.method())?;
    gate::room_name(room)?;
    serve("player.html", &request)
}

fn serve(name: &str, request: &Request) -> Result<Response, ApiError> {
    let asset = ASSETS.iter().find(|asset| asset.name == name).ok_or(ApiError::NotFound)?;
    if let Some(answer) = info::read_only(request)? {
        return Ok(answer);
    }
    let headers = [
        (ETAG, asset.etag.clone()),
        // Kept, but asked for again each time: a new server has new pages.
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    if is_known(request, &asset.etag) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    let content_type = [(CONTENT_TYPE, HeaderValue::from_static(content_type(asset.name)))];
    Ok((StatusCode::OK, headers, content_type, asset.body()).into_response())
}

/// `If-None-Match` (RFC 9110 §13.1.2) names what we have; the comparison is the weak one.
fn is_known(request: &Request, etag: &HeaderValue) -> bool {
    let values = request.headers().get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = values.flat_map(|value| value.split(',')).map(|tag| tag.trim().trim_start_matches("W/"));
    tags.any(|tag| tag == "*" || tag.as_bytes() == etag.as_bytes())
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "" | "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "json" | "webmanifest" => "application/json",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_file() {
        let mut there: Vec<String> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/web"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        there.sort();
        let mut table: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        table.sort_unstable();
        assert_eq!(table, there);
    }

    #[test]
    fn every_file_has_a_type_and_a_tag_of_its_own() {
        for asset in ASSETS.iter() {
            assert_ne!(content_type(asset.name), "application/octet-stream", "{}", asset.name);
            assert!(!asset.bytes.is_empty(), "{}", asset.name);
            assert_eq!(ASSETS.iter().filter(|other| other.etag == asset.etag).count(), 1);
        }
    }
}
