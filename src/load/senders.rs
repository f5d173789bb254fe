//! The thread of the publishers.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::load::board::SharedBoard;
use crate::load::crew::{Admission, Command, Order, Orders};
use crate::load::link::{Link, Step};
use crate::load::plan::Media;
use crate::load::ports::Ports;
use crate::load::publisher::{Publisher, Track};
use crate::net::clock::Clock;
use crate::peer::certificate::Certificate;
use crate::peer::demux::Kind;
use crate::peer::outbox::Outgoing;
use crate::rtp::codec::Codec;
use crate::sfu::random::Random;

/// Due times are rounded up to this, so that many publishers do not wake the thread for each one of them.
const GRID: Duration = Duration::from_millis(1);
/// The longest sleep.
const LONGEST_SLEEP: Duration = Duration::from_millis(20);

/// The thread's sessions.
pub struct Senders {
    ports: Ports,
    board: SharedBoard,
    orders: Orders,
    certificate: Arc<Certificate>,
    media: Media,
    run: u16,
    clock: Clock,
    start: Instant,
    random: Random,
    /// At the index of their key.
    publishers: Vec<Option<Publisher>>,
}

impl Senders {
    /// A thread without sessions.
    #[must_use]
    pub fn new(
        ports: Ports,
        board: SharedBoard,
        orders: Orders,
        certificate: Arc<Certificate>,
        media: Media,
        run: u16,
    ) -> Self {
        let clock = Clock::start();
        let start = clock.now();
        let random = Random(u64::from(run));
        Self { ports, board, orders, certificate, media, run, clock, start, random, publishers: Vec::new() }
    }

    /// Runs until it is told to stop.
    ///
    /// # Errors
    /// What the kernel says of the poller.
    pub fn run(mut self) -> io::Result<()> {
        while self.orders.order() != Order::Stop {
            while let Some(command) = self.orders.next() {
                if let Command::Admit(admission) = command {
                    self.admit(*admission);
                }
            }
            let next = self.turn();
            self.sleep(next)?;
        }
        Ok(())
    }

    fn admit(&mut self, admission: Admission) {
        let now = Instant::now();
        let Admission { room, agreement, formats, ssrcs: (video, audio), .. } = admission;
        let of = |codec| formats.iter().find(|(_, other)| *other == codec).map(|(number, _)| *number);
        let Some(payload_type) = of(self.media.codec) else {
            self.orders.complain("the server does not take the codec");
            return;
        };
        let Ok(place) = self.ports.open() else {
            self.orders.complain("no socket for one session more");
            return;
        };
        let audio = audio.zip(of(Codec::Opus)).map(|(ssrc, number)| Track::new(ssrc, number));
        let link = Link::new(now, agreement, &self.certificate);
        let tracks = (Track::new(video, payload_type), audio);
        let publisher = Publisher::new(now, (place, link), (room, self.run), &self.media, tracks);
        if self.publishers.len() <= place.key {
            self.publishers.resize_with(place.key + 1, || None);
        }
        self.publishers[place.key] = Some(publisher);
    }

    /// Sends and receives what there is; returns when the next thing is due.
    fn turn(&mut self) -> Instant {
        let now = Instant::now();
        self.receive(now);
        let is_quiet = self.orders.order() == Order::Quiet;
        let shared = self.board.clone();
        let mut board = shared.lock();
        let mut next = now + LONGEST_SLEEP;
        for index in 0..self.publishers.len() {
            let Some(publisher) = &mut self.publishers[index] else { continue };
            if publisher.link.next_timeout().is_some_and(|at| at <= now) {
                let mut out = Outgoing::default();
                let step = publisher.link.handle_timeout(now, &mut self.random, &mut out);
                let (place, server) = (publisher.place, publisher.link.server());
                out.datagrams.iter().for_each(|datagram| self.ports.send(place, server, datagram));
                self.follow(index, step, &mut board.counts);
            }
            let Some(publisher) = &mut self.publishers[index] else { continue };
            if !is_quiet {
                publisher.poll_media(now, &self.clock, &mut self.ports, &mut board);
            }
            let media = publisher.next_media().filter(|_| !is_quiet);
            next = media.into_iter().chain(publisher.link.next_timeout()).fold(next, Instant::min);
        }
        board.counts.send_failures = self.ports.send_failures();
        self.ports.flush();
        next
    }

    fn sleep(&mut self, next: Instant) -> io::Result<()> {
        let elapsed = next.saturating_duration_since(self.start).as_micros();
        let step = GRID.as_micros();
        let rounded = u64::try_from(elapsed.div_ceil(step) * step).unwrap_or(u64::MAX);
        let pause = (self.start + Duration::from_micros(rounded)).saturating_duration_since(Instant::now());
        let all_connected = self.publishers.iter().flatten().all(Publisher::is_connected);
        if all_connected && !self.publishers.is_empty() && self.ports.is_shared() {
            // What comes waits: it is RTCP, and there is more of it than of what we send.
            std::thread::sleep(pause);
            return Ok(());
        }
        self.ports.wait(pause)
    }

    fn receive(&mut self, now: Instant) {
        let mut datagrams: Vec<(usize, Vec<u8>)> = Vec::new();
        while self.ports.receive(|key, _, data| datagrams.push((key, data.to_vec()))) {}
        let shared = self.board.clone();
        let mut board = shared.lock();
        board.counts.overflows = self.ports.overflows();
        for (key, mut data) in datagrams {
            let Some(publisher) = self.publishers.get_mut(key).and_then(Option::as_mut) else { continue };
            match Kind::of(&data) {
                Some(Kind::Rtcp) => publisher.handle_rtcp(&mut data, &mut self.ports, &mut board),
                Some(kind) => {
                    let mut out = Outgoing::default();
                    let step = publisher.link.handle(now, kind, &data, &mut out);
                    let (place, server) = (publisher.place, publisher.link.server());
                    out.datagrams.iter().for_each(|datagram| self.ports.send(place, server, datagram));
                    self.follow(key, step, &mut board.counts);
                }
                None => {}
            }
        }
        self.ports.flush();
    }

    fn follow(&mut self, index: usize, step: Step, counts: &mut crate::load::board::Counts) {
        match step {
            Step::Pending => {}
            Step::Connected(srtp) => {
                counts.connected += 1;
                let origin = self.origin(index);
                if let Some(publisher) = &mut self.publishers[index] {
                    publisher.connect(origin, srtp);
                }
            }
            Step::Over(why) => {
                counts.ended += 1;
                self.orders.complain(&format!("a publisher: {why}"));
                if let Some(publisher) = self.publishers[index].take() {
                    self.ports.close(publisher.place);
                }
            }
        }
    }

    /// Now, but each publisher's frames at another moment of a frame's time, as those of people are.
    fn origin(&mut self, index: usize) -> Instant {
        let interval = Duration::from_secs(1) / self.media.fps;
        // The golden ratio spreads any number of publishers.
        let phase = interval.mul_f64(f64::from(u32::try_from(index).unwrap_or(0)) * 0.618_034 % 1.0);
        let now = Instant::now();
        let since = now.saturating_duration_since(self.start).as_secs_f64();
        let whole = (since / interval.as_secs_f64()).ceil();
        self.start + interval.mul_f64(whole) + phase
    }
}
