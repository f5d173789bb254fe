//! Paths and what answers them. Methods are checked by the handlers, so that every 405 names what is allowed.

use std::any::Any;
use std::sync::Arc;

use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use axum::{Router, middleware};
use tower_http::catch_panic::CatchPanicLayer;
use tracing::error;

use crate::http::error::ApiError;
use crate::http::{Api, assets, cors, info, metrics, observe, rate, resource, whep, whip};

/// All routes for everybody; those of [`router_private`] too, unless that has a listener of its own.
pub fn router(api: Arc<Api>) -> Router {
    let router = if api.is_split { Router::new() } else { private() };
    let router = router
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
        .layer(middleware::from_fn_with_state(api.clone(), rate::layer));
    finish(router, api)
}

/// The routes of the private listener: metrics, and whether the server lives.
pub fn router_private(api: Arc<Api>) -> Router {
    let router = private().route("/healthz", any(info::healthz)).route("/readyz", any(info::readyz));
    finish(router.fallback(|| async { ApiError::NotFound }), api)
}

/// What an operator may not want everybody to see.
fn private() -> Router<Arc<Api>> {
    Router::new().route("/metrics", any(metrics::metrics))
}

fn finish(router: Router<Arc<Api>>, api: Arc<Api>) -> Router {
    router
        .layer(CatchPanicLayer::custom(internal_error))
        .layer(middleware::from_fn_with_state(api.clone(), cors::layer))
        .layer(middleware::from_fn_with_state(api.clone(), observe::layer))
        .with_state(api)
}

/// A fault of ours costs one request, and the client learns nothing of it.
#[expect(clippy::needless_pass_by_value, reason = "the layer hands it over")]
fn internal_error(panic: Box<dyn Any + Send>) -> Response {
    let what = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    error!(panic = what.unwrap_or("?"), "a request handler panicked");
    ApiError::Internal.into_response()
}
