//! What records a room hears it by a tap.

use std::sync::Arc;

use crate::id::{RoomName, SessionKey};
use crate::session::{Role, SessionError, Sessions};
use crate::worker::mailbox::Command;
use crate::worker::relay::{self, Feed};

/// Somebody publishes in a room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Publication {
    /// Where.
    pub room: RoomName,
    /// By which session.
    pub session: SessionKey,
    /// What the publisher said of itself.
    pub client: Option<Arc<str>>,
}

impl Sessions {
    /// Who publishes, whether media has come or not.
    #[must_use]
    pub fn publications(&self) -> Vec<Publication> {
        let registry = self.registry();
        let publisher = |(room, state): (&RoomName, &super::registry::Room)| {
            let session = state.publisher?;
            let client = registry.get(session, Role::Publisher).and_then(|resource| resource.client.user_agent.clone());
            Some(Publication { room: room.clone(), session: session.key(), client })
        };
        registry.rooms().filter_map(publisher).collect()
    }

    /// A tap of a room that somebody publishes in. Dropped, it is gone.
    ///
    /// # Errors
    /// [`SessionError::NoPublisher`]; [`SessionError::Unavailable`] where the room's worker takes no commands now.
    pub fn tap(&self, room: &RoomName) -> Result<Feed, SessionError> {
        let home = {
            let registry = self.registry();
            registry.room(room).filter(|room| room.publisher.is_some()).ok_or(SessionError::NoPublisher)?.home
        };
        let (feeder, feed) = relay::tap(self.workers.mailbox(home).door().clone());
        self.workers.send(home, Command::AttachReplica { room: room.clone(), feeder: Box::new(feeder) })?;
        Ok(feed)
    }
}
