//! Which sessions there are, and in which room and on which worker each of them is.
//!
//! A session is *reserved* before its worker hears of it and *confirmed* when the worker has admitted it: so the bounds
//! hold, a room has its worker, and whatever ends in between finds its entry.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::auth::Principal;
use crate::id::{Mid, RoomName, SessionId, SessionKey};
use crate::notify;
use crate::rtp::codec::Format;
use crate::sdp::IceCredentials;
use crate::session::Client;
use crate::session::load::LoadMeter;
use crate::session::placement::{self, Spread};

/// What a session does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Role {
    /// WHIP
    Publisher,
    /// WHEP
    Subscriber,
}

impl Role {
    /// The name in metrics, logs and events.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Publisher => "publisher",
            Self::Subscriber => "subscriber",
        }
    }
}

/// Whoever holds it has its turn: admissions of a room's publishers, restarts of a session.
pub(super) type Turn = Arc<tokio::sync::Mutex<()>>;

/// A session resource.
pub(super) struct Resource {
    pub role: Role,
    pub room: RoomName,
    pub worker: usize,
    pub principal: Principal,
    /// Who asked for it.
    pub client: Client,
    /// When, for people.
    pub at: SystemTime,
    /// The worker has admitted it.
    pub confirmed: bool,
    /// When its offer came; once it is admitted, when that was.
    pub since: Instant,
    /// When it ends with the credential it began with.
    pub until: Option<Instant>,
    /// DTLS is up: with AES-GCM, or with AES-CM.
    pub gcm: Option<bool>,
    /// The part that changes with an ICE restart.
    pub ice: IceState,
    /// The first m-line of the answer; our fragments name it.
    pub mid: Mid,
    pub restart: Turn,
}

/// Connected sessions of a room.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Connected {
    pub subscribers: usize,
    /// Publisher and subscribers whose SRTP is AEAD_AES_128_GCM.
    pub gcm: usize,
    /// Those whose SRTP is AES_CM_128_HMAC_SHA1_80.
    pub cm: usize,
}

/// What an ICE restart changes.
#[derive(Clone)]
pub(super) struct IceState {
    /// Without the quotes.
    pub etag: String,
    /// The client's credentials.
    pub remote: IceCredentials,
    /// Those before the last restart: fragments that name them are late, and ask for nothing.
    pub previous: Option<IceCredentials>,
}

/// A room with at least one session.
pub(super) struct Room {
    /// Its worker, where its publisher is.
    pub home: usize,
    /// Sessions by worker, those being admitted included.
    parts: Vec<usize>,
    /// Admitted, and not known to have ended.
    pub publisher: Option<SessionId>,
    /// Of the publisher, or of the last one as long as somebody waits here for the next.
    pub formats: Vec<Format>,
    pub admission: Turn,
    /// A session was admitted: it is known to have opened.
    opened: bool,
    /// Subscribers that are connected.
    pub subscribers: usize,
}

/// A session that was forgotten, and what is left of its room.
pub(super) struct Removed {
    pub resource: Resource,
    /// Subscribers of the room that are connected.
    pub subscribers: usize,
    /// The room was open, and this was its last session.
    pub closes: bool,
}

/// A session that its worker has admitted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Confirmed {
    /// It is the first one of its room.
    pub opens: bool,
}

impl Room {
    /// Workers that have a session of it.
    pub fn workers(&self) -> usize {
        self.parts.iter().filter(|sessions| **sessions > 0).count()
    }
}

/// As many sessions as there may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Full;

/// What a reservation got.
pub(super) struct Reserved {
    pub worker: usize,
    /// The room's worker.
    pub home: usize,
    pub admission: Turn,
    /// The formats that the room's publisher sends.
    pub formats: Vec<Format>,
}

pub(super) struct Registry {
    bound: usize,
    sessions: BTreeMap<SessionId, Resource>,
    /// The same sessions by what may be shown of them.
    keys: BTreeMap<SessionKey, SessionId>,
    rooms: BTreeMap<RoomName, Room>,
    /// Sessions by worker.
    counts: Vec<usize>,
    loads: LoadMeter,
    spread: Spread,
}

impl Registry {
    pub fn new(workers: usize, bound: usize, spread: Spread) -> Self {
        let (sessions, keys, rooms) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { bound, sessions, keys, rooms, counts: vec![0; workers], loads: LoadMeter::new(workers), spread }
    }

    /// Where subscribers go who come from now on.
    pub fn set_spread(&mut self, spread: Spread) {
        self.spread = spread;
    }

    /// Takes note of how long each worker has been awake since it began.
    pub fn measure(&mut self, now: Instant, awake: &[Duration]) {
        self.loads.measure(now, awake, &self.counts);
    }

    pub fn reserve(
        &mut self,
        id: SessionId,
        role: Role,
        room: &RoomName,
        (principal, client): (Principal, Client),
        ice: IceState,
    ) -> Result<Reserved, Full> {
        if self.sessions.len() >= self.bound {
            return Err(Full);
        }
        let loads = self.loads.loads(&self.counts);
        let entry = self.rooms.entry(room.clone()).or_insert_with(|| Room {
            home: placement::home(&loads),
            parts: vec![0; loads.len()],
            publisher: None,
            formats: Vec::new(),
            admission: Turn::default(),
            opened: false,
            subscribers: 0,
        });
        let home = entry.home;
        let worker = match role {
            Role::Publisher => home,
            Role::Subscriber => placement::subscriber(self.spread, home, &entry.parts, &loads),
        };
        entry.parts[worker] += 1;
        let reserved = Reserved { worker, home, admission: entry.admission.clone(), formats: entry.formats.clone() };
        self.counts[worker] += 1;
        let resource = Resource {
            role,
            room: room.clone(),
            worker,
            principal,
            client,
            at: notify::now(),
            confirmed: false,
            since: Instant::now(),
            until: None,
            gcm: None,
            ice,
            mid: Mid("".into()),
            restart: Turn::default(),
        };
        self.sessions.insert(id, resource);
        self.keys.insert(id.key(), id);
        Ok(reserved)
    }

    /// The worker has admitted the session: a publisher is its room's from now on. `None` where it has ended already.
    pub fn confirm(&mut self, id: SessionId, mid: Mid, formats: Vec<Format>) -> Option<Confirmed> {
        let resource = self.sessions.get_mut(&id)?;
        resource.confirmed = true;
        resource.since = Instant::now();
        resource.mid = mid;
        let room = self.rooms.get_mut(&resource.room)?;
        if resource.role == Role::Publisher {
            room.publisher = Some(id);
            room.formats = formats;
        }
        let opens = !room.opened;
        room.opened = true;
        Some(Confirmed { opens })
    }

    /// The session's handshake is done. The session, and how many subscribers its room has now; `None` where it has
    /// ended already, or was connected before.
    pub fn connect(&mut self, id: SessionId, gcm: bool) -> Option<(&Resource, usize)> {
        let resource = self.sessions.get_mut(&id).filter(|resource| resource.gcm.is_none())?;
        resource.gcm = Some(gcm);
        let room = self.rooms.get_mut(&resource.room)?;
        room.subscribers += usize::from(resource.role == Role::Subscriber);
        Some((resource, room.subscribers))
    }

    /// Forgets a session, and its room with the last one.
    pub fn remove(&mut self, id: SessionId) -> Option<Removed> {
        let resource = self.sessions.remove(&id)?;
        self.keys.remove(&id.key());
        self.counts[resource.worker] -= 1;
        let (mut subscribers, mut closes) = (0, false);
        if let Some(room) = self.rooms.get_mut(&resource.room) {
            room.parts[resource.worker] -= 1;
            room.subscribers -= usize::from(resource.role == Role::Subscriber && resource.gcm.is_some());
            if room.publisher == Some(id) {
                room.publisher = None;
            }
            subscribers = room.subscribers;
            if room.workers() == 0 {
                closes = room.opened;
                self.rooms.remove(&resource.room);
            }
        }
        Some(Removed { resource, subscribers, closes })
    }

    /// An admitted session of that role.
    pub fn get(&self, id: SessionId, role: Role) -> Option<&Resource> {
        self.sessions.get(&id).filter(|resource| resource.role == role && resource.confirmed)
    }

    pub fn get_mut(&mut self, id: SessionId) -> Option<&mut Resource> {
        self.sessions.get_mut(&id)
    }

    /// The session that may be shown as `key`.
    pub fn find(&self, key: SessionKey) -> Option<(SessionId, &Resource)> {
        let id = self.keys.get(&key)?;
        self.sessions.get(id).map(|resource| (*id, resource))
    }

    /// Sessions whose keys come after `after`, in the order of the keys.
    pub fn after(&self, after: Option<SessionKey>) -> impl Iterator<Item = (SessionKey, SessionId, &Resource)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let keys = self.keys.range((from, Bound::Unbounded));
        keys.filter_map(|(key, id)| self.sessions.get(id).map(|resource| (*key, *id, resource)))
    }

    /// All sessions of a room, those being admitted included; its publisher first.
    pub fn members(&self, room: &RoomName) -> Vec<(SessionId, usize)> {
        let members = self.sessions.iter().filter(|(_, resource)| resource.room == *room);
        let mut members: Vec<_> = members.map(|(id, resource)| (resource.role, *id, resource.worker)).collect();
        members.sort_unstable_by_key(|(role, ..)| *role == Role::Subscriber);
        members.into_iter().map(|(_, id, worker)| (id, worker)).collect()
    }

    /// Sessions by worker.
    pub fn counts(&self) -> &[usize] {
        &self.counts
    }

    /// All of them, those being admitted included.
    pub fn sessions(&self) -> impl Iterator<Item = (&SessionId, &Resource)> {
        self.sessions.iter()
    }

    /// Admitted sessions whose time is over.
    pub fn expired(&mut self, now: Instant) -> impl Iterator<Item = (SessionId, &mut Resource)> {
        let sessions = self.sessions.iter_mut().map(|(id, resource)| (*id, resource));
        sessions.filter(move |(_, resource)| resource.confirmed && resource.until.is_some_and(|until| until <= now))
    }

    pub fn room(&self, name: &RoomName) -> Option<&Room> {
        self.rooms.get(name)
    }

    /// The credential of the room's publisher.
    pub fn publisher(&self, room: &RoomName) -> Option<&Principal> {
        let id = self.rooms.get(room)?.publisher?;
        self.sessions.get(&id).map(|resource| &resource.principal)
    }

    /// Rooms with an admitted session, in the order of their names.
    pub fn rooms(&self) -> impl Iterator<Item = (&RoomName, &Room)> {
        let mut admitted: Vec<&RoomName> = self.sessions.values().filter(|r| r.confirmed).map(|r| &r.room).collect();
        admitted.sort_unstable();
        self.rooms.iter().filter(move |(name, _)| admitted.binary_search(name).is_ok())
    }

    /// Connected sessions by room.
    pub fn connected(&self) -> BTreeMap<RoomName, Connected> {
        let mut counts: BTreeMap<RoomName, Connected> = BTreeMap::new();
        for resource in self.sessions.values() {
            let Some(gcm) = resource.gcm else { continue };
            let count = counts.entry(resource.room.clone()).or_default();
            count.subscribers += usize::from(resource.role == Role::Subscriber);
            count.gcm += usize::from(gcm);
            count.cm += usize::from(!gcm);
        }
        counts
    }

    /// Sessions by the names of their roles and states: all there are, if it is none.
    pub fn by_state(&self) -> BTreeMap<(&'static str, &'static str), usize> {
        let state = |resource: &Resource| if resource.gcm.is_some() { "connected" } else { "connecting" };
        let roles = [Role::Publisher, Role::Subscriber];
        let mut counts: BTreeMap<_, _> = roles
            .into_iter()
            .flat_map(|role| [((role.name(), "connected"), 0), ((role.name(), "connecting"), 0)])
            .collect();
        for resource in self.sessions.values() {
            *counts.entry((resource.role.name(), state(resource))).or_default() += 1;
        }
        counts
    }

    pub fn len(&self) -> usize {
        self.sessions.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::random;

    fn ice() -> IceState {
        IceState { etag: random::etag(), remote: random::credentials(), previous: None }
    }

    fn room(name: &str) -> RoomName {
        RoomName::parse(name).unwrap()
    }

    fn reserve(registry: &mut Registry, role: Role, name: &str) -> (SessionId, Result<Reserved, Full>) {
        let id = random::session_id();
        (id, registry.reserve(id, role, &room(name), (Principal::Anyone, Client::default()), ice()))
    }

    #[test]
    fn a_room_stays_on_its_worker_while_it_lives_and_ends_with_its_last_session() {
        let mut registry = Registry::new(2, 100, Spread::Auto);
        let (a1, reserved) = reserve(&mut registry, Role::Publisher, "a");
        assert_eq!(reserved.unwrap().worker, 0);
        let (b1, reserved) = reserve(&mut registry, Role::Publisher, "b");
        assert_eq!(reserved.unwrap().worker, 1, "the other worker has fewer sessions");
        let mut more = Vec::new();
        for _ in 0..5 {
            let (id, reserved) = reserve(&mut registry, Role::Subscriber, "a");
            assert_eq!(reserved.unwrap().worker, 0, "subscribers go where their room is");
            more.push(id);
        }
        let (_, reserved) = reserve(&mut registry, Role::Publisher, "c");
        assert_eq!(reserved.unwrap().worker, 1);
        registry.remove(a1);
        assert!(registry.room(&room("a")).is_some(), "subscribers keep it");
        for id in more {
            assert!(registry.remove(id).is_some());
            assert!(registry.remove(id).is_none(), "only once");
        }
        assert!(registry.room(&room("a")).is_none());
        assert_eq!(registry.counts, [0, 2]);
        registry.remove(b1);
        assert_eq!((registry.len(), registry.rooms.len()), (1, 1));
    }

    #[test]
    fn a_spread_room_has_its_publisher_at_home_and_lives_as_long_as_any_part_of_it() {
        let mut registry = Registry::new(2, 100, Spread::Always);
        let (publisher, reserved) = reserve(&mut registry, Role::Publisher, "a");
        assert_eq!(reserved.map(|reserved| (reserved.home, reserved.worker)).ok(), Some((0, 0)));
        let mut subscribers = Vec::new();
        for expected in [1, 0, 1, 0] {
            let (id, reserved) = reserve(&mut registry, Role::Subscriber, "a");
            assert_eq!(reserved.map(|reserved| (reserved.home, reserved.worker)).ok(), Some((0, expected)));
            subscribers.push((id, expected));
        }
        let (second, reserved) = reserve(&mut registry, Role::Publisher, "a");
        assert_eq!(reserved.unwrap().worker, 0, "whoever is where");
        for (id, worker) in subscribers.iter().filter(|(_, worker)| *worker == 0) {
            assert_eq!(registry.remove(*id).unwrap().resource.worker, *worker);
        }
        registry.remove(publisher);
        registry.remove(second);
        assert_eq!(registry.room(&room("a")).map(|room| (room.home, room.workers())), Some((0, 1)), "it is not moved");
        let (id, reserved) = reserve(&mut registry, Role::Subscriber, "a");
        assert_eq!(reserved.unwrap().worker, 0);
        subscribers.push((id, 0));
        for (id, _) in subscribers {
            registry.remove(id);
        }
        assert!(registry.room(&room("a")).is_none());
        assert_eq!(registry.counts, [0, 0]);
    }

    #[test]
    fn a_publisher_is_its_rooms_from_confirmation_to_its_own_end() {
        let mut registry = Registry::new(1, 100, Spread::Auto);
        let (first, _) = reserve(&mut registry, Role::Publisher, "a");
        assert!(registry.publisher(&room("a")).is_none());
        assert_eq!(registry.rooms().count(), 0, "only reserved");
        assert!(registry.get(first, Role::Publisher).is_none());
        assert_eq!(registry.confirm(first, Mid("0".into()), Vec::new()), Some(Confirmed { opens: true }));
        assert!(registry.publisher(&room("a")).is_some());
        assert_eq!(registry.rooms().count(), 1);
        assert!(registry.get(first, Role::Publisher).is_some());
        assert!(registry.get(first, Role::Subscriber).is_none(), "another role's URL");
        let (second, _) = reserve(&mut registry, Role::Publisher, "a");
        assert_eq!(registry.confirm(second, Mid("0".into()), Vec::new()), Some(Confirmed { opens: false }));
        assert!(registry.remove(first).is_some_and(|removed| !removed.closes));
        assert!(registry.publisher(&room("a")).is_some(), "the end of the old one is not the end of the new one");
        assert!(registry.remove(second).is_some_and(|removed| removed.closes));
        assert!(registry.confirm(second, Mid("0".into()), Vec::new()).is_none());
    }

    #[test]
    fn is_bounded() {
        let mut registry = Registry::new(1, 2, Spread::Auto);
        let (first, _) = reserve(&mut registry, Role::Publisher, "a");
        assert!(reserve(&mut registry, Role::Publisher, "b").1.is_ok());
        assert_eq!(reserve(&mut registry, Role::Publisher, "c").1.err(), Some(Full));
        assert!(registry.room(&room("c")).is_none());
        registry.remove(first);
        assert!(reserve(&mut registry, Role::Publisher, "c").1.is_ok());
    }

    #[test]
    fn counts_connected_sessions() {
        let mut registry = Registry::new(1, 10, Spread::Auto);
        let (publisher, _) = reserve(&mut registry, Role::Publisher, "a");
        let (subscriber, _) = reserve(&mut registry, Role::Subscriber, "a");
        assert!(registry.connected().is_empty());
        registry.connect(publisher, false);
        registry.connect(subscriber, true);
        assert!(registry.connect(subscriber, true).is_none(), "only once");
        assert_eq!(registry.connected()[&room("a")], Connected { subscribers: 1, gcm: 1, cm: 1 });
        registry.remove(publisher);
        registry.remove(subscriber);
        assert!(registry.connected().is_empty());
    }
}
