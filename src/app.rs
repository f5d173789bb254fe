//! Composition root: builds the parts from the configuration, wires them, runs them, and takes them down again.

pub mod addresses;
mod descriptors;
mod listeners;
pub mod media;
pub mod reload;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tracing::{info, warn};

use crate::app::addresses::AddressError;
use crate::app::listeners::Listeners;
use crate::app::media::Media;
use crate::app::reload::{Read, Reloader};
use crate::config::Config;
use crate::config::show::InForce;
use crate::http::Api;
use crate::http::tls::TlsError;
use crate::limits;
use crate::peer::certificate::Certificate;
#[cfg(feature = "upload")]
use crate::record::folder::Folder;
use crate::record::library::Library;
use crate::record::recorder::Recorder;
#[cfg(feature = "upload")]
use crate::record::upload::Uploader;
use crate::record::{RecordConfig, RecordError};
use crate::sdp::Fingerprint;
use crate::session::Sessions;
use crate::worker::{self, WorkerError};

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
    /// The certificate of HTTPS.
    #[error("HTTPS: {0} (TLS_CERT_FILE and TLS_KEY_FILE name the files)")]
    Tls(#[from] TlsError),
    /// The certificate of media.
    #[error("cannot make a certificate: {0}")]
    Certificate(String),
    /// The folder of recordings.
    #[error("{error}: {} (RECORD_DIR sets where it is)", path.display())]
    Record {
        /// Where.
        path: PathBuf,
        /// Why not.
        error: RecordError,
    },
    /// Where recordings go.
    #[error("the upload of recordings: {0} (S3_ENDPOINT and S3_BUCKET say where to)")]
    Upload(String),
    /// The addresses that clients are told.
    #[error("{0}")]
    Addresses(#[from] AddressError),
    /// The workers and their sockets.
    #[error("{0} (MEDIA_UDP_PORT or --udp-port sets the first worker's UDP port, MEDIA_TCP_PORT the TCP port)")]
    Media(#[from] worker::StartError),
}

/// The server.
pub struct App;

/// A server that runs. Dropped without [`Running::shutdown`] it stops too, but nobody waits for the end.
pub struct Running {
    /// Where it serves pages and the API.
    pub http_addr: SocketAddr,
    /// Where it serves what is not for everybody, if that is elsewhere.
    pub private_addr: Option<SocketAddr>,
    api: Arc<Api>,
    in_force: InForce,
    sessions: Arc<Sessions>,
    recorder: Arc<Recorder>,
    listeners: Listeners,
    events: JoinHandle<()>,
    ends: JoinSet<Result<(), WorkerError>>,
}

impl App {
    /// Starts a server. It runs on the tokio runtime of the caller, the workers on threads of their own.
    ///
    /// # Errors
    /// Where a socket cannot be had.
    pub async fn start(config: Config) -> Result<Running, StartError> {
        let certificate = Arc::new(Certificate::generate().map_err(StartError::Certificate)?);
        let fingerprint = certificate.fingerprint();
        let media = media::start(&config.media, &certificate).await?;
        Self::start_with(config, fingerprint, media)
    }

    /// Starts a server on workers that run already; `fingerprint` is that of their certificate.
    ///
    /// # Errors
    /// Where the HTTP listener cannot be had.
    pub fn start_with(config: Config, fingerprint: Fingerprint, media: Media) -> Result<Running, StartError> {
        if let Some(warning) = descriptors::raise(&config.http) {
            warn!("{warning}");
        }
        for (worker, buffers) in media.buffers.iter().enumerate() {
            if let Some(warning) = buffers.warning() {
                warn!(worker, "{warning}");
                break;
            }
        }
        let sessions = Arc::new(Sessions::new(config.session.clone(), media.workers, fingerprint));
        let library = library(&config.record, &sessions)?;
        let recorder = Recorder::start(&config.record, &library, &sessions);
        #[cfg(feature = "upload")]
        let uploader = uploader(&config, &library, &sessions)?;
        let api = Api::new(&config.http, &config.auth, sessions.clone()).with_library(library);
        #[cfg(feature = "upload")]
        let api = api.with_uploader(uploader);
        let api = Arc::new(api.with_recorder(recorder.clone()));
        api.webhooks().reload(&config.notify);
        let events = tokio::spawn(Sessions::follow(Arc::downgrade(&sessions), media.events));
        tokio::spawn(Sessions::sample(Arc::downgrade(&sessions)));
        let listeners = Listeners::start(&config.http, &api)?;
        let (http_addr, private_addr) = (listeners.http, listeners.private);
        let in_force = config.in_force;
        let ends = media.ends;
        Ok(Running { http_addr, private_addr, api, in_force, sessions, recorder, listeners, events, ends })
    }
}

impl Running {
    /// Where to open the pages: from this machine, or by the name that the certificate is for.
    #[must_use]
    pub fn url(&self) -> String {
        let Some(https) = self.listeners.https else { return format!("http://{}/", reachable(self.http_addr)) };
        https_url(self.listeners.name.as_deref(), https)
    }

    /// What reads the configuration again, by `read`; the administrator may ask for it from now on.
    #[must_use]
    pub fn reloader(&self, read: Read) -> Arc<Reloader> {
        let reloader = Arc::new(Reloader::new(read, Arc::downgrade(&self.api), self.in_force.clone()));
        self.api.set_operations(reloader.clone());
        reloader
    }

    /// Returns when a worker has ended although nobody told it to: its sessions are gone, and the server is of no use.
    pub async fn failed(&mut self) -> String {
        match self.ends.join_next().await {
            Some(Ok(Err(error))) => error.to_string(),
            Some(_) => "a worker has ended".to_owned(),
            None => std::future::pending().await,
        }
    }

    /// Takes no new sessions, and waits for the publishers as long as the configuration says.
    pub async fn let_publishers_finish(&self) {
        self.sessions.let_publishers_finish().await;
    }

    /// Stops: no new sessions, a goodbye to the old ones, then the requests under way. Within [`limits::DRAIN_TIME`]
    /// and [`limits::HTTP_DRAIN_TIME`].
    pub async fn shutdown(mut self) {
        info!(sessions = self.sessions.count(), "stopping");
        let told = async {
            self.sessions.drain().await;
            std::future::pending::<()>().await;
        };
        let ended = async {
            // The workers hold the other ends: it returns when the last of them has gone.
            let _ = self.events.await;
            while let Some(end) = self.ends.join_next().await {
                if let Ok(Err(error)) = end {
                    warn!(%error, "while stopping");
                }
            }
        };
        // A worker that has gone already cannot be told.
        let workers_end = async {
            tokio::select! {
                biased;
                () = told => {}
                () = ended => {}
            }
        };
        if timeout(limits::DRAIN_TIME, workers_end).await.is_err() {
            warn!(sessions = self.sessions.count(), "not every worker has ended in time");
        }
        // All that the workers had to say is in the rings now.
        self.recorder.finish().await;
        // Who listens hears of the ends too, and then lets its connection go.
        self.sessions.bus().close();
        tokio::join!(self.listeners.stop(), self.api.webhooks().finish());
        info!("stopped");
    }
}

/// It reads its whole folder, while nobody is served yet, and then keeps to the rules by which recordings go.
fn library(config: &RecordConfig, sessions: &Sessions) -> Result<Arc<Library>, StartError> {
    let opened = Library::open(config, Some(sessions.bus().clone()));
    let library = Arc::new(opened.map_err(|error| StartError::Record { path: config.folder.clone(), error })?);
    tokio::spawn(Library::follow_rules(Arc::downgrade(&library)));
    Ok(library)
}

#[cfg(feature = "upload")]
fn uploader(config: &Config, library: &Arc<Library>, sessions: &Sessions) -> Result<Option<Arc<Uploader>>, StartError> {
    let Some(upload) = &config.upload else { return Ok(None) };
    let folder = Folder::new(&config.record.folder);
    Uploader::start(upload, folder, library, sessions.bus()).map(Some).map_err(StartError::Upload)
}

/// A name does not lead to a listener that only this machine reaches.
fn https_url(name: Option<&str>, address: SocketAddr) -> String {
    match (name.filter(|_| !address.ip().is_loopback()), address.port()) {
        (Some(name), 443) => format!("https://{name}/"),
        (Some(name), port) => format!("https://{name}:{port}/"),
        (None, _) => format!("https://{}/", reachable(address)),
    }
}

fn reachable(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() { SocketAddr::from(([127, 0, 0, 1], address.port())) } else { address }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;
    use crate::http::ListenAddr;
    use crate::session::testing::{self, FakeWorker, Mood};

    fn start() -> (Running, Vec<FakeWorker>) {
        let (workers, events) = testing::workers(2);
        let media = Media { workers: testing::boxed(&workers), events, ends: JoinSet::new(), buffers: Vec::new() };
        let mut config = Config::default();
        config.http.address = ListenAddr::One(([127, 0, 0, 1], 0).into());
        (App::start_with(config, testing::fingerprint(), media).unwrap(), workers)
    }

    async fn get(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[test]
    fn where_the_pages_are() {
        for (name, address, url) in [
            (Some("live.example"), "0.0.0.0:443", "https://live.example/"),
            (Some("live.example"), "[::]:8443", "https://live.example:8443/"),
            (Some("live.example"), "127.0.0.1:8443", "https://127.0.0.1:8443/"),
            (None, "[::]:8443", "https://127.0.0.1:8443/"),
            (None, "192.0.2.1:443", "https://192.0.2.1:443/"),
        ] {
            assert_eq!(https_url(name, address.parse().unwrap()), url);
        }
    }

    #[tokio::test]
    async fn runs_and_stops() {
        let (running, _workers) = start();
        let address = running.http_addr;
        assert_eq!(running.url(), format!("http://{address}/"));
        assert!(get(address, "/readyz").await.starts_with("HTTP/1.1 200"));
        running.shutdown().await;
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn stops_in_time_even_if_a_worker_does_not() {
        for mood in [Mood::Silent, Mood::Busy] {
            let (running, workers) = start();
            workers[1].set_mood(mood);
            let address = running.http_addr;
            let longest = limits::DRAIN_TIME + limits::HTTP_DRAIN_TIME + std::time::Duration::from_secs(1);
            let stopping = tokio::spawn(timeout(longest, running.shutdown()));
            tokio::task::yield_now().await;
            let ready = get(address, "/readyz").await;
            assert!(ready.starts_with("HTTP/1.1 503") && ready.contains("retry-after: 2"), "{ready}");
            assert!(stopping.await.unwrap().is_ok(), "{mood:?}");
        }
    }

    #[test]
    fn addresses_to_open() {
        for (bound, shown) in [("0.0.0.0:80", "127.0.0.1:80"), ("[::]:80", "127.0.0.1:80"), ("[::1]:80", "[::1]:80")] {
            assert_eq!(reachable(bound.parse().unwrap()).to_string(), shown);
        }
    }
}
