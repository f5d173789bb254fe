//! Paths and what answers them. Methods are checked by the handlers, so that every 405 names what is allowed.

use std::any::Any;
use std::sync::Arc;

use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, any};
use axum::{Router, middleware};
use tower_http::catch_panic::CatchPanicLayer;
use tracing::error;

use crate::http::error::ApiError;
use crate::http::{Api, assets, cors, info, rate, resource, whep, whip};

/// Every path, and what answers it. One list, so that a test can hold it against the table of who may what.
#[must_use]
pub(super) fn routes() -> Vec<(&'static str, MethodRouter<Arc<Api>>)> {
    vec![
        ("/api/whip/publish/{room}", any(whip::publish)),
        ("/whip/{room}", any(whip::publish)),
        ("/api/whep/play/{room}", any(whep::play)),
        ("/whep/{room}", any(whep::play)),
        ("/api/whip/session/{id}", any(resource::publisher)),
        ("/api/whep/session/{id}", any(resource::subscriber)),
        ("/api/bootstrap", any(info::bootstrap)),
        ("/api/rooms", any(info::rooms)),
        ("/api/rooms/{room}", any(info::room)),
        ("/healthz", any(info::healthz)),
        ("/readyz", any(info::readyz)),
        ("/", any(assets::index)),
        ("/web/{name}", any(assets::file)),
        ("/watch/{room}", any(assets::watch)),
    ]
}

/// All routes.
pub fn router(api: Arc<Api>) -> Router {
    let routes = routes().into_iter().fold(Router::new(), |router, (path, handler)| router.route(path, handler));
    routes
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
