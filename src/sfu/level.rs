//! Which packets get padding, so that packets which leave together have one length: the kernel cuts a train into
//! segments of one size, and only the last one may be shorter.
//!
//! Encoders cut a frame into pieces whose lengths differ by a byte, so that without padding a frame is two trains.

use crate::sfu::history::History;

/// Packets in a row that make one train.
struct Group {
    first: u64,
    shortest: usize,
    longest: usize,
}

/// Pads the packets with numbers from `from` to the end of the history. `most` is the longest padding; 0 is none. Who
/// calls sees to it that nobody has got these packets yet. Returns how many got some.
///
/// No packet gets longer than one beside it: so padding never goes beyond what the path carries already.
pub fn level(history: &mut History, from: u64, most: usize) -> u64 {
    if most == 0 {
        return 0;
    }
    let mut padded = 0;
    let mut group: Option<Group> = None;
    for number in from..history.end() {
        let Some(length) = history.get(number).map(|(entry, _)| entry.length()) else { continue };
        group = match group {
            Some(group) if group.fits(length, most) => {
                Some(Group { shortest: group.shortest.min(length), longest: group.longest.max(length), ..group })
            }
            Some(group) => {
                padded += group.pad(history, number);
                // A shorter one is the train's last segment as it is, and another train begins behind it.
                (length > group.longest).then(|| Group::new(number, length))
            }
            None => Some(Group::new(number, length)),
        };
    }
    if let Some(group) = group {
        padded += group.pad(history, history.end());
    }
    padded
}

impl Group {
    fn new(first: u64, length: usize) -> Self {
        Self { first, shortest: length, longest: length }
    }

    fn fits(&self, length: usize, most: usize) -> bool {
        self.longest.max(length) - self.shortest.min(length) <= most
    }

    fn pad(&self, history: &mut History, end: u64) -> u64 {
        if self.shortest == self.longest {
            return 0;
        }
        (self.first..end).map(|number| u64::from(history.pad(number, self.longest))).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::sfu::history::Facts;

    /// What the lengths become; 0 stands for a packet that is not there.
    fn levelled(lengths: &[usize], most: usize) -> Vec<usize> {
        let mut history = History::default();
        let facts =
            Facts { timestamp: 0, arrival: Instant::now(), marker: false, keyframe_start: false, audio_level: None };
        for (number, length) in (1..).zip(lengths) {
            if *length > 0 {
                history.insert(number, facts, |out| out.resize(out.len() + length, 7));
            }
        }
        level(&mut history, 1, most);
        (1..=lengths.len() as u64).map(|number| history.get(number).map_or(0, |(_, payload)| payload.len())).collect()
    }

    #[test]
    fn packets_that_leave_together_get_one_length() {
        type Lengths = &'static [usize];
        let table: [(&str, Lengths, usize, Lengths); 10] = [
            ("a browser's frame", &[99, 99, 100, 100], 1, &[100, 100, 100, 100]),
            ("switched off", &[99, 100], 0, &[99, 100]),
            ("too different", &[80, 100, 100], 16, &[80, 100, 100]),
            ("just not too different", &[84, 100, 100], 16, &[100, 100, 100]),
            ("a short rest stays short", &[100, 100, 30], 16, &[100, 100, 30]),
            ("a new train behind a rest", &[99, 100, 30, 98, 100], 16, &[100, 100, 30, 100, 100]),
            ("two frames of their own", &[99, 100, 150, 151], 16, &[100, 100, 151, 151]),
            ("a slope wider than allowed", &[90, 100, 110, 111], 16, &[100, 100, 111, 111]),
            ("a hole", &[99, 0, 100], 1, &[100, 0, 100]),
            ("one", &[99], 16, &[99]),
        ];
        for (what, lengths, most, expected) in table {
            assert_eq!(levelled(lengths, most), expected, "{what}");
        }
    }

    #[test]
    fn what_came_before_is_left_alone() {
        let mut history = History::default();
        let facts =
            Facts { timestamp: 0, arrival: Instant::now(), marker: false, keyframe_start: false, audio_level: None };
        for (number, length) in [(1, 99), (2, 99), (3, 100)] {
            history.insert(number, facts, |out| out.resize(out.len() + length, 7));
        }
        level(&mut history, 2, 16);
        let padding: Vec<u8> = (1..4).map(|number| history.get(number).unwrap().0.padding).collect();
        assert_eq!(padding, [0, 1, 0]);
    }
}
