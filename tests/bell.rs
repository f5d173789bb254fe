//! The wake-up protocol of the relay rings, in every order that the memory model allows: the bell's own source with
//! loom's atomics in it. What it does not see is the rings; relaxed numbers stand for them, so that only the bell's
//! own ordering makes them visible.

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

mod atomic {
    pub use loom::sync::atomic::{AtomicU8, Ordering};
}

#[path = "../src/worker/bell.rs"]
mod bell;

use bell::Bell;

struct Worker {
    bell: Bell,
    /// How much each sibling has ever put into its ring.
    rings: [AtomicUsize; 2],
    /// The kernel's event: set by a wake, and taken by the sleeper.
    event: Mutex<bool>,
    set: Condvar,
}

impl Worker {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            bell: Bell::new(),
            rings: [AtomicUsize::new(0), AtomicUsize::new(0)],
            event: Mutex::new(false),
            set: Condvar::new(),
        })
    }

    fn put(&self, ring: usize, count: usize) {
        self.rings[ring].store(count, Ordering::Relaxed);
        if self.bell.ring() {
            *self.event.lock().unwrap() = true;
            self.set.notify_one();
        }
    }

    /// Turns until it has taken so much, sleeping where it may. A wake that is lost is a sleep without an end, which
    /// loom reports.
    fn take(&self, wanted: usize) {
        let mut seen = 0;
        while seen < wanted {
            if self.bell.try_sleep() {
                let mut event = self.event.lock().unwrap();
                while !std::mem::take(&mut *event) {
                    event = self.set.wait(event).unwrap();
                }
            }
            if self.bell.answer() {
                seen = self.rings.iter().map(|ring| ring.load(Ordering::Relaxed)).sum();
            }
        }
    }
}

/// Every order with at most three switches that nobody asked for: a second instead of a minute, and the mistakes that
/// were made here on purpose took one.
fn explore(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

#[test]
fn no_ring_is_lost() {
    explore(|| {
        let worker = Worker::new();
        let sibling = worker.clone();
        let thread = thread::spawn(move || {
            sibling.put(0, 1);
            sibling.put(0, 2);
        });
        worker.take(2);
        thread.join().unwrap();
    });
}

#[test]
fn nor_is_one_of_two_siblings() {
    explore(|| {
        let worker = Worker::new();
        let threads = [0, 1].map(|ring| {
            let sibling = worker.clone();
            thread::spawn(move || sibling.put(ring, 1))
        });
        worker.take(2);
        for thread in threads {
            thread.join().unwrap();
        }
    });
}
