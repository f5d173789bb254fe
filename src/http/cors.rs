//! Whose pages may use the API (the Fetch standard's CORS protocol). The outermost layer, so errors carry it too.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::http::Api;

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PATCH, DELETE, OPTIONS");
const HEADERS: HeaderValue = HeaderValue::from_static("Content-Type, Authorization, X-Auth-Token, If-Match, Range");
const EXPOSED: HeaderValue = HeaderValue::from_static("Location, ETag, Link, Accept-Post, Accept-Patch, Retry-After");
/// Browsers keep a preflight's answer for so many seconds (Chromium two hours at most).
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

/// Origins that may use the API.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AllowedOrigin {
    /// `*`
    Any,
    /// These, as browsers write them.
    These(Vec<HeaderValue>),
}

impl AllowedOrigin {
    /// From `*` or a list with commas.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Any);
        }
        text.split(',').map(|entry| origin(entry.trim())).collect::<Option<_>>().map(Self::These)
    }

    fn write(&self, requested: Option<&HeaderValue>, headers: &mut HeaderMap) {
        match self {
            Self::Any => {
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            }
            Self::These(origins) => {
                headers.append(VARY, HeaderValue::from_static("Origin"));
                if let Some(origin) = requested.filter(|origin| origins.contains(origin)) {
                    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
                }
            }
        }
    }
}

/// `scheme://host[:port]`, in lower case as browsers send it.
fn origin(text: &str) -> Option<HeaderValue> {
    let text = text.to_ascii_lowercase();
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    (!host.is_empty() && host.bytes().all(plain)).then(|| HeaderValue::from_str(&text).ok()).flatten()
}

/// Answers preflights, bare and before anything else is looked at, and marks every other response.
pub(super) async fn layer(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let requested = request.headers().get(ORIGIN).cloned();
    let preflight =
        *request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if preflight { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    let headers = response.headers_mut();
    api.settings().allowed_origin.write(requested.as_ref(), headers);
    if preflight {
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
        headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    } else {
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
    response
}
