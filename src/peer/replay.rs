//! Replay protection (RFC 3711 §3.3.2): a window per SSRC, moved by nothing but authenticated packets.

/// The newest `64 × WORDS` packet indices of one SSRC.
pub struct ReplayWindow<const WORDS: usize> {
    highest: u64,
    /// Bit `index mod size` of the ring: seen.
    seen: [u64; WORDS],
}

impl<const WORDS: usize> ReplayWindow<WORDS> {
    const SIZE: u64 = 64 * WORDS as u64;

    /// Begins with the first authenticated packet.
    #[must_use]
    pub fn new(index: u64) -> Self {
        let mut window = Self { highest: index, seen: [0; WORDS] };
        window.set(index, true);
        window
    }

    /// The highest index accepted.
    #[must_use]
    pub fn highest(&self) -> u64 {
        self.highest
    }

    /// Whether the index is neither seen nor too old. Changes nothing: the packet is not authenticated yet.
    #[must_use]
    pub fn is_new(&self, index: u64) -> bool {
        if index > self.highest {
            return true;
        }
        self.highest - index < Self::SIZE && !self.get(index)
    }

    /// Marks the index of an authenticated packet that [`Self::is_new`].
    pub fn accept(&mut self, index: u64) {
        if index > self.highest {
            let steps = index - self.highest;
            if steps >= Self::SIZE {
                self.seen = [0; WORDS];
            } else {
                for skipped in self.highest + 1..index {
                    self.set(skipped, false);
                }
            }
            self.highest = index;
        }
        self.set(index, true);
    }

    fn get(&self, index: u64) -> bool {
        let (word, bit) = Self::place(index);
        self.seen[word] & bit != 0
    }

    fn set(&mut self, index: u64, seen: bool) {
        let (word, bit) = Self::place(index);
        if seen {
            self.seen[word] |= bit;
        } else {
            self.seen[word] &= !bit;
        }
    }

    fn place(index: u64) -> (usize, u64) {
        let at = index % Self::SIZE;
        // Below WORDS, which is a usize.
        (usize::try_from(at / 64).unwrap_or(0), 1 << (at % 64))
    }
}

/// The 48-bit index of a packet with this sequence number, nearest to the highest one (RFC 3711 §3.3.1 and appendix A).
#[must_use]
pub fn estimate_index(highest: u64, sequence: u16) -> u64 {
    let [low, high, ..] = highest.to_le_bytes();
    let distance = sequence.wrapping_sub(u16::from_le_bytes([low, high])).cast_signed();
    // Nothing is before rollover counter 0.
    highest.checked_add_signed(distance.into()).unwrap_or_else(|| u64::from(sequence))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates() {
        let table = [
            (0, 0, 0),
            (0, 1, 1),
            (10, 5, 5),
            (65_535, 0, 65_536),
            (65_530, 5, 65_541),
            (65_541, 65_530, 65_530),
            (0x3_0000, 0xffff, 0x2_ffff),
            (0x3_7fff, 0x8000, 0x3_8000),
            (0x3_8000, 0, 0x3_0000),
            (0x3_8001, 0, 0x4_0000),
            // Before the first packet there is nothing: rollover counter 0.
            (5, 65_535, 65_535),
        ];
        for (highest, sequence, expected) in table {
            assert_eq!(estimate_index(highest, sequence), expected, "{highest:#x} {sequence:#x}");
        }
    }

    #[test]
    fn agrees_with_a_plain_set() {
        let mut window = ReplayWindow::<2>::new(1000);
        let mut seen = std::collections::HashSet::from([1000u64]);
        let mut state = 7u64;
        for _ in 0..20_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let step = (state >> 33) % 200;
            let index = (window.highest() + step).saturating_sub(140);
            let recent = index + 128 > window.highest();
            assert_eq!(window.is_new(index), recent && !seen.contains(&index), "{index}");
            if window.is_new(index) {
                window.accept(index);
                seen.insert(index);
                assert!(!window.is_new(index));
            }
        }
        window.accept(u64::MAX >> 16);
        assert!(window.is_new((u64::MAX >> 16) - 127) && !window.is_new((u64::MAX >> 16) - 128));
    }
}
