//! A room: one publisher, many subscribers. One mutation, then [`Room::flush`] until nothing is due.

use std::time::Instant;

use crate::id::PeerKey;
use crate::sfu::drop::{DropCounts, DropReason};
use crate::sfu::track::{PlayTrack, PublishTrack};

/// How the outside took a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sent {
    /// It is in the batch, or in the connection's backlog.
    Yes,
    /// The connection's backlog is full: the subscriber goes on at the next key frame.
    Congested,
    /// It was dropped for another reason, which the sink has counted.
    Dropped,
}

/// Where a room's output goes: the worker seals each packet for its peer, straight into the send batch.
pub trait Sink {
    /// One RTP packet. `index` is the packet's 48-bit index (RFC 3711 §3.3.1: 2^16 × ROC + SEQ) and `header` its complete header,
    /// extensions included; `payload` is everything behind it.
    fn rtp(&mut self, to: PeerKey, index: u64, header: &[u8], payload: &[u8]) -> Sent;
    /// One compound RTCP packet, not sealed yet.
    fn rtcp(&mut self, to: PeerKey, packet: &[u8]) -> Sent;
}

/// What came of a subscriber's RTCP.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct RtcpOutcome {
    /// A receiver report acknowledges a packet that was sent after the last [`Room::handle_path_change`].
    pub path_acknowledged: bool,
}

/// One room.
pub struct Room {}

impl Room {
    /// An empty room. `seed` feeds the random numbers it needs; `ntp` is the NTP time (RFC 5905, 32.32 bits) of `now`.
    #[must_use]
    pub fn new(now: Instant, ntp: u64, seed: u64) -> Self {
        let _ = (now, ntp, seed);
        unimplemented!()
    }

    /// A publisher's session was admitted; its media may come from now on. One that was there before is replaced: the
    /// subscribers stay, and see the new one from its first key frame. Returns the subscribers that lack its codecs.
    pub fn set_publisher(&mut self, now: Instant, peer: PeerKey, tracks: Vec<PublishTrack>) -> Vec<PeerKey> {
        let _ = (now, peer, tracks);
        unimplemented!()
    }

    /// The publisher is gone.
    pub fn remove_publisher(&mut self, now: Instant) {
        let _ = now;
        unimplemented!()
    }

    /// A subscriber's session was admitted; nothing is sent to it before [`Room::start_subscriber`].
    pub fn add_subscriber(&mut self, now: Instant, peer: PeerKey, tracks: Vec<PlayTrack>) {
        let _ = (now, peer, tracks);
        unimplemented!()
    }

    /// The subscriber's handshake is done.
    pub fn start_subscriber(&mut self, now: Instant, peer: PeerKey) {
        let _ = (now, peer);
        unimplemented!()
    }

    /// The subscriber is gone.
    pub fn remove_subscriber(&mut self, peer: PeerKey) {
        let _ = peer;
        unimplemented!()
    }

    /// The subscriber is sent to at another address from now on.
    pub fn handle_path_change(&mut self, peer: PeerKey) {
        let _ = peer;
        unimplemented!()
    }

    /// One RTP packet of the publisher, opened.
    ///
    /// # Errors
    /// Why it was dropped (already counted in [`Room::drops`]).
    pub fn handle_publisher_rtp(&mut self, now: Instant, packet: &[u8]) -> Result<(), DropReason> {
        let _ = (now, packet);
        unimplemented!()
    }

    /// One compound RTCP packet of the publisher, opened.
    pub fn handle_publisher_rtcp(&mut self, now: Instant, packet: &[u8]) {
        let _ = (now, packet);
        unimplemented!()
    }

    /// One compound RTCP packet of a subscriber, opened.
    pub fn handle_subscriber_rtcp(&mut self, now: Instant, peer: PeerKey, packet: &[u8]) -> RtcpOutcome {
        let _ = (now, peer, packet);
        unimplemented!()
    }

    /// True when [`Room::flush`] has something to do at once.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        unimplemented!()
    }

    /// When [`Room::flush`] has something to do even if nothing arrives.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        unimplemented!()
    }

    /// Sends everything that is due: media, retransmissions, bursts, reports, feedback to the publisher.
    pub fn flush(&mut self, now: Instant, sink: &mut impl Sink) {
        let _ = (now, sink);
        unimplemented!()
    }

    /// The publisher's peer.
    #[must_use]
    pub fn publisher(&self) -> Option<PeerKey> {
        unimplemented!()
    }

    /// The subscribers' peers.
    pub fn subscribers(&self) -> impl Iterator<Item = PeerKey> + '_ {
        std::iter::empty()
    }

    /// True when nobody is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        unimplemented!()
    }

    /// What was dropped, by reason.
    #[must_use]
    pub fn drops(&self) -> &DropCounts {
        unimplemented!()
    }

    /// What the room says of itself.
    #[must_use]
    pub fn media(&self) -> RoomMedia {
        unimplemented!()
    }
}

/// What a room says of itself.
#[derive(Clone, Debug, Default)]
pub struct RoomMedia {
    /// A publisher's session is there.
    pub has_publisher: bool,
    /// The publisher's tracks.
    pub tracks: Vec<TrackMedia>,
    /// Subscribers whose handshake is done.
    pub subscribers: usize,
    /// RTP packets and bytes that came in from publishers since the room began.
    pub packets_in: u64,
    /// See [`RoomMedia::packets_in`].
    pub bytes_in: u64,
}

/// What a room says of a track.
#[derive(Clone, Debug)]
pub struct TrackMedia {
    /// The codec.
    pub codec: crate::rtp::codec::Codec,
    /// Bit rate of the forwarded layer, bits per second.
    pub bitrate: u64,
    /// The publisher sends pictures out of presentation order.
    pub b_frames: bool,
}
