//! A room with its publisher and subscribers, stepped through time a millisecond at a time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rillcast::id::PeerKey;
use rillcast::sfu::audience::Batching;
use rillcast::sfu::drop::DropReason;
use rillcast::sfu::room::Room;
use rillcast::sfu::sink::{Sent, Sink};

use crate::network::{Conditions, Path, Random};
use crate::publisher::{Plan, Publisher};
use crate::subscriber::{Ledger, Subscriber};

/// Every seed has its own window and padding: the invariants hold with each of them.
fn batching(seed: u64) -> Batching {
    let window = Duration::from_micros([0, 1_000, 10_000, 250][seed as usize % 4]);
    Batching { window, padding: [16, 0, 1][seed as usize % 3] }
}

const PUBLISHER: PeerKey = PeerKey { slot: 1_000, generation: 0 };

pub struct Seat {
    pub subscriber: Subscriber,
    pub ledger: Ledger,
    down: Path,
    up: Path,
    /// Takes nothing more: the sink says so.
    pub congested: bool,
    /// Its way out takes nothing for the moment.
    pub blocked: bool,
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
    /// Packets that were given up because the way out was full for too long.
    pub skipped: u64,
    room_number: u8,
}

/// Collects what the room sends in one flush.
struct Collector<'a> {
    now: u64,
    room: u8,
    seats: &'a mut BTreeMap<u32, Seat>,
    publisher: &'a mut Path,
    skipped: &'a mut u64,
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

    fn is_ready(&mut self, to: PeerKey) -> bool {
        self.seats.get(&to.slot).is_none_or(|seat| !seat.blocked)
    }

    fn skip(&mut self, reason: DropReason, packets: u64) {
        assert_eq!(reason, DropReason::FellBehind);
        *self.skipped += packets;
    }
}

impl World {
    pub fn new(seed: u64) -> Self {
        Self::with(seed, batching(seed))
    }

    pub fn with(seed: u64, batching: Batching) -> Self {
        let start = Instant::now();
        Self {
            room: Room::new(start, 1 << 40, seed, batching),
            now: 0,
            start,
            random: Random(seed ^ 0xabcd),
            publisher: None,
            uplink: Path::new(Conditions::default(), 0),
            downlink: Path::new(Conditions::default(), 0),
            seats: BTreeMap::new(),
            skipped: 0,
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
        self.seats
            .insert(slot, Seat { subscriber, ledger: Ledger::default(), down, up, congested: false, blocked: false });
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
        if self.room.is_due(instant) {
            let Self { room, room_number, seats, downlink: publisher, skipped, .. } = self;
            room.flush(instant, &mut Collector { now, room: *room_number, seats, publisher, skipped });
            let blocked = self.seats.values().any(|seat| seat.blocked);
            assert!(blocked || !self.room.audience.is_unfinished(instant), "one flush leaves nothing that is due");
        }
    }

    /// The invariants that hold at every end.
    pub fn check(&self) {
        for seat in self.seats.values() {
            seat.ledger.check_order();
        }
    }
}
