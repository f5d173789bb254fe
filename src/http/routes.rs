//! Paths and what answers them. Methods are checked by the handlers, so that every 405 names what is allowed.

use std::any::Any;
use std::sync::Arc;

use axum::handler::Handler;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, any};
use axum::{Router, middleware};
use tower_http::catch_panic::CatchPanicLayer;
use tracing::error;

use crate::http::error::ApiError;
use crate::http::gate::Methods;
use crate::http::{
    Api, admin, assets, cors, endpoint, events, info, metrics, observe, openapi, rate, records, resource, security,
    whep, whip,
};

/// What answers a path.
struct Route {
    /// As axum has it; OpenAPI writes it the same way.
    path: &'static str,
    /// What the handler checks, and what `Allow` says.
    #[cfg_attr(not(test), expect(dead_code, reason = "the handler knows them too; tests hold both in step"))]
    methods: &'static Methods,
    handler: MethodRouter<Arc<Api>>,
}

fn route<H, T>(path: &'static str, methods: &'static Methods, handler: H) -> Route
where
    H: Handler<T, Arc<Api>>,
    T: 'static,
{
    Route { path, methods, handler: any(handler) }
}

/// All routes: the only list of them.
fn routes() -> Vec<Route> {
    vec![
        route("/api/whip/publish/{room}", &endpoint::METHODS, whip::publish),
        route("/whip/{room}", &endpoint::METHODS, whip::publish),
        route("/api/whep/play/{room}", &endpoint::METHODS, whep::play),
        route("/whep/{room}", &endpoint::METHODS, whep::play),
        route("/api/whip/session/{id}", &resource::METHODS, resource::publisher),
        route("/api/whep/session/{id}", &resource::METHODS, resource::subscriber),
        route("/api/bootstrap", &info::METHODS, info::bootstrap),
        route("/api/rooms", &info::METHODS, info::rooms),
        route("/api/rooms/{room}", &info::METHODS, info::room),
        route("/api/records", &info::METHODS, records::list),
        route("/api/records/{name}", &records::CHANGE, records::change),
        route("/api/records/{name}/markers", &admin::ACTION, records::mark),
        route("/api/records/{name}/link", &admin::ACTION, records::link),
        route("/api/records/{name}/upload", &admin::ACTION, records::upload),
        route("/records/{name}", &info::METHODS, records::file),
        route("/api/events", &info::METHODS, events::events),
        route("/api/openapi.json", &info::METHODS, openapi::description),
        route("/api/admin/status", &info::METHODS, admin::status),
        route("/api/admin/overview", &info::METHODS, admin::overview),
        route("/api/admin/history", &info::METHODS, admin::history),
        route("/api/admin/rooms/{room}/history", &info::METHODS, admin::room_history),
        route("/api/admin/rooms/{room}/close", &admin::ACTION, admin::close),
        route("/api/admin/rooms/{room}/block", &admin::BLOCK, admin::block),
        route("/api/admin/rooms/{room}/record", &admin::BLOCK, admin::record),
        route("/api/admin/blocks", &info::METHODS, admin::blocks),
        route("/api/admin/sessions", &info::METHODS, admin::sessions),
        route("/api/admin/sessions/{key}", &admin::SESSION, admin::session),
        route("/api/admin/retention", &info::METHODS, admin::retention),
        route("/api/admin/drain", &admin::ACTION, admin::drain),
        route("/api/admin/reload", &admin::ACTION, admin::reload),
        route("/api/admin/log", &admin::ACTION, admin::log),
        route("/metrics", &info::METHODS, metrics::metrics),
        route("/healthz", &info::METHODS, info::healthz),
        route("/readyz", &info::METHODS, info::readyz),
        route("/", &info::METHODS, assets::index),
        route("/web/{name}", &info::METHODS, assets::file),
        route("/watch/{room}", &info::METHODS, assets::watch),
    ]
}

/// Paths and the methods that they have, as in `Allow`.
#[cfg(test)]
pub(super) fn table() -> Vec<(&'static str, &'static str)> {
    routes().into_iter().map(|route| (route.path, route.methods.allow)).collect()
}

impl Route {
    /// Only for who operates the server, where that has a listener of its own.
    fn is_private(&self) -> bool {
        self.path == "/metrics" || self.path.starts_with("/api/admin/")
    }

    /// What the listener of its own has beside that: whether the server lives, the pages with their events and
    /// recordings, and what a program needs to know of the API.
    fn is_shared(&self) -> bool {
        ["/healthz", "/readyz", "/web/{name}", "/api/events", "/api/openapi.json"].contains(&self.path)
            || self.path.starts_with("/records/")
            || self.path.starts_with("/api/records")
    }
}

/// The routes for everybody; without those of [`router_private`], where that has a listener of its own.
pub fn router(api: Arc<Api>) -> Router {
    let is_split = api.is_split;
    let cors = middleware::from_fn_with_state(api.clone(), cors::layer);
    build(api, |route| !is_split || !route.is_private(), |router| router.layer(cors))
}

/// The routes of the private listener. No page of another origin may read them: who operates the server may have
/// any page open beside.
pub fn router_private(api: Arc<Api>) -> Router {
    build(api, |route| route.is_private() || route.is_shared(), |router| router)
}

fn build(
    api: Arc<Api>,
    is_meant: impl Fn(&Route) -> bool,
    cors: impl FnOnce(Router<Arc<Api>>) -> Router<Arc<Api>>,
) -> Router {
    let router = routes()
        .into_iter()
        .filter(is_meant)
        .fold(Router::new(), |router, route| router.route(route.path, route.handler))
        .fallback(|| async { ApiError::NotFound })
        .layer(middleware::from_fn_with_state(api.clone(), rate::layer))
        .layer(CatchPanicLayer::custom(internal_error))
        .layer(middleware::from_fn_with_state(api.clone(), security::layer));
    cors(router).layer(middleware::from_fn_with_state(api.clone(), observe::layer)).with_state(api)
}

/// A fault of ours costs one request, and the client learns nothing of it.
#[expect(clippy::needless_pass_by_value, reason = "the layer hands it over")]
fn internal_error(panic: Box<dyn Any + Send>) -> Response {
    let what = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    error!(panic = what.unwrap_or("?"), "a request handler panicked");
    ApiError::Internal.into_response()
}
