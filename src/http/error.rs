//! The only table from errors to statuses. What a client is told is a fixed text, with a detail beside it where that
//! helps to mend the request; never anything of the server's inside.

use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CONTENT_RANGE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use tracing::error;

use crate::http::endpoint;
use crate::http::observe::Refusal;
use crate::limits;
use crate::record::RecordError;
use crate::session::SessionError;
use crate::session::quota::RETRY_PENDING;
use crate::telemetry::requests::FAULT;

/// What a request can fail with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ApiError {
    /// The path names no room that could be.
    InvalidRoomName,
    /// The body does not parse.
    InvalidSdp(String),
    /// No valid token.
    Unauthorized,
    /// The room has as many subscribers as it may.
    SubscriberLimit,
    /// Nobody publishes in the room.
    NoPublisher,
    /// There is no such room.
    RoomNotFound,
    /// There is no such session.
    SessionNotFound,
    /// The room is not blocked.
    BlockNotFound,
    /// There is no such recording.
    RecordNotFound,
    /// The room is not being recorded.
    NotRecorded,
    /// There is no such page.
    NotFound,
    /// The resource has other methods: the value of `Allow`.
    MethodNotAllowed(&'static str),
    /// The body did not come in time.
    BodyTimeout,
    /// A publisher is there.
    PublisherExists,
    /// `If-Match` names another tag, or `If-Unmodified-Since` an earlier time.
    PreconditionFailed,
    /// `If-Match` is missing.
    PreconditionRequired,
    /// The body is larger than [`limits::BODY_BYTES`].
    BodyTooLarge,
    /// The body's type is another one than this.
    UnsupportedMediaType(&'static str),
    /// The offer parses, but cannot be served.
    Unservable(String),
    /// An administrator's request does not parse, or asks for what cannot be.
    InvalidRequest(String),
    /// A room is blocked for so long still.
    Blocked(Duration),
    /// The configuration as it is written now cannot be used.
    InvalidConfiguration(String),
    /// The recording is as it is: why.
    RecordConflict(&'static str),
    /// No part of the file is in the range: its size.
    RangeNotSatisfiable(u64),
    /// The target is longer than [`limits::HTTP_TARGET_BYTES`].
    UriTooLong,
    /// The client asks too often, and may again after this.
    TooManyRequests(Duration),
    /// Not now.
    Unavailable(&'static str),
    /// A fault of ours.
    Internal,
}

impl ApiError {
    /// Status, fixed text, detail.
    fn row(&self) -> (StatusCode, &'static str, Option<&str>) {
        match self {
            Self::InvalidRoomName => {
                (StatusCode::BAD_REQUEST, "invalid room name", Some("1 to 64 of A-Z, a-z, 0-9, _ and -"))
            }
            Self::InvalidSdp(detail) => (StatusCode::BAD_REQUEST, "invalid SDP", Some(detail)),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized", None),
            Self::SubscriberLimit => (StatusCode::FORBIDDEN, "subscriber limit reached", None),
            Self::NoPublisher => (StatusCode::NOT_FOUND, "no active publisher in room", None),
            Self::RoomNotFound => (StatusCode::NOT_FOUND, "room not found", None),
            Self::SessionNotFound => (StatusCode::NOT_FOUND, "session not found", None),
            Self::BlockNotFound => (StatusCode::NOT_FOUND, "room not blocked", None),
            Self::RecordNotFound => (StatusCode::NOT_FOUND, "record not found", None),
            Self::NotRecorded => (StatusCode::NOT_FOUND, "room not recorded", None),
            Self::NotFound => (StatusCode::NOT_FOUND, "not found", None),
            Self::MethodNotAllowed(_) => (StatusCode::METHOD_NOT_ALLOWED, "method not allowed", None),
            Self::BodyTimeout => (StatusCode::REQUEST_TIMEOUT, "request timeout", None),
            Self::PublisherExists => (StatusCode::CONFLICT, "publisher already exists in this room", None),
            Self::PreconditionFailed => (StatusCode::PRECONDITION_FAILED, "precondition failed", None),
            Self::PreconditionRequired => {
                (StatusCode::PRECONDITION_REQUIRED, "precondition required", Some("send If-Match"))
            }
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "payload too large", None),
            Self::UnsupportedMediaType(expected) => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported media type", Some(expected))
            }
            Self::Unservable(detail) => (StatusCode::UNPROCESSABLE_ENTITY, "offer cannot be served", Some(detail)),
            Self::InvalidRequest(detail) => (StatusCode::BAD_REQUEST, "invalid request", Some(detail)),
            Self::Blocked(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "service unavailable", Some("the room is blocked for a while"))
            }
            Self::InvalidConfiguration(detail) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "invalid configuration", Some(detail))
            }
            Self::RecordConflict(detail) => (StatusCode::CONFLICT, "recording conflict", Some(detail)),
            Self::RangeNotSatisfiable(_) => (StatusCode::RANGE_NOT_SATISFIABLE, "range not satisfiable", None),
            Self::UriTooLong => (StatusCode::URI_TOO_LONG, "URI too long", None),
            Self::TooManyRequests(_) => (StatusCode::TOO_MANY_REQUESTS, "too many requests", None),
            Self::Unavailable(detail) => (StatusCode::SERVICE_UNAVAILABLE, "service unavailable", Some(detail)),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, FAULT, None),
        }
    }
}

impl From<SessionError> for ApiError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Invalid(detail) => Self::InvalidSdp(detail),
            SessionError::Unservable(detail) => Self::Unservable(detail),
            SessionError::SubscriberLimit => Self::SubscriberLimit,
            SessionError::TooManyPending => Self::TooManyRequests(RETRY_PENDING),
            SessionError::NoPublisher => Self::NoPublisher,
            SessionError::PublisherExists => Self::PublisherExists,
            SessionError::NotFound => Self::SessionNotFound,
            SessionError::RoomNotFound => Self::RoomNotFound,
            SessionError::Blocked(remaining) => Self::Blocked(remaining),
            SessionError::PreconditionFailed => Self::PreconditionFailed,
            SessionError::PreconditionRequired => Self::PreconditionRequired,
            SessionError::Unavailable(detail) => Self::Unavailable(detail),
        }
    }
}

impl From<RecordError> for ApiError {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::NotFound => Self::RecordNotFound,
            RecordError::Busy => Self::Unavailable("as many read recordings as may"),
            RecordError::Late => Self::Unavailable("the recordings were not read in time"),
            RecordError::InUse => Self::RecordConflict("it is being recorded or uploaded"),
            RecordError::Kept => Self::RecordConflict("it is to be kept"),
            RecordError::Unreadable => Self::RecordConflict("what is beside it cannot be read"),
            RecordError::Full => Self::RecordConflict("it has as many markers as it may"),
            // What is wrong with the disk is for the operator.
            RecordError::Folder(_) | RecordError::Index(_) | RecordError::Damaged => {
                error!(%error, "the library of recordings failed");
                Self::Internal
            }
        }
    }
}

#[derive(Serialize)]
struct Body<'a> {
    error: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, error, detail) = self.row();
        let refusal = if let Self::Unavailable(detail) = self { detail } else { error };
        let mut response = (status, Json(Body { error, detail })).into_response();
        let header = match self {
            Self::MethodNotAllowed(allow) => Some((ALLOW, HeaderValue::from_static(allow))),
            Self::Unauthorized => Some((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
            Self::RangeNotSatisfiable(size) => Some((CONTENT_RANGE, endpoint::value(format!("bytes */{size}")))),
            Self::NoPublisher => Some((RETRY_AFTER, limits::RETRY_NO_PUBLISHER.as_secs().into())),
            Self::TooManyRequests(wait) => Some((RETRY_AFTER, whole_seconds(wait).into())),
            Self::Unavailable(_) => Some((RETRY_AFTER, limits::RETRY_UNAVAILABLE.as_secs().into())),
            Self::Blocked(remaining) => {
                let wait = remaining.min(limits::RETRY_BLOCKED).as_secs() + 1;
                Some((RETRY_AFTER, wait.into()))
            }
            _ => None,
        };
        response.headers_mut().extend(header);
        response.extensions_mut().insert(Refusal(refusal));
        response
    }
}

/// `Retry-After` in whole seconds (RFC 9110 §10.2.3): never too early, and never "at once".
fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_rounded_up() {
        for (wait, told) in [(0, 1), (1, 1), (999, 1), (1000, 1), (1001, 2), (59_001, 60)] {
            assert_eq!(whole_seconds(Duration::from_millis(wait)), told);
        }
    }
}
