//! Sessions that end with the credential they began with.

use std::time::{Duration, SystemTime};

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::id::SessionId;
use crate::session::Sessions;
use crate::worker::mailbox::{Command, EndReason};

/// How exactly a session ends with its credential. Each time all sessions are looked at, which takes a millisecond
/// where there are as many as there may be.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);

impl Sessions {
    /// Ends a session at this time.
    pub(super) fn end_at(&self, session: SessionId, end: SystemTime, now: SystemTime) {
        let end = Instant::now() + end.duration_since(now).unwrap_or_default();
        if let Some(resource) = self.registry().get_mut(session) {
            resource.until = Some(end);
        }
    }

    /// Tells the workers of the sessions whose time is over. Where one takes no command it is told again.
    pub(super) fn end_expired(&self, now: Instant) {
        let mut registry = self.registry();
        for (session, resource) in registry.expired(now) {
            // Nobody waits for the reply: the worker says `Ended`, as for every session.
            let (reply, _) = oneshot::channel();
            let remove = Command::Remove { session, reason: EndReason::TokenExpired, reply };
            if self.workers.send(resource.worker, remove).is_ok() {
                resource.until = None;
            }
        }
    }
}
