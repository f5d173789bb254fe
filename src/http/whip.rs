//! `/api/whip/publish/{room}`, `/whip/{room}`: a publisher's offer (RFC 9725).

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::{Method, StatusCode};

use crate::auth::Action;
use crate::http::error::ApiError;
use crate::http::gate::{self, Asked, RoomPath};
use crate::http::{Api, body, endpoint};
use crate::traces::Span;

/// What `Location` begins with.
pub(super) const SESSION: &str = "/api/whip/session/";

pub(super) async fn publish(
    State(api): State<Arc<Api>>,
    room: RoomPath,
    request: Request,
) -> Result<Response, ApiError> {
    let pass = gate::enter(&api, &endpoint::METHODS, &Asked::of(&request), room, Action::Publish).await?;
    match (request.method(), &pass.grant) {
        (&Method::POST, Some(grant)) => {
            let client = gate::client(&request);
            let offer = body::text(request, body::SDP).await?;
            let negotiated = api.sessions.publish(&pass.room, grant, client, &offer);
            let session = Span::step("negotiate").around(negotiated).await?;
            Ok(endpoint::created(&api, SESSION, session))
        }
        (&Method::OPTIONS, _) => Ok(endpoint::options(&api, &pass)),
        _ => Ok(StatusCode::NO_CONTENT.into_response()),
    }
}
