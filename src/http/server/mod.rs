//! Connections: HTTP/1.1 and HTTP/2 on one port, plain or in TLS, with deadlines and bounds, and an end that lets
//! requests finish. Accepting never waits: who finds no place is turned away, or somebody who idles is.

mod connection;
pub mod ebb;
mod guarded;
pub mod places;
mod proxied;
mod redirect;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use http::HeaderValue;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use crate::http::client_address::TrustedProxies;
use crate::http::server::places::{Bounds, Place, Places, Taken};
use crate::http::tls::Tls;
use crate::http::{HttpConfig, ListenAddr};
use crate::id::ClientAddress;
use crate::limits;

/// After an accept that failed for lack of something (descriptors, memory).
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// What all listeners share.
pub struct Door {
    places: Arc<Places>,
    counts: Arc<Counts>,
    policy: RwLock<Arc<Policy>>,
    tls: OnceLock<Arc<Tls>>,
}

/// What is done with a connection, as the operator says.
struct Policy {
    proxies: TrustedProxies,
    /// Those proxies say by the PROXY protocol for whom they connect.
    proxy_protocol: bool,
    /// `Strict-Transport-Security` (RFC 6797).
    hsts: Option<HeaderValue>,
}

/// What a listener speaks.
#[derive(Clone)]
pub enum Scheme {
    /// HTTP
    Plain,
    /// HTTPS
    Tls(Arc<Tls>),
    /// HTTP for who operates the server: no proxy of the public is in front of it.
    Private,
    /// HTTP that sends everybody to this port, where HTTPS is.
    Redirect(u16),
}

/// Why a connection was cut, or turned away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cut {
    /// All places are taken and nobody idles.
    NoPlace,
    /// The client has as many connections as it may, and none of them idles.
    TooManyOfClient,
    /// It had nothing to say for too long, or said it too slowly.
    Idle,
    /// It did not read what it had asked for.
    SlowReader,
    /// A trusted proxy did not say for whom it connects.
    NoProxyHeader,
    /// The handshake of TLS failed, or took too long.
    Handshake,
}

impl Cut {
    /// All, in the order of their numbers.
    const ALL: [Self; 6] =
        [Self::NoPlace, Self::TooManyOfClient, Self::Idle, Self::SlowReader, Self::NoProxyHeader, Self::Handshake];

    fn name(self) -> &'static str {
        match self {
            Self::NoPlace => "no_place",
            Self::TooManyOfClient => "too_many_of_client",
            Self::Idle => "idle",
            Self::SlowReader => "slow_reader",
            Self::NoProxyHeader => "no_proxy_header",
            Self::Handshake => "tls_handshake",
        }
    }
}

/// How often each of them happened.
#[derive(Default)]
pub(super) struct Counts([AtomicU64; Cut::ALL.len()]);

impl Counts {
    fn count(&self, cut: Cut) {
        self.0[cut as usize].fetch_add(1, Ordering::Relaxed);
    }

    fn of(&self, cut: Cut) -> u64 {
        self.0[cut as usize].load(Ordering::Relaxed)
    }
}

impl Door {
    /// As the operator says.
    #[must_use]
    pub fn new(config: &HttpConfig) -> Arc<Self> {
        let policy = RwLock::new(Arc::new(Policy::new(config)));
        let places = Places::new(config.connections);
        Arc::new(Self { places, counts: Arc::default(), policy, tls: OnceLock::new() })
    }

    /// The certificate that is to follow the configuration.
    pub fn set_tls(&self, tls: Arc<Tls>) {
        let _ = self.tls.set(tls);
    }

    /// The certificate, where there is one.
    #[must_use]
    pub fn tls(&self) -> Option<&Arc<Tls>> {
        self.tls.get()
    }

    /// What holds from now on.
    pub fn reload(&self, config: &HttpConfig) {
        self.places.set_bounds(config.connections);
        *self.policy.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Policy::new(config));
        if let (Some(tls), Some(config)) = (self.tls.get(), &config.tls) {
            tls.reload(config);
        }
    }

    /// Connections now.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.places.count()
    }

    /// How many connections were cut or turned away since the start, by reason.
    #[must_use]
    pub fn cuts(&self) -> Vec<(&'static str, u64)> {
        let cuts = Cut::ALL.into_iter().map(|cut| (cut.name(), self.counts.of(cut)));
        cuts.chain([("evicted", self.places.evicted())]).collect()
    }

    fn policy(&self) -> Arc<Policy> {
        self.policy.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn enter(&self, peer: ClientAddress) -> Option<Place> {
        let client = (!self.policy().proxies.contains(peer)).then(|| peer.group());
        self.places.enter(client).map_err(|taken| self.turned_away(taken)).ok()
    }

    fn turned_away(&self, taken: Taken) {
        self.counts.count(match taken {
            Taken::All => Cut::NoPlace,
            Taken::PerClient => Cut::TooManyOfClient,
        });
    }
}

impl Policy {
    fn new(config: &HttpConfig) -> Self {
        let age = config.hsts.map(|age| HeaderValue::try_from(format!("max-age={}", age.as_secs())));
        Self {
            proxies: config.trusted_proxies.clone(),
            proxy_protocol: config.proxy_protocol,
            hsts: age.map(|value| value.expect("digits")),
        }
    }
}

/// Bounds where nothing else is said.
pub const DEFAULT_BOUNDS: Bounds =
    Bounds { all: limits::HTTP_CONNECTIONS, per_client: limits::HTTP_CONNECTIONS_PER_CLIENT };

/// Opens a listener.
///
/// # Errors
/// Where no address can be had; the address that was asked for first is named.
pub fn listen(address: ListenAddr) -> Result<TcpListener, (SocketAddr, io::Error)> {
    let (first, second) = address.candidates();
    match (bind(first), second) {
        (Ok(listener), _) => Ok(listener),
        (Err(error), None) => Err((first, error)),
        (Err(error), Some(second)) => bind(second).map_err(|_| (first, error)),
    }
}

/// With a longer queue than tokio's, 1,024, which 2,000 connections at once fill.
fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(limits::HTTP_BACKLOG)
}

/// Serves until `stop` says true or its sender is gone, then lets the requests under way finish within
/// [`limits::HTTP_DRAIN_TIME`].
pub async fn serve(
    door: Arc<Door>,
    router: Router,
    listener: TcpListener,
    scheme: Scheme,
    mut stop: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    let stopping = stop.clone();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let peer = ClientAddress::new(peer.ip());
                    // Dropped where there is no place: the socket closes.
                    let Some(place) = door.enter(peer) else { continue };
                    let talk = connection::Talk { door: door.clone(), router: router.clone(), scheme: scheme.clone() };
                    connections.spawn(talk.run(stream, peer, place, stopping.clone()));
                }
                Err(error) => {
                    warn!(%error, "accepting a connection failed");
                    sleep(ACCEPT_RETRY).await;
                }
            },
            // At once: a task keeps the memory of its connection until somebody has heard that it ended, and after an
            // attack nobody may come for hours.
            Some(_) = connections.join_next() => {}
            () = told_to_stop(&mut stop) => break,
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    let all_end = async { while connections.join_next().await.is_some() {} };
    if timeout(limits::HTTP_DRAIN_TIME, all_end).await.is_err() {
        warn!(connections = connections.len(), "requests were cut off");
    }
    connections.shutdown().await;
}

/// Also where nobody is left who could tell.
async fn told_to_stop(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// The kernel looks for other ends that have gone: while they owe an acknowledgement, and while nothing is said.
fn prepare(stream: &TcpStream) {
    let socket = socket2::SockRef::from(stream);
    let keepalive = socket2::TcpKeepalive::new()
        .with_time(limits::TCP_SILENCE)
        .with_interval(limits::TCP_PROBE_INTERVAL)
        .with_retries(limits::TCP_PROBES);
    let set = stream
        .set_nodelay(true)
        .and_then(|()| socket.set_tcp_keepalive(&keepalive))
        .and_then(|()| socket.set_tcp_user_timeout(Some(limits::TCP_UNACKNOWLEDGED)));
    if let Err(error) = set {
        debug!(%error, "options of a connection");
    }
}
