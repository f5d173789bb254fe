//! Session resources: what `Location` names. A POST creates one, a PATCH trickles into it or restarts its ICE, a DELETE
//! ends it; its worker ends it too, and says so by an [`Event`].
//!
//! Everything here runs in the control plane: it may wait, with a deadline. The workers are asked through
//! [`workers::Worker`] alone.

mod admit;
mod block;
mod close;
pub mod counts;
mod drain;
mod expiry;
pub mod history;
pub mod inspect;
mod list;
mod load;
mod log;
pub mod placement;
pub mod precondition;
pub mod quota;
mod random;
mod registry;
mod resource;
pub mod rooms;
pub mod rules;
pub mod snapshot;
pub mod tap;
#[cfg(test)]
pub(crate) mod testing;
pub mod workers;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::debug;

use crate::id::{ClientAddress, ClientGroup, SessionId};
use crate::notify::What;
use crate::notify::bus::Bus;
use crate::sdp::Fingerprint;
use crate::sdp::offer::SdpError;
use crate::session::block::Blocks;
use crate::session::counts::SessionCounts;
use crate::session::drain::Gate;
use crate::session::history::History;
use crate::session::placement::Spread;
use crate::session::quota::{Quotas, Refused};
use crate::session::registry::{Registry, Removed};
use crate::session::rules::RoomRule;
use crate::session::workers::Workers;
use crate::worker::mailbox::{AdmitError, Busy, EndReason, Event, Summary};

pub use crate::session::admit::Created;
pub use crate::session::block::{Block, TooManyBlocks};
pub use crate::session::list::{Census, Listed, Page};
pub use crate::session::registry::Role;
pub use crate::session::resource::Patched;

/// What the operator sets.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct SessionConfig {
    /// A PATCH without `If-Match` is refused (RFC 9725 §4.3.1); common players send none.
    pub strict_etag: bool,
    /// A subscriber may come before the publisher; otherwise it is told to come again.
    pub wait_for_publisher: bool,
    /// A second publisher with the same credential takes over from a live one.
    pub takeover: bool,
    /// Where a room's subscribers go.
    pub spread: Spread,
    /// Most subscribers of a room, those being admitted included; 0: no limit.
    pub max_subscribers: usize,
    /// Most that a publisher may send, in bits per second; 0: no limit.
    pub max_bitrate: u64,
    /// How many there may be.
    pub quotas: Quotas,
    /// How long publishers may go on after the signal to stop.
    pub drain_timeout: Duration,
    /// What is said of single rooms, the first one first.
    pub rooms: Vec<RoomRule>,
}

/// Who asked for a session, as far as HTTP tells.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Client {
    /// What it calls itself: printable, and no longer than [`crate::limits::USER_AGENT_BYTES`].
    pub user_agent: Option<Arc<str>>,
    /// Where its request came from.
    pub address: Option<IpAddr>,
}

impl Client {
    /// With whom it shares what one client may have.
    fn group(&self) -> ClientGroup {
        self.address.map_or(ClientAddress::UNKNOWN, ClientAddress::new).group()
    }
}

/// Why a session was not created, changed or ended.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SessionError {
    /// The body does not parse.
    #[error("invalid SDP: {0}")]
    Invalid(String),
    /// The offer parses, but cannot be served.
    #[error("the offer cannot be served: {0}")]
    Unservable(String),
    /// The room has as many subscribers as it may.
    #[error("subscriber limit reached")]
    SubscriberLimit,
    /// The client has as many handshakes under way as it may.
    #[error("too many handshakes of this client are under way")]
    TooManyPending,
    /// Nobody publishes in the room.
    #[error("no active publisher in room")]
    NoPublisher,
    /// Somebody else does.
    #[error("publisher already exists in this room")]
    PublisherExists,
    /// There is no such session, or no longer.
    #[error("session not found")]
    NotFound,
    /// The session's entity tag is another one.
    #[error("the session has changed")]
    PreconditionFailed,
    /// An entity tag is demanded and none was named.
    #[error("If-Match is missing")]
    PreconditionRequired,
    /// There is no such room.
    #[error("room not found")]
    RoomNotFound,
    /// An administrator has closed the room for so long still.
    #[error("the room is blocked")]
    Blocked(Duration),
    /// Not now; the text says why.
    #[error("unavailable: {0}")]
    Unavailable(&'static str),
}

impl From<SdpError> for SessionError {
    fn from(error: SdpError) -> Self {
        match error {
            SdpError::Invalid(detail) => Self::Invalid(detail),
            SdpError::Unservable(detail) => Self::Unservable(detail),
        }
    }
}

impl From<AdmitError> for SessionError {
    fn from(error: AdmitError) -> Self {
        match error {
            AdmitError::PublisherExists => Self::PublisherExists,
            AdmitError::Full => FULL,
            AdmitError::HomeBusy => BUSY,
            AdmitError::Draining => DRAINING,
        }
    }
}

impl From<Busy> for SessionError {
    fn from(_: Busy) -> Self {
        BUSY
    }
}

const BUSY: SessionError = SessionError::Unavailable("a worker is busy");
const FULL: SessionError = SessionError::Unavailable("the server has as many sessions as it may");
const DRAINING: SessionError = SessionError::Unavailable("the server is stopping");
const CLOSED: SessionError = SessionError::Unavailable("the server takes no new sessions at the moment");

/// All sessions of the server.
pub struct Sessions {
    config: RwLock<Arc<SessionConfig>>,
    workers: Workers,
    fingerprint: Fingerprint,
    registry: Mutex<Registry>,
    blocks: Mutex<Blocks>,
    gate: Gate,
    bus: Arc<Bus>,
    history: Mutex<History>,
    counts: Mutex<SessionCounts>,
}

impl Sessions {
    /// None yet. `fingerprint` is that of the certificate which the workers use.
    #[must_use]
    pub fn new(config: SessionConfig, workers: Workers, fingerprint: Fingerprint) -> Self {
        let registry = Mutex::new(Registry::new(workers.count(), config.quotas, config.spread));
        let (blocks, gate, bus) = (Mutex::default(), Gate::default(), Arc::default());
        let history = Mutex::new(History::new(Instant::now(), workers.count()));
        let config = RwLock::new(Arc::new(config));
        let counts = Mutex::default();
        Self { config, workers, fingerprint, registry, blocks, gate, bus, history, counts }
    }

    /// What holds from now on, for those who come: sessions that are there stay as they are.
    pub fn reload(&self, config: SessionConfig) {
        self.registry().reload(config.spread, config.quotas);
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }

    /// How often each bound refused somebody.
    #[must_use]
    pub fn refusals(&self) -> Vec<(Refused, u64)> {
        self.registry().refusals()
    }

    /// What holds at the moment.
    fn config(&self) -> Arc<SessionConfig> {
        self.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where they tell what happens to them.
    #[must_use]
    pub fn bus(&self) -> &Arc<Bus> {
        &self.bus
    }

    /// Sessions, those being admitted included.
    #[must_use]
    pub fn count(&self) -> usize {
        self.registry().len()
    }

    /// Takes in what the workers say, and ends the sessions whose time is over, until the last worker has ended or
    /// nobody else holds the sessions.
    pub async fn follow(sessions: Weak<Self>, mut events: mpsc::Receiver<(usize, Event)>) {
        let mut tick = interval(expiry::INTERVAL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let event = tokio::select! {
                event = events.recv() => event,
                now = tick.tick() => {
                    let Some(sessions) = sessions.upgrade() else { return };
                    sessions.end_expired(now);
                    continue;
                }
            };
            let (Some((_, event)), Some(sessions)) = (event, sessions.upgrade()) else { return };
            match event {
                Event::Connected { session, gcm } => sessions.handle_connected(session, gcm),
                Event::Ended { session, reason, summary } => {
                    sessions.forget(session, reason, &summary);
                }
            }
        }
    }

    fn handle_connected(&self, session: SessionId, gcm: bool) {
        let mut registry = self.registry();
        let Some((resource, subscribers)) = registry.connect(session, gcm) else { return };
        let (role, time) = (resource.role, resource.since.elapsed());
        self.tally(|counts| counts.connected(role, time));
        let srtp = if gcm { GCM } else { CM };
        debug!(room = %resource.room, role = role.name(), session = %session.key(), srtp, ?time, "session connected");
        let session = session.key();
        let what = match role {
            Role::Publisher => What::PublisherStarted { session },
            Role::Subscriber => What::SubscriberJoined { session, subscribers },
        };
        // Under the lock: what is told of a room has the order in which it happened.
        self.bus.tell(Some(&resource.room), what);
    }

    /// Forgets a session, and says so once. False where it was not there.
    fn forget(&self, session: SessionId, reason: EndReason, summary: &Summary) -> bool {
        let mut registry = self.registry();
        let Some(Removed { resource, subscribers, closes }) = registry.remove(session) else { return false };
        if resource.confirmed {
            self.tally(|counts| counts.ended(resource.role, reason));
            log::ended(session, &resource, reason, summary);
        }
        let session = session.key();
        if resource.gcm.is_some() {
            let what = match resource.role {
                Role::Publisher => What::PublisherStopped { session, reason },
                Role::Subscriber => What::SubscriberLeft { session, reason, subscribers },
            };
            self.bus.tell(Some(&resource.room), what);
        }
        if closes {
            self.bus.tell(Some(&resource.room), What::RoomClosed { reason });
        }
        true
    }

    /// What was counted so far.
    #[must_use]
    pub fn counts(&self) -> SessionCounts {
        self.tally(|counts| counts.clone())
    }

    /// Held for an addition, or a copy.
    fn tally<T>(&self, count: impl FnOnce(&mut SessionCounts) -> T) -> T {
        count(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The registry's invariants hold after each of its calls, so a panic elsewhere does not spoil it.
    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The SRTP profiles (RFC 7714 §14.2, RFC 5764 §4.1.2).
const GCM: &str = "AEAD_AES_128_GCM";
const CM: &str = "AES128_CM_HMAC_SHA1_80";
