//! Pages and the API over HTTP: the only user of hyper's server and axum. `gate` says in which order a request is
//! looked at, `error` which status an error gets.

mod admin;
pub mod assets;
pub mod body;
pub mod client_address;
pub mod cors;
mod endpoint;
pub mod error;
mod events;
mod gate;
pub mod ice;
mod info;
mod metrics;
mod observe;
mod openapi;
pub mod operations;
pub mod rate;
mod records;
mod resource;
mod routes;
mod security;
pub mod server;
mod shares;
pub mod tls;
mod whep;
mod whip;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use tokio::time::Instant;

use crate::auth::{AuthConfig, Authenticator};
use crate::http::client_address::TrustedProxies;
use crate::http::cors::AllowedOrigin;
use crate::http::events::Listeners;
use crate::http::ice::{IceLinks, IceServer};
use crate::http::operations::Operations;
use crate::http::rate::{Rate, RateConfig};
use crate::http::server::Door;
use crate::http::server::places::Bounds;
use crate::http::shares::Shares;
use crate::http::tls::TlsConfig;
use crate::notify::webhook::{NotifyConfig, Webhooks};
use crate::record::library::Library;
use crate::record::recorder::Recorder;
#[cfg(feature = "upload")]
use crate::record::upload::Uploader;
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
    /// Those proxies say by the PROXY protocol for whom they connect.
    pub proxy_protocol: bool,
    /// How often a client may ask.
    pub rate: RateConfig,
    /// How many connections there may be.
    pub connections: Bounds,
    /// Where HTTPS is, if not at `address`.
    pub tls_address: Option<ListenAddr>,
    /// The certificate's files; `None`: no HTTPS, unless by ACME.
    pub tls: Option<TlsConfig>,
    /// A certificate by itself.
    #[cfg(feature = "acme")]
    pub acme: Option<tls::acme::AcmeConfig>,
    /// For how long browsers are told to come by HTTPS alone (RFC 6797).
    pub hsts: Option<Duration>,
}

impl HttpConfig {
    /// True where there is a certificate, or will be.
    #[must_use]
    pub fn has_tls(&self) -> bool {
        #[cfg(feature = "acme")]
        if self.acme.is_some() {
            return true;
        }
        self.tls.is_some()
    }
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            address: ListenAddr::Any(DEFAULT_PORT),
            private_address: None,
            allowed_origin: AllowedOrigin::Any,
            ice_servers: Vec::new(),
            trusted_proxies: TrustedProxies::default(),
            proxy_protocol: false,
            rate: RateConfig::default(),
            connections: server::DEFAULT_BOUNDS,
            tls_address: None,
            tls: None,
            #[cfg(feature = "acme")]
            acme: None,
            hsts: None,
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
    library: Arc<Library>,
    recorder: Arc<Recorder>,
    #[cfg(feature = "upload")]
    uploader: Option<Arc<Uploader>>,
    auth: Authenticator,
    listeners: Listeners,
    downloads: Shares,
    webhooks: Webhooks,
    operations: OnceLock<Arc<dyn Operations>>,
    started: Instant,
    settings: RwLock<Arc<Settings>>,
    rate: Rate,
    metrics: Metrics,
    /// What is not for everybody is served on a listener of its own.
    is_split: bool,
    door: Arc<Door>,
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
            listeners: Listeners::default(),
            downloads: Shares::new(crate::limits::RECORD_DOWNLOADS_PER_CLIENT),
            webhooks: Webhooks::new(sessions.bus().clone()),
            recorder: Recorder::off(&sessions),
            #[cfg(feature = "upload")]
            uploader: None,
            sessions,
            library: Arc::new(Library::off()),
            auth: Authenticator::new(auth),
            operations: OnceLock::new(),
            started: Instant::now(),
            settings: RwLock::new(Settings::new(config)),
            rate: Rate::new(&config.rate),
            metrics: Metrics::default(),
            is_split: config.private_address.is_some(),
            door: Door::new(config),
        }
    }

    /// With recordings.
    #[must_use]
    pub fn with_library(self, library: Arc<Library>) -> Self {
        Self { library, ..self }
    }

    /// With what records.
    #[must_use]
    pub fn with_recorder(self, recorder: Arc<Recorder>) -> Self {
        Self { recorder, ..self }
    }

    /// With what uploads, where something does.
    #[cfg(feature = "upload")]
    #[must_use]
    pub fn with_uploader(self, uploader: Option<Arc<Uploader>>) -> Self {
        Self { uploader, ..self }
    }

    /// Whether a recording can be had here that was uploaded and deleted.
    fn gives_uploaded(&self) -> bool {
        #[cfg(feature = "upload")]
        return self.uploader.as_ref().is_some_and(|uploader| uploader.gives());
        #[cfg(not(feature = "upload"))]
        false
    }

    /// Where browsers are sent for recordings that were uploaded.
    fn store_origin(&self) -> Option<&str> {
        #[cfg(feature = "upload")]
        return self.uploader.as_ref()?.origin();
        #[cfg(not(feature = "upload"))]
        None
    }

    /// What records.
    #[must_use]
    pub fn recorder(&self) -> &Arc<Recorder> {
        &self.recorder
    }

    /// The recordings.
    #[must_use]
    pub fn library(&self) -> &Arc<Library> {
        &self.library
    }

    /// What the listeners share.
    #[must_use]
    pub fn door(&self) -> &Arc<Door> {
        &self.door
    }

    /// Requests that were refused because their clients asked too often.
    #[must_use]
    pub fn rate_refused(&self) -> u64 {
        self.rate.refused()
    }

    /// Says, once, what an administrator may ask of the rest of the server.
    pub fn set_operations(&self, operations: Arc<dyn Operations>) {
        let _ = self.operations.set(operations);
    }

    /// What holds from now on, for requests that come.
    pub fn reload(&self, config: &HttpConfig, auth: &AuthConfig, session: SessionConfig, notify: &NotifyConfig) {
        let settings = Settings::new(config);
        self.auth.reload(auth);
        self.sessions.reload(session);
        self.rate.reload(&config.rate);
        self.webhooks.reload(notify);
        self.door.reload(config);
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    /// Who is told of what happens.
    #[must_use]
    pub fn webhooks(&self) -> &Webhooks {
        &self.webhooks
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
