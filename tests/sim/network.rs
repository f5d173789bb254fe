//! One direction of a path: a seeded queue that loses, delays, reorders and duplicates.

use std::collections::BTreeMap;

/// `SplitMix64`.
#[derive(Clone)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// True in so many of a thousand cases.
    pub fn per_mille(&mut self, chance: u64) -> bool {
        self.next() % 1_000 < chance
    }
}

/// What a path does to its packets. Times in microseconds.
#[derive(Clone, Copy, Default)]
pub struct Conditions {
    pub delay: u64,
    pub jitter: u64,
    pub loss_per_mille: u64,
    pub duplicate_per_mille: u64,
    pub reorder_per_mille: u64,
}

pub struct Path {
    conditions: Conditions,
    random: Random,
    queue: BTreeMap<(u64, u64), Vec<u8>>,
    sent: u64,
    pub lost: u64,
}

impl Path {
    pub fn new(conditions: Conditions, seed: u64) -> Self {
        Self { conditions, random: Random(seed), queue: BTreeMap::new(), sent: 0, lost: 0 }
    }

    pub fn send(&mut self, now: u64, packet: &[u8]) {
        if self.random.per_mille(self.conditions.loss_per_mille) {
            self.lost += 1;
            return;
        }
        self.enqueue(now, packet);
        if self.random.per_mille(self.conditions.duplicate_per_mille) {
            self.enqueue(now, packet);
        }
    }

    pub fn receive(&mut self, now: u64) -> Option<Vec<u8>> {
        let first = self.queue.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    fn enqueue(&mut self, now: u64, packet: &[u8]) {
        self.sent += 1;
        let jitter = self.random.next() % (self.conditions.jitter + 1);
        // A packet that is overtaken waits for some milliseconds.
        let detour = if self.random.per_mille(self.conditions.reorder_per_mille) { 3_000 } else { 0 };
        self.queue.insert((now + self.conditions.delay + jitter + detour, self.sent), packet.to_vec());
    }
}
