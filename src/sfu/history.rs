//! What a room remembers of one track: every packet once, under its number in the track's timeline. Live
//! forwarding, the burst for a newcomer and the answer to a NACK all read from here.

use std::collections::VecDeque;
use std::time::Instant;

use crate::limits;
use crate::limits::PADDING_BYTES as PADDING;

/// One packet, ready to be forwarded but for what differs from subscriber to subscriber.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Timestamp in the track's timeline, in units of the clock rate.
    pub timestamp: i64,
    /// When it came.
    pub arrival: Instant,
    /// The marker bit: for video the last packet of a frame.
    pub marker: bool,
    /// A key frame begins here.
    pub keyframe_start: bool,
    /// Value of the audio level extension (RFC 6464), if it had one.
    pub audio_level: Option<u8>,
    /// Bytes of RTP padding (RFC 3550 §5.1) behind the payload. Decided once, before anybody gets the packet.
    pub padding: u8,
    chunk: u64,
    offset: u32,
    length: u32,
}

impl Entry {
    /// What it was kept with.
    #[must_use]
    pub fn facts(&self) -> Facts {
        let Self { timestamp, arrival, marker, keyframe_start, audio_level, .. } = *self;
        Facts { timestamp, arrival, marker, keyframe_start, audio_level }
    }

    /// Bytes of the payload, without padding.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length as usize
    }
}

/// What [`History::insert`] takes beside the number and the payload.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// See [`Entry::timestamp`].
    pub timestamp: i64,
    /// See [`Entry::arrival`].
    pub arrival: Instant,
    /// See [`Entry::marker`].
    pub marker: bool,
    /// See [`Entry::keyframe_start`].
    pub keyframe_start: bool,
    /// See [`Entry::audio_level`].
    pub audio_level: Option<u8>,
}

/// How [`History::insert`] took a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Inserted {
    /// It is the newest.
    Newest,
    /// It fills a hole.
    Late,
    /// The number is taken.
    Duplicate,
    /// The number lies before everything that is kept.
    TooOld,
    /// The number lies further ahead than the history is long.
    TooFarAhead,
}

/// Payloads lie one behind the other in chunks, which are given back as a whole: no allocation per packet.
#[derive(Default)]
struct Chunk {
    bytes: Vec<u8>,
    entries: usize,
}

/// The packets of one track from [`History::oldest`] to before [`History::end`], with holes where packets are lost.
#[derive(Default)]
pub struct History {
    slots: VecDeque<Option<Entry>>,
    oldest: u64,
    chunks: VecDeque<Chunk>,
    oldest_chunk: u64,
    spare: Option<Vec<u8>>,
    bytes: usize,
    keyframes: VecDeque<u64>,
}

impl History {
    /// An empty one whose first packet is expected to have this number.
    #[must_use]
    pub fn starting_at(number: u64) -> Self {
        Self { oldest: number, ..Self::default() }
    }

    /// The first number that may be kept.
    #[must_use]
    pub fn oldest(&self) -> u64 {
        self.oldest
    }

    /// One more than the highest number that is kept.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.oldest + self.slots.len() as u64
    }

    /// Payload bytes kept.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The packet of a number: its payload, and the padding behind it.
    #[must_use]
    pub fn get(&self, number: u64) -> Option<(&Entry, &[u8])> {
        let slot = number.checked_sub(self.oldest).and_then(|index| usize::try_from(index).ok())?;
        let entry = self.slots.get(slot)?.as_ref()?;
        let chunk = usize::try_from(entry.chunk - self.oldest_chunk).ok().and_then(|index| self.chunks.get(index))?;
        let start = entry.offset as usize;
        Some((entry, &chunk.bytes[start..start + entry.length() + usize::from(entry.padding)]))
    }

    /// Pads a packet that nobody has got yet up to so many bytes, as far as [`limits::PADDING_BYTES`] reach. True where
    /// it was too short.
    pub fn pad(&mut self, number: u64, bytes: usize) -> bool {
        let Some(slot) = number.checked_sub(self.oldest).and_then(|index| usize::try_from(index).ok()) else {
            return false;
        };
        let Some(Some(entry)) = self.slots.get_mut(slot) else { return false };
        let missing = bytes.saturating_sub(entry.length());
        let Some(padding) = u8::try_from(missing).ok().filter(|padding| usize::from(*padding) <= PADDING) else {
            return false;
        };
        let chunk = usize::try_from(entry.chunk - self.oldest_chunk).expect("chunks outlive their entries");
        let start = entry.offset as usize + entry.length();
        let room = &mut self.chunks[chunk].bytes[start..start + PADDING];
        room.fill(0);
        if let Some(last) = usize::from(padding).checked_sub(1) {
            room[last] = padding;
        }
        entry.padding = padding;
        padding > 0
    }

    /// Where the newest key frame begins whose packets are all there up to its last one; older ones count as well,
    /// because a newer one with a hole cannot be decoded.
    #[must_use]
    pub fn whole_keyframe(&self) -> Option<u64> {
        self.keyframes.iter().rev().copied().find(|start| self.is_whole_frame(*start))
    }

    /// Where the newest key frame begins, whole or not.
    #[must_use]
    pub fn newest_keyframe(&self) -> Option<u64> {
        self.keyframes.back().copied()
    }

    /// True when every packet from `start` to the next marker is there.
    #[must_use]
    pub fn is_whole_frame(&self, start: u64) -> bool {
        let Some((first, _)) = self.get(start) else { return false };
        for number in start..self.end() {
            match self.get(number) {
                None => return false,
                Some((entry, _)) if entry.timestamp != first.timestamp => return true,
                Some((entry, _)) if entry.marker => return true,
                Some(_) => {}
            }
        }
        false
    }

    /// Keeps a packet; `write` appends its payload to the buffer it is given.
    pub fn insert(&mut self, number: u64, facts: Facts, write: impl FnOnce(&mut Vec<u8>)) -> Inserted {
        if self.slots.is_empty() {
            self.oldest = number;
        }
        if number < self.oldest {
            return Inserted::TooOld;
        }
        let ahead = number.saturating_sub(self.end());
        if ahead >= limits::HISTORY_PACKETS as u64 {
            return Inserted::TooFarAhead;
        }
        let newest = number >= self.end();
        while self.end() <= number {
            self.slots.push_back(None);
        }
        let slot = usize::try_from(number - self.oldest).expect("within the history's length");
        if self.slots[slot].is_some() {
            return Inserted::Duplicate;
        }
        self.slots[slot] = Some(self.store(facts, write));
        if facts.keyframe_start {
            let place = self.keyframes.partition_point(|start| *start < number);
            self.keyframes.insert(place, number);
        }
        self.bound();
        if newest { Inserted::Newest } else { Inserted::Late }
    }

    /// Forgets what nobody can ask for any more: packets older than the time for retransmission that also lie
    /// before the newest whole key frame. `keep` says whether the group of pictures is worth keeping at all (audio
    /// has none).
    pub fn trim(&mut self, now: Instant, keep: bool) {
        let kept = if keep { self.whole_keyframe().or_else(|| self.keyframes.front().copied()) } else { None };
        while let Some(front) = self.slots.front() {
            let needed = kept.is_some_and(|start| self.oldest >= start);
            let young =
                front.is_some_and(|entry| now.saturating_duration_since(entry.arrival) < limits::RETRANSMISSION_TIME);
            if needed || young || self.slots.len() == 1 {
                break;
            }
            self.pop();
        }
    }

    /// Key frames kept so far no longer serve newcomers: the publisher has gone.
    pub fn forget_keyframes(&mut self) {
        self.keyframes.clear();
    }

    fn store(&mut self, facts: Facts, write: impl FnOnce(&mut Vec<u8>)) -> Entry {
        let full = self
            .chunks
            .back()
            .is_none_or(|chunk| chunk.bytes.len() + limits::PACKET_BYTES + PADDING > limits::HISTORY_CHUNK_BYTES);
        if full {
            let bytes = self.spare.take().unwrap_or_else(|| Vec::with_capacity(limits::HISTORY_CHUNK_BYTES));
            self.chunks.push_back(Chunk { bytes, entries: 0 });
        }
        let number = self.oldest_chunk + self.chunks.len() as u64 - 1;
        let chunk = self.chunks.back_mut().expect("one was pushed where none was");
        let offset = chunk.bytes.len();
        write(&mut chunk.bytes);
        chunk.entries += 1;
        let length = chunk.bytes.len() - offset;
        // Room for padding, which is decided when it is known what goes out together.
        chunk.bytes.resize(offset + length + PADDING, 0);
        self.bytes += length;
        Entry {
            timestamp: facts.timestamp,
            arrival: facts.arrival,
            marker: facts.marker,
            keyframe_start: facts.keyframe_start,
            audio_level: facts.audio_level,
            padding: 0,
            chunk: number,
            offset: u32::try_from(offset).expect("a chunk is smaller than 4 GiB"),
            length: u32::try_from(length).expect("a packet is smaller than a chunk"),
        }
    }

    fn bound(&mut self) {
        while self.bytes > limits::HISTORY_BYTES || self.slots.len() > limits::HISTORY_PACKETS {
            self.pop();
        }
    }

    fn pop(&mut self) {
        let Some(slot) = self.slots.pop_front() else { return };
        if self.keyframes.front() == Some(&self.oldest) {
            self.keyframes.pop_front();
        }
        self.oldest += 1;
        let Some(entry) = slot else { return };
        self.bytes -= entry.length as usize;
        let index = usize::try_from(entry.chunk - self.oldest_chunk).expect("chunks outlive their entries");
        self.chunks[index].entries -= 1;
        // The last chunk is still written to.
        while self.chunks.len() > 1 && self.chunks[0].entries == 0 {
            let chunk = self.chunks.pop_front().expect("there are two");
            self.oldest_chunk += 1;
            let mut bytes = chunk.bytes;
            bytes.clear();
            self.spare = Some(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    struct Bench {
        history: History,
        start: Instant,
    }

    impl Bench {
        fn new() -> Self {
            let start = Instant::now();
            Self { history: History::default(), start }
        }

        fn put(&mut self, number: u64, frame: i64, marker: bool, keyframe_start: bool) -> Inserted {
            let arrival = self.start + Duration::from_millis(10 * number);
            let facts = Facts { timestamp: frame, arrival, marker, keyframe_start, audio_level: None };
            self.history.insert(number, facts, |out| out.extend_from_slice(&number.to_be_bytes()))
        }
    }

    #[test]
    fn packets_come_back_under_their_number_whatever_the_order() {
        let mut bench = Bench::new();
        let table = [
            (10, Inserted::Newest),
            (12, Inserted::Newest),
            (11, Inserted::Late),
            (11, Inserted::Duplicate),
            (9, Inserted::TooOld),
            (10 + 2 + 1 + limits::HISTORY_PACKETS as u64, Inserted::TooFarAhead),
        ];
        for (number, expected) in table {
            assert_eq!(bench.put(number, 0, false, false), expected, "{number}");
        }
        for number in 10..13 {
            assert_eq!(bench.history.get(number).unwrap().1, number.to_be_bytes());
        }
        assert!(bench.history.get(9).is_none() && bench.history.get(13).is_none());
    }

    #[test]
    fn padding_says_its_own_length() {
        let mut bench = Bench::new();
        for number in 1..=3 {
            bench.put(number, 0, false, false);
        }
        for (number, bytes, padded) in
            [(1, 9, &[1][..]), (2, 12, &[0, 0, 0, 4]), (3, 8, &[]), (3, 7, &[]), (3, 99, &[])]
        {
            bench.history.pad(number, bytes);
            let (entry, payload) = bench.history.get(number).unwrap();
            assert_eq!(payload, [&number.to_be_bytes()[..], padded].concat());
            assert_eq!((entry.length(), usize::from(entry.padding)), (8, padded.len()));
        }
        bench.history.pad(7, 9);
        assert!(bench.history.get(7).is_none());
    }

    #[test]
    fn a_key_frame_with_a_hole_does_not_count() {
        let mut bench = Bench::new();
        bench.put(1, 0, false, true);
        assert_eq!(bench.history.whole_keyframe(), None, "its end is not there yet");
        bench.put(2, 0, true, false);
        assert_eq!(bench.history.whole_keyframe(), Some(1));
        bench.put(3, 1, false, true);
        bench.put(5, 1, true, false);
        assert_eq!(bench.history.whole_keyframe(), Some(1), "the newer one has a hole");
        bench.put(4, 1, false, false);
        assert_eq!(bench.history.whole_keyframe(), Some(3));
    }

    #[test]
    fn trimming_keeps_the_group_and_the_time_for_retransmission() {
        let mut bench = Bench::new();
        for number in 0..1000 {
            bench.put(number, number.cast_signed(), true, number == 0 || number == 400);
        }
        let now = bench.start + Duration::from_secs(10);
        bench.history.trim(now, true);
        assert_eq!(bench.history.oldest(), 400);
        bench.history.trim(now, false);
        let kept = u64::try_from(limits::RETRANSMISSION_TIME.as_millis()).unwrap() / 10;
        assert_eq!(bench.history.oldest(), 1000 - kept + 1);
        bench.history.trim(now + Duration::from_mins(1), false);
        assert_eq!(bench.history.end() - bench.history.oldest(), 1);
    }

    #[test]
    fn bytes_and_packets_are_bounded_and_chunks_given_back() {
        let mut bench = Bench::new();
        let big = vec![1; 1200];
        for number in 0..20_000_u64 {
            let facts = Facts {
                timestamp: 0,
                arrival: bench.start,
                marker: false,
                keyframe_start: number == 0,
                audio_level: None,
            };
            bench.history.insert(number, facts, |out| out.extend_from_slice(&big));
        }
        assert!(bench.history.bytes() <= limits::HISTORY_BYTES);
        assert!(bench.history.slots.len() <= limits::HISTORY_PACKETS);
        let filled = (limits::HISTORY_CHUNK_BYTES - limits::PACKET_BYTES) / (1_200 + PADDING) * 1_200;
        assert!(bench.history.chunks.len() <= limits::HISTORY_BYTES / filled + 2);
        assert_eq!(bench.history.whole_keyframe(), None, "the group was longer than the bound");
    }
}
