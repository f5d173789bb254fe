//! What is said of the sessions, one by one.

use std::time::SystemTime;

use crate::id::{RoomName, SessionKey};
use crate::session::registry::Resource;
use crate::session::{CM, Client, GCM, Role, Sessions};

/// A session as an administrator sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionView {
    /// Its name; not the secret one.
    pub key: SessionKey,
    /// Its room.
    pub room: RoomName,
    /// What it does.
    pub role: Role,
    /// The worker has admitted it.
    pub admitted: bool,
    /// The SRTP profile; `None` until the handshake is done.
    pub srtp: Option<&'static str>,
    /// Number of its worker.
    pub worker: usize,
    /// Who asked for it.
    pub client: Client,
    /// When.
    pub since: SystemTime,
}

/// Some of the sessions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    /// In the order of their keys.
    pub sessions: Vec<SessionView>,
    /// There are more: the key after which they come.
    pub next: Option<SessionKey>,
}

/// How many there are.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Counts {
    /// Rooms with an admitted session.
    pub rooms: usize,
    /// Sessions, those being admitted included.
    pub sessions: usize,
    /// Publishers that are connected.
    pub publishers: usize,
    /// Subscribers that are connected.
    pub subscribers: usize,
    /// Sessions by worker.
    pub by_worker: Vec<usize>,
}

impl SessionView {
    fn new(key: SessionKey, resource: &Resource) -> Self {
        Self {
            key,
            room: resource.room.clone(),
            role: resource.role,
            admitted: resource.confirmed,
            srtp: resource.gcm.map(|gcm| if gcm { GCM } else { CM }),
            worker: resource.worker,
            client: resource.client.clone(),
            since: resource.since,
        }
    }
}

impl Sessions {
    /// At most `limit` sessions, of one room or of all, whose keys come after `after`.
    #[must_use]
    pub fn page(&self, room: Option<&RoomName>, after: Option<SessionKey>, limit: usize) -> Page {
        let registry = self.registry();
        let wanted = |resource: &Resource| room.is_none_or(|room| resource.room == *room);
        let mut found = registry.after(after).filter(|(_, resource)| wanted(resource));
        let page = found.by_ref().take(limit).map(|(key, resource)| SessionView::new(key, resource));
        let sessions: Vec<SessionView> = page.collect();
        let next = found.next().and(sessions.last()).map(|last| last.key);
        Page { sessions, next }
    }

    /// One session.
    #[must_use]
    pub fn session(&self, key: SessionKey) -> Option<SessionView> {
        self.registry().find(key).map(|(_, resource)| SessionView::new(key, resource))
    }

    /// How many there are.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let registry = self.registry();
        let connected = registry.connected();
        let subscribers = connected.values().map(|room| room.subscribers).sum();
        let sessions: usize = connected.values().map(|room| room.gcm + room.cm).sum();
        Counts {
            rooms: registry.rooms().count(),
            sessions: registry.len(),
            publishers: sessions - subscribers,
            subscribers,
            by_worker: registry.counts().to_vec(),
        }
    }
}
