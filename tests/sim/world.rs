//! A room with its publisher, its replicas and all their subscribers, stepped through time a millisecond at a time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rillcast::id::PeerKey;
use rillcast::sfu::audience::Audience;
use rillcast::sfu::audience::Batching;
use rillcast::sfu::counts::{Feedback, RoomCounts};
use rillcast::sfu::drop::DropReason;
use rillcast::sfu::room::Room;
use rillcast::sfu::sink::{Sent, Sink};
use rillcast::sfu::track::PlayTrack;

use crate::network::{Conditions, Path, Random};
use crate::publisher::{Plan, Publisher};
use crate::replica::{Annex, Recorder};
use crate::subscriber::{Ledger, Subscriber};

/// Every seed has its own window and padding: the invariants hold with each of them.
fn batching(seed: u64) -> Batching {
    let window = Duration::from_micros([0, 1_000, 10_000, 250][seed as usize % 4]);
    Batching { window, padding: [16, 0, 1][seed as usize % 3] }
}

const PUBLISHER: PeerKey = PeerKey { slot: 1_000, generation: 0 };

/// Where a subscriber is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum At {
    Home,
    /// At the replica of this place.
    Replica(usize),
}

pub struct Seat {
    pub subscriber: Subscriber,
    pub ledger: Ledger,
    at: At,
    down: Path,
    up: Path,
    /// Takes nothing more: the sink says so.
    pub congested: bool,
    /// Its way out takes nothing for the moment.
    pub blocked: bool,
}

pub struct World {
    pub room: Room,
    pub replicas: Vec<Annex>,
    pub recorders: Vec<Recorder>,
    /// Half of the subscribers join at a replica.
    spread: bool,
    seed: u64,
    batching: Batching,
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
    /// With odd seeds half of the subscribers are at a replica: nothing is different there.
    pub fn new(seed: u64) -> Self {
        Self { spread: seed % 2 == 1, ..Self::with(seed, batching(seed)) }
    }

    pub fn with(seed: u64, batching: Batching) -> Self {
        let start = Instant::now();
        Self {
            room: Room::new(start, 1 << 40, seed, batching),
            replicas: Vec::new(),
            recorders: Vec::new(),
            spread: false,
            seed,
            batching,
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

    /// A new replica, and its place.
    pub fn replicate(&mut self) -> At {
        self.replicas.push(Annex::new(self.instant(), self.random.next(), self.batching));
        At::Replica(self.replicas.len() - 1)
    }

    pub fn subscribe(&mut self, slot: u32, conditions: Conditions) {
        let away = self.spread && (u64::from(slot) + self.seed / 2).is_multiple_of(2);
        let at = match (away, self.replicas.is_empty()) {
            (false, _) => At::Home,
            (true, false) => At::Replica(0),
            (true, true) => self.replicate(),
        };
        self.subscribe_at(at, slot, conditions);
    }

    /// At home, and without NACK: nothing is sent again for the asking.
    pub fn subscribe_without_nack(&mut self, slot: u32, conditions: Conditions) {
        let subscriber = Subscriber::new(self.random.next() as u32);
        let mut tracks = subscriber.tracks();
        tracks[0].feedback.nack = false;
        self.seat_subscriber(At::Home, slot, conditions, subscriber, tracks);
    }

    pub fn subscribe_at(&mut self, at: At, slot: u32, conditions: Conditions) {
        let subscriber = Subscriber::new(self.random.next() as u32);
        let tracks = subscriber.tracks();
        self.seat_subscriber(at, slot, conditions, subscriber, tracks);
    }

    fn seat_subscriber(
        &mut self,
        at: At,
        slot: u32,
        conditions: Conditions,
        subscriber: Subscriber,
        tracks: Vec<PlayTrack>,
    ) {
        let peer = PeerKey { slot, generation: 0 };
        let now = self.instant();
        let audience = self.audience(at);
        audience.add(now, peer, tracks);
        audience.start(now, peer);
        let (down, up) = (Path::new(conditions, self.random.next()), Path::new(conditions, self.random.next()));
        self.seats.insert(
            slot,
            Seat { subscriber, ledger: Ledger::default(), at, down, up, congested: false, blocked: false },
        );
    }

    pub fn unsubscribe(&mut self, slot: u32) -> Seat {
        let seat = self.seats.remove(&slot).unwrap();
        self.audience(seat.at).remove(PeerKey { slot, generation: 0 });
        seat
    }

    fn audience(&mut self, at: At) -> &mut Audience {
        match at {
            At::Home => &mut self.room.audience,
            At::Replica(place) => &mut self.replicas[place].replica.audience,
        }
    }

    /// RTCP of a subscriber, as if it had just come.
    pub fn handle_rtcp(&mut self, slot: u32, packet: &[u8]) {
        let (now, at) = (self.instant(), self.seats[&slot].at);
        self.audience(at).handle_rtcp(now, PeerKey { slot, generation: 0 }, packet);
    }

    pub fn seat(&self, slot: u32) -> &Seat {
        &self.seats[&slot]
    }

    /// What is counted of a subscriber.
    pub fn feedback(&self, slot: u32) -> Feedback {
        let audience = match self.seats[&slot].at {
            At::Home => &self.room.audience,
            At::Replica(place) => &self.replicas[place].replica.audience,
        };
        audience.inspect(self.instant(), PeerKey { slot, generation: 0 }).expect("it has a seat").0
    }

    /// What is counted in the room and its replicas.
    pub fn counts(&self) -> RoomCounts {
        let mut counts = self.room.counts();
        self.replicas.iter().for_each(|annex| counts.add(&annex.replica.audience.counts));
        counts
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
        let mut rtcp = Vec::new();
        for (slot, seat) in &mut self.seats {
            while let Some(packet) = seat.down.receive(now) {
                seat.subscriber.handle(now, &packet);
            }
            if let Some(nack) = seat.subscriber.poll_nack(now) {
                seat.up.send(now, &nack);
            }
            while let Some(packet) = seat.up.receive(now) {
                rtcp.push((*slot, packet));
            }
        }
        for (slot, packet) in rtcp {
            self.handle_rtcp(slot, &packet);
        }
        for replica in &mut self.replicas {
            replica.exchange(instant, &mut self.room);
        }
        for recorder in &mut self.recorders {
            recorder.exchange(instant, &mut self.room);
        }
        self.flush(now, instant);
    }

    fn flush(&mut self, now: u64, instant: Instant) {
        let Self { room, replicas, room_number, seats, downlink: publisher, skipped, .. } = self;
        let blocked = seats.values().any(|seat| seat.blocked);
        let mut sink = Collector { now, room: *room_number, seats, publisher, skipped };
        if room.is_due(instant) {
            room.flush(instant, &mut sink);
            assert!(blocked || !room.audience.is_unfinished(instant), "one flush leaves nothing that is due");
        }
        for annex in replicas {
            if annex.replica.is_due(instant) {
                annex.flush(instant, &mut sink);
                assert!(blocked || !annex.replica.audience.is_unfinished(instant), "nor does a replica's");
            }
        }
    }

    /// The invariants that hold at every end.
    pub fn check(&self) {
        for seat in self.seats.values() {
            seat.ledger.check_order();
        }
    }
}
