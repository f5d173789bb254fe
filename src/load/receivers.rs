//! A thread of light subscribers: many sessions on few system calls.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use slab::Slab;

use crate::load::board::SharedBoard;
use crate::load::crew::{Admission, Command, Order, Orders, since_1970};
use crate::load::link::Link;
use crate::load::ports::{Place, Ports};
use crate::load::rtcp::Compound;
use crate::load::subscriber::{Agreed, Context, Outcome, Rules, Subscriber};
use crate::peer::certificate::Certificate;
use crate::peer::demux::Kind;
use crate::peer::outbox::Outgoing;
use crate::sfu::random::Random;
use crate::worker::timers::Timers;

/// The longest sleep: orders that come without a wake-up are seen this soon.
const LONGEST_SLEEP: Duration = Duration::from_millis(100);
/// Batches in a row before timers have their turn.
const BATCHES_PER_TURN: usize = 64;

/// The thread's sessions.
pub struct Receivers {
    ports: Ports,
    board: SharedBoard,
    orders: Orders,
    rules: Rules,
    certificate: Arc<Certificate>,
    /// How long to sleep when nobody is joining.
    drain: Duration,
    subscribers: Slab<Subscriber>,
    by_key: Vec<Option<usize>>,
    by_id: BTreeMap<u64, usize>,
    timers: Timers<usize>,
    random: Random,
    until_sample: u64,
    replies: Vec<(Place, SocketAddr, Outgoing)>,
    outcomes: Vec<Outcome>,
    compound: Compound,
    /// Subscribers that wait for their first key frame.
    joining: u64,
}

impl Receivers {
    /// A thread without sessions.
    #[must_use]
    pub fn new(
        ports: Ports,
        board: SharedBoard,
        orders: Orders,
        rules: Rules,
        certificate: Arc<Certificate>,
        drain: Duration,
    ) -> Self {
        let seed = since_1970();
        Self {
            ports,
            board,
            orders,
            rules,
            certificate,
            drain,
            subscribers: Slab::new(),
            by_key: Vec::new(),
            by_id: BTreeMap::new(),
            timers: Timers::default(),
            random: Random(seed),
            until_sample: 0,
            replies: Vec::new(),
            outcomes: Vec::new(),
            compound: Compound::default(),
            joining: 0,
        }
    }

    /// Runs until it is told to stop; returns what became of all subscribers.
    ///
    /// # Errors
    /// What the kernel says of the poller.
    pub fn run(mut self) -> io::Result<Vec<Outcome>> {
        while self.orders.order() != Order::Stop {
            self.take_commands();
            self.handle_timers();
            self.ports.flush();
            for _ in 0..BATCHES_PER_TURN {
                if !self.receive() {
                    break;
                }
            }
            self.answer();
            self.ports.flush();
            self.sleep()?;
        }
        let left: Vec<usize> = self.subscribers.iter().map(|(slot, _)| slot).collect();
        for slot in left {
            self.remove(slot);
        }
        Ok(self.outcomes)
    }

    /// While somebody joins, each datagram wakes us. Afterwards we look every few milliseconds: kernel time stamps
    /// tell when a packet came, so nothing is lost by looking later, and on one machine the server would pay for each
    /// wake-up.
    fn sleep(&mut self) -> io::Result<()> {
        let now = Instant::now();
        let until_timer = self.timers.next().map_or(LONGEST_SLEEP, |at| at.saturating_duration_since(now));
        let is_steady = self.joining == 0 && !self.subscribers.is_empty();
        if is_steady && !self.drain.is_zero() && self.ports.is_shared() {
            std::thread::sleep(self.drain.min(until_timer.max(Duration::from_micros(100))));
            return Ok(());
        }
        self.ports.wait(until_timer.min(LONGEST_SLEEP))
    }

    fn take_commands(&mut self) {
        while let Some(command) = self.orders.next() {
            match command {
                Command::Admit(admission) => self.admit(*admission),
                Command::Remove(id) => {
                    if let Some(slot) = self.by_id.get(&id).copied() {
                        self.remove(slot);
                    }
                }
            }
        }
    }

    fn admit(&mut self, admission: Admission) {
        let now = Instant::now();
        let Ok(place) = self.ports.open() else {
            self.orders.complain("no socket for one session more");
            self.board.lock().counts.ended += 1;
            return;
        };
        let Admission { id, room, began, answered, agreement, formats, transport_cc, .. } = admission;
        let link = Link::new(now, agreement, &self.certificate);
        let our_ssrc = u32::try_from(self.random.draw() >> 32).expect("32 bits");
        let agreed = Agreed { room, began, answered, formats, transport_cc };
        let subscriber = Subscriber::new(place, link, agreed, our_ssrc);
        let slot = self.subscribers.insert(subscriber);
        self.joining += 1;
        if self.by_key.len() <= place.key {
            self.by_key.resize(place.key + 1, None);
        }
        self.by_key[place.key] = Some(slot);
        self.by_id.insert(id, slot);
        self.timers.arm(slot, Some(now));
    }

    fn remove(&mut self, slot: usize) {
        let Some(subscriber) = self.subscribers.try_remove(slot) else { return };
        self.timers.disarm(slot);
        self.by_key[subscriber.place.key] = None;
        self.by_id.retain(|_, other| *other != slot);
        self.ports.close(subscriber.place);
        self.joining -= u64::from(subscriber.is_joining());
        self.outcomes.push(subscriber.outcome());
    }

    fn handle_timers(&mut self) {
        let now = Instant::now();
        while let Some(slot) = self.timers.pop_due(now) {
            let Some(subscriber) = self.subscribers.get_mut(slot) else { continue };
            let mut board = self.board.lock();
            let mut context = Context {
                now,
                board: &mut board,
                random: &mut self.random,
                until_sample: &mut self.until_sample,
                rules: &self.rules,
            };
            let mut out = Outgoing::default();
            let step = subscriber.link.handle_timeout(now, context.random, &mut out);
            let (place, server) = (subscriber.place, subscriber.link.server());
            out.datagrams.iter().for_each(|datagram| self.ports.send(place, server, datagram));
            let was_joining = subscriber.is_joining();
            if let Some(why) = subscriber.follow(step, &mut context) {
                self.orders.complain(why);
            }
            self.joining -= u64::from(was_joining && !subscriber.is_joining());
            if subscriber.poll_feedback(&mut self.compound, &mut context) {
                self.ports.send_with(place, server, |out| subscriber.seal(self.compound.as_bytes(), out));
            }
            self.timers.arm(slot, subscriber.next_timeout());
        }
    }

    /// One batch; false where there is no more.
    fn receive(&mut self) -> bool {
        let read_at = Duration::from_nanos(since_1970());
        let mut oldest = read_at;
        let Self { subscribers, by_key, replies, timers, joining, orders, .. } = self;
        let mut board = self.board.lock();
        let mut context = Context {
            now: Instant::now(),
            board: &mut board,
            random: &mut self.random,
            until_sample: &mut self.until_sample,
            rules: &self.rules,
        };
        let more = self.ports.receive(|key, arrival, data| {
            oldest = oldest.min(arrival);
            let Some(slot) = by_key.get(key).copied().flatten() else { return };
            let subscriber = &mut subscribers[slot];
            let (was_joining, was_missing) = (subscriber.is_joining(), context.board.counts.missing);
            let Some(kind) = Kind::of(data) else { return };
            match kind {
                Kind::Rtp => subscriber.handle_rtp(arrival, data, &mut context),
                Kind::Rtcp => subscriber.handle_rtcp(data, &mut context),
                // What comes next in this batch may be sealed already: the keys must be there by then.
                Kind::Stun | Kind::Dtls => {
                    let mut out = Outgoing::default();
                    let step = subscriber.link.handle(context.now, kind, data, &mut out);
                    replies.push((subscriber.place, subscriber.link.server(), out));
                    if let Some(why) = subscriber.follow(step, &mut context) {
                        orders.complain(why);
                    }
                }
            }
            if was_joining || kind == Kind::Stun || context.board.counts.missing > was_missing {
                *joining -= u64::from(was_joining && !subscriber.is_joining());
                timers.arm(slot, subscriber.next_timeout());
            }
        });
        let lag = read_at.saturating_sub(oldest).as_micros();
        context.board.lag.record(u64::try_from(lag).unwrap_or(u64::MAX));
        context.board.counts.overflows = self.ports.overflows();
        context.board.counts.send_failures = self.ports.send_failures();
        more
    }

    fn answer(&mut self) {
        for (place, server, out) in self.replies.drain(..) {
            out.datagrams.iter().for_each(|datagram| self.ports.send(place, server, datagram));
        }
    }
}
