//! Events on their way to the control plane. None is lost: what it has no room for waits here.

use std::collections::VecDeque;

use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use crate::worker::mailbox::Event;

/// Events that wait. A session has two at most, and waiting ones count as sessions where the worker admits, so they are
/// at most twice the sessions that the worker may have.
pub struct Outbox {
    worker: usize,
    events: Sender<(usize, Event)>,
    waiting: VecDeque<Event>,
}

impl Outbox {
    /// Nothing waits yet.
    #[must_use]
    pub fn new(worker: usize, events: Sender<(usize, Event)>) -> Self {
        Self { worker, events, waiting: VecDeque::new() }
    }

    /// Sends an event behind those that wait.
    pub fn push(&mut self, event: Event) {
        self.waiting.push_back(event);
        self.flush();
    }

    /// Sends what waits, as far as there is room.
    pub fn flush(&mut self) {
        while let Some(event) = self.waiting.front() {
            match self.events.try_send((self.worker, *event)) {
                Ok(()) => drop(self.waiting.pop_front()),
                Err(TrySendError::Full(_)) => return,
                // Nobody is left to be told.
                Err(TrySendError::Closed(_)) => self.waiting.clear(),
            }
        }
    }

    /// How many events wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// True where none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::channel;

    use super::*;
    use crate::id::SessionId;
    use crate::worker::mailbox::{EndReason, Summary};

    fn event(n: u8) -> Event {
        let (session, reason) = (SessionId::from_random([n; 16]), EndReason::Deleted);
        Event::Ended { session, reason, summary: Summary::default() }
    }

    #[test]
    fn events_wait_in_their_order() {
        let (sender, mut receiver) = channel(2);
        let mut outbox = Outbox::new(7, sender);
        (0..5).for_each(|n| outbox.push(event(n)));
        assert_eq!(outbox.len(), 3);
        let mut came = Vec::new();
        while let Ok((worker, event)) = receiver.try_recv() {
            assert_eq!(worker, 7);
            came.push(event);
            outbox.flush();
        }
        assert_eq!(came, (0..5).map(event).collect::<Vec<_>>());
        assert!(outbox.is_empty());
    }

    #[test]
    fn without_a_reader_nothing_waits() {
        let (sender, receiver) = channel(1);
        let mut outbox = Outbox::new(0, sender);
        (0..3).for_each(|n| outbox.push(event(n)));
        drop(receiver);
        outbox.push(event(3));
        assert!(outbox.is_empty());
    }
}
