//! Is a client's new address real? Before media moves there, one Binding request of ours goes out to it: only who
//! receives it can answer with its transaction (like QUIC's `PATH_CHALLENGE`, RFC 9000 §8.2). Until then media stays
//! where it was, so a change of path loses nothing, and nobody can aim a stream at a third party. A client that
//! answers no requests is moved all the same after some tries; then the peer's allowance holds it down until a
//! report acknowledges what was sent.

use std::time::{Duration, Instant};

use crate::peer::path::Path;
use crate::peer::stun::Transaction;

/// Pauses after each request: a lost one costs little, and a client that never answers is not held up for long.
const PAUSES: [Duration; 3] = [Duration::from_millis(100), Duration::from_millis(200), Duration::from_millis(300)];

/// One path on trial.
#[derive(Clone, Copy, Debug)]
pub struct Challenge {
    path: Path,
    transaction: Transaction,
    sent: usize,
    next: Instant,
}

/// What is to be done for a path on trial.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Send a request with this transaction to this path.
    Request(Path, Transaction),
    /// It does not answer: move there, but with an allowance.
    GiveUp(Path),
}

impl Challenge {
    /// A trial that begins now. The transaction has to be unpredictable.
    #[must_use]
    pub fn new(now: Instant, path: Path, transaction: Transaction) -> Self {
        Self { path, transaction, sent: 0, next: now }
    }

    /// The path on trial.
    #[must_use]
    pub fn path(&self) -> Path {
        self.path
    }

    /// The transaction that an answer has to name.
    #[must_use]
    pub fn transaction(&self) -> Transaction {
        self.transaction
    }

    /// When [`Challenge::poll`] has something to do.
    #[must_use]
    pub fn next_timeout(&self) -> Instant {
        self.next
    }

    /// What is due.
    pub fn poll(&mut self, now: Instant) -> Option<Step> {
        if now < self.next {
            return None;
        }
        let Some(pause) = PAUSES.get(self.sent) else { return Some(Step::GiveUp(self.path)) };
        self.sent += 1;
        self.next = now + *pause;
        Some(Step::Request(self.path, self.transaction))
    }
}
