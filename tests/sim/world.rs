//! A room with its publisher and subscribers, stepped through time a millisecond at a time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rillcast::id::PeerKey;
use rillcast::sfu::room::Room;
use rillcast::sfu::sink::{Sent, Sink};

use crate::network::{Conditions, Path, Random};
use crate::publisher::{Plan, Publisher};
use crate::subscriber::{Ledger, Subscriber};

const PUBLISHER: PeerKey = PeerKey { slot: 1_000, generation: 0 };

pub struct Seat {
    pub subscriber: Subscriber,
    pub ledger: Ledger,
    down: Path,
    up: Path,
    /// Takes nothing more: the sink says so.
    pub congested: bool,
}

pub struct World {
    pub room: Room,
    pub now: u64,
    start: Instant,
    random: Random,
    publisher: Option<Publisher>,
    uplink: Path,
    downlink: Path,
    pub seats: BTreeMap<u32, Seat>,
    room_number: u8,
}

/// Collects what the room sends in one flush.
struct Collector<'a> {
    now: u64,
    room: u8,
    seats: &'a mut BTreeMap<u32, Seat>,
    publisher: &'a mut Path,
}

impl Sink for Collector<'_> {
    fn rtp(&mut self, to: PeerKey, index: u64, header: &[u8], payload: &[u8]) -> Sent {
        let seat = self.seats.get_mut(&to.slot).expect("a subscriber of this room");
        if seat.congested {
            return Sent::Congested;
        }
        seat.ledger.note(index, header, payload, seat.subscriber.ssrc, self.room);
        seat.down.send(self.now, &[header, payload].concat());
        Sent::Yes
    }

    fn rtcp(&mut self, to: PeerKey, packet: &[u8]) -> Sent {
        if to == PUBLISHER {
            self.publisher.send(self.now, packet);
        }
        Sent::Yes
    }
}

impl World {
    pub fn new(seed: u64) -> Self {
        let start = Instant::now();
        Self {
            room: Room::new(start, 1 << 40, seed),
            now: 0,
            start,
            random: Random(seed ^ 0xabcd),
            publisher: None,
            uplink: Path::new(Conditions::default(), 0),
            downlink: Path::new(Conditions::default(), 0),
            seats: BTreeMap::new(),
            room_number: 1,
        }
    }

    pub fn instant(&self) -> Instant {
        self.start + Duration::from_micros(self.now)
    }

    pub fn publish(&mut self, plan: Plan, conditions: Conditions) {
        let publisher = Publisher::new(plan, self.now, self.random.next());
        self.room_number = plan.room;
        self.uplink = Path::new(conditions, self.random.next());
        self.downlink = Path::new(conditions, self.random.next());
        let lacking = self.room.set_publisher(self.instant(), PUBLISHER, publisher.tracks());
        assert!(lacking.is_empty());
        self.publisher = Some(publisher);
    }

    pub fn unpublish(&mut self) {
        self.publisher = None;
        self.room.remove_publisher(self.instant());
    }

    pub fn publisher(&self) -> &Publisher {
        self.publisher.as_ref().unwrap()
    }

    pub fn publisher_mut(&mut self) -> &mut Publisher {
        self.publisher.as_mut().unwrap()
    }

    pub fn subscribe(&mut self, slot: u32, conditions: Conditions) {
        let subscriber = Subscriber::new(self.random.next() as u32);
        let peer = PeerKey { slot, generation: 0 };
        self.room.audience.add(self.instant(), peer, subscriber.tracks());
        self.room.audience.start(self.instant(), peer);
        let (down, up) = (Path::new(conditions, self.random.next()), Path::new(conditions, self.random.next()));
        self.seats.insert(slot, Seat { subscriber, ledger: Ledger::default(), down, up, congested: false });
    }

    pub fn seat(&self, slot: u32) -> &Seat {
        &self.seats[&slot]
    }

    pub fn run(&mut self, milliseconds: u64) {
        for _ in 0..milliseconds {
            self.now += 1_000;
            self.step();
        }
    }

    fn step(&mut self) {
        let (now, instant) = (self.now, self.instant());
        if let Some(publisher) = &mut self.publisher {
            for packet in publisher.poll(now) {
                self.uplink.send(now, &packet);
            }
            while let Some(packet) = self.downlink.receive(now) {
                for again in publisher.handle_rtcp(now, &packet) {
                    self.uplink.send(now, &again);
                }
            }
            while let Some(packet) = self.uplink.receive(now) {
                // What is dropped is counted by the room.
                let _ = self.room.handle_publisher_rtp(instant, &packet);
            }
        }
        for (slot, seat) in &mut self.seats {
            while let Some(packet) = seat.down.receive(now) {
                seat.subscriber.handle(now, &packet);
            }
            if let Some(nack) = seat.subscriber.poll_nack(now) {
                seat.up.send(now, &nack);
            }
            while let Some(packet) = seat.up.receive(now) {
                self.room.audience.handle_rtcp(instant, PeerKey { slot: *slot, generation: 0 }, &packet);
            }
        }
        let due = self.room.is_dirty() || self.room.next_timeout(instant).is_some_and(|due| due <= instant);
        if due {
            let mut sink =
                Collector { now, room: self.room_number, seats: &mut self.seats, publisher: &mut self.downlink };
            self.room.flush(instant, &mut sink);
            assert!(!self.room.is_dirty(), "one flush leaves nothing that is due");
        }
    }

    /// The invariants that hold at every end.
    pub fn check(&self) {
        for seat in self.seats.values() {
            seat.ledger.check_order();
        }
    }
}
