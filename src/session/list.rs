//! The sessions one by one, as an administrator sees them: who they are, from the registry; how they are, from their
//! workers, which are asked about those alone that are shown.

use std::collections::BTreeMap;
use std::time::SystemTime;

use tokio::time::timeout;

use crate::id::{RoomName, SessionId, SessionKey};
use crate::limits;
use crate::session::registry::Resource;
use crate::session::{CM, Client, GCM, Role, Sessions};
use crate::worker::mailbox::Which;
use crate::worker::state::SessionState;

/// A session as an administrator sees it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its name; not the secret one.
    pub key: SessionKey,
    /// Its room.
    pub room: RoomName,
    /// What it does.
    pub role: Role,
    /// The SRTP profile; `None` until the handshake is done.
    pub srtp: Option<&'static str>,
    /// Number of its worker.
    pub worker: usize,
    /// Who asked for it.
    pub client: Client,
    /// When.
    pub at: SystemTime,
    /// What its worker says; `None` where it did not answer in time, or the session has just come or gone.
    pub state: Option<SessionState>,
}

/// Some of the sessions.
#[derive(Clone, Debug)]
pub struct Page {
    /// In the order of their keys.
    pub sessions: Vec<Listed>,
    /// There are more: the key after which they come.
    pub next: Option<SessionKey>,
}

/// How many there are.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Census {
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

impl Listed {
    fn new(key: SessionKey, resource: &Resource) -> Self {
        Self {
            key,
            room: resource.room.clone(),
            role: resource.role,
            srtp: resource.gcm.map(|gcm| if gcm { GCM } else { CM }),
            worker: resource.worker,
            client: resource.client.clone(),
            at: resource.at,
            state: None,
        }
    }
}

impl Sessions {
    /// At most `limit` sessions, of one room or of all, whose keys come after `after`.
    pub async fn page(&self, room: Option<&RoomName>, after: Option<SessionKey>, limit: usize) -> Page {
        let (mut found, more) = {
            let registry = self.registry();
            let wanted = |resource: &Resource| room.is_none_or(|room| resource.room == *room);
            let mut found = registry.after(after).filter(|(_, _, resource)| wanted(resource));
            let page = found.by_ref().take(limit).map(|(key, id, resource)| (id, Listed::new(key, resource)));
            let page: BTreeMap<SessionId, Listed> = page.collect();
            (page, found.next().is_some())
        };
        self.ask_how_they_are(&mut found).await;
        let mut sessions: Vec<Listed> = found.into_values().collect();
        sessions.sort_unstable_by_key(|session| session.key);
        let next = sessions.last().filter(|_| more).map(|last| last.key);
        Page { sessions, next }
    }

    /// One session.
    pub async fn session(&self, key: SessionKey) -> Option<Listed> {
        let found = self.registry().find(key).map(|(id, resource)| (id, Listed::new(key, resource)))?;
        let mut found = BTreeMap::from([found]);
        self.ask_how_they_are(&mut found).await;
        found.into_values().next()
    }

    /// One worker after the other, each in portions: media waits for nobody's curiosity.
    async fn ask_how_they_are(&self, sessions: &mut BTreeMap<SessionId, Listed>) {
        for worker in 0..self.workers.count() {
            let its = sessions.iter().filter(|(_, session)| session.worker == worker).map(|(id, _)| *id);
            let which = Which::These(its.collect());
            if which == Which::These([].into()) {
                continue;
            }
            let states = timeout(limits::INSPECT_TIME, self.states_of(worker, &which)).await;
            for state in states.into_iter().flatten() {
                if let Some(session) = sessions.get_mut(&state.session) {
                    session.state = Some(state);
                }
            }
        }
    }

    /// How many there are.
    #[must_use]
    pub fn census(&self) -> Census {
        let registry = self.registry();
        let connected = registry.connected();
        let subscribers = connected.values().map(|room| room.subscribers).sum();
        let sessions: usize = connected.values().map(|room| room.gcm + room.cm).sum();
        Census {
            rooms: registry.rooms().count(),
            sessions: registry.len(),
            publishers: sessions - subscribers,
            subscribers,
            by_worker: registry.counts().to_vec(),
        }
    }
}
