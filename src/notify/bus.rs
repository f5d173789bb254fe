//! The last notices, and who reads them. There is one queue, the ring: a reader is a number in it. So a thousand slow
//! readers cost no memory, and a reader that comes back goes on where it was.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::id::RoomName;
use crate::limits;
use crate::notify::{Notice, What, now};

/// Where everything is told.
pub struct Bus {
    run: String,
    ring: Mutex<Ring>,
    /// The number of the next notice.
    news: watch::Sender<u64>,
}

struct Ring {
    /// Nothing more is told.
    closed: bool,
    /// The number of the next notice.
    next: u64,
    notices: VecDeque<Arc<Notice>>,
    limits: BTreeMap<&'static str, Limit>,
}

/// A limit that was hit.
struct Limit {
    told: Instant,
    /// Since then.
    times: u64,
}

impl Default for Bus {
    fn default() -> Self {
        Self::new()
    }
}

impl Bus {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new() -> Self {
        let mut run = [0; 4];
        SystemRandom::new().fill(&mut run).expect("the kernel gives random numbers");
        let ring = Ring { closed: false, next: 1, notices: VecDeque::new(), limits: BTreeMap::new() };
        Self { run: format!("{:08x}", u32::from_be_bytes(run)), ring: Mutex::new(ring), news: watch::Sender::new(1) }
    }

    /// Tells this run of the server from others: identifiers begin with it.
    #[must_use]
    pub fn run(&self) -> &str {
        &self.run
    }

    /// Tells what happened. It never waits for a reader.
    pub fn tell(&self, room: Option<&RoomName>, what: What) {
        let next = self.ring().push(room, what);
        self.news.send_replace(next);
    }

    /// Tells that a limit was hit, but not each time.
    pub fn tell_limit(&self, room: Option<&RoomName>, limit: &'static str) {
        let next = self.ring().hit(Instant::now(), room, limit);
        if let Some(next) = next {
            self.news.send_replace(next);
        }
    }

    /// Tells nothing more: readers end when they have read what was told.
    pub fn close(&self) {
        let mut ring = self.ring();
        ring.closed = true;
        let next = ring.next;
        drop(ring);
        self.news.send_replace(next);
    }

    /// A reader of what comes from now on.
    #[must_use]
    pub fn read(self: &Arc<Self>) -> Reader {
        let next = self.ring().next;
        Reader { news: self.news.subscribe(), bus: self.clone(), next }
    }

    /// A reader of what came after the notice with this identifier. What the ring has lost of it is the reader's first
    /// [`Gap`]; of an identifier of another run nothing is known but that something was missed.
    #[must_use]
    pub fn read_after(self: &Arc<Self>, id: &str) -> Reader {
        let mut reader = self.read();
        let number = id.rsplit_once('-').filter(|(run, _)| *run == self.run).and_then(|(_, n)| n.parse::<u64>().ok());
        reader.next = number.map_or(0, |number| number.saturating_add(1)).min(reader.next);
        reader
    }

    /// The ring is whole after each of its calls, so a panic elsewhere does not spoil it.
    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    fn push(&mut self, room: Option<&RoomName>, what: What) -> u64 {
        if self.closed {
            return self.next;
        }
        if self.notices.len() == limits::NOTICES {
            self.notices.pop_front();
        }
        let notice = Notice { number: self.next, at: now(), room: room.cloned(), what };
        self.notices.push_back(Arc::new(notice));
        self.next += 1;
        self.next
    }

    fn hit(&mut self, now: Instant, room: Option<&RoomName>, limit: &'static str) -> Option<u64> {
        let known = self.limits.get_mut(limit);
        let times = match known {
            Some(known) if now.saturating_duration_since(known.told) < limits::LIMIT_NOTICE_INTERVAL => {
                known.times += 1;
                return None;
            }
            Some(known) => known.times + 1,
            None => 1,
        };
        self.limits.insert(limit, Limit { told: now, times: 0 });
        Some(self.push(room, What::LimitHit { limit, times }))
    }

    /// The number of the oldest notice that is there.
    fn oldest(&self) -> u64 {
        self.next - self.notices.len() as u64
    }

    fn get(&self, number: u64) -> Option<Arc<Notice>> {
        let index = usize::try_from(number.checked_sub(self.oldest())?).ok()?;
        self.notices.get(index).cloned()
    }
}

/// Why there is no next notice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gap {
    /// So many notices are lost to this reader; how many is not known where it comes from another run. Told once.
    Missed(u64),
    /// Nothing more is told.
    Closed,
}

/// Reads what happened, in order.
pub struct Reader {
    bus: Arc<Bus>,
    news: watch::Receiver<u64>,
    next: u64,
}

impl Reader {
    /// The next notice; it waits until there is one.
    ///
    /// # Errors
    /// [`Gap`]; after [`Gap::Missed`] it goes on with the oldest one that is there.
    pub async fn next(&mut self) -> Result<Arc<Notice>, Gap> {
        loop {
            if let Some(result) = self.try_next() {
                return result;
            }
            // It fails where nobody can tell any more, which cannot be: the reader holds the bus.
            let _ = self.news.changed().await;
        }
    }

    /// The next notice, where there is one. See [`Reader::next`].
    ///
    /// # Errors
    /// [`Gap`]
    pub fn try_next(&mut self) -> Option<Result<Arc<Notice>, Gap>> {
        self.news.borrow_and_update();
        let ring = self.bus.ring();
        let oldest = ring.oldest();
        if self.next < oldest {
            let missed = Gap::Missed(oldest - self.next);
            self.next = oldest;
            return Some(Err(missed));
        }
        match ring.get(self.next) {
            Some(notice) => {
                self.next += 1;
                Some(Ok(notice))
            }
            None => ring.closed.then_some(Err(Gap::Closed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn numbers(reader: &mut Reader) -> Vec<Result<u64, Gap>> {
        std::iter::from_fn(|| reader.try_next()).map(|result| result.map(|notice| notice.number)).collect()
    }

    #[tokio::test]
    async fn readers_get_everything_in_order_from_where_they_begin() {
        let bus = Arc::new(Bus::new());
        bus.tell(None, What::DrainStarted);
        let mut late = bus.read();
        bus.tell(RoomName::parse("a").as_ref(), What::RoomOpened);
        bus.tell(None, What::DrainStopped);
        assert_eq!(numbers(&mut late), [Ok(2), Ok(3)]);
        let mut waiting = bus.read();
        let task = tokio::spawn(async move { waiting.next().await.unwrap().number });
        tokio::task::yield_now().await;
        bus.tell(None, What::DrainStarted);
        assert_eq!(task.await.unwrap(), 4);
    }

    #[test]
    fn readers_that_come_back_go_on_where_they_were() {
        let bus = Arc::new(Bus::new());
        (0..5).for_each(|_| bus.tell(None, What::DrainStarted));
        let run = bus.run().to_owned();
        let table = [
            (format!("{run}-3"), vec![Ok(4), Ok(5)]),
            (format!("{run}-5"), vec![]),
            // Not ours yet.
            (format!("{run}-77"), vec![]),
            (format!("{run}-0"), vec![Ok(1), Ok(2), Ok(3), Ok(4), Ok(5)]),
            ("other-3".into(), vec![Err(Gap::Missed(1)), Ok(1), Ok(2), Ok(3), Ok(4), Ok(5)]),
            ("junk".into(), vec![Err(Gap::Missed(1)), Ok(1), Ok(2), Ok(3), Ok(4), Ok(5)]),
        ];
        for (id, expected) in table {
            assert_eq!(numbers(&mut bus.read_after(&id)), expected, "{id}");
        }
    }

    #[test]
    fn the_ring_is_bounded_and_a_slow_reader_learns_what_it_lost() {
        let bus = Arc::new(Bus::new());
        let mut slow = bus.read();
        let extra = 10;
        (0..limits::NOTICES + extra).for_each(|_| bus.tell(None, What::DrainStarted));
        assert_eq!(bus.ring().notices.len(), limits::NOTICES);
        let got = numbers(&mut slow);
        assert_eq!((got[0], got[1], got.len()), (Err(Gap::Missed(10)), Ok(11), limits::NOTICES + 1));
    }

    #[tokio::test]
    async fn what_was_told_before_the_end_is_read() {
        let bus = Arc::new(Bus::new());
        let mut reader = bus.read();
        let mut waiting = bus.read();
        bus.tell(None, What::DrainStarted);
        assert!(waiting.next().await.is_ok());
        let ends = tokio::spawn(async move { waiting.next().await });
        tokio::task::yield_now().await;
        bus.close();
        bus.tell(None, What::DrainStopped);
        assert_eq!(ends.await.unwrap(), Err(Gap::Closed));
        assert_eq!(reader.next().await.unwrap().number, 1);
        assert_eq!(reader.next().await, Err(Gap::Closed));
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_that_is_hit_all_the_time_is_told_now_and_then() {
        let bus = Arc::new(Bus::new());
        let mut reader = bus.read();
        let mut told = Vec::new();
        for hit in 0..40 {
            bus.tell_limit(None, "sessions");
            if hit == 0 {
                bus.tell_limit(None, "rate");
            }
            tokio::time::advance(Duration::from_secs(1)).await;
            while let Some(Ok(notice)) = reader.try_next() {
                if let What::LimitHit { limit, times } = notice.what {
                    told.push((hit, limit, times));
                }
            }
        }
        let expected =
            [(0, "sessions", 1), (0, "rate", 1), (10, "sessions", 10), (20, "sessions", 10), (30, "sessions", 10)];
        assert_eq!(told, expected);
    }
}
