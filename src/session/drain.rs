//! Taking no new sessions: for a while, or for good because the server stops.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::timeout;
use tracing::info;

use crate::id::RoomName;
use crate::notify::What;
use crate::notify::bus::Gap;
use crate::session::{CLOSED, DRAINING, SessionError, Sessions};
use crate::worker::mailbox::Command;

/// How soon a worker with a full mailbox is told again to end.
const SHUTDOWN_RETRY: Duration = Duration::from_millis(10);

/// Whether new sessions are taken.
#[derive(Default)]
pub(super) struct Gate {
    /// An administrator has said so, and may take it back.
    closed: AtomicBool,
    /// The server stops.
    stopping: AtomicBool,
}

impl Sessions {
    /// New sessions are taken.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.is_draining() && !self.gate.stopping.load(Ordering::Relaxed)
    }

    /// New sessions are refused until further notice.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.gate.closed.load(Ordering::Relaxed)
    }

    /// Refuses new sessions, or takes them again. Those that are there go on.
    pub fn set_draining(&self, on: bool) {
        if self.gate.closed.swap(on, Ordering::Relaxed) != on {
            info!(on, sessions = self.count(), "draining");
            self.bus.tell(None, if on { What::DrainStarted } else { What::DrainStopped });
        }
    }

    /// Refuses new sessions, and waits until no publisher is connected any more, for as long as the configuration says.
    pub async fn let_publishers_finish(&self) {
        let time = self.config().drain_timeout;
        let mut news = self.bus.read();
        self.set_draining(true);
        let publishers = || self.census().publishers;
        let finished = async { while publishers() > 0 && news.next().await != Err(Gap::Closed) {} };
        if publishers() > 0 && !time.is_zero() {
            info!(publishers = publishers(), seconds = time.as_secs(), "publishers may finish");
            let _ = timeout(time, finished).await;
        }
    }

    /// Refuses new sessions from now on, and tells the workers to say goodbye to the old ones and to end, again and
    /// again as long as one of them does not take it. [`Sessions::follow`] returns when they have ended.
    pub async fn drain(&self) {
        self.gate.stopping.store(true, Ordering::Relaxed);
        let mut untold: Vec<usize> = (0..self.workers.count()).collect();
        loop {
            untold.retain(|worker| self.workers.send(*worker, Command::Shutdown).is_err());
            if untold.is_empty() {
                return;
            }
            tokio::time::sleep(SHUTDOWN_RETRY).await;
        }
    }

    /// # Errors
    /// Why the room takes no new sessions now.
    pub(super) fn check_open(&self, room: &RoomName) -> Result<(), SessionError> {
        if self.gate.stopping.load(Ordering::Relaxed) {
            return Err(DRAINING);
        }
        if self.is_draining() {
            return Err(CLOSED);
        }
        self.check_block(room)
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
