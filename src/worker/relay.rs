//! From a room to its replica on another worker, or to what records it: a ring of parcels one way, the wish for a key
//! frame the other way, and each side's door to ring at.

use std::sync::Arc;
use std::time::Duration;

use rtrb::{Consumer, Producer, PushError, RingBuffer};

use super::atomic::{AtomicU64, Ordering};
use crate::limits;
use crate::sfu::relay::{Cursor, Parcel};
use crate::sfu::room::Room;
use crate::worker::door::Door;

/// No wish. A track's numbers begin with 1.
const NONE: u64 = 0;

/// A new link: the end for the room and the end for the replica, with the doors of their workers.
#[must_use]
pub fn link(home: Arc<Door>, replica: Arc<Door>) -> (Feeder, Feed) {
    connect(limits::RELAY_PARCELS, home, Some(replica))
}

/// The same for who is no worker and looks into the ring by itself now and then: nobody is rung for, so the room's
/// worker makes no system call for it.
#[must_use]
pub fn tap(home: Arc<Door>) -> (Feeder, Feed) {
    connect(limits::TAP_PARCELS, home, None)
}

fn connect(parcels: usize, home: Arc<Door>, door: Option<Arc<Door>>) -> (Feeder, Feed) {
    let (producer, consumer) = RingBuffer::new(parcels);
    let wish = Arc::new(AtomicU64::new(NONE));
    let feeder = Feeder { parcels: producer, cursor: Cursor::default(), wish: wish.clone(), door };
    (feeder, Feed { parcels: Some(consumer), wish, door: home })
}

/// The room's end.
pub struct Feeder {
    parcels: Producer<Arc<Parcel>>,
    cursor: Cursor,
    wish: Arc<AtomicU64>,
    /// The replica's worker; `None` for a tap.
    door: Option<Arc<Door>>,
}

/// The replica's end. Dropped, it tells the room's worker.
pub struct Feed {
    /// `None` only while it is dropped.
    parcels: Option<Consumer<Arc<Parcel>>>,
    wish: Arc<AtomicU64>,
    /// The room's worker.
    door: Arc<Door>,
}

impl Feeder {
    /// How soon it is served again where it is behind.
    fn patience(&self) -> Duration {
        if self.door.is_some() { limits::RELAY_RETRY } else { limits::TAP_INTERVAL }
    }

    /// True where the replica has gone.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.parcels.is_abandoned()
    }

    /// Where the replica's subscribers have asked for a key frame since the last time: the number from which on one
    /// would be news there.
    #[must_use]
    pub fn take_wish(&self) -> Option<u64> {
        Some(self.wish.swap(NONE, Ordering::AcqRel)).filter(|wish| *wish != NONE)
    }
}

impl Feed {
    /// The next parcel.
    pub fn take(&mut self) -> Option<Arc<Parcel>> {
        self.parcels.as_mut()?.pop().ok()
    }

    /// How many parcels wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.parcels.as_ref().map_or(0, Consumer::slots)
    }

    /// True where parcels wait.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.parcels.as_ref().is_some_and(|parcels| !parcels.is_empty())
    }

    /// True where nothing more will come: the room has gone, or its worker. What waits is still there.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.parcels.as_ref().is_none_or(Consumer::is_abandoned)
    }

    /// Subscribers want a key frame that begins at this number or later. Many wishes before the room looks are one.
    pub fn wish(&self, from: u64) {
        if self.wish.swap(from, Ordering::AcqRel) == NONE {
            self.door.ring();
        }
    }

    /// True where it comes from the worker with this door.
    #[must_use]
    pub fn is_from(&self, door: &Arc<Door>) -> bool {
        Arc::ptr_eq(&self.door, door)
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        // In this order: the room's worker looks once when it is rung for.
        drop(self.parcels.take());
        self.door.ring();
    }
}

/// Doors to ring at when the turn's parcels are all in their rings, each once.
#[derive(Default)]
pub struct Rounds(Vec<Arc<Door>>);

impl Rounds {
    fn add(&mut self, door: &Arc<Door>) {
        if !self.0.iter().any(|known| Arc::ptr_eq(known, door)) {
            self.0.push(door.clone());
        }
    }

    /// Rings.
    pub fn make(&mut self) {
        self.0.drain(..).for_each(|door| door.ring());
    }
}

/// Passes on to a room's replicas what is new. Where one of them is behind, nothing will say when it is not: returns
/// how soon to look again.
pub fn feed(room: &mut Room, feeders: &mut [Feeder], rounds: &mut Rounds) -> Option<Duration> {
    // Mostly all are equally far, and one parcel serves all.
    let mut last: Option<(Cursor, Cursor, Arc<Parcel>)> = None;
    let mut retry: Option<Duration> = None;
    for feeder in feeders {
        let mut count = 0;
        while count < limits::RELAY_PARCELS_PER_TURN && !feeder.parcels.is_full() {
            let before = feeder.cursor;
            let (after, parcel) = match &last {
                Some((from, to, parcel)) if *from == before => (*to, parcel.clone()),
                _ => {
                    let mut cursor = before;
                    let Some(parcel) = room.poll_relay(&mut cursor) else { break };
                    let parcel = Arc::new(parcel);
                    last = Some((before, cursor, parcel.clone()));
                    (cursor, parcel)
                }
            };
            // It was not full, and nobody else fills it.
            if let Err(PushError::Full(_)) = feeder.parcels.push(parcel) {
                break;
            }
            feeder.cursor = after;
            count += 1;
        }
        if let Some(door) = feeder.door.as_ref().filter(|_| count > 0) {
            rounds.add(door);
        }
        if count == limits::RELAY_PARCELS_PER_TURN || feeder.parcels.is_full() {
            let patience = feeder.patience();
            retry = Some(retry.map_or(patience, |retry| retry.min(patience)));
        }
    }
    retry
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::net::poll::Poller;
    use crate::sfu::audience::Batching;

    struct Bench {
        pollers: [Poller; 2],
        doors: [Arc<Door>; 2],
        room: Room,
    }

    impl Bench {
        fn new() -> Self {
            let pollers = [(); 2].map(|()| Poller::new().unwrap());
            let doors = [0, 1].map(|index: usize| Arc::new(Door::new(pollers[index].waker(0).unwrap())));
            let batching = Batching { window: Duration::ZERO, padding: 0 };
            Self { pollers, doors, room: Room::new(Instant::now(), 0, 1, batching) }
        }

        fn link(&self) -> (Feeder, Feed) {
            link(self.doors[0].clone(), self.doors[1].clone())
        }

        /// Wakes that a worker sees.
        fn wakes(&mut self, worker: usize) -> usize {
            self.pollers[worker].wait(Some(Duration::ZERO)).unwrap().count()
        }
    }

    #[test]
    fn equal_replicas_share_a_parcel_and_are_rung_for_once() {
        let mut bench = Bench::new();
        let links = [(); 3].map(|()| bench.link());
        let (mut feeders, mut feeds): (Vec<Feeder>, Vec<Feed>) = links.into_iter().unzip();
        assert!(bench.doors[1].try_sleep());
        let mut rounds = Rounds::default();
        assert_eq!(feed(&mut bench.room, &mut feeders, &mut rounds), None);
        assert_eq!((rounds.0.len(), bench.wakes(1)), (1, 0), "not before all is in the rings");
        rounds.make();
        assert_eq!((bench.wakes(1), bench.wakes(0)), (1, 0));
        assert!(bench.doors[1].answer());
        let parcels: Vec<_> = feeds.iter_mut().map(|feed| feed.take().unwrap()).collect();
        assert!(parcels.windows(2).all(|pair| Arc::ptr_eq(&pair[0], &pair[1])));
        feed(&mut bench.room, &mut feeders, &mut rounds);
        assert!(rounds.0.is_empty() && feeds.iter().all(|feed| !feed.has_more()), "nothing is new");
    }

    #[test]
    fn a_full_ring_keeps_its_place_and_holds_up_nobody_else() {
        let mut bench = Bench::new();
        let (mut feeders, mut feeds): (Vec<Feeder>, Vec<Feed>) = [bench.link(), bench.link()].into_iter().unzip();
        let mut rounds = Rounds::default();
        let mut taken = 0;
        for turn in 0..limits::RELAY_PARCELS + 10 {
            // Each is a change of state, which is a parcel.
            bench.room.remove_publisher(Instant::now());
            let behind = feed(&mut bench.room, &mut feeders, &mut rounds).is_some();
            assert_eq!(behind, turn + 1 >= limits::RELAY_PARCELS, "turn {turn}");
            taken += usize::from(feeds[0].take().is_some());
        }
        assert_eq!(taken, limits::RELAY_PARCELS + 10);
        assert_eq!(std::iter::from_fn(|| feeds[1].take()).count(), limits::RELAY_PARCELS);
        assert_eq!(feed(&mut bench.room, &mut feeders, &mut rounds), None);
        assert!(feeds[1].take().is_some() && feeds[1].take().is_none(), "what it missed is one parcel now");
    }

    #[test]
    fn nobody_is_rung_for_a_tap_and_a_full_one_is_looked_at_rarely() {
        let mut bench = Bench::new();
        let (feeder, mut feed_) = tap(bench.doors[0].clone());
        let (mut feeders, mut rounds) = ([feeder], Rounds::default());
        for turn in 0..limits::TAP_PARCELS {
            bench.room.remove_publisher(Instant::now());
            let retry = feed(&mut bench.room, &mut feeders, &mut rounds);
            assert_eq!(retry, (turn + 1 == limits::TAP_PARCELS).then_some(limits::TAP_INTERVAL), "turn {turn}");
        }
        assert!(rounds.0.is_empty());
        assert_eq!(std::iter::from_fn(|| feed_.take()).count(), limits::TAP_PARCELS);
    }

    #[test]
    fn many_wishes_are_one_and_ring_once() {
        let mut bench = Bench::new();
        let (feeder, replica) = bench.link();
        assert_eq!(feeder.take_wish(), None);
        assert!(bench.doors[0].try_sleep());
        (1..6).for_each(|number| replica.wish(number));
        assert_eq!(bench.wakes(0), 1);
        assert!(bench.doors[0].answer() && !bench.doors[0].answer());
        assert_eq!((feeder.take_wish(), feeder.take_wish()), (Some(5), None));
    }

    #[test]
    fn a_replica_that_goes_is_noticed() {
        let mut bench = Bench::new();
        let (feeder, replica) = bench.link();
        assert!(!feeder.is_abandoned() && replica.is_from(&bench.doors[0]) && !replica.is_from(&bench.doors[1]));
        assert!(bench.doors[0].try_sleep());
        drop(replica);
        assert!(feeder.is_abandoned());
        assert_eq!(bench.wakes(0), 1);
    }
}
