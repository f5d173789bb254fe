//! A worker as its siblings see it: where they ring, and how busy it is.

use std::time::Duration;

use super::atomic::{AtomicU64, Ordering};
use crate::net::poll::Waker;
use crate::worker::bell::Bell;

/// See the module. Kept for as long as the worker runs: a waker that is dropped takes a wake that was not seen yet with
/// it.
pub struct Door {
    bell: Bell,
    waker: Waker,
    /// Nanoseconds that the worker has not slept since it began.
    awake: AtomicU64,
}

impl Door {
    /// The door of a worker that is awake.
    #[must_use]
    pub fn new(waker: Waker) -> Self {
        Self { bell: Bell::new(), waker, awake: AtomicU64::new(0) }
    }

    /// There is news in the worker's rings.
    pub fn ring(&self) {
        if self.bell.ring() {
            self.waker.wake();
        }
    }

    /// Ends the worker's sleep, now or the next one: there may be a command.
    pub fn wake(&self) {
        self.waker.wake();
    }

    /// See [`Bell::try_sleep`].
    #[must_use]
    pub fn try_sleep(&self) -> bool {
        self.bell.try_sleep()
    }

    /// See [`Bell::answer`].
    #[must_use]
    pub fn answer(&self) -> bool {
        self.bell.answer()
    }

    /// The worker was awake for so long once more. It alone says so.
    pub fn add_awake(&self, time: Duration) {
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.awake.store(self.awake.load(Ordering::Relaxed).wrapping_add(time), Ordering::Relaxed);
    }

    /// How long the worker has not slept since it began.
    #[must_use]
    pub fn awake(&self) -> Duration {
        Duration::from_nanos(self.awake.load(Ordering::Relaxed))
    }
}
