//! `/api/whep/play/{room}`, `/whep/{room}`: a subscriber's offer (draft-ietf-wish-whep).

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::header::CONTENT_TYPE;
use http::{Method, StatusCode};

use crate::auth::Action;
use crate::http::error::ApiError;
use crate::http::gate::{self, Asked, RoomPath};
use crate::http::{Api, body, endpoint};
use crate::traces::Span;

/// What `Location` begins with.
pub(super) const SESSION: &str = "/api/whep/session/";

pub(super) async fn play(State(api): State<Arc<Api>>, room: RoomPath, request: Request) -> Result<Response, ApiError> {
    let pass = gate::enter(&api, &endpoint::METHODS, &Asked::of(&request), room, Action::Play).await?;
    match (request.method(), &pass.grant) {
        (&Method::POST, Some(grant)) => {
            let client = gate::client(&request);
            let offer = body::text(request, body::SDP).await?;
            let negotiated = api.sessions.play(&pass.room, grant, client, &offer);
            let session = Span::step("negotiate").around(negotiated).await?;
            Ok(endpoint::created(&api, SESSION, session))
        }
        (&Method::OPTIONS, _) => Ok(endpoint::options(&api, &pass)),
        // Players ask so whether there is a WHEP endpoint.
        (&Method::HEAD, _) => Ok((StatusCode::OK, [(CONTENT_TYPE, body::SDP)]).into_response()),
        _ => Ok(StatusCode::NO_CONTENT.into_response()),
    }
}
