//! The URL that `Location` names: PATCH, DELETE, OPTIONS. It cannot be guessed, so who knows it may.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse as _, Response};
use http::header::{ALLOW, CONTENT_TYPE, ETAG, IF_MATCH};
use http::{HeaderValue, Method, StatusCode};

use crate::http::endpoint::{ACCEPT_PATCH, ACCEPT_POST, add_links, value};
use crate::http::error::ApiError;
use crate::http::gate::{Methods, RoomPath};
use crate::http::{Api, body};
use crate::id::SessionId;
use crate::session::precondition::Precondition;
use crate::session::{Patched, Role};

pub(super) const METHODS: Methods = Methods { allow: "GET, HEAD, PATCH, DELETE, OPTIONS" };

pub(super) async fn publisher(api: State<Arc<Api>>, id: RoomPath, request: Request) -> Result<Response, ApiError> {
    session(api, Role::Publisher, id, request).await
}

pub(super) async fn subscriber(api: State<Arc<Api>>, id: RoomPath, request: Request) -> Result<Response, ApiError> {
    session(api, Role::Subscriber, id, request).await
}

async fn session(
    State(api): State<Arc<Api>>,
    role: Role,
    id: RoomPath,
    request: Request,
) -> Result<Response, ApiError> {
    METHODS.check(request.method())?;
    let id = id.ok().and_then(|Path(id)| SessionId::parse(&id)).ok_or(ApiError::SessionNotFound)?;
    if !api.sessions.exists(id, role) {
        return Err(ApiError::SessionNotFound);
    }
    match *request.method() {
        Method::PATCH => patch(&api, role, id, request).await,
        Method::DELETE => {
            api.sessions.delete(id, role).await?;
            // OBS logs a failure on 204.
            Ok(StatusCode::OK.into_response())
        }
        Method::OPTIONS => Ok(options(&api)),
        _ => Ok(StatusCode::NO_CONTENT.into_response()),
    }
}

async fn patch(api: &Api, role: Role, id: SessionId, request: Request) -> Result<Response, ApiError> {
    // What is no text matches no tag.
    let tags = request.headers().get_all(IF_MATCH).iter().map(|value| value.to_str().unwrap_or_default());
    let precondition = Precondition::parse(tags);
    let fragment = body::text(request, body::FRAGMENT).await?;
    match api.sessions.patch(id, role, &precondition, &fragment).await? {
        // Without an ETag: it has not changed (RFC 9725 §4.3.2).
        Patched::Trickled => Ok(StatusCode::NO_CONTENT.into_response()),
        Patched::Restarted { fragment, etag } => {
            let headers =
                [(CONTENT_TYPE, HeaderValue::from_static(body::FRAGMENT)), (ETAG, value(format!("\"{etag}\"")))];
            Ok((StatusCode::OK, headers, fragment).into_response())
        }
    }
}

fn options(api: &Api) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(ALLOW, HeaderValue::from_static(METHODS.allow));
    headers.insert(ACCEPT_POST, HeaderValue::from_static(body::SDP));
    headers.insert(ACCEPT_PATCH, HeaderValue::from_static(body::FRAGMENT));
    add_links(api, true, headers);
    response
}
