//! Ending what others have begun: one session, or a whole room.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::info;

use crate::id::{RoomName, SessionId, SessionKey};
use crate::limits;
use crate::session::{BUSY, SessionError, Sessions};
use crate::worker::mailbox::{Command, EndReason, Summary};

/// How soon a worker with a full mailbox is asked again. It takes [`limits::COMMANDS_PER_TURN`] a turn.
const RETRY: Duration = Duration::from_millis(2);

impl Sessions {
    /// Ends all sessions of a room, on whichever worker they are: the publisher first, so that nobody is sent anything
    /// more, then the subscribers. Returns when they have ended.
    ///
    /// # Errors
    /// [`SessionError::RoomNotFound`]; [`SessionError::Unavailable`] where a worker takes no commands for
    /// [`limits::CLOSE_TIME`], and then some sessions may go on.
    pub async fn close_room(&self, room: &RoomName) -> Result<(), SessionError> {
        let members = {
            let registry = self.registry();
            if !registry.rooms().any(|(name, _)| name == room) {
                return Err(SessionError::RoomNotFound);
            }
            registry.members(room)
        };
        info!(%room, sessions = members.len(), "closing a room");
        self.end_all(members, EndReason::RoomClosed).await
    }

    /// Ends a session.
    ///
    /// # Errors
    /// [`SessionError::NotFound`], [`SessionError::Unavailable`].
    pub async fn end_session(&self, key: SessionKey) -> Result<(), SessionError> {
        let member = {
            let registry = self.registry();
            let (id, resource) = registry.find(key).ok_or(SessionError::NotFound)?;
            (id, resource.worker)
        };
        info!(session = %key, "ending a session");
        self.end_all(vec![member], EndReason::Deleted).await
    }

    /// A worker that does not take a command is asked again: a large room's are more than a mailbox has room for.
    async fn end_all(&self, members: Vec<(SessionId, usize)>, reason: EndReason) -> Result<(), SessionError> {
        let deadline = Instant::now() + limits::CLOSE_TIME;
        let mut ends = Vec::with_capacity(members.len());
        for (session, worker) in members {
            ends.push((session, self.ask_to_end(deadline, session, worker, reason).await?));
        }
        for (session, end) in ends {
            // A worker that has gone does not answer, and then the session has ended too.
            let summary = timeout_at(deadline, end).await.map_err(|_| BUSY)?;
            self.forget(session, reason, &summary.ok().flatten().unwrap_or_default());
        }
        Ok(())
    }

    async fn ask_to_end(
        &self,
        deadline: Instant,
        session: SessionId,
        worker: usize,
        reason: EndReason,
    ) -> Result<oneshot::Receiver<Option<Summary>>, SessionError> {
        loop {
            match self.workers.ask(worker, |reply| Command::Remove { session, reason, reply }) {
                Ok(end) => return Ok(end),
                Err(_) if Instant::now() < deadline => sleep(RETRY).await,
                Err(busy) => return Err(busy.into()),
            }
        }
    }
}
