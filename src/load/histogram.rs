//! Values by their logarithm, in buckets of at most 1.6 % of their value: percentiles of millions in 8 kB.

use serde::Serialize;

/// Buckets for each doubling.
const STEPS: u64 = 1 << STEPS_LOG;
const STEPS_LOG: u32 = 6;
/// Enough for 2^32 microseconds, more than an hour.
const BUCKETS: usize = 64 * (32 - 6 + 2);
const _: () = assert!(BUCKETS as u64 == STEPS * (32 - STEPS_LOG as u64 + 2));

/// Counts of values, in whatever unit they are given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Histogram {
    buckets: Box<[u32]>,
    count: u64,
    max: u64,
}

/// The usual percentiles.
#[derive(Clone, Copy, PartialEq, Default, Serialize, Debug)]
pub struct Percentiles {
    /// How many values there were.
    pub count: u64,
    /// Half of them are below.
    pub p50: f64,
    /// 90 % are below.
    pub p90: f64,
    /// 95 % are below.
    pub p95: f64,
    /// 99 % are below.
    pub p99: f64,
    /// 99.9 % are below.
    pub p999: f64,
    /// The largest.
    pub max: f64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: vec![0; BUCKETS].into(), count: 0, max: 0 }
    }
}

impl Histogram {
    /// Counts a value.
    pub fn record(&mut self, value: u64) {
        let bucket = &mut self.buckets[index(value)];
        *bucket = bucket.saturating_add(1);
        self.count += 1;
        self.max = self.max.max(value);
    }

    /// Adds what another one has counted.
    pub fn add(&mut self, other: &Self) {
        for (bucket, more) in self.buckets.iter_mut().zip(&other.buckets) {
            *bucket = bucket.saturating_add(*more);
        }
        self.count += other.count;
        self.max = self.max.max(other.max);
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.buckets.fill(0);
        self.count = 0;
        self.max = 0;
    }

    /// The value that this share (0 to 1) of all values does not exceed; 0 where there is none.
    #[must_use]
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub fn quantile(&self, share: f64) -> u64 {
        let rank = ((self.count as f64 * share).ceil() as u64).clamp(1, self.count.max(1));
        let mut seen = 0;
        for (index, bucket) in self.buckets.iter().enumerate() {
            seen += u64::from(*bucket);
            if seen >= rank {
                return middle(index).min(self.max);
            }
        }
        0
    }

    /// The usual percentiles of values in microseconds, as milliseconds.
    #[must_use]
    #[expect(clippy::cast_precision_loss)]
    pub fn milliseconds(&self) -> Percentiles {
        let of = |share| self.quantile(share) as f64 / 1_000.0;
        Percentiles {
            count: self.count,
            p50: of(0.5),
            p90: of(0.9),
            p95: of(0.95),
            p99: of(0.99),
            p999: of(0.999),
            max: self.max as f64 / 1_000.0,
        }
    }
}

/// Values below [`STEPS`] have buckets of their own; behind them the six bits after the highest one decide.
#[expect(clippy::cast_possible_truncation, reason = "below BUCKETS")]
fn index(value: u64) -> usize {
    if value < STEPS {
        return value as usize;
    }
    let shift = value.ilog2() - STEPS_LOG;
    let within = (value >> shift) - STEPS;
    ((u64::from(shift) + 1) * STEPS + within).min(BUCKETS as u64 - 1) as usize
}

fn middle(index: usize) -> u64 {
    let index = index as u64;
    if index < STEPS {
        return index;
    }
    let shift = index / STEPS - 1;
    ((index % STEPS + STEPS) << shift) + ((1 << shift) >> 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_near_the_middle_of_its_bucket() {
        for value in (0..2_000).chain((11..32).map(|bits| (1 << bits) + 12_345 % (1 << bits))) {
            let distance = middle(index(value)).abs_diff(value);
            assert!(distance * 120 <= value, "{value}: {distance}");
        }
        assert_eq!(index(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn percentiles_are_those_of_a_sorted_list() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), 0);
        let mut halves = [Histogram::default(), Histogram::default()];
        for value in 1..=10_000 {
            halves[value % 2].record(value as u64);
        }
        for half in &halves {
            histogram.add(half);
        }
        for (share, exact) in [(0.5, 5_000), (0.99, 9_900), (0.999, 9_990), (1.0, 10_000), (0.0, 1)] {
            assert!(histogram.quantile(share).abs_diff(exact) * 60 <= exact, "{share}: {}", histogram.quantile(share));
        }
        let shown = histogram.milliseconds();
        assert_eq!((shown.count, shown.max.to_bits()), (10_000, 10.0_f64.to_bits()));
        histogram.clear();
        assert_eq!(histogram, Histogram::default());
    }
}
