//! Session resources: what `Location` names. A POST creates one, a PATCH trickles into it or restarts its ICE, a DELETE
//! ends it; its worker ends it too, and says so by an [`Event`].
//!
//! Everything here runs in the control plane: it may wait, with a deadline. The workers are asked through
//! [`workers::Worker`] alone.

mod admit;
pub mod counts;
pub mod inspect;
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
#[cfg(test)]
pub(crate) mod testing;
pub mod workers;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::Duration;

use tokio::sync::mpsc;
use tracing::debug;

use crate::id::SessionId;
use crate::sdp::Fingerprint;
use crate::sdp::offer::SdpError;
use crate::session::counts::SessionCounts;
use crate::session::placement::Spread;
use crate::session::quota::{Quotas, Refused};
use crate::session::registry::{Registry, Resource};
use crate::session::rules::RoomRule;
use crate::session::workers::Workers;
use crate::worker::mailbox::{AdmitError, Busy, Command, EndReason, Event, Summary};

pub use crate::session::admit::{Caller, Created};
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
    /// How many there may be.
    pub quotas: Quotas,
    /// Most subscribers of a room, those being admitted included; 0: no limit.
    pub max_subscribers: usize,
    /// Most that a publisher may send, in bits per second; 0: no limit.
    pub max_bitrate: u64,
    /// What is said of single rooms, the first one first.
    pub rooms: Vec<RoomRule>,
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

/// All sessions of the server.
pub struct Sessions {
    config: RwLock<Arc<SessionConfig>>,
    workers: Workers,
    fingerprint: Fingerprint,
    registry: Mutex<Registry>,
    counts: Mutex<SessionCounts>,
    draining: AtomicBool,
}

impl Sessions {
    /// None yet. `fingerprint` is that of the certificate which the workers use.
    #[must_use]
    pub fn new(config: SessionConfig, workers: Workers, fingerprint: Fingerprint) -> Self {
        let registry = Mutex::new(Registry::new(workers.count(), config.quotas, config.spread));
        let config = RwLock::new(Arc::new(config));
        let counts = Mutex::default();
        Self { config, workers, fingerprint, registry, counts, draining: AtomicBool::new(false) }
    }

    /// What holds from now on, for those who come: sessions that are there stay as they are.
    pub fn reload(&self, config: SessionConfig) {
        self.registry().reload(config.spread, config.quotas);
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }

    /// What holds at the moment.
    fn config(&self) -> Arc<SessionConfig> {
        self.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// True until [`Sessions::drain`]: new sessions are taken.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.draining.load(Ordering::Relaxed)
    }

    /// Sessions, those being admitted included.
    #[must_use]
    pub fn count(&self) -> usize {
        self.registry().len()
    }

    /// How often each bound refused somebody.
    #[must_use]
    pub fn refusals(&self) -> Vec<(Refused, u64)> {
        self.registry().refusals()
    }

    /// Takes in what the workers say, until the last of them has ended or nobody else holds the sessions.
    pub async fn follow(sessions: Weak<Self>, mut events: mpsc::Receiver<(usize, Event)>) {
        while let Some((_, event)) = events.recv().await {
            let Some(sessions) = sessions.upgrade() else { return };
            match event {
                Event::Connected { session, gcm } => sessions.handle_connected(session, gcm),
                Event::Ended { session, reason, summary } => {
                    sessions.forget(session, reason, &summary);
                }
            }
        }
    }

    /// Refuses new sessions from now on, and tells the workers to say goodbye to the old ones and to end, again and
    /// again as long as one of them does not take it. [`Sessions::follow`] returns when they have ended.
    pub async fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
        let mut untold: Vec<usize> = (0..self.workers.count()).collect();
        loop {
            untold.retain(|worker| self.workers.send(*worker, Command::Shutdown).is_err());
            if untold.is_empty() {
                return;
            }
            tokio::time::sleep(SHUTDOWN_RETRY).await;
        }
    }

    fn handle_connected(&self, session: SessionId, gcm: bool) {
        let mut registry = self.registry();
        let Some(resource) = registry.connect(session, gcm) else { return };
        let (role, time) = (resource.role, resource.since.elapsed());
        self.tally(|counts| counts.connected(role, time));
        let srtp = if gcm { "AEAD_AES_128_GCM" } else { "AES_CM_128_HMAC_SHA1_80" };
        debug!(room = %resource.room, role = role.name(), ?session, srtp, ?time, "session connected");
    }

    /// Forgets a session, and says so once. False where it was not there.
    fn forget(&self, session: SessionId, reason: EndReason, summary: &Summary) -> bool {
        let removed = self.registry().remove(session);
        if let Some(resource @ Resource { confirmed: true, .. }) = &removed {
            self.tally(|counts| counts.ended(resource.role, reason));
            log::ended(session, resource, reason, summary);
        }
        removed.is_some()
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

impl Drop for Sessions {
    /// Nobody can end the sessions any more, so the workers do.
    fn drop(&mut self) {
        for worker in 0..self.workers.count() {
            let _ = self.workers.send(worker, Command::Shutdown);
        }
    }
}

/// How soon a worker with a full mailbox is told again to end.
const SHUTDOWN_RETRY: Duration = Duration::from_millis(10);
