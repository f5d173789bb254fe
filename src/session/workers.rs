//! The workers as the sessions see them.

use std::time::Duration;

use tokio::sync::oneshot;

use crate::sdp::Candidate;
use crate::worker::mailbox::{Busy, Command, Mailbox};

/// One worker. Neither call waits.
pub trait Worker: Send + Sync {
    /// Puts a command into the worker's mailbox.
    ///
    /// # Errors
    /// [`Busy`] where it cannot take it.
    fn send(&self, command: Command) -> Result<(), Busy>;

    /// Where the worker listens, the best first.
    fn candidates(&self) -> &[Candidate];

    /// The worker's mailbox, for its siblings.
    fn mailbox(&self) -> Mailbox;

    /// How long the worker has not slept since it began.
    fn awake(&self) -> Duration;
}

/// All workers; a worker's number is its place.
pub struct Workers(Vec<Box<dyn Worker>>);

impl Workers {
    /// The workers in the order of their numbers.
    ///
    /// # Panics
    /// Without a worker nothing can be served.
    #[must_use]
    pub fn new(workers: Vec<Box<dyn Worker>>) -> Self {
        assert!(!workers.is_empty(), "at least one worker");
        Self(workers)
    }

    /// How many.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Where a worker listens.
    #[must_use]
    pub fn candidates(&self, worker: usize) -> &[Candidate] {
        self.0[worker].candidates()
    }

    /// A worker's mailbox, for its siblings.
    #[must_use]
    pub fn mailbox(&self, worker: usize) -> Mailbox {
        self.0[worker].mailbox()
    }

    /// How long each worker has not slept since it began.
    #[must_use]
    pub fn awake(&self) -> Vec<Duration> {
        self.0.iter().map(|worker| worker.awake()).collect()
    }

    /// Gives a command to a worker.
    ///
    /// # Errors
    /// [`Busy`]
    pub fn send(&self, worker: usize, command: Command) -> Result<(), Busy> {
        self.0[worker].send(command)
    }

    /// Gives a command with a reply to a worker; the receiver fails where the worker ends before it answers.
    pub(super) fn ask<T>(
        &self,
        worker: usize,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<oneshot::Receiver<T>, Busy> {
        let (reply, answer) = oneshot::channel();
        self.send(worker, command(reply))?;
        Ok(answer)
    }
}
