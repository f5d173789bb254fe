//! Paths and what answers them. Methods are checked by the handlers, so that every 405 names what is allowed.

use std::any::Any;
use std::sync::Arc;

use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use axum::{Router, middleware};
use tower_http::catch_panic::CatchPanicLayer;
use tracing::error;

use crate::http::error::ApiError;
use crate::http::{Api, assets, cors, info, rate, resource, whep, whip};

/// All routes.
pub fn router(api: Arc<Api>) -> Router {
    Router::new()
        .route("/api/whip/publish/{room}", any(whip::publish))
        .route("/whip/{room}", any(whip::publish))
        .route("/api/whep/play/{room}", any(whep::play))
        .route("/whep/{room}", any(whep::play))
        .route("/api/whip/session/{id}", any(resource::publisher))
        .route("/api/whep/session/{id}", any(resource::subscriber))
        .route("/api/bootstrap", any(info::bootstrap))
        .route("/api/rooms", any(info::rooms))
        .route("/api/rooms/{room}", any(info::room))
        .route("/healthz", any(info::healthz))
        .route("/readyz", any(info::readyz))
        .route("/", any(assets::index))
        .route("/web/{name}", any(assets::file))
        .route("/watch/{room}", any(assets::watch))
        .fallback(|| async { ApiError::NotFound })
        .layer(middleware::from_fn_with_state(api.clone(), rate::layer))
        .layer(CatchPanicLayer::custom(internal_error))
        .layer(middleware::from_fn_with_state(api.clone(), cors::layer))
        .with_state(api)
}

/// A fault of ours costs one request, and the client learns nothing of it.
#[expect(clippy::needless_pass_by_value, reason = "the layer hands it over")]
fn internal_error(panic: Box<dyn Any + Send>) -> Response {
    let what = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    error!(panic = what.unwrap_or("?"), "a request handler panicked");
    ApiError::Internal.into_response()
}
