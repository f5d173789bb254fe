//! One connection, from its first byte to its end.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::response::IntoResponse as _;
use http::header::STRICT_TRANSPORT_SECURITY;
use http::{Request, Response, Version};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tower::ServiceExt as _;
use tracing::debug;

use crate::http::error::ApiError;
use crate::http::server::guarded::Guarded;
use crate::http::server::places::{Busy, Doing, Place};
use crate::http::server::{Cut, Door, Scheme, prepare, proxied, redirect, told_to_stop};
use crate::http::tls;
use crate::id::ClientAddress;
use crate::limits;

/// What is said on a connection.
pub(super) struct Talk {
    pub door: Arc<Door>,
    pub router: Router,
    pub scheme: Scheme,
}

/// The other end of a connection.
#[derive(Clone, Copy)]
struct Peer {
    address: ClientAddress,
    /// A trusted proxy: its headers say for whom it asks.
    speaks_for_others: bool,
}

impl Talk {
    /// Until the other end has enough, or has to go, or the server stops.
    pub async fn run(self, stream: TcpStream, peer: ClientAddress, place: Place, stop: watch::Receiver<bool>) {
        prepare(&stream);
        let place = Arc::new(place);
        let (talk, kept) = (Arc::new(self), place.clone());
        let stream = Guarded::new(stream, talk.door.counts.clone());
        tokio::select! {
            () = place.evicted() => debug!(client = %peer, "an idle connection made room"),
            () = talk.begin(stream, peer, kept, stop) => {}
        }
    }

    async fn begin(
        self: Arc<Self>,
        mut stream: Guarded<TcpStream>,
        address: ClientAddress,
        place: Arc<Place>,
        stop: watch::Receiver<bool>,
    ) {
        let policy = self.door.policy();
        let mut peer = Peer { address, speaks_for_others: policy.proxies.contains(address) };
        let may_be_proxied = policy.proxy_protocol && !matches!(self.scheme, Scheme::Private);
        if may_be_proxied && peer.speaks_for_others {
            let Ok(Ok(client)) = timeout(limits::HTTP_HEADER_TIME, proxied::read(&mut stream)).await else {
                debug!(proxy = %address, "no PROXY header");
                return self.door.counts.count(Cut::NoProxyHeader);
            };
            // One that does not say for whom it connects adds no header either: what is there a client wrote.
            peer.speaks_for_others = false;
            if let Some(client) = client {
                peer = Peer { address: client, speaks_for_others: policy.proxies.contains(client) };
                if let Err(taken) = place.claim(client.group()) {
                    return self.door.turned_away(taken);
                }
            }
        }
        let Scheme::Tls(tls) = &self.scheme else { return self.serve(stream, peer, place, stop).await };
        match timeout(limits::TLS_HANDSHAKE_TIME, tls.acceptor().accept(stream)).await {
            Ok(Ok(stream)) if tls::is_challenge(stream.get_ref().1) => {}
            Ok(Ok(stream)) => self.clone().serve(stream, peer, place, stop).await,
            failed => {
                debug!(client = %peer.address, error = ?failed.map(|result| result.map(drop)), "no TLS handshake");
                self.door.counts.count(Cut::Handshake);
            }
        }
    }

    async fn serve(
        self: Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: Peer,
        place: Arc<Place>,
        mut stop: watch::Receiver<bool>,
    ) {
        let (talk, held) = (self.clone(), place.clone());
        let service = hyper::service::service_fn(move |request| talk.clone().answer(request, peer, held.busy()));
        let builder = builder();
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service).into_owned());
        // hyper counts the time of a head from where it knows the version, and lets HTTP/2 idle as long as it answers
        // pings: what begins nothing for too long is ours to end.
        let mut deadline = Instant::now() + limits::HTTP_HEADER_TIME;
        let mut stopping = false;
        loop {
            tokio::select! {
                result = &mut connection => {
                    if let Err(error) = result {
                        debug!(client = %peer.address, %error, "a connection broke off");
                        // hyper's own deadline for a head may come before ours.
                        if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_timeout) {
                            self.door.counts.count(Cut::Idle);
                        }
                    }
                    return;
                }
                () = told_to_stop(&mut stop), if !stopping => {
                    stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = sleep_until(deadline) => match next_deadline(place.doing(), Instant::now()) {
                    Ok(next) => deadline = next,
                    Err(cut) => return self.door.counts.count(cut),
                }
            }
        }
    }

    async fn answer(
        self: Arc<Self>,
        mut request: Request<Incoming>,
        peer: Peer,
        busy: Busy,
    ) -> Result<Response<Held>, Infallible> {
        let policy = self.door.policy();
        // An HTTP/1 connection that does not read is full, which is looked after elsewhere; one of HTTP/2 need not be.
        let has_window = request.version() == Version::HTTP_2;
        let client =
            if peer.speaks_for_others { policy.proxies.client(peer.address, request.headers()) } else { peer.address };
        request.extensions_mut().insert(client);
        let length = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
        let mut response = match self.scheme {
            _ if length > limits::HTTP_TARGET_BYTES => ApiError::UriTooLong.into_response(),
            Scheme::Redirect(port) if !redirect::is_served_plain(request.uri()) => {
                let proof = self.door.tls().and_then(|tls| tls.http_proof(request.uri().path()));
                proof.map_or_else(|| redirect::answer(&request, port), axum::response::IntoResponse::into_response)
            }
            _ => self.router.clone().oneshot(request).await.unwrap_or_else(|never| match never {}),
        };
        if let (Scheme::Tls(_), Some(hsts)) = (&self.scheme, &policy.hsts) {
            response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, hsts.clone());
        }
        if has_window {
            busy.pause(true);
        }
        Ok(response.map(|body| Held { body, busy, has_window }))
    }
}

/// When it is looked at again, or why it is cut.
fn next_deadline(doing: Doing, now: Instant) -> Result<Instant, Cut> {
    match doing {
        // A window that stays shut is not kept so by what else is asked for on the connection.
        Doing::Busy(Some(since)) if since + limits::HTTP_UNREAD_TIME <= now => Err(Cut::SlowReader),
        Doing::Busy(_) => Ok(now + limits::HTTP_IDLE_TIME),
        Doing::Idle(since) if since + IDLE_CHECK > now => Ok(since + limits::HTTP_IDLE_TIME),
        Doing::Idle(_) => Err(Cut::Idle),
        Doing::Unread(since) if since + limits::HTTP_IDLE_TIME > now => Ok(since + limits::HTTP_IDLE_TIME),
        Doing::Unread(_) => Err(Cut::SlowReader),
    }
}

/// A connection that asked something shortly before its deadline gets another one; shorter than any deadline here.
const IDLE_CHECK: Duration = limits::HTTP_HEADER_TIME.saturating_sub(Duration::from_secs(1));

/// A body, and the request that is under way until all of it was sent. It is asked for a piece when the client's window
/// has room for one.
struct Held {
    body: Body,
    busy: Busy,
    has_window: bool,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let piece = Pin::new(&mut this.body).poll_frame(cx);
        if this.has_window {
            // It was asked for this one, so the client has taken the last.
            this.busy.pause(matches!(piece, Poll::Ready(Some(_))));
        }
        piece
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HTTP_HEADER_TIME)
        .max_headers(limits::HTTP_HEADERS)
        .max_buf_size(limits::HTTP_HEAD_BYTES);
    // Streams that a client resets as soon as it has opened them are bounded by h2 itself (20 that nobody has looked
    // at yet), and so are CONTINUATION frames.
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(limits::HTTP_PING_INTERVAL)
        .keep_alive_timeout(limits::HTTP_PING_INTERVAL)
        .max_concurrent_streams(limits::HTTP_STREAMS)
        .max_send_buf_size(limits::HTTP_SEND_BYTES)
        .initial_stream_window_size(limits::HTTP_WINDOW_BYTES)
        .initial_connection_window_size(limits::HTTP_WINDOW_BYTES * 4)
        .max_header_list_size(u32::try_from(limits::HTTP_HEAD_BYTES).expect("32 kB"));
    builder
}
