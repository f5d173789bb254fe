//! Pages and the API over HTTP: the only user of hyper's server and axum. `gate` says in which order a request is
//! looked at, `error` which status an error gets.

mod admin;
pub mod assets;
pub mod body;
pub mod client_address;
pub mod cors;
mod endpoint;
pub mod error;
mod gate;
pub mod ice;
mod info;
mod metrics;
mod observe;
mod openapi;
pub mod operations;
pub mod rate;
mod resource;
mod routes;
pub mod server;
mod whep;
mod whip;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use tokio::time::Instant;

use crate::auth::{AuthConfig, Authenticator};
use crate::http::client_address::TrustedProxies;
use crate::http::cors::AllowedOrigin;
use crate::http::ice::{IceLinks, IceServer};
use crate::http::operations::Operations;
use crate::http::rate::{Rate, RateConfig};
use crate::session::{SessionConfig, Sessions};
use crate::telemetry::metrics::Metrics;

pub use crate::http::routes::{router, router_private};

/// The port where nothing else is said.
pub const DEFAULT_PORT: u16 = 8080;

/// What the operator sets.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// Where to listen.
    pub address: ListenAddr,
    /// Where metrics are served (and what else is not for everybody); `None`: beside everything else.
    pub private_address: Option<ListenAddr>,
    /// Whose pages may use the API.
    pub allowed_origin: AllowedOrigin,
    /// Told to clients.
    pub ice_servers: Vec<IceServer>,
    /// Who may say for whom it asks.
    pub trusted_proxies: TrustedProxies,
    /// How often a client may ask.
    pub rate: RateConfig,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            address: ListenAddr::Any(DEFAULT_PORT),
            private_address: None,
            allowed_origin: AllowedOrigin::Any,
            ice_servers: Vec::new(),
            trusted_proxies: TrustedProxies::default(),
            rate: RateConfig::default(),
        }
    }
}

/// Where to listen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ListenAddr {
    /// This port on every address, of both families where there are two.
    Any(u16),
    /// One address.
    One(SocketAddr),
}

impl ListenAddr {
    /// From `:port`, `address:port` or `localhost:port`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        if let Some(text) = text.strip_prefix(':') {
            return port(text).map(Self::Any);
        }
        if let Some(text) = text.strip_prefix("localhost:") {
            return port(text).map(|port| Self::One((Ipv4Addr::LOCALHOST, port).into()));
        }
        text.parse().ok().map(Self::One)
    }

    /// What to bind to, and what else where that does not work.
    #[must_use]
    pub fn candidates(self) -> (SocketAddr, Option<SocketAddr>) {
        match self {
            // A socket on [::] takes IPv4 too, unless the machine has no IPv6.
            Self::Any(port) => ((Ipv6Addr::UNSPECIFIED, port).into(), Some((Ipv4Addr::UNSPECIFIED, port).into())),
            Self::One(address) => (address, None),
        }
    }
}

/// What the handlers share.
pub struct Api {
    sessions: Arc<Sessions>,
    auth: Authenticator,
    operations: OnceLock<Arc<dyn Operations>>,
    started: Instant,
    settings: RwLock<Arc<Settings>>,
    rate: Rate,
    metrics: Metrics,
    /// What is not for everybody is served on a listener of its own.
    is_split: bool,
}

/// What the operator has set, ready to be used. A request keeps what it began with.
struct Settings {
    allowed_origin: AllowedOrigin,
    ice: IceLinks,
}

impl Settings {
    fn new(config: &HttpConfig) -> Arc<Self> {
        Arc::new(Self { allowed_origin: config.allowed_origin.clone(), ice: IceLinks::new(&config.ice_servers) })
    }
}

impl Api {
    /// From the configuration and the sessions.
    #[must_use]
    pub fn new(config: &HttpConfig, auth: &AuthConfig, sessions: Arc<Sessions>) -> Self {
        Self {
            sessions,
            auth: Authenticator::new(auth),
            operations: OnceLock::new(),
            started: Instant::now(),
            settings: RwLock::new(Settings::new(config)),
            rate: Rate::new(&config.rate),
            metrics: Metrics::default(),
            is_split: config.private_address.is_some(),
        }
    }

    /// Says, once, what an administrator may ask of the rest of the server.
    pub fn set_operations(&self, operations: Arc<dyn Operations>) {
        let _ = self.operations.set(operations);
    }

    /// What holds from now on, for requests that come.
    pub fn reload(&self, config: &HttpConfig, auth: &AuthConfig, session: SessionConfig) {
        let settings = Settings::new(config);
        self.auth.reload(auth);
        self.sessions.reload(session);
        self.rate.reload(&config.rate);
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    fn settings(&self) -> Arc<Settings> {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Api {
    /// What is counted of the requests, and told beside them.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }
}

#[cfg(test)]
mod tests;
