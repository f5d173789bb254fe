//! `/api/openapi.json`: the description of the API, for people and for tools that make clients.

use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

use crate::http::error::ApiError;
use crate::http::info::read_only;

/// OpenAPI 3.1. The tests hold it in step with the routes and with what they answer.
const DESCRIPTION: &str = include_str!("../../docs/openapi.json");

pub(super) async fn description(request: Request) -> Result<Response, ApiError> {
    if let Some(answer) = read_only(&request)? {
        return Ok(answer);
    }
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    Ok((headers, DESCRIPTION).into_response())
}
