//! Rooms that an administrator has blocked for a while.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use tracing::info;

use crate::id::RoomName;
use crate::limits;
use crate::notify::now;
use crate::session::{SessionError, Sessions};

/// A room that takes no sessions for a while.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Block {
    /// The room; it need not exist.
    pub room: RoomName,
    /// When it takes sessions again.
    pub until: SystemTime,
}

/// There are [`limits::BLOCKS`] already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooManyBlocks;

#[derive(Default)]
pub(super) struct Blocks(BTreeMap<RoomName, SystemTime>);

impl Blocks {
    fn add(&mut self, now: SystemTime, room: &RoomName, time: Duration) -> Result<Block, TooManyBlocks> {
        self.0.retain(|_, until| *until > now);
        if self.0.len() >= limits::BLOCKS && !self.0.contains_key(room) {
            return Err(TooManyBlocks);
        }
        let until = now + time.min(limits::BLOCK_TIME);
        self.0.insert(room.clone(), until);
        Ok(Block { room: room.clone(), until })
    }

    fn remove(&mut self, now: SystemTime, room: &RoomName) -> bool {
        self.0.remove(room).is_some_and(|until| until > now)
    }

    /// How long the room is still blocked.
    fn remaining(&self, now: SystemTime, room: &RoomName) -> Option<Duration> {
        self.0.get(room)?.duration_since(now).ok().filter(|remaining| !remaining.is_zero())
    }

    fn list(&self, now: SystemTime) -> Vec<Block> {
        let there = self.0.iter().filter(|(_, until)| **until > now);
        there.map(|(room, until)| Block { room: room.clone(), until: *until }).collect()
    }
}

impl Sessions {
    /// Refuses a room's new sessions for so long from now on, [`limits::BLOCK_TIME`] at most. Those that are there
    /// stay; a block that is there already is replaced.
    ///
    /// # Errors
    /// [`TooManyBlocks`]
    pub fn block(&self, room: &RoomName, time: Duration) -> Result<Block, TooManyBlocks> {
        let block = self.blocks().add(now(), room, time)?;
        info!(%room, seconds = time.as_secs(), "room blocked");
        Ok(block)
    }

    /// Lets a room's sessions in again. False where it was not blocked.
    pub fn unblock(&self, room: &RoomName) -> bool {
        let was = self.blocks().remove(now(), room);
        if was {
            info!(%room, "room no longer blocked");
        }
        was
    }

    /// The blocked rooms, in the order of their names.
    #[must_use]
    pub fn blocked(&self) -> Vec<Block> {
        self.blocks().list(now())
    }

    /// # Errors
    /// [`SessionError::Blocked`]
    pub(super) fn check_block(&self, room: &RoomName) -> Result<(), SessionError> {
        self.blocks().remaining(now(), room).map_or(Ok(()), |remaining| Err(SessionError::Blocked(remaining)))
    }

    fn blocks(&self) -> std::sync::MutexGuard<'_, Blocks> {
        self.blocks.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(name: &str) -> RoomName {
        RoomName::parse(name).unwrap()
    }

    #[test]
    fn blocks_end_by_themselves_or_by_hand() {
        let start = SystemTime::UNIX_EPOCH;
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut blocks = Blocks::default();
        blocks.add(start, &room("a"), Duration::from_secs(10)).unwrap();
        blocks.add(start, &room("b"), Duration::from_secs(90)).unwrap();
        for (seconds, a, b) in [(0, Some(10), Some(90)), (9, Some(1), Some(81)), (10, None, Some(80)), (99, None, None)]
        {
            let remaining = |name| blocks.remaining(at(seconds), &room(name)).map(|time| time.as_secs());
            assert_eq!((remaining("a"), remaining("b")), (a, b), "after {seconds} s");
            assert_eq!(blocks.list(at(seconds)).len(), usize::from(a.is_some()) + usize::from(b.is_some()));
        }
        assert!(blocks.remove(at(1), &room("b")));
        assert!(!blocks.remove(at(1), &room("b")));
        assert!(!blocks.remove(at(11), &room("a")), "it had ended");
        let longest = blocks.add(start, &room("c"), Duration::MAX).unwrap();
        assert_eq!(longest.until, start + limits::BLOCK_TIME);
    }

    #[test]
    fn there_are_so_many_and_those_that_ended_do_not_count() {
        let (start, time) = (SystemTime::UNIX_EPOCH, Duration::from_secs(10));
        let mut blocks = Blocks::default();
        (0..limits::BLOCKS).for_each(|n| drop(blocks.add(start, &room(&n.to_string()), time).unwrap()));
        assert_eq!(blocks.add(start, &room("x"), time), Err(TooManyBlocks));
        assert!(blocks.add(start, &room("0"), time).is_ok(), "that one is replaced");
        assert!(blocks.add(start + time * 2, &room("x"), time).is_ok());
        assert_eq!(blocks.0.len(), 1);
    }
}
