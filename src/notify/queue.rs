//! What waits for one webhook, room by room: of a room one delivery is under way at a time, and the next one follows
//! when it has arrived or was given up. So a room's events arrive in their order, and one that cannot be delivered
//! holds up its own room alone.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::id::RoomName;
use crate::limits;
use crate::notify::Notice;

/// A room; what is of no room is in order too.
type LaneKey = Option<RoomName>;

/// See the module.
#[derive(Default)]
pub(super) struct Queue {
    lanes: BTreeMap<LaneKey, Lane>,
    len: usize,
}

struct Lane {
    waiting: VecDeque<Arc<Notice>>,
    /// How often the first one was tried in vain.
    failures: u32,
    /// When the first one may be tried. `None` while it is under way.
    due: Option<Instant>,
}

/// What became of a delivery.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    /// It arrived.
    Delivered,
    /// It did not, and is tried again.
    Later,
    /// It did not, and is not tried again.
    GivenUp,
}

/// There are [`limits::HOOK_QUEUE`] already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Full;

impl Queue {
    pub fn push(&mut self, now: Instant, notice: Arc<Notice>) -> Result<(), Full> {
        if self.len >= limits::HOOK_QUEUE {
            return Err(Full);
        }
        self.len += 1;
        let lane = self.lanes.entry(notice.room.clone());
        let lane = lane.or_insert_with(|| Lane { waiting: VecDeque::new(), failures: 0, due: Some(now) });
        lane.waiting.push_back(notice);
        Ok(())
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// What is to be tried now: the one that is due for the longest.
    pub fn take(&mut self, now: Instant) -> Option<Arc<Notice>> {
        let due = self.lanes.values_mut().filter(|lane| lane.due.is_some_and(|due| due <= now));
        let lane = due.min_by_key(|lane| lane.due)?;
        lane.due = None;
        lane.waiting.front().cloned()
    }

    /// When there will be something to be tried.
    pub fn next_due(&self) -> Option<Instant> {
        self.lanes.values().filter_map(|lane| lane.due).min()
    }

    /// What came of the delivery that was taken of this room. `jitter` is from 0 to 1.
    pub fn done(&mut self, now: Instant, room: &LaneKey, arrived: bool, jitter: f64) -> Outcome {
        let Some(lane) = self.lanes.get_mut(room) else { return Outcome::GivenUp };
        if !arrived && lane.failures + 1 < limits::HOOK_TRIES {
            lane.due = Some(now + wait(lane.failures, jitter));
            lane.failures += 1;
            return Outcome::Later;
        }
        (lane.failures, lane.due) = (0, Some(now));
        lane.waiting.pop_front();
        self.len -= 1;
        if lane.waiting.is_empty() {
            self.lanes.remove(room);
        }
        if arrived { Outcome::Delivered } else { Outcome::GivenUp }
    }
}

/// Doubled with each failure, and from half of that to the whole, so that many rooms do not come back as one.
fn wait(failures: u32, jitter: f64) -> Duration {
    let full = limits::HOOK_FIRST_WAIT.saturating_mul(2_u32.saturating_pow(failures)).min(limits::HOOK_LONGEST_WAIT);
    full.mul_f64(0.5 + jitter / 2.0)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::notify::What;

    fn notice(number: u64, room: &str) -> Arc<Notice> {
        let (at, room) = (SystemTime::UNIX_EPOCH, RoomName::parse(room));
        Arc::new(Notice { number, at, room, what: What::RoomOpened })
    }

    fn taken(queue: &mut Queue, now: Instant) -> Vec<u64> {
        std::iter::from_fn(|| queue.take(now)).map(|notice| notice.number).collect()
    }

    #[test]
    fn a_room_waits_for_its_own_and_for_nobody_else() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let (a, b) = (RoomName::parse("a"), RoomName::parse("b"));
        let mut queue = Queue::default();
        for (number, room) in [(1, "a"), (2, "a"), (3, "b"), (4, ""), (5, "a")] {
            queue.push(start, notice(number, room)).unwrap();
        }
        let mut first = taken(&mut queue, start);
        first.sort_unstable();
        assert_eq!((first, queue.next_due()), (vec![1, 3, 4], None));
        assert_eq!(queue.done(start, &b, true, 0.0), Outcome::Delivered);
        assert_eq!(queue.done(start, &None, true, 0.0), Outcome::Delivered);
        assert_eq!(queue.done(start, &a, false, 1.0), Outcome::Later);
        assert_eq!((taken(&mut queue, start), queue.next_due()), (vec![], Some(at(1))));
        assert_eq!(taken(&mut queue, at(1)), [1]);
        assert_eq!(queue.done(at(1), &a, true, 0.0), Outcome::Delivered);
        assert_eq!(taken(&mut queue, at(1)), [2]);
        assert_eq!(queue.done(at(1), &a, true, 0.0), Outcome::Delivered);
        assert_eq!((taken(&mut queue, at(1)), queue.len()), (vec![5], 1));
        queue.done(at(1), &a, true, 0.0);
        assert!(queue.lanes.is_empty() && queue.len() == 0);
    }

    #[test]
    fn it_is_tried_so_often_and_given_up() {
        let mut now = Instant::now();
        let mut queue = Queue::default();
        queue.push(now, notice(1, "a")).unwrap();
        queue.push(now, notice(2, "a")).unwrap();
        let mut waits = Vec::new();
        let last = loop {
            assert_eq!(taken(&mut queue, now), [1]);
            let outcome = queue.done(now, &RoomName::parse("a"), false, 1.0);
            if outcome != Outcome::Later {
                break outcome;
            }
            let due = queue.next_due().unwrap();
            waits.push((due - now).as_secs());
            now = due;
        };
        assert_eq!((last, waits), (Outcome::GivenUp, vec![1, 2, 4, 8, 16, 32, 64, 120]));
        assert_eq!(taken(&mut queue, now), [2]);
    }

    #[test]
    fn is_bounded() {
        let now = Instant::now();
        let mut queue = Queue::default();
        (0..limits::HOOK_QUEUE as u64).for_each(|n| queue.push(now, notice(n, "a")).unwrap());
        assert_eq!(queue.push(now, notice(0, "b")), Err(Full));
        queue.take(now);
        queue.done(now, &RoomName::parse("a"), true, 0.0);
        assert_eq!(queue.push(now, notice(0, "b")), Ok(()));
    }

    #[test]
    fn waits_have_jitter() {
        assert_eq!((wait(0, 0.0), wait(0, 1.0)), (Duration::from_millis(500), Duration::from_secs(1)));
        assert_eq!(wait(40, 1.0), limits::HOOK_LONGEST_WAIT);
    }
}
