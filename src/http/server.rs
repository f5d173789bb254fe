//! Connections: HTTP/1.1 and HTTP/2 on one port, with deadlines and bounds, and an end that lets requests finish.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tower::ServiceExt as _;
use tracing::{debug, warn};

use crate::http::ListenAddr;
use crate::http::client_address::TrustedProxies;
use crate::id::ClientAddress;
use crate::limits;

/// After an accept that failed for lack of something (descriptors, memory).
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Opens the listener.
///
/// # Errors
/// Where no address can be had; the address that was asked for first is named.
pub async fn listen(address: ListenAddr) -> Result<TcpListener, (SocketAddr, io::Error)> {
    let (first, second) = address.candidates();
    match (TcpListener::bind(first).await, second) {
        (Ok(listener), _) => Ok(listener),
        (Err(error), None) => Err((first, error)),
        (Err(error), Some(second)) => TcpListener::bind(second).await.map_err(|_| (first, error)),
    }
}

/// Serves until `stop`, then lets the requests under way finish within [`limits::HTTP_DRAIN_TIME`].
pub async fn serve(listener: TcpListener, router: Router, proxies: TrustedProxies, stop: impl Future<Output = ()>) {
    let graceful = GracefulShutdown::new();
    let proxies = Arc::new(proxies);
    let places = Arc::new(Semaphore::new(limits::HTTP_CONNECTIONS));
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        let accepted = async {
            let place = places.clone().acquire_owned().await;
            (place, listener.accept().await)
        };
        tokio::select! {
            (place, accepted) = accepted => match accepted {
                Ok((stream, peer)) => {
                    let (router, watcher) = (router.clone(), graceful.watcher());
                    let (peer, proxies) = (ClientAddress::new(peer.ip()), proxies.clone());
                    connections.spawn(async move {
                        connection(stream, peer, router, proxies, watcher).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    warn!(%error, "accepting a connection failed");
                    sleep(ACCEPT_RETRY).await;
                }
            },
            () = &mut stop => break,
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    if timeout(limits::HTTP_DRAIN_TIME, graceful.shutdown()).await.is_err() {
        warn!(connections = connections.len(), "requests were cut off");
    }
    connections.shutdown().await;
}

async fn connection(
    stream: TcpStream,
    peer: ClientAddress,
    router: Router,
    proxies: Arc<TrustedProxies>,
    watcher: Watcher,
) {
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "TCP_NODELAY");
    }
    let began = Arc::new(AtomicBool::new(false));
    let flag = began.clone();
    let service = hyper::service::service_fn(move |mut request: http::Request<Incoming>| {
        flag.store(true, Ordering::Relaxed);
        let client = proxies.client(peer, request.headers());
        request.extensions_mut().insert(client);
        let router = router.clone();
        async move { Ok::<_, Infallible>(router.oneshot(request).await.unwrap_or_else(|never| match never {})) }
    });
    let builder = builder();
    let mut connection = pin!(watcher.watch(builder.serve_connection(TokioIo::new(stream), service).into_owned()));
    // hyper counts the time of a head from where it knows the version; a client that says nothing at all, or half of
    // HTTP/2's preface, is ours to end.
    tokio::select! {
        result = &mut connection => return report(result),
        () = sleep(limits::HTTP_HEADER_TIME) => {}
    }
    if began.load(Ordering::Relaxed) {
        report(connection.await);
    }
}

fn report(result: Result<(), impl std::fmt::Display>) {
    if let Err(error) = result {
        debug!(%error, "a connection broke off");
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HTTP_HEADER_TIME)
        .max_buf_size(limits::HTTP_HEAD_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(limits::HTTP_PING_INTERVAL)
        .keep_alive_timeout(limits::HTTP_PING_INTERVAL)
        .max_concurrent_streams(limits::HTTP_STREAMS)
        .max_header_list_size(u32::try_from(limits::HTTP_HEAD_BYTES).expect("64 kB"));
    builder
}
