//! Whether a worker has to be woken: who has put something into its rings rings its bell, and only the first ring of a
//! sleep costs a system call.

use super::atomic::{AtomicU8, Ordering};

const AWAKE: u8 = 0;
const ASLEEP: u8 = 1;
const RUNG: u8 = 2;

/// One worker's bell. All of it is in one atomic, so that there is an order: either the ring comes before the worker
/// falls asleep, and it does not, or it comes after, and wakes it.
pub struct Bell(AtomicU8);

impl Bell {
    /// The bell of a worker that is awake.
    #[must_use]
    pub fn new() -> Self {
        Self(AtomicU8::new(AWAKE))
    }

    /// There is news: what was put into a ring before is seen by the worker when it answers. True where it has to be
    /// woken.
    #[must_use]
    pub fn ring(&self) -> bool {
        self.0.swap(RUNG, Ordering::AcqRel) == ASLEEP
    }

    /// The worker is about to sleep. False where there was a ring that it has not answered: it must not.
    #[must_use]
    pub fn try_sleep(&self) -> bool {
        self.0.compare_exchange(AWAKE, ASLEEP, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// The worker is awake. True where there was a ring since it answered last: it looks into its rings.
    #[must_use]
    pub fn answer(&self) -> bool {
        self.0.swap(AWAKE, Ordering::AcqRel) == RUNG
    }
}

impl Default for Bell {
    fn default() -> Self {
        Self::new()
    }
}
