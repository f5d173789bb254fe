//! A worker's rooms by name and by key, and which of them this turn has touched.

use std::collections::{BTreeMap, VecDeque};

use slab::Slab;

use crate::id::RoomName;
use crate::sfu::drop::DropCounts;
use crate::sfu::room::Room;

/// A worker's name for one of its rooms, for as long as the room has a session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct RoomKey(usize);

/// Rooms: one for each name that a session has, so there are at most as many as sessions.
#[derive(Default)]
pub struct Rooms {
    names: BTreeMap<RoomName, RoomKey>,
    slots: Slab<Entry>,
    touched: VecDeque<RoomKey>,
    /// Drops of rooms that are gone.
    past_drops: DropCounts,
}

struct Entry {
    name: RoomName,
    room: Room,
    touched: bool,
}

impl Rooms {
    /// The room of a name; `make` makes it where there is none.
    pub fn find_or_insert(&mut self, name: &RoomName, make: impl FnOnce() -> Room) -> RoomKey {
        if let Some(key) = self.names.get(name) {
            return *key;
        }
        let key = RoomKey(self.slots.insert(Entry { name: name.clone(), room: make(), touched: false }));
        self.names.insert(name.clone(), key);
        self.touch(key);
        key
    }

    /// The key of a name's room, if there is one.
    #[must_use]
    pub fn find(&self, name: &RoomName) -> Option<RoomKey> {
        self.names.get(name).copied()
    }

    /// A room.
    #[must_use]
    pub fn get(&self, key: RoomKey) -> Option<&Room> {
        self.slots.get(key.0).map(|entry| &entry.room)
    }

    /// See [`Rooms::get`].
    pub fn get_mut(&mut self, key: RoomKey) -> Option<&mut Room> {
        self.slots.get_mut(key.0).map(|entry| &mut entry.room)
    }

    /// A room that something happens to: it is flushed at the end of the turn.
    pub fn touch(&mut self, key: RoomKey) -> Option<&mut Room> {
        let entry = self.slots.get_mut(key.0)?;
        if !entry.touched {
            entry.touched = true;
            self.touched.push_back(key);
        }
        Some(&mut entry.room)
    }

    /// True where rooms wait for their flush.
    #[must_use]
    pub fn is_touched(&self) -> bool {
        !self.touched.is_empty()
    }

    /// How many rooms wait for their flush.
    #[must_use]
    pub fn touched(&self) -> usize {
        self.touched.len()
    }

    /// The room that has waited longest for its flush, and waits no longer.
    pub fn pop_touched(&mut self) -> Option<RoomKey> {
        let key = self.touched.pop_front()?;
        if let Some(entry) = self.slots.get_mut(key.0) {
            entry.touched = false;
        }
        Some(key)
    }

    /// Forgets a room that nobody is in.
    pub fn remove(&mut self, key: RoomKey) {
        if let Some(entry) = self.slots.try_remove(key.0) {
            self.past_drops.add(entry.room.drops());
            self.names.remove(&entry.name);
            // A room to come may have the same key.
            if entry.touched {
                self.touched.retain(|touched| *touched != key);
            }
        }
    }

    /// All rooms in the order of their names.
    pub fn for_each(&mut self, mut visit: impl FnMut(&RoomName, &mut Room)) {
        for (name, key) in &self.names {
            visit(name, &mut self.slots[key.0].room);
        }
    }

    /// What rooms dropped since the worker began.
    #[must_use]
    pub fn drops(&self) -> DropCounts {
        let mut drops = self.past_drops.clone();
        self.slots.iter().for_each(|(_, entry)| drops.add(entry.room.drops()));
        drops
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::sfu::room::Batching;

    #[test]
    fn a_room_lives_until_it_is_removed_and_is_listed_once() {
        let name = |text| RoomName::parse(text).unwrap();
        let make = || Room::new(Instant::now(), 0, 1, Batching { window: Duration::ZERO, padding: 0 });
        let mut rooms = Rooms::default();
        let a = rooms.find_or_insert(&name("a"), make);
        let b = rooms.find_or_insert(&name("b"), make);
        assert_eq!(rooms.find_or_insert(&name("a"), || unreachable!()), a);
        assert_eq!((rooms.find(&name("b")), rooms.find(&name("c"))), (Some(b), None));
        assert!(rooms.touch(a).is_some() && rooms.touch(a).is_some());
        assert_eq!(rooms.touched(), 2);

        rooms.remove(b);
        assert!(rooms.touch(b).is_none());
        let again = rooms.find_or_insert(&name("c"), make);
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
