//! A replica and its link to the room, as a worker has it.

use std::collections::VecDeque;
use std::time::Instant;

use rillcast::sfu::audience::Batching;
use rillcast::sfu::relay::{Cursor, Parcel};
use rillcast::sfu::replica::Replica;
use rillcast::sfu::room::Room;
use rillcast::sfu::sink::Sink;

pub struct Annex {
    pub replica: Replica,
    cursor: Cursor,
    ring: VecDeque<Parcel>,
    /// Parcels that the ring takes.
    pub capacity: usize,
    /// Its worker does not turn.
    pub stalled: bool,
    /// Parcels that it has taken in.
    pub parcels: u64,
    wish: Option<u64>,
}

impl Annex {
    pub fn new(now: Instant, seed: u64, batching: Batching) -> Self {
        Self {
            replica: Replica::new(now, 0, seed, batching),
            cursor: Cursor::default(),
            ring: VecDeque::new(),
            capacity: 64,
            stalled: false,
            parcels: 0,
            wish: None,
        }
    }

    /// The room feeds the ring, the replica empties it, and its wishes go back.
    pub fn exchange(&mut self, now: Instant, room: &mut Room) {
        if let Some(from) = self.wish.take() {
            room.handle_keyframe_wish(from);
        }
        while self.ring.len() < self.capacity {
            let Some(parcel) = room.poll_relay(&mut self.cursor) else { break };
            self.ring.push_back(parcel);
        }
        if self.stalled {
            return;
        }
        while let Some(parcel) = self.ring.pop_front() {
            self.parcels += 1;
            assert!(self.replica.handle(now, &parcel).is_empty(), "nobody lacks the codec");
        }
    }

    pub fn flush(&mut self, now: Instant, sink: &mut impl Sink) {
        self.replica.flush(now, sink);
        self.wish = self.replica.poll_keyframe_wish().or(self.wish);
    }
}
