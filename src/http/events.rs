//! `GET /api/events`: what happens, as it happens (server-sent events, as the HTML standard has them). All of it for an
//! administrator, one room's for whoever may know of that room.

use std::fmt::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method};
use hyper::body::Frame;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{sleep, timeout};
use tracing::debug;

use crate::auth::{Action, Need};
use crate::http::error::ApiError;
use crate::http::gate::{self, Asked};
use crate::http::info::{METHODS, options, query};
use crate::http::shares::{Share, Shares};
use crate::http::{Api, client_address};
use crate::id::{ClientAddress, RoomName};
use crate::limits;
use crate::notify::Notice;
use crate::notify::bus::{Gap, Reader};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// A browser's `EventSource` comes back after so many milliseconds.
const BEGINNING: &str = "retry: 2000\n\n";
const HEARTBEAT: &str = ":\n\n";

/// Who listens.
pub(super) struct Listeners {
    all: Arc<Semaphore>,
    rooms: Arc<Semaphore>,
    shares: Shares,
    /// Cut off because they took nothing.
    slow: AtomicU64,
    /// Not admitted because there were too many.
    refused: AtomicU64,
}

impl Default for Listeners {
    fn default() -> Self {
        Self {
            all: Arc::new(Semaphore::new(limits::LISTENERS_OF_ALL)),
            rooms: Arc::new(Semaphore::new(limits::LISTENERS_OF_ROOMS)),
            shares: Shares::new(limits::LISTENERS_OF_ROOMS_PER_CLIENT),
            slow: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }
}

impl Listeners {
    /// How many there are, how many were too slow, how many were not admitted.
    pub fn counts(&self) -> (usize, u64, u64) {
        let free = self.all.available_permits() + self.rooms.available_permits();
        let listening = (limits::LISTENERS_OF_ALL + limits::LISTENERS_OF_ROOMS).saturating_sub(free);
        (listening, self.slow.load(Ordering::Relaxed), self.refused.load(Ordering::Relaxed))
    }

    fn admit(&self, client: ClientAddress, admin: bool) -> Result<Admitted, ApiError> {
        let admitted = || {
            let share = if admin { None } else { Some(self.shares.enter(client)?) };
            let places = if admin { &self.all } else { &self.rooms };
            let place = places.clone().try_acquire_owned();
            let place = place.map_err(|_| ApiError::Unavailable("as many listen to events as may"))?;
            Ok(Admitted { _place: place, _share: share })
        };
        admitted().inspect_err(|_| {
            self.refused.fetch_add(1, Ordering::Relaxed);
        })
    }
}

/// The place of one who listens.
struct Admitted {
    _place: OwnedSemaphorePermit,
    _share: Option<Share>,
}

pub(super) async fn events(State(api): State<Arc<Api>>, request: Request) -> Result<Response, ApiError> {
    METHODS.check(request.method())?;
    let room =
        query(&request, "room").map(|room| RoomName::parse(room).ok_or(ApiError::InvalidRoomName)).transpose()?;
    if *request.method() == Method::OPTIONS {
        return Ok(options(&METHODS));
    }
    let asked = Asked::of(&request);
    let (grant, admin) = match &room {
        None => (gate::admin(&api, &asked, None).await?, true),
        Some(room) => match gate::as_admin(&api, &asked, Some(room)).await {
            Some(grant) => (grant, true),
            None => (gate::authorize(&api, &asked, Need::in_room(Action::Read, room)).await?, false),
        },
    };
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // nginx would gather the events.
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    if *request.method() == Method::HEAD {
        return Ok(headers.into_response());
    }
    let place = api.listeners.admit(client_address::of(request.extensions()), admin)?;
    let bus = api.sessions.bus();
    // A header that a page of another origin may not send can be said in the query.
    let last = request.headers().get(LAST_EVENT_ID).and_then(|id| id.to_str().ok()).or(query(&request, "after"));
    let reader = last.map_or_else(|| bus.read(), |last| bus.read_after(last));
    let (sender, pieces) = mpsc::channel(2);
    let listener = Listener { api: api.clone(), reader, room, until: grant.expires_at, sender, _place: place };
    tokio::spawn(listener.run());
    Ok((headers, Body::new(Stream(pieces))).into_response())
}

/// One who listens. It ends with the connection, with the credential, or with the server.
struct Listener {
    api: Arc<Api>,
    reader: Reader,
    room: Option<RoomName>,
    until: Option<SystemTime>,
    sender: mpsc::Sender<Bytes>,
    _place: Admitted,
}

impl Listener {
    async fn run(mut self) {
        let remaining = self.until.map(|until| until.duration_since(crate::notify::now()).unwrap_or(Duration::ZERO));
        let expired = async {
            match remaining {
                Some(remaining) => sleep(remaining).await,
                None => std::future::pending().await,
            }
        };
        let sender = self.sender.clone();
        tokio::select! {
            () = expired => debug!("a listener's token has expired"),
            () = sender.closed() => {}
            () = self.tell() => {}
        }
    }

    async fn tell(&mut self) {
        let mut text = BEGINNING.to_owned();
        loop {
            if !text.is_empty() {
                let piece = Bytes::from(std::mem::take(&mut text));
                match timeout(limits::LISTENER_TIME, self.sender.send(piece)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return,
                    Err(_) => {
                        self.api.listeners.slow.fetch_add(1, Ordering::Relaxed);
                        debug!("a listener took nothing for too long");
                        return;
                    }
                }
            }
            let Ok(next) = timeout(limits::LISTENER_HEARTBEAT, self.reader.next()).await else {
                text.push_str(HEARTBEAT);
                continue;
            };
            let mut next = Some(next);
            while let Some(read) = next {
                match read {
                    Ok(notice) => self.write(&notice, &mut text),
                    Err(Gap::Missed(count)) => text.push_str(&missed(count)),
                    // Those who listen then ask the server that comes next.
                    Err(Gap::Closed) => {
                        let _ = self.sender.try_send(Bytes::from(text));
                        return;
                    }
                }
                next = if text.len() < limits::LISTENER_BYTES { self.reader.try_next() } else { None };
            }
        }
    }

    fn write(&self, notice: &Notice, text: &mut String) {
        let run = self.api.sessions.bus().run();
        if self.room.as_ref().is_none_or(|room| notice.room.as_ref() == Some(room)) {
            let (id, name, json) = (notice.number, notice.what.name(), notice.json(run));
            let _ = write!(text, "id: {run}-{id}\nevent: {name}\ndata: {json}\n\n");
        }
    }
}

/// So many events are lost to the listener: what it knows from them it has to ask for anew.
fn missed(count: u64) -> String {
    format!("event: missed\ndata: {{\"type\":\"missed\",\"data\":{{\"count\":{count}}}}}\n\n")
}

/// What is written to a listener.
struct Stream(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Stream {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(cx).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}
