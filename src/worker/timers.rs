//! Deadlines, each with its owner: at most one per owner.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// Deadlines of many owners.
///
/// A deadline only moves forward here: one that is put off stays, fires early and finds that nothing is due. Peers put
/// their deadline off with every packet, which so costs a lookup and no change.
pub struct Timers<K> {
    queue: BTreeSet<(Instant, K)>,
    armed: BTreeMap<K, Instant>,
}

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Self { queue: BTreeSet::new(), armed: BTreeMap::new() }
    }
}

impl<K: Ord + Copy> Timers<K> {
    /// The owner wants to be called at `deadline`; it may be called before. `None` changes nothing.
    pub fn arm(&mut self, owner: K, deadline: Option<Instant>) {
        let Some(deadline) = deadline else { return };
        match self.armed.get_mut(&owner) {
            Some(armed) if *armed <= deadline => return,
            Some(armed) => {
                self.queue.remove(&(*armed, owner));
                *armed = deadline;
            }
            None => drop(self.armed.insert(owner, deadline)),
        }
        self.queue.insert((deadline, owner));
    }

    /// The owner wants to be called at `deadline` and not before, or not at all.
    pub fn set(&mut self, owner: K, deadline: Option<Instant>) {
        if self.armed.get(&owner).copied() != deadline {
            self.disarm(owner);
            self.arm(owner, deadline);
        }
    }

    /// The owner is gone.
    pub fn disarm(&mut self, owner: K) {
        if let Some(deadline) = self.armed.remove(&owner) {
            self.queue.remove(&(deadline, owner));
        }
    }

    /// The first deadline.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.queue.first().map(|(deadline, _)| *deadline)
    }

    /// An owner whose deadline has come; it is armed no longer.
    pub fn pop_due(&mut self, now: Instant) -> Option<K> {
        let (deadline, owner) = *self.queue.first()?;
        if deadline > now {
            return None;
        }
        self.queue.pop_first();
        self.armed.remove(&owner);
        Some(owner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn owners_come_at_their_earliest_deadline() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut timers = Timers::default();
        for (owner, ms) in [('a', 30), ('b', 10), ('c', 20), ('a', 5), ('b', 50), ('d', 1)] {
            timers.arm(owner, Some(at(ms)));
        }
        timers.arm('c', None);
        timers.disarm('d');
        timers.disarm('x');
        for (ms, expected) in [(0, ""), (4, ""), (5, "a"), (15, "b"), (19, ""), (100, "c"), (1_000, "")] {
            let due: String = std::iter::from_fn(|| timers.pop_due(at(ms))).collect();
            assert_eq!(due, expected, "at {ms}");
        }
        assert_eq!(timers.next(), None);
        timers.arm('a', Some(at(7)));
        assert_eq!(timers.next(), Some(at(7)));
        for (deadline, next) in [(Some(at(9)), Some(at(9))), (Some(at(8)), Some(at(8))), (None, None)] {
            timers.set('a', deadline);
            assert_eq!(timers.next(), next);
        }
    }
}
