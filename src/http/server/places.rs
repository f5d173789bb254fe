//! Who may hold a connection: so many in all, so many of one client. Where there is no place left the connection that
//! has been idle for the longest gives its own up: the client's, where the client has too many; anybody's, where the
//! server has. So whoever holds connections and says nothing loses them first, and accepting never waits. Who has asked
//! and does not take the answer for a while comes next: in HTTP/2 a window of zero would hold a place for good.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::id::ClientGroup;
use crate::limits;

/// Numbers of connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// In all.
    pub all: usize,
    /// Of one client.
    pub per_client: usize,
}

/// Which bound let nobody in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Taken {
    /// [`Bounds::all`], and none is idle.
    All,
    /// [`Bounds::per_client`], and none of the client's is idle.
    PerClient,
}

/// All connections.
pub struct Places(Mutex<Table>);

/// One connection's place, free again when it is dropped.
pub struct Place {
    places: Arc<Places>,
    id: u64,
    evicted: Arc<Notify>,
}

/// A request is under way on the connection, until this is dropped.
pub struct Busy {
    places: Arc<Places>,
    id: u64,
    request: u64,
}

/// What a connection does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Doing {
    /// A request is under way, and the answer of one perhaps waits for the client to take it, since then.
    Busy(Option<Instant>),
    /// None is, since then.
    Idle(Instant),
    /// All answers wait for the client to take them, since then.
    Unread(Instant),
}

struct Table {
    bounds: Bounds,
    /// The next number: of connections, and of the order in which they fell idle.
    next: u64,
    connections: BTreeMap<u64, Connection>,
    idle: BTreeSet<Rank>,
    clients: BTreeMap<ClientGroup, Client>,
    evicted: u64,
}

/// Whether answers wait, the order in which it fell idle, the connection: the first one goes first.
type Rank = (bool, u64, u64);

struct Connection {
    /// `None`: a trusted proxy, which has the connections of many.
    client: Option<ClientGroup>,
    requests: usize,
    /// Those of the requests whose answer the client does not take, since when.
    unread: BTreeMap<u64, Instant>,
    /// Where it waits for the client: since when, and the order.
    idle: (Instant, u64),
    evict: Arc<Notify>,
}

impl Connection {
    /// Nothing where a request is under way that does not wait for the client.
    fn rank(&self, id: u64) -> Option<Rank> {
        (self.requests == self.unread.len()).then_some((self.requests > 0, self.idle.1, id))
    }

    /// It does nothing, or nothing came of it for as long as a reader may take.
    fn may_go(&self) -> bool {
        self.requests == 0 || self.idle.0.elapsed() >= limits::HTTP_WRITE_TIME
    }
}

#[derive(Default)]
struct Client {
    connections: usize,
    idle: BTreeSet<Rank>,
}

impl Places {
    /// All free.
    #[must_use]
    pub fn new(bounds: Bounds) -> Arc<Self> {
        let (connections, idle, clients) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
        Arc::new(Self(Mutex::new(Table { bounds, next: 0, connections, idle, clients, evicted: 0 })))
    }

    /// Other bounds from now on; who is there stays.
    pub fn set_bounds(&self, bounds: Bounds) {
        self.table().bounds = bounds;
    }

    /// A place for a new connection; `None` as client: one that is not bounded.
    ///
    /// # Errors
    /// [`Taken`]
    pub fn enter(self: &Arc<Self>, client: Option<ClientGroup>) -> Result<Place, Taken> {
        let evicted = Arc::new(Notify::new());
        let id = self.table().enter(client, evicted.clone())?;
        Ok(Place { places: self.clone(), id, evicted })
    }

    /// Connections now.
    #[must_use]
    pub fn count(&self) -> usize {
        self.table().connections.len()
    }

    /// Connections that had to go for others, since the start.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.table().evicted
    }

    /// Consistent after each call.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Returns when the connection has to go.
    pub async fn evicted(&self) {
        self.evicted.notified().await;
    }

    /// The connection turned out to be this client's: a proxy said so.
    ///
    /// # Errors
    /// [`Taken::PerClient`]
    pub fn claim(&self, client: ClientGroup) -> Result<(), Taken> {
        self.places.table().claim(self.id, client)
    }

    /// A request begins.
    #[must_use]
    pub fn busy(&self) -> Busy {
        let mut table = self.places.table();
        let request = table.number();
        table.change(self.id, |connection| connection.requests += 1);
        Busy { places: self.places.clone(), id: self.id, request }
    }

    /// What happens on it now.
    #[must_use]
    pub fn doing(&self) -> Doing {
        let table = self.places.table();
        match table.connections.get(&self.id) {
            Some(connection) => match connection.rank(self.id) {
                None => Doing::Busy(connection.unread.values().min().copied()),
                Some((true, ..)) => Doing::Unread(connection.idle.0),
                Some((false, ..)) => Doing::Idle(connection.idle.0),
            },
            // It was evicted, and is about to hear of it.
            None => Doing::Busy(None),
        }
    }
}

impl Busy {
    /// The answer waits for the client to take it, or no longer does.
    pub fn pause(&self, waits: bool) {
        self.places.table().change(self.id, |connection| {
            connection.unread.remove(&self.request);
            if waits {
                connection.unread.insert(self.request, Instant::now());
            }
        });
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.table().leave(self.id);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.places.table().change(self.id, |connection| {
            connection.unread.remove(&self.request);
            connection.requests -= 1;
        });
    }
}

impl Table {
    fn enter(&mut self, client: Option<ClientGroup>, evict: Arc<Notify>) -> Result<u64, Taken> {
        if let Some(client) = client {
            self.make_room_of(client)?;
        }
        if self.connections.len() >= self.bounds.all {
            let idlest = self.first_to_go(&self.idle).ok_or(Taken::All)?;
            self.evict(idlest);
        }
        let id = self.number();
        let connection = Connection { client, requests: 0, unread: BTreeMap::new(), idle: (Instant::now(), id), evict };
        self.list(id, &connection);
        self.connections.insert(id, connection);
        if let Some(client) = client {
            self.clients.entry(client).or_default().connections += 1;
        }
        Ok(id)
    }

    fn make_room_of(&mut self, client: ClientGroup) -> Result<(), Taken> {
        let per_client = self.bounds.per_client;
        let Some(holds) = self.clients.get(&client).filter(|holds| holds.connections >= per_client) else {
            return Ok(());
        };
        let idlest = self.first_to_go(&holds.idle).ok_or(Taken::PerClient)?;
        self.evict(idlest);
        Ok(())
    }

    fn first_to_go(&self, idle: &BTreeSet<Rank>) -> Option<u64> {
        let (.., id) = *idle.first()?;
        self.connections.get(&id).filter(|connection| connection.may_go()).map(|_| id)
    }

    fn claim(&mut self, id: u64, client: ClientGroup) -> Result<(), Taken> {
        self.make_room_of(client)?;
        let Some(mut connection) = self.remove(id) else { return Ok(()) };
        connection.client = Some(client);
        self.clients.entry(client).or_default().connections += 1;
        self.list(id, &connection);
        self.connections.insert(id, connection);
        Ok(())
    }

    /// Requests come, wait and go; who falls idle by it is the last of the idle.
    fn change(&mut self, id: u64, change: impl FnOnce(&mut Connection)) {
        let order = self.number();
        let Some(mut connection) = self.connections.remove(&id) else { return };
        self.unlist(id, &connection);
        let before = connection.rank(id).map(|(waits, ..)| waits);
        change(&mut connection);
        if connection.rank(id).map(|(waits, ..)| waits) != before {
            connection.idle = (Instant::now(), order);
        }
        self.list(id, &connection);
        self.connections.insert(id, connection);
    }

    fn evict(&mut self, id: u64) {
        if let Some(connection) = self.remove(id) {
            self.evicted += 1;
            connection.evict.notify_one();
        }
    }

    fn leave(&mut self, id: u64) {
        self.remove(id);
    }

    fn remove(&mut self, id: u64) -> Option<Connection> {
        let connection = self.connections.remove(&id)?;
        self.unlist(id, &connection);
        if let Some(client) = connection.client
            && let Some(holds) = self.clients.get_mut(&client)
        {
            holds.connections -= 1;
            if holds.connections == 0 {
                self.clients.remove(&client);
            }
        }
        Some(connection)
    }

    /// Among the idle, where it is.
    fn list(&mut self, id: u64, connection: &Connection) {
        let Some(rank) = connection.rank(id) else { return };
        self.idle.insert(rank);
        if let Some(client) = connection.client {
            self.clients.entry(client).or_default().idle.insert(rank);
        }
    }

    fn unlist(&mut self, id: u64, connection: &Connection) {
        let Some(rank) = connection.rank(id) else { return };
        self.idle.remove(&rank);
        if let Some(holds) = connection.client.and_then(|client| self.clients.get_mut(&client)) {
            holds.idle.remove(&rank);
        }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ClientAddress;

    fn client(number: u8) -> ClientGroup {
        ClientAddress::new([192, 0, 2, number].into()).group()
    }

    fn is_evicted(place: &Place) -> bool {
        let mut waiting = Box::pin(place.evicted());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        waiting.as_mut().poll(&mut context).is_ready()
    }

    #[test]
    fn a_client_that_has_too_many_loses_its_own_idlest() {
        let places = Places::new(Bounds { all: 100, per_client: 2 });
        let other = places.enter(Some(client(2))).unwrap();
        let first = places.enter(Some(client(1))).unwrap();
        let second = places.enter(Some(client(1))).unwrap();
        // The first has asked since, so the second has been idle for longer.
        drop(first.busy());
        let third = places.enter(Some(client(1))).unwrap();
        assert_eq!([&other, &first, &second, &third].map(is_evicted), [false, false, true, false]);
        assert_eq!((places.count(), places.evicted()), (3, 1));
        let busy = [first.busy(), third.busy()];
        assert_eq!(places.enter(Some(client(1))).err(), Some(Taken::PerClient));
        assert!(places.enter(None).is_ok(), "a proxy's are not counted");
        drop(busy);
        assert!(places.enter(Some(client(1))).is_ok());
    }

    #[test]
    fn where_all_places_are_taken_the_idlest_goes_whoever_it_is() {
        let places = Places::new(Bounds { all: 3, per_client: 3 });
        let held: Vec<Place> = (1..4).map(|number| places.enter(Some(client(number))).unwrap()).collect();
        let busy = held[0].busy();
        let again = held[0].busy();
        let newcomer = places.enter(Some(client(9))).unwrap();
        assert_eq!([&held[0], &held[1], &held[2], &newcomer].map(is_evicted), [false, true, false, false]);
        // Two requests under way: the end of one does not make it idle.
        drop(again);
        assert_eq!(held[0].doing(), Doing::Busy(None));
        let _more = [held[2].busy(), newcomer.busy()];
        assert_eq!(places.enter(Some(client(9))).err(), Some(Taken::All));
        drop(busy);
        assert!(matches!(held[0].doing(), Doing::Idle(_)));
        assert!(places.enter(Some(client(9))).is_ok());
        // What ends later than it was evicted is not counted twice.
        drop(held);
        assert_eq!(places.count(), 1);
        drop(newcomer);
        assert_eq!(places.count(), 0);
        assert!(places.table().idle.is_empty() && places.table().clients.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_take_an_answer_goes_when_nobody_idles() {
        let places = Places::new(Bounds { all: 2, per_client: 2 });
        let (place, other) = (places.enter(Some(client(1))).unwrap(), places.enter(Some(client(2))).unwrap());
        let (one, two) = (place.busy(), place.busy());
        let began = Instant::now();
        one.pause(true);
        assert_eq!(place.doing(), Doing::Busy(Some(began)), "each answer has its time");
        two.pause(true);
        assert_eq!(place.doing(), Doing::Unread(began));
        two.pause(false);
        two.pause(true);
        // The other one idles, though not for as long.
        let third = places.enter(Some(client(3))).unwrap();
        assert_eq!((is_evicted(&place), is_evicted(&other)), (false, true));
        let busy = third.busy();
        assert_eq!(places.enter(Some(client(4))).err(), Some(Taken::All), "it may just be slow");
        tokio::time::advance(limits::HTTP_WRITE_TIME).await;
        let _newcomer = places.enter(Some(client(4))).unwrap();
        assert!(is_evicted(&place));
        drop((one, two, busy));
        drop(place);
        assert_eq!((places.count(), places.table().idle.len()), (2, 2));
    }

    #[test]
    fn a_connection_of_a_proxy_becomes_its_clients() {
        let places = Places::new(Bounds { all: 10, per_client: 1 });
        let (one, two) = (places.enter(None).unwrap(), places.enter(None).unwrap());
        assert!(one.claim(client(1)).is_ok() && two.claim(client(1)).is_ok());
        assert_eq!((is_evicted(&one), is_evicted(&two), places.count()), (true, false, 1));
        places.set_bounds(Bounds { all: 10, per_client: 0 });
        let _busy = two.busy();
        assert_eq!(places.enter(Some(client(1))).err(), Some(Taken::PerClient));
    }
}
