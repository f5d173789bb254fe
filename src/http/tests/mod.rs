//! The routes, through the real router, with workers that have no media.

mod access;
mod admin;
mod events;
mod flows;
mod limits;
mod metrics;
mod openapi;
mod patch;
mod records;
mod server;
mod table;
mod tls;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Request, StatusCode};
use serde_json::Value;
use tower::ServiceExt as _;

use crate::auth::AuthConfig;
use crate::http::cors::AllowedOrigin;
use crate::http::ice::{IceServer, TurnCredentials};
use crate::http::{Api, HttpConfig};
use crate::id::SessionId;
use crate::record::library::Library;
use crate::secret::Secret;
use crate::session::testing::{FakeWorker, offer};
use crate::session::{SessionConfig, Sessions, testing};

pub(super) const TOKEN: &str = "s3cret";
pub(super) const ADMIN: (&str, &str) = ("x-auth-token", "adm1n");
pub(super) const JSON: (&str, &str) = ("content-type", "application/json");
pub(super) const SDP: (&str, &str) = ("content-type", "application/sdp");
pub(super) const FRAGMENT: (&str, &str) = ("content-type", "application/trickle-ice-sdpfrag");
pub(super) const ORIGIN: &str = "https://pages.example";

/// A server without sockets.
pub(super) struct Fixture {
    pub router: Router,
    pub sessions: Arc<Sessions>,
    pub workers: Vec<FakeWorker>,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Fixture {
    pub fn open() -> Self {
        Self::new(SessionConfig::default(), None, AllowedOrigin::Any)
    }

    pub fn with(session: SessionConfig) -> Self {
        Self::new(session, None, AllowedOrigin::Any)
    }

    pub fn with_token(session: SessionConfig) -> Self {
        Self::new(session, Some(TOKEN), AllowedOrigin::Any)
    }

    pub fn new(session: SessionConfig, token: Option<&str>, allowed_origin: AllowedOrigin) -> Self {
        Self::configured(session, token, |config| config.allowed_origin = allowed_origin)
    }

    /// With more of the configuration changed.
    pub fn configured(session: SessionConfig, token: Option<&str>, change: impl FnOnce(&mut HttpConfig)) -> Self {
        let mut config = Self::http();
        change(&mut config);
        let auth = AuthConfig {
            token: token.map(Secret::new),
            admin_token: Some(Secret::new(ADMIN.1)),
            ..AuthConfig::default()
        };
        Self::whole(session, &auth, &config)
    }

    /// With other credentials.
    pub fn with_auth(session: SessionConfig, auth: &AuthConfig) -> Self {
        Self::whole(session, auth, &Self::http())
    }

    /// A STUN and a TURN server, and the defaults.
    fn http() -> HttpConfig {
        let turn = TurnCredentials::Fixed { user: "user".into(), password: Secret::new("turn-password") };
        let turn = IceServer::turn("turn:t.example:3478".into(), turn);
        HttpConfig { ice_servers: vec![IceServer::stun("stun:s.example:3478").unwrap(), turn], ..HttpConfig::default() }
    }

    /// With recordings.
    pub fn with_library(auth: &AuthConfig, library: Library) -> Self {
        let (sessions, workers) = testing::sessions(SessionConfig::default(), 2);
        let api = Api::new(&Self::http(), auth, sessions.clone()).with_library(Arc::new(library));
        Self { router: crate::http::router(Arc::new(api)), sessions, workers }
    }

    fn whole(session: SessionConfig, auth: &AuthConfig, config: &HttpConfig) -> Self {
        let (sessions, workers) = testing::sessions(session, 2);
        let router = crate::http::router(Arc::new(Api::new(config, auth, sessions.clone())));
        Self { router, sessions, workers }
    }

    /// One request from a page of [`ORIGIN`].
    pub async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header("origin", ORIGIN);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body.into()).unwrap()).await
    }

    /// One request as it is.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        Answer { status: parts.status, headers: parts.headers, body: String::from_utf8(bytes.to_vec()).unwrap() }
    }

    pub async fn publish(&self, room: &str) -> Answer {
        self.ask("POST", &format!("/whip/{room}"), &[SDP], offer("obs-32-whip.sdp")).await
    }

    pub async fn play(&self, room: &str) -> Answer {
        self.ask("POST", &format!("/whep/{room}"), &[SDP], offer("chromium-H264-whep.sdp")).await
    }

    /// One request of the administrator's.
    pub async fn admin(&self, method: &str, path: &str, body: impl Into<Body>) -> Answer {
        self.ask(method, &format!("/api/admin/{path}"), &[ADMIN, JSON], body).await
    }

    /// A session's handshake is done, on whichever worker it is.
    pub async fn connect(&self, location: &str) {
        let id = session_id(location);
        let worker = self.workers.iter().find(|worker| worker.sessions().contains(&id));
        worker.expect("it was admitted").connect(id);
        self.settle().await;
    }

    /// Lets the task that follows the events run.
    pub async fn settle(&self) {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }
}

pub(super) fn session_id(location: &str) -> SessionId {
    SessionId::parse(location.rsplit('/').next().unwrap()).unwrap()
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    /// Status and error text.
    pub fn verdict(&self) -> (u16, String) {
        (self.status.as_u16(), self.json()["error"].as_str().unwrap_or_default().to_owned())
    }

    pub fn location(&self) -> String {
        self.header("location").to_owned()
    }
}
