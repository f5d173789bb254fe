//! A replica and its link to the room, as a worker has it; and what records the room.

use std::collections::VecDeque;
use std::time::Instant;

use rillcast::record::tap::{Packet, Tap, Tapped};
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

/// A recording's tap, and its link to the room.
#[derive(Default)]
pub struct Recorder {
    tap: Tap,
    cursor: Cursor,
    ring: VecDeque<Parcel>,
    /// It does not look.
    pub stalled: bool,
    /// All that was told.
    pub told: Vec<Tapped>,
}

impl Recorder {
    /// It takes what the room has for it.
    pub fn exchange(&mut self, now: Instant, room: &mut Room) {
        while self.ring.len() < 256 {
            let Some(parcel) = room.poll_relay(&mut self.cursor) else { break };
            self.ring.push_back(parcel);
        }
        if self.stalled {
            return;
        }
        self.ring.drain(..).for_each(|parcel| self.tap.handle(now, &parcel));
        self.told.extend(std::iter::from_fn(|| self.tap.poll(now)));
    }

    /// The packets, which stand in order: what is missing between two was told.
    pub fn packets(&self) -> Vec<&Packet> {
        let (mut next, mut packets) = (None, Vec::new());
        for told in &self.told {
            match told {
                Tapped::Packet { packet, .. } => {
                    assert_eq!(packet.number, next.unwrap_or(packet.number));
                    next = Some(packet.number + 1);
                    packets.push(packet);
                }
                Tapped::Gap { packets, .. } => next = next.map(|next| next + packets),
                Tapped::Track { .. } | Tapped::Report { .. } | Tapped::Ended => {}
            }
        }
        packets
    }
}
