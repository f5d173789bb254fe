//! The room's way out: whoever owns the peers takes what is due, packet by packet.

use crate::id::PeerKey;
use crate::sfu::drop::DropReason;

/// How the outside took a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sent {
    /// It is in the batch, or in the connection's backlog.
    Yes,
    /// The connection's backlog is full: the subscriber goes on at the next key frame.
    Congested,
    /// The way out takes no more for the moment, and has taken nothing: the same packet is offered again later.
    Later,
    /// It was dropped for another reason, which the sink has counted.
    Dropped,
}

/// Where a room's output goes: the worker seals each packet for its peer, straight into the send batch.
pub trait Sink {
    /// One RTP packet. `index` is the packet's 48-bit index (RFC 3711 §3.3.1: 2^16 × ROC + SEQ) and `header` its
    /// complete header, extensions included; `payload` is everything behind it.
    fn rtp(&mut self, to: PeerKey, index: u64, header: &[u8], payload: &[u8]) -> Sent;
    /// One compound RTCP packet, not sealed yet.
    fn rtcp(&mut self, to: PeerKey, packet: &[u8]) -> Sent;
    /// False where the peer's way out takes no media for the moment. Media may still find it full after a yes.
    fn is_ready(&mut self, to: PeerKey) -> bool;
    /// So many packets are not offered, for this reason.
    fn skip(&mut self, reason: DropReason, packets: u64);
}
