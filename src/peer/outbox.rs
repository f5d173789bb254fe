//! What waits to be taken from a peer: datagrams to send and events, both bounded.

use std::collections::VecDeque;

use crate::limits::{PEER_EVENTS, PEER_TRANSMITS};
use crate::peer::PeerEvent;
use crate::peer::path::Path;

/// DTLS datagrams that one step wants to send.
#[derive(Default)]
pub struct Outgoing {
    /// In order.
    pub datagrams: Vec<Vec<u8>>,
    /// A flight that was not sent before, rather than one sent again.
    pub is_new: bool,
}

/// Empty, and without memory of its own, whenever it has been drained.
#[derive(Default)]
pub struct Outbox {
    transmits: VecDeque<(Path, Vec<u8>)>,
    events: VecDeque<PeerEvent>,
}

impl Outbox {
    /// Queues a datagram, or drops it: everything here is sent again when it is lost.
    pub fn transmit(&mut self, path: Path, datagram: Vec<u8>) {
        if self.transmits.len() < PEER_TRANSMITS {
            self.transmits.push_back((path, datagram));
        }
    }

    /// Queues an event. When nobody takes any, those about paths are lost, never the two others.
    pub fn event(&mut self, event: PeerEvent) {
        let kept = if matches!(event, PeerEvent::Connected { .. } | PeerEvent::Closed(_)) { 0 } else { 2 };
        if self.events.len() + kept < PEER_EVENTS {
            self.events.push_back(event);
        }
    }

    /// The next datagram.
    pub fn poll_transmit(&mut self) -> Option<(Path, Vec<u8>)> {
        pop(&mut self.transmits)
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<PeerEvent> {
        pop(&mut self.events)
    }
}

fn pop<T>(queue: &mut VecDeque<T>) -> Option<T> {
    let first = queue.pop_front();
    if queue.is_empty() {
        *queue = VecDeque::new();
    }
    first
}
