//! How often a measured value fell between which bounds. Of a fixed size, so that measuring is two additions and a
//! short search, and reading it is a copy.

/// The most bounds that a histogram has.
const BOUNDS: usize = 16;

/// What a histogram's bounds are, ascending; values above the last one are counted too. The unit is the caller's.
pub type Bounds = &'static [u64];

/// Values by how large they were; by default without bounds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Histogram {
    bounds: Bounds,
    /// By bound, those not above it and above the one before; the last one has what lies above all.
    counts: [u64; BOUNDS + 1],
    sum: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new(&[])
    }
}

impl Histogram {
    /// An empty one.
    ///
    /// # Panics
    /// With more than 16 bounds, or where they do not ascend: they are constants.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        assert!(bounds.len() <= BOUNDS && bounds.is_sorted(), "bounds are few, and ascend");
        Self { bounds, counts: [0; BOUNDS + 1], sum: 0 }
    }

    /// Counts a value.
    pub fn observe(&mut self, value: u64) {
        let place = self.bounds.iter().position(|bound| value <= *bound).unwrap_or(self.bounds.len());
        self.counts[place] += 1;
        self.sum = self.sum.saturating_add(value);
    }

    /// Adds another one with the same bounds to it.
    pub fn add(&mut self, other: &Self) {
        debug_assert_eq!(self.bounds, other.bounds);
        for (mine, theirs) in self.counts.iter_mut().zip(other.counts) {
            *mine += theirs;
        }
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// Each bound, and how many values were not above it.
    pub fn cumulative(&self) -> impl Iterator<Item = (u64, u64)> {
        let mut below = 0;
        self.bounds.iter().zip(self.counts).map(move |(bound, count)| {
            below += count;
            (*bound, below)
        })
    }

    /// How many values there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All values together.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_up_to_their_bound_and_above_all_of_them() {
        let table: [(&[u64], [u64; 3], u64); 5] = [
            (&[], [0, 0, 0], 0),
            (&[0, 10], [2, 2, 2], 10),
            (&[11, 20, 21], [0, 2, 3], 52),
            (&[31], [0, 0, 0], 31),
            (&[5, 15, 25, u64::MAX], [1, 2, 3], u64::MAX),
        ];
        for (values, expected, sum) in table {
            let mut histogram = Histogram::new(&[10, 20, 30]);
            for value in values {
                histogram.observe(*value);
            }
            let below: Vec<u64> = histogram.cumulative().map(|(_, below)| below).collect();
            assert_eq!((below, histogram.count(), histogram.sum()), (expected.into(), values.len() as u64, sum));
        }
    }

    #[test]
    fn sums_of_histograms_are_those_of_their_values() {
        let mut both = Histogram::new(&[10, 20]);
        let mut other = both.clone();
        for value in [1, 15, 99] {
            both.observe(value);
        }
        for value in [2, 16] {
            other.observe(value);
        }
        both.add(&other);
        assert_eq!(both.cumulative().collect::<Vec<_>>(), [(10, 2), (20, 4)]);
        assert_eq!((both.count(), both.sum()), (5, 133));
    }
}
