//! Replay protection (RFC 3711 §3.3.2), moved by authenticated packets alone.

/// Packets that may come late and still be taken: a second of 5 Mbit/s, so that retransmissions pass.
const WINDOW: u64 = 1024;
const WORDS: usize = (WINDOW / 64) as usize;

/// The indexes seen from one SSRC.
#[derive(Clone, Default)]
pub struct ReplayWindow {
    highest: Option<u64>,
    seen: [u64; WORDS],
}

impl ReplayWindow {
    /// The highest index seen.
    #[must_use]
    pub fn highest(&self) -> Option<u64> {
        self.highest
    }

    /// True when the index is neither seen nor too old.
    #[must_use]
    pub fn is_fresh(&self, index: u64) -> bool {
        match self.highest {
            Some(highest) if index <= highest => highest - index < WINDOW && !self.is_set(index),
            _ => true,
        }
    }

    /// Notes an index that has been authenticated.
    pub fn note(&mut self, index: u64) {
        let first_new = self.highest.map_or(index, |highest| highest + 1);
        if index >= first_new {
            for passed in first_new.max(index.saturating_sub(WINDOW - 1))..=index {
                self.set(passed, false);
            }
            self.highest = Some(index);
        }
        self.set(index, true);
    }

    fn is_set(&self, index: u64) -> bool {
        self.seen[(index % WINDOW / 64) as usize] >> (index % 64) & 1 == 1
    }

    fn set(&mut self, index: u64, value: bool) {
        let word = &mut self.seen[(index % WINDOW / 64) as usize];
        *word = *word & !(1 << (index % 64)) | u64::from(value) << (index % 64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seen_and_old_indexes_are_told() {
        let mut window = ReplayWindow::default();
        let table = [
            (5_000, true),
            (5_000, false),
            (4_999, true),
            (5_000 - WINDOW, false),
            (5_001 - WINDOW, true),
            (5_001 - WINDOW, false),
            (9_000, true),
            (8_999, true),
            (9_000 - WINDOW + 1, true),
            (5_000, false),
            (9_000, false),
        ];
        for (index, fresh) in table {
            assert_eq!(window.is_fresh(index), fresh, "{index}");
            if fresh {
                window.note(index);
            }
        }
    }
}
