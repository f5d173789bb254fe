//! Is the first key frame whole? From then on a decoder would show a picture.

use crate::rtp::codec::Codec;
use crate::rtp::packet::Packet;
use crate::rtp::payload::inspect;

/// The key frame that is being gathered.
#[derive(Clone, Copy, Default, Debug)]
pub struct KeySearch(Option<Gathered>);

#[derive(Clone, Copy, Debug)]
struct Gathered {
    timestamp: u32,
    start: u64,
    end: Option<u64>,
    packets: u64,
}

impl KeySearch {
    /// Notes a packet that has not come before, with its extended number; true where it makes the key frame whole.
    pub fn note(&mut self, codec: Codec, number: u64, packet: &Packet<'_>) -> bool {
        if packet.payload().is_empty() {
            return false;
        }
        self.add(number, packet.timestamp(), packet.marker(), inspect(codec, packet.payload()).keyframe_start)
    }

    fn add(&mut self, number: u64, timestamp: u32, last: bool, key: bool) -> bool {
        let same = self.0.filter(|gathered| gathered.timestamp == timestamp);
        let mut gathered = match same {
            Some(gathered) => gathered,
            None if key => Gathered { timestamp, start: number, end: None, packets: 0 },
            None => return false,
        };
        gathered.packets += 1;
        if key {
            gathered.start = gathered.start.min(number);
        }
        if last {
            gathered.end = Some(number);
        }
        self.0 = Some(gathered);
        gathered.end.is_some_and(|end| end + 1 == gathered.start + gathered.packets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_when_nothing_is_missing_between_start_and_end() {
        // number, timestamp, last, key frame starts; whole
        let table = [
            (1, 10, true, false, false), // the end of a frame whose start was not seen
            (2, 20, false, true, false),
            (4, 20, true, false, false),
            (5, 30, true, false, false), // another frame
            (3, 20, false, false, true), // came late
        ];
        let mut search = KeySearch::default();
        for (number, timestamp, last, key, whole) in table {
            assert_eq!(search.add(number, timestamp, last, key), whole, "{number}");
        }
        assert!(KeySearch::default().add(9, 1, true, true), "of one packet");
    }

    #[test]
    fn another_key_frame_takes_the_place_of_a_broken_one() {
        let mut search = KeySearch::default();
        assert!(!search.add(1, 10, false, true));
        assert!(!search.add(3, 10, true, false));
        assert!(!search.add(9, 20, false, true));
        assert!(search.add(10, 20, true, false));
    }
}
