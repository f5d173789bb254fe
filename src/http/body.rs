//! A request's type and body, within their bounds.

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, FailedToBufferBody};
use axum::extract::{DefaultBodyLimit, FromRequest as _, Request};
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::http::error::ApiError;
use crate::limits;

/// Offers and answers.
pub const SDP: &str = "application/sdp";
/// Trickle ICE fragments (RFC 8840).
pub const FRAGMENT: &str = "application/trickle-ice-sdpfrag";

/// Orders of an administrator.
const JSON: &str = "application/json";

/// The body of an administrator's order.
///
/// # Errors
/// 415, 413, 408; 400 where it is not what is expected.
pub(super) async fn json<T: DeserializeOwned>(request: Request) -> Result<T, ApiError> {
    if !has_type(request.headers(), JSON) {
        return Err(ApiError::UnsupportedMediaType(JSON));
    }
    let body = read(request, limits::ADMIN_BODY_BYTES).await?;
    serde_json::from_slice(&body).map_err(|error| ApiError::InvalidRequest(error.to_string()))
}

/// The body as text, where its type is `expected`.
///
/// # Errors
/// 415 for another type, 413 and 408 beyond the limits, 400 where it is no UTF-8.
pub(super) async fn text(request: Request, expected: &'static str) -> Result<String, ApiError> {
    if !has_type(request.headers(), expected) {
        return Err(ApiError::UnsupportedMediaType(expected));
    }
    let bytes = read(request, limits::BODY_BYTES).await?;
    String::from_utf8(bytes.into()).map_err(|_| ApiError::InvalidSdp("it is not UTF-8".into()))
}

async fn read(mut request: Request, most: usize) -> Result<Bytes, ApiError> {
    // Before the first byte is read, where the client says how many there are.
    let length = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > most as u64) {
        return Err(ApiError::BodyTooLarge);
    }
    DefaultBodyLimit::max(most).apply(&mut request);
    let body = Bytes::from_request(request, &());
    timeout(limits::HTTP_BODY_TIME, body).await.map_err(|_| ApiError::BodyTimeout)?.map_err(|error| broken(&error))
}

/// The type before its parameters, in any case (RFC 9110 §8.3.1).
fn has_type(headers: &HeaderMap, expected: &str) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().is_some_and(|name| name.trim().eq_ignore_ascii_case(expected))
}

fn broken(rejection: &BytesRejection) -> ApiError {
    match rejection {
        BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => ApiError::BodyTooLarge,
        _ => ApiError::InvalidSdp("the body broke off".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types() {
        let table = [
            (Some("application/sdp"), true),
            (Some("Application/SDP"), true),
            (Some("application/sdp; charset=utf-8"), true),
            (Some("application/sdp;charset=utf-8"), true),
            (Some(" application/sdp "), true),
            (Some("application/sdpx"), false),
            (Some("text/plain"), false),
            (Some(""), false),
            (None, false),
        ];
        for (value, good) in table {
            let mut headers = HeaderMap::new();
            headers.extend(value.map(|value| (CONTENT_TYPE, value.parse().unwrap())));
            assert_eq!(has_type(&headers, SDP), good, "{value:?}");
        }
    }
}
