//! From a room to its replica on another worker: a ring of parcels one way, the wish for a key frame the other way, and
//! each side's door to ring at.

use std::sync::Arc;

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
    let (producer, consumer) = RingBuffer::new(limits::RELAY_PARCELS);
    let wish = Arc::new(AtomicU64::new(NONE));
    let feeder = Feeder { parcels: producer, cursor: Cursor::default(), wish: wish.clone(), door: replica };
    (feeder, Feed { parcels: Some(consumer), wish, door: home })
}

/// The room's end.
pub struct Feeder {
    parcels: Producer<Arc<Parcel>>,
    cursor: Cursor,
    wish: Arc<AtomicU64>,
    /// The replica's worker.
    door: Arc<Door>,
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

    /// True where parcels wait.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.parcels.as_ref().is_some_and(|parcels| !parcels.is_empty())
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

/// Passes on to a room's replicas what is new. True where one of them is behind, and nothing will say when it is not.
pub fn feed(room: &mut Room, feeders: &mut [Feeder], rounds: &mut Rounds) -> bool {
    // Mostly all are equally far, and one parcel serves all.
    let mut last: Option<(Cursor, Cursor, Arc<Parcel>)> = None;
    let mut behind = false;
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
        if count > 0 {
            rounds.add(&feeder.door);
        }
        behind |= count == limits::RELAY_PARCELS_PER_TURN || feeder.parcels.is_full();
    }
    behind
}
