//! TLS of the HTTPS listener: one certificate, which may be replaced while clients are connected. They keep the one
//! that they have seen; who comes gets the new one.

#[cfg(feature = "acme")]
pub mod acme;
#[cfg(feature = "acme")]
mod acme_client;
mod files;
#[cfg(feature = "acme")]
mod proofs;

use std::path::PathBuf;
#[cfg(feature = "acme")]
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use rustls::server::{ClientHello, ResolvesServerCert, ServerConnection};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

use crate::http::tls::files::Stamp;
use crate::limits;

/// ALPN names (RFC 7301; RFC 8737 for the last one).
const PROTOCOLS: [&[u8]; 3] = [b"h2", b"http/1.1", CHALLENGE];
const CHALLENGE: &[u8] = b"acme-tls/1";

/// What the operator sets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsConfig {
    /// The certificate and those that sign it, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

/// Why a certificate cannot be had.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TlsError {
    /// A file.
    #[error("{path}: {problem}")]
    File {
        /// Which.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The two do not fit, or the key is of no kind that is known.
    #[error("the certificate and its key: {0}")]
    Pair(String),
}

/// A certificate with its key, as read.
#[derive(Clone)]
pub struct Certified {
    key: Arc<CertifiedKey>,
    /// When it begins to hold.
    pub begins: SystemTime,
    /// When it ends.
    pub expires: SystemTime,
    /// The DNS names that it is for.
    pub names: Vec<String>,
}

/// The certificate in use.
pub struct Tls {
    acceptor: TlsAcceptor,
    store: Arc<Store>,
    /// Which files, and what they were when they were read last.
    files: Mutex<Option<(TlsConfig, Stamp)>>,
}

/// Where handshakes look for the certificate.
#[derive(Default)]
struct Store {
    current: RwLock<Option<Certified>>,
    #[cfg(feature = "acme")]
    proofs: proofs::Proofs,
    #[cfg(feature = "acme")]
    orders: Orders,
}

/// What came of the orders to an ACME directory.
#[cfg(feature = "acme")]
#[derive(Default)]
struct Orders {
    issued: AtomicU64,
    failed: AtomicU64,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}

impl ResolvesServerCert for Store {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if hello.alpn().is_some_and(|mut names| names.any(|name| name == CHALLENGE)) {
            return self.challenge(hello.server_name()?);
        }
        self.current.read().unwrap_or_else(PoisonError::into_inner).as_ref().map(|current| current.key.clone())
    }
}

impl Store {
    #[cfg(feature = "acme")]
    fn challenge(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        self.proofs.certificate(name)
    }

    #[cfg(not(feature = "acme"))]
    #[expect(clippy::unused_self, reason = "there are none")]
    fn challenge(&self, _: &str) -> Option<Arc<CertifiedKey>> {
        None
    }

    fn set(&self, certified: Certified) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(certified);
    }
}

impl Tls {
    /// With the certificate of these files.
    ///
    /// # Errors
    /// [`TlsError`]
    pub fn from_files(config: &TlsConfig) -> Result<Arc<Self>, TlsError> {
        // Before it is read: a change in between is seen later.
        let stamp = Stamp::of(config);
        let tls = Self::empty();
        tls.store.set(files::read(config)?);
        *tls.files.lock().unwrap_or_else(PoisonError::into_inner) = Some((config.clone(), stamp));
        Ok(Arc::new(tls))
    }

    /// Without a certificate, until there is one.
    #[must_use]
    pub fn empty() -> Self {
        let store = Arc::new(Store::default());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions().expect("ring knows TLS 1.2 and 1.3");
        let mut config = builder.with_no_client_auth().with_cert_resolver(store.clone());
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        // Tickets whose keys change by themselves: nothing is kept per client.
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        if let Ok(ticketer) = rustls::crypto::ring::Ticketer::new() {
            config.ticketer = ticketer;
        }
        Self { acceptor: TlsAcceptor::from(Arc::new(config)), store, files: Mutex::default() }
    }

    /// The answer to a proof of a name by HTTP (RFC 8555 §8.3), where one is asked for.
    #[cfg(feature = "acme")]
    pub(super) fn http_proof(&self, path: &str) -> Option<String> {
        self.store.proofs.text(path.strip_prefix("/.well-known/acme-challenge/")?)
    }

    /// There is nothing to prove.
    #[cfg(not(feature = "acme"))]
    #[expect(clippy::unused_self, reason = "there is nothing to prove")]
    pub(super) fn http_proof(&self, _path: &str) -> Option<String> {
        None
    }

    /// For the connections.
    pub(super) fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }

    /// When the certificate in use ends.
    #[must_use]
    pub fn certificate_expiry(&self) -> Option<SystemTime> {
        self.store.current.read().unwrap_or_else(PoisonError::into_inner).as_ref().map(|current| current.expires)
    }

    /// The DNS names of the certificate in use.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let current = self.store.current.read().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().map(|current| current.names.clone()).unwrap_or_default()
    }

    /// How many certificates were ordered, by what came of it.
    #[cfg(feature = "acme")]
    #[must_use]
    pub fn orders(&self) -> Vec<(&'static str, u64)> {
        let Orders { issued, failed } = &self.store.orders;
        vec![("issued", issued.load(Ordering::Relaxed)), ("failed", failed.load(Ordering::Relaxed))]
    }

    /// None are ordered.
    #[cfg(not(feature = "acme"))]
    #[expect(clippy::unused_self, reason = "there are none")]
    #[must_use]
    pub fn orders(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }

    #[cfg(feature = "acme")]
    fn ordered(&self, is_issued: bool) {
        let Orders { issued, failed } = &self.store.orders;
        if is_issued { issued } else { failed }.fetch_add(1, Ordering::Relaxed);
    }

    /// Reads the files of the configuration, which may be other ones now. What cannot be read changes nothing.
    pub fn reload(&self, config: &TlsConfig) {
        let stamp = Stamp::of(config);
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        match files::read(config) {
            Ok(certified) => {
                let expires = files::date(certified.expires);
                info!(certificate = %config.certificate.display(), %expires, "a certificate is in use");
                self.store.set(certified);
            }
            Err(error) => warn!(%error, "the old certificate stays"),
        }
        // Also where it failed: it is read again when it changes again, and complained of once.
        *files = Some((config.clone(), stamp));
    }

    /// Reads the files again whenever they change, until nobody else holds the certificate.
    pub async fn follow(tls: std::sync::Weak<Self>) {
        loop {
            tokio::time::sleep(limits::CERTIFICATE_INTERVAL).await;
            let Some(tls) = tls.upgrade() else { return };
            // The files may be on a disk that sleeps.
            let _ = tokio::task::spawn_blocking(move || tls.look()).await;
        }
    }

    fn look(&self) {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((config, stamp)) = files
            && Stamp::of(&config) != stamp
        {
            self.reload(&config);
        }
    }
}

/// An ACME server looked at the certificate, and that was all (RFC 8737 §3).
pub(super) fn is_challenge(connection: &ServerConnection) -> bool {
    connection.alpn_protocol() == Some(CHALLENGE)
}
