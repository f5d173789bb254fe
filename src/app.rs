//! Composition root: builds the parts from the configuration, wires them, runs them, and takes them down again.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::config::Config;
use crate::http::{Api, server};
use crate::limits;
use crate::peer::certificate::Certificate;
use crate::session::Sessions;
use crate::session::workers::Workers;
use crate::worker::mailbox::Event;

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The HTTP listener.
    #[error("cannot listen on {address} for HTTP: {error} (HTTP_ADDR or --http-addr sets the address)")]
    Http {
        /// Where.
        address: SocketAddr,
        /// Why not.
        error: io::Error,
    },
    /// The certificate.
    #[error("cannot make a certificate: {0}")]
    Certificate(String),
    /// The workers and their sockets.
    #[error("cannot start the media workers: {0}")]
    Media(String),
}

/// The data plane, started.
pub struct Media {
    /// The workers.
    pub workers: Workers,
    /// What they say; it ends with the last of them.
    pub events: mpsc::Receiver<(usize, Event)>,
    /// What the kernel grants each worker's socket.
    pub buffers: Vec<Buffers>,
}

/// Sizes of a UDP socket's buffers, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Buffers {
    /// What we asked for, for each of the two.
    pub asked: usize,
    /// For sending.
    pub send: usize,
    /// For receiving.
    pub receive: usize,
}

/// The server.
pub struct App;

/// A server that runs. Dropped without [`Running::shutdown`] it stops too, without a goodbye to anyone.
pub struct Running {
    /// Where it serves pages and the API.
    pub http_addr: SocketAddr,
    sessions: Arc<Sessions>,
    stop_http: oneshot::Sender<()>,
    http: JoinHandle<()>,
    events: JoinHandle<()>,
}

impl App {
    /// Starts a server. It runs on the tokio runtime of the caller, the workers on threads of their own.
    ///
    /// # Errors
    /// Where a socket cannot be had.
    pub async fn start(config: Config) -> Result<Running, StartError> {
        let certificate = Certificate::generate().map_err(StartError::Certificate)?;
        let media = start_media(&config)?;
        Self::start_with(config, &certificate, media).await
    }

    /// Starts a server on workers that run already.
    ///
    /// # Errors
    /// Where the HTTP listener cannot be had.
    pub async fn start_with(config: Config, certificate: &Certificate, media: Media) -> Result<Running, StartError> {
        for (worker, buffers) in media.buffers.iter().enumerate() {
            if let Some(warning) = buffers.warning() {
                warn!(worker, "{warning}");
                break;
            }
        }
        let sessions = Arc::new(Sessions::new(config.session.clone(), media.workers, certificate.fingerprint()));
        let listener = server::listen(config.http.address)
            .await
            .map_err(|(address, error)| StartError::Http { address, error })?;
        let http_addr = listener
            .local_addr()
            .map_err(|error| StartError::Http { address: config.http.address.candidates()[0], error })?;
        let api = Arc::new(Api::new(&config.http, &config.auth, sessions.clone()));
        let follower = sessions.clone();
        let events = tokio::spawn(async move { follower.follow(media.events).await });
        let (stop_http, stop) = oneshot::channel();
        let http = tokio::spawn(server::serve(listener, crate::http::router(api), async {
            let _ = stop.await;
        }));
        info!("open http://{}/ in a browser", reachable(http_addr));
        Ok(Running { http_addr, sessions, stop_http, http, events })
    }
}

impl Running {
    /// Where to open the pages from this machine.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/", reachable(self.http_addr))
    }

    /// Stops: no new sessions, a goodbye to the old ones, then the requests under way. Within [`limits::DRAIN_TIME`] and
    /// [`limits::HTTP_DRAIN_TIME`].
    pub async fn shutdown(self) {
        info!(sessions = self.sessions.count(), "stopping");
        let workers_end = async {
            self.sessions.drain().await;
            // The workers hold the other ends: it returns when the last of them has gone.
            let _ = self.events.await;
        };
        if timeout(limits::DRAIN_TIME, workers_end).await.is_err() {
            warn!(sessions = self.sessions.count(), "not every worker has ended in time");
        }
        let _ = self.stop_http.send(());
        let _ = self.http.await;
        info!("stopped");
    }
}

impl Buffers {
    /// What to tell the operator where the kernel grants less than we ask for.
    fn warning(&self) -> Option<String> {
        let (asked, send, receive) = (self.asked, self.send, self.receive);
        (send < asked || receive < asked).then(|| {
            format!(
                "the kernel grants UDP buffers of {send} (send) and {receive} (receive) bytes instead of {asked}; bursts may \
                 be lost. To change that: sysctl -w net.core.wmem_max={asked} net.core.rmem_max={asked}"
            )
        })
    }
}

fn reachable(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() { SocketAddr::from(([127, 0, 0, 1], address.port())) } else { address }
}

fn start_media(config: &Config) -> Result<Media, StartError> {
    let _ = &config.media;
    Err(StartError::Media("this build has no media workers".into()))
}
