//! Which layer of a simulcast publisher is forwarded: for now the one with the highest measured bit rate.

use std::time::{Duration, Instant};

/// How often the choice is made again: as often as the meter knows something new.
const INTERVAL: Duration = Duration::from_millis(250);
/// Another layer has to be better by a quarter before a switch is worth its key frame.
const MARGIN: (u64, u64) = (5, 4);

/// The choice for one track.
#[derive(Debug, Default)]
pub struct Select {
    current: Option<usize>,
    wanted: Option<usize>,
    next: Option<Instant>,
}

impl Select {
    /// The layer that is forwarded.
    #[must_use]
    pub fn current(&self) -> Option<usize> {
        self.current
    }

    /// The layer that takes over at its next key frame.
    #[must_use]
    pub fn wanted(&self) -> Option<usize> {
        self.wanted
    }

    /// True for a layer that may take over with the key frame that has just begun: while nothing is forwarded any
    /// layer may.
    #[must_use]
    pub fn may_begin(&self, layer: usize) -> bool {
        self.current.is_none() || self.wanted == Some(layer)
    }

    /// The layer that was forwarded is no more: any may begin.
    pub fn lose(&mut self) {
        self.current = None;
    }

    /// The layer took over.
    pub fn begin(&mut self, layer: usize) {
        self.current = Some(layer);
        self.wanted = self.wanted.filter(|wanted| *wanted != layer);
    }

    /// Looks at the layers' bit rates, in bits per second, where it is time to. True when a layer is wanted anew:
    /// ask for its key frame.
    pub fn evaluate(&mut self, now: Instant, mut bitrate: impl FnMut(usize) -> u64, layers: usize) -> bool {
        if layers < 2 || self.next.is_some_and(|next| now < next) {
            return false;
        }
        self.next = Some(now + INTERVAL);
        let Some(current) = self.current else { return false };
        let Some((best, rate)) = (0..layers).map(|layer| (layer, bitrate(layer))).max_by_key(|(_, rate)| *rate) else {
            return false;
        };
        let better = rate * MARGIN.1 > bitrate(current) * MARGIN.0;
        self.wanted = (best != current && better).then_some(best);
        // Asked for each time: a key frame of the present layer may have been taken for the answer.
        self.wanted.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_layer_wins_at_its_key_frame() {
        let start = Instant::now();
        let mut select = Select::default();
        assert!(select.may_begin(0) && select.may_begin(2));
        select.begin(0);
        assert!(!select.may_begin(2));
        // (seconds, bit rates, wanted afterwards, asks)
        let table: [(u64, [u64; 3], Option<usize>, bool); 5] = [
            (1, [100, 110, 120], None, false),
            (2, [100, 500, 2_500], Some(2), true),
            (3, [100, 500, 2_500], Some(2), true),
            (4, [100, 500, 0], Some(1), true),
            (5, [0, 0, 0], None, false),
        ];
        for (seconds, rates, wanted, asks) in table {
            let now = start + Duration::from_secs(seconds);
            assert_eq!(select.evaluate(now, |layer| rates[layer], 3), asks, "{rates:?}");
            assert_eq!(select.wanted(), wanted, "{rates:?}");
        }
        select.evaluate(start + Duration::from_secs(6), |layer| [100, 500, 2_500][layer], 3);
        assert!(select.may_begin(2) && !select.may_begin(1));
        select.begin(2);
        assert_eq!((select.current(), select.wanted()), (Some(2), None));
    }
}
