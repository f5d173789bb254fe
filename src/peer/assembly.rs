//! Handshake messages from their fragments (RFC 6347 §4.2.3): in order, each once, in bounded memory.

use std::ops::Range;

use crate::limits::{
    HANDSHAKE_MESSAGE_BYTES, HANDSHAKE_MESSAGE_PIECES, HANDSHAKE_MESSAGES_AHEAD, HANDSHAKE_REASSEMBLY_BYTES,
};
use crate::peer::record::{Fragment, Message};

/// Where the fragments wait for each other.
#[derive(Default)]
pub struct Assembly {
    /// The message that comes out next.
    next: u16,
    partial: Vec<Partial>,
}

struct Partial {
    kind: u8,
    sequence: u16,
    body: Vec<u8>,
    /// What is there of the body: disjoint, not touching, in no order.
    pieces: Vec<Range<usize>>,
}

impl Assembly {
    /// The number of the message that comes out next.
    #[must_use]
    pub fn next(&self) -> u16 {
        self.next
    }

    /// Waits for this message again.
    pub fn rewind(&mut self, next: u16) {
        self.next = next;
    }

    /// Takes a fragment; false where it is of no use: old, far ahead, empty, or more than there is room for.
    ///
    /// A fragment that contradicts an earlier one (another type or length) replaces it, so that a forged one is
    /// repaired when the client sends the message again.
    pub fn push(&mut self, fragment: &Fragment<'_>) -> bool {
        let ahead = fragment.sequence.wrapping_sub(self.next);
        let end = fragment.offset + fragment.data.len();
        let is_empty = fragment.data.is_empty() && fragment.length > 0;
        let fits = fragment.length <= HANDSHAKE_MESSAGE_BYTES && end <= fragment.length;
        if ahead >= HANDSHAKE_MESSAGES_AHEAD || is_empty || !fits {
            return false;
        }
        let contradicts = |partial: &Partial| {
            partial.sequence == fragment.sequence
                && (partial.kind != fragment.kind || partial.body.len() != fragment.length)
        };
        self.partial.retain(|partial| !contradicts(partial));
        let Some(at) = self.position(fragment.sequence).or_else(|| self.begin(fragment)) else {
            return false;
        };
        self.partial[at].fill(fragment.offset..end, fragment.data)
    }

    fn position(&self, sequence: u16) -> Option<usize> {
        self.partial.iter().position(|partial| partial.sequence == sequence)
    }

    /// Makes room: what is further ahead gives way.
    fn begin(&mut self, fragment: &Fragment<'_>) -> Option<usize> {
        while self.bytes() + fragment.length > HANDSHAKE_REASSEMBLY_BYTES {
            let distance = |sequence: u16| sequence.wrapping_sub(self.next);
            let furthest = (0..self.partial.len()).max_by_key(|&at| distance(self.partial[at].sequence))?;
            if distance(self.partial[furthest].sequence) < distance(fragment.sequence) {
                return None;
            }
            self.partial.swap_remove(furthest);
        }
        let (kind, sequence) = (fragment.kind, fragment.sequence);
        self.partial.push(Partial { kind, sequence, body: vec![0; fragment.length], pieces: Vec::new() });
        Some(self.partial.len() - 1)
    }

    /// Bytes held, at most [`HANDSHAKE_REASSEMBLY_BYTES`].
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.partial.iter().map(|partial| partial.body.len()).sum()
    }

    /// The types of the complete messages that [`Self::pop`] would give one after the other.
    pub fn ready(&self) -> impl Iterator<Item = u8> + '_ {
        (0..HANDSHAKE_MESSAGES_AHEAD).map_while(|ahead| {
            let partial = &self.partial[self.position(self.next.wrapping_add(ahead))?];
            partial.is_complete().then_some(partial.kind)
        })
    }

    /// The next message, once it is complete.
    pub fn pop(&mut self) -> Option<Message> {
        let at = self.position(self.next)?;
        if !self.partial[at].is_complete() {
            return None;
        }
        let Partial { kind, sequence, body, .. } = self.partial.swap_remove(at);
        self.next = self.next.wrapping_add(1);
        Some(Message { kind, sequence, body })
    }
}

impl Partial {
    fn fill(&mut self, range: Range<usize>, data: &[u8]) -> bool {
        self.body[range.clone()].copy_from_slice(data);
        let mut merged = range;
        self.pieces.retain(|piece| {
            let touches = piece.start <= merged.end && merged.start <= piece.end;
            if touches {
                merged = piece.start.min(merged.start)..piece.end.max(merged.end);
            }
            !touches
        });
        let has_room = self.pieces.len() < HANDSHAKE_MESSAGE_PIECES;
        if has_room {
            self.pieces.push(merged);
        }
        has_room
    }

    fn is_complete(&self) -> bool {
        self.body.is_empty() || self.pieces.first().is_some_and(|piece| *piece == (0..self.body.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fragment(sequence: u16, length: usize, offset: usize, data: &[u8]) -> Fragment<'_> {
        Fragment { kind: 1, length, sequence, offset, data }
    }

    #[test]
    fn pieces_in_any_order_twice_and_overlapping() {
        let body: Vec<u8> = (0..100).collect();
        let orders: &[&[(usize, usize)]] = &[
            &[(0, 100)],
            &[(0, 40), (40, 100)],
            &[(40, 100), (0, 40)],
            &[(60, 100), (0, 10), (0, 10), (10, 61)],
            &[(99, 100), (50, 60), (0, 1), (30, 70), (1, 31), (70, 99)],
        ];
        for order in orders {
            let mut assembly = Assembly::default();
            for &(start, end) in *order {
                assert!(assembly.pop().is_none(), "{order:?} {start}");
                assert!(assembly.push(&fragment(0, 100, start, &body[start..end])));
            }
            assert_eq!(assembly.ready().count(), 1);
            assert_eq!(assembly.pop(), Some(Message { kind: 1, sequence: 0, body: body.clone() }), "{order:?}");
            assert_eq!((assembly.next(), assembly.bytes()), (1, 0));
            assert!(!assembly.push(&fragment(0, 100, 0, &body)), "old");
        }
    }

    #[test]
    fn messages_come_out_in_order() {
        let mut assembly = Assembly::default();
        for sequence in [2, 1, 3] {
            assert!(assembly.push(&fragment(sequence, 0, 0, &[])));
            assert!(assembly.pop().is_none());
        }
        assert!(assembly.push(&fragment(0, 1, 0, &[9])));
        assert_eq!(assembly.ready().count(), 4);
        let order: Vec<_> = std::iter::from_fn(|| assembly.pop()).map(|message| message.sequence).collect();
        assert_eq!(order, [0, 1, 2, 3]);
    }

    #[test]
    fn junk_is_bounded() {
        let mut assembly = Assembly::default();
        let byte = [1];
        for n in 0..100_000usize {
            let sequence = (n % 70_000) as u16;
            // Empty ones, ones of every length at every place, ones far ahead.
            assert!(!assembly.push(&fragment(sequence, 100, n % 100, &[])));
            assembly.push(&fragment(sequence, n % 20_000 + 1, n % 8_000, &byte));
            assembly.push(&fragment(3, 8_000, 2 * (n % 4_000), &byte));
            assert!(assembly.bytes() <= HANDSHAKE_REASSEMBLY_BYTES);
            assert!(assembly.partial.iter().all(|partial| partial.pieces.len() <= HANDSHAKE_MESSAGE_PIECES));
        }
        assert!(assembly.partial.len() <= usize::from(HANDSHAKE_MESSAGES_AHEAD));
        // The real message gets through nevertheless.
        assert!(assembly.push(&fragment(0, 8_000, 0, &[5; 4_000])));
        assert!(assembly.push(&fragment(0, 8_000, 4_000, &[5; 4_000])));
        assert_eq!(assembly.pop().unwrap().body, [5; 8_000]);
    }
}
