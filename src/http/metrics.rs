//! `/metrics`: for Prometheus, on the listener of its own where there is one.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

use crate::http::Api;
use crate::http::error::ApiError;
use crate::http::info::read_only;
use crate::telemetry::metrics::{self, Beside};

pub(super) async fn metrics(State(api): State<Arc<Api>>, request: Request) -> Result<Response, ApiError> {
    if let Some(answer) = read_only(&request)? {
        return Ok(answer);
    }
    let tls = api.door.tls();
    let beside = Beside {
        connections: api.door.connections(),
        cuts: api.door.cuts(),
        certificate_expiry: tls.and_then(|tls| tls.certificate_expiry()),
        orders: tls.map_or_else(Vec::new, |tls| tls.orders()),
        recording: api.recorder.figures(),
        #[cfg(feature = "upload")]
        upload: api.uploader.as_ref().map(|uploader| uploader.figures()),
    };
    let headers = [(CONTENT_TYPE, metrics::CONTENT_TYPE), (CACHE_CONTROL, "no-store")];
    let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value)));
    Ok((headers, api.metrics.text(&api.sessions, &api.auth, &beside).await.to_string()).into_response())
}
