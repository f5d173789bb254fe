//! The sockets of pages and API: one for HTTP, or one for HTTPS, or one for each.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::info;

use crate::app::StartError;
use crate::http::server::{self, Scheme};
use crate::http::tls::Tls;
use crate::http::{Api, HttpConfig, ListenAddr};

/// Listeners that serve.
pub(super) struct Listeners {
    /// Where HTTP is, or HTTPS where there is nothing else.
    pub http: SocketAddr,
    /// Where HTTPS is.
    pub https: Option<SocketAddr>,
    /// The name that the certificate is for.
    pub name: Option<String>,
    /// Where metrics and the administrator's API are, if not beside everything else.
    pub private: Option<SocketAddr>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Listeners {
    /// Opens what the configuration says, and serves.
    ///
    /// # Errors
    /// Where a socket or the certificate cannot be had.
    pub fn start(config: &HttpConfig, api: &Arc<Api>) -> Result<Self, StartError> {
        let (tls, name) = certificate(config)?;
        if let Some(tls) = &tls {
            api.door().set_tls(tls.clone());
        }
        let (listener, http) = listen(config.address)?;
        let mut sockets = Vec::new();
        let https = match (tls, config.tls_address) {
            (Some(tls), Some(address)) => {
                let (secure, https) = listen(address)?;
                sockets.push((secure, Scheme::Tls(tls)));
                sockets.push((listener, Scheme::Redirect(https.port())));
                Some(https)
            }
            (Some(tls), None) => {
                sockets.push((listener, Scheme::Tls(tls)));
                Some(http)
            }
            (None, _) => {
                sockets.push((listener, Scheme::Plain));
                None
            }
        };
        tokio::spawn(server::ebb::follow(Arc::downgrade(api.door())));
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let private = match config.private_address {
            Some(address) => {
                let (listener, private) = listen(address)?;
                let router = crate::http::router_private(api.clone());
                tasks.spawn(server::serve(api.door().clone(), router, listener, Scheme::Private, stopped.clone()));
                Some(private)
            }
            None => None,
        };
        let router = crate::http::router(api.clone());
        for (listener, scheme) in sockets {
            tasks.spawn(server::serve(api.door().clone(), router.clone(), listener, scheme, stopped.clone()));
        }
        let shown = |address: Option<SocketAddr>| address.map(tracing::field::display);
        info!(%http, https = shown(https), private = shown(private), "listening");
        Ok(Self { http, https, name, private, stop, tasks })
    }

    /// Lets the requests under way finish, within [`crate::limits::HTTP_DRAIN_TIME`].
    pub async fn stop(mut self) {
        let _ = self.stop.send(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

/// The certificate, what looks after it, and the name that it is for; one that is ordered is not there yet.
fn certificate(config: &HttpConfig) -> Result<(Option<Arc<Tls>>, Option<String>), StartError> {
    #[cfg(feature = "acme")]
    if let Some(acme) = &config.acme {
        let tls = Arc::new(Tls::empty());
        tokio::spawn(crate::http::tls::acme::keep(Arc::downgrade(&tls), acme.clone()));
        return Ok((Some(tls), acme.domains.first().cloned()));
    }
    let tls = config.tls.as_ref().map(Tls::from_files).transpose()?;
    if let Some(tls) = &tls {
        tokio::spawn(Tls::follow(Arc::downgrade(tls)));
    }
    // A pattern is no name.
    let names = tls.as_ref().map(|tls| tls.names()).unwrap_or_default();
    Ok((tls, names.into_iter().find(|name| !name.contains('*'))))
}

fn listen(address: ListenAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |(address, error)| StartError::Http { address, error };
    let listener = server::listen(address).map_err(failed)?;
    let bound = listener.local_addr().map_err(|error| failed((address.candidates().0, error)))?;
    Ok((listener, bound))
}
