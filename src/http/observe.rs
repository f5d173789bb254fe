//! Around each request: it gets a name, which its log lines and its answer bear, and is counted by route, method and
//! status.
//!
//! The name is ours: one that a client sends is not taken, because whoever reads the log relies on it.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue, Method};
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::time::Instant;
use tracing::{Instrument as _, debug, info_span};

use crate::http::Api;
use crate::traces::Span;

/// What the answer bears.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Why a request was refused, as the client is told; put beside the answer for whoever counts.
#[derive(Clone, Copy)]
pub(super) struct Refusal(pub &'static str);

pub(super) async fn layer(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = request_id();
    let route = request.extensions().get::<MatchedPath>().map_or("other".into(), |path| path.as_str().to_owned());
    let method = method(request.method());
    // The path of a session is a secret of its client's: only the route is logged.
    let span = info_span!("request", id, method, route);
    let traced = Span::request(request.headers(), method, &route, &id);
    let answer = async {
        let answer = traced.around(next.run(request)).await;
        traced.answered(answer.status().as_u16());
        debug!(status = answer.status().as_u16(), time = ?began.elapsed(), "answered");
        answer
    };
    let mut answer = answer.instrument(span).await;
    let requests = &api.metrics.requests;
    requests.count(&route, method, answer.status().as_u16(), began.elapsed());
    if let Some(Refusal(reason)) = answer.extensions().get() {
        requests.refused(reason);
    }
    answer.headers_mut().insert(REQUEST_ID, HeaderValue::try_from(id).expect("hexadecimal digits"));
    answer
}

/// 64 random bits: enough to find one in a log.
fn request_id() -> String {
    let mut bytes = [0; 8];
    // Without randomness all are called the same, and served.
    let _ = SystemRandom::new().fill(&mut bytes);
    format!("{:016x}", u64::from_be_bytes(bytes))
}

/// A client may write any word.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::PUT => "PUT",
        _ => "other",
    }
}
