//! What a worker has of rooms, by name and by key, and which of it this turn has touched.

use std::collections::{BTreeMap, VecDeque};

use slab::Slab;

use crate::id::RoomName;
use crate::sfu::counts::RoomCounts;
use crate::sfu::drop::DropCounts;
use crate::worker::part::{Away, Home, Part};

/// A worker's name for a room or replica that it has, for as long as it has it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct RoomKey(usize);

/// Rooms and replicas: one of each for each name that a session has, so there are at most as many as sessions. A room
/// that ends may for a moment be both, before all its sessions have gone.
#[derive(Default)]
pub struct Rooms {
    homes: BTreeMap<RoomName, RoomKey>,
    replicas: BTreeMap<RoomName, RoomKey>,
    slots: Slab<Entry>,
    touched: VecDeque<RoomKey>,
    /// Replicas, and rooms with replicas.
    linked: Vec<RoomKey>,
    /// Drops of rooms that are gone.
    past_drops: DropCounts,
    /// What they and replicas that are gone counted otherwise.
    past_counts: RoomCounts,
}

struct Entry {
    name: RoomName,
    part: Part,
    touched: bool,
}

impl Rooms {
    /// The room of a name; `make` makes it where there is none.
    pub fn home(&mut self, name: &RoomName, make: impl FnOnce() -> Home) -> RoomKey {
        if let Some(key) = self.homes.get(name) {
            return *key;
        }
        let key = self.insert(name, Part::Home(Box::new(make())));
        self.homes.insert(name.clone(), key);
        key
    }

    /// The replica of a name's room, put into the place of the one that was there.
    pub fn insert_replica(&mut self, name: &RoomName, away: Away) -> RoomKey {
        let key = self.insert(name, Part::Away(Box::new(away)));
        self.replicas.insert(name.clone(), key);
        self.link(key);
        key
    }

    fn insert(&mut self, name: &RoomName, part: Part) -> RoomKey {
        let key = RoomKey(self.slots.insert(Entry { name: name.clone(), part, touched: false }));
        self.touch(key);
        key
    }

    /// The key of a name's room, if its publisher's place is here.
    #[must_use]
    pub fn find_home(&self, name: &RoomName) -> Option<RoomKey> {
        self.homes.get(name).copied()
    }

    /// The key of the replica of a name's room, if there is one here.
    #[must_use]
    pub fn find_replica(&self, name: &RoomName) -> Option<RoomKey> {
        self.replicas.get(name).copied()
    }

    /// A room or replica.
    #[must_use]
    pub fn get(&self, key: RoomKey) -> Option<&Part> {
        self.slots.get(key.0).map(|entry| &entry.part)
    }

    /// See [`Rooms::get`].
    pub fn get_mut(&mut self, key: RoomKey) -> Option<&mut Part> {
        self.slots.get_mut(key.0).map(|entry| &mut entry.part)
    }

    /// One that something happens to: it is flushed at the end of the turn.
    pub fn touch(&mut self, key: RoomKey) -> Option<&mut Part> {
        let entry = self.slots.get_mut(key.0)?;
        if !entry.touched {
            entry.touched = true;
            self.touched.push_back(key);
        }
        Some(&mut entry.part)
    }

    /// The same, for a room whose publisher's place is here.
    pub fn touch_home(&mut self, key: RoomKey) -> Option<&mut Home> {
        match self.touch(key)? {
            Part::Home(home) => Some(home),
            Part::Away(_) => None,
        }
    }

    /// The same, for a replica.
    pub fn touch_replica(&mut self, key: RoomKey) -> Option<&mut Away> {
        match self.touch(key)? {
            Part::Away(away) => Some(away),
            Part::Home(_) => None,
        }
    }

    /// True where some wait for their flush.
    #[must_use]
    pub fn is_touched(&self) -> bool {
        !self.touched.is_empty()
    }

    /// How many wait for their flush.
    #[must_use]
    pub fn touched(&self) -> usize {
        self.touched.len()
    }

    /// One that waits for its flush, by its place among them.
    #[must_use]
    pub fn peek_touched(&self, place: usize) -> Option<RoomKey> {
        self.touched.get(place).copied()
    }

    /// The one that has waited longest for its flush, and waits no longer.
    pub fn pop_touched(&mut self) -> Option<RoomKey> {
        let key = self.touched.pop_front()?;
        if let Some(entry) = self.slots.get_mut(key.0) {
            entry.touched = false;
        }
        Some(key)
    }

    /// It is linked to another worker, whose ring is for it.
    pub fn link(&mut self, key: RoomKey) {
        if !self.linked.contains(&key) {
            self.linked.push(key);
        }
    }

    /// It is not linked any longer.
    pub fn unlink(&mut self, key: RoomKey) {
        self.linked.retain(|linked| *linked != key);
    }

    /// What is linked to other workers, by its place among them.
    #[must_use]
    pub fn linked(&self, place: usize) -> Option<RoomKey> {
        self.linked.get(place).copied()
    }

    /// Forgets one that nobody needs.
    pub fn remove(&mut self, key: RoomKey) {
        let Some(entry) = self.slots.try_remove(key.0) else { return };
        self.past_counts.add(&entry.part.counts());
        let names = match &entry.part {
            Part::Home(home) => {
                self.past_drops.add(home.room.drops());
                &mut self.homes
            }
            Part::Away(_) => &mut self.replicas,
        };
        names.remove(&entry.name);
        self.unlink(key);
        // One to come may have the same key.
        if entry.touched {
            self.touched.retain(|touched| *touched != key);
        }
    }

    /// All rooms, then all replicas, in the order of their names.
    pub fn for_each(&mut self, mut visit: impl FnMut(&RoomName, &mut Part)) {
        for (name, key) in self.homes.iter().chain(&self.replicas) {
            visit(name, &mut self.slots[key.0].part);
        }
    }

    /// What rooms and replicas counted since the worker began.
    #[must_use]
    pub fn counts(&self) -> RoomCounts {
        let mut counts = self.past_counts.clone();
        self.slots.iter().for_each(|(_, entry)| counts.add(&entry.part.counts()));
        counts
    }

    /// What rooms dropped since the worker began.
    #[must_use]
    pub fn drops(&self) -> DropCounts {
        let mut drops = self.past_drops.clone();
        for (_, entry) in &self.slots {
            if let Part::Home(home) = &entry.part {
                drops.add(home.room.drops());
            }
        }
        drops
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::sfu::audience::Batching;
    use crate::sfu::room::Room;

    #[test]
    fn a_room_lives_until_it_is_removed_and_is_listed_once() {
        let name = |text| RoomName::parse(text).unwrap();
        let batching = Batching { window: Duration::ZERO, padding: 0 };
        let make = || Home::new(Room::new(Instant::now(), 0, 1, batching));
        let mut rooms = Rooms::default();
        let a = rooms.home(&name("a"), make);
        let b = rooms.home(&name("b"), make);
        assert_eq!(rooms.home(&name("a"), || unreachable!()), a);
        assert_eq!((rooms.find_home(&name("b")), rooms.find_home(&name("c"))), (Some(b), None));
        assert!(rooms.touch(a).is_some() && rooms.touch(a).is_some());
        assert_eq!(rooms.touched(), 2);

        rooms.remove(b);
        assert!(rooms.touch(b).is_none());
        let again = rooms.home(&name("c"), make);
        assert_eq!(again, b, "the slot is used again");
        let mut touched: Vec<RoomKey> = std::iter::from_fn(|| rooms.pop_touched()).collect();
        touched.sort();
        assert_eq!(touched, [a, again]);
        assert!(!rooms.is_touched());
        let mut names = Vec::new();
        rooms.for_each(|name, _| names.push(name.to_string()));
        assert_eq!(names, ["a", "c"]);
    }
}
