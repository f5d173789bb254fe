//! One session's ICE, DTLS and SRTP, sans-IO: datagrams in, opened RTP and RTCP out; packets in, sealed ones out.

pub mod certificate;
mod cipher;
pub mod demux;
mod ice;
mod keys;
pub mod path;
mod replay;
mod srtp;
mod stun;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Instant;

use crate::peer::certificate::Certificate;
use crate::peer::path::Path;
use crate::sdp::{DtlsRole, Fingerprint, IceCredentials};
use crate::sfu::drop::DropReason;

/// What a peer is made of.
pub struct PeerConfig {
    /// Our ICE credentials.
    pub local: IceCredentials,
    /// The client's.
    pub remote: IceCredentials,
    /// Digest that the client's certificate must have.
    pub fingerprint: Fingerprint,
    /// Who opens the handshake.
    pub role: DtlsRole,
    /// Ours.
    pub certificate: Arc<Certificate>,
}

/// What a datagram was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Received {
    /// STUN or DTLS: drain [`Peer::poll_transmit`] and [`Peer::poll_event`].
    Control,
    /// RTP, opened in place: the packet is the first so many bytes of the buffer.
    Rtp(usize),
    /// RTCP, opened in place likewise.
    Rtcp(usize),
    /// Nothing came of it.
    Dropped(DropReason),
}

/// What happened to a peer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PeerEvent {
    /// An ICE check with the right password came from there: route what comes on this path to the peer.
    PathValidated(Path),
    /// The peer no longer answers on this path.
    PathForgotten(Path),
    /// What is sent goes to this path from now on; `changed` unless it is the first one.
    PathSelected {
        /// Where to.
        path: Path,
        /// There was another one before.
        changed: bool,
    },
    /// The handshake is done.
    Connected {
        /// AEAD_AES_128_GCM rather than AES_CM_128_HMAC_SHA1_80.
        gcm: bool,
    },
    /// The peer is over.
    Closed(PeerEnd),
}

/// Why a peer is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PeerEnd {
    /// The client closed DTLS.
    CloseNotify,
    /// Nothing authentic for [`crate::limits::CONSENT_EXPIRY`].
    ConsentExpired,
    /// The handshake took too long.
    HandshakeTimeout,
    /// The handshake failed.
    HandshakeFailed,
}

/// One peer.
pub struct Peer {}

impl Peer {
    /// A peer that waits for its first check.
    #[must_use]
    pub fn new(now: Instant, config: PeerConfig) -> Self {
        let _ = (now, config);
        unimplemented!()
    }

    /// One datagram (or one frame of TCP) that `demux` routed here. RTP and RTCP are opened in place.
    pub fn handle_datagram(&mut self, now: Instant, path: Path, data: &mut [u8]) -> Received {
        let _ = (now, path, data);
        unimplemented!()
    }

    /// Replaces `out` by the next STUN or DTLS datagram and says where it goes; `None` when there is none.
    pub fn poll_transmit(&mut self, out: &mut Vec<u8>) -> Option<Path> {
        let _ = out;
        unimplemented!()
    }

    /// What happened, oldest first.
    pub fn poll_event(&mut self) -> Option<PeerEvent> {
        unimplemented!()
    }

    /// When [`Peer::handle_timeout`] wants to be called.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        unimplemented!()
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        let _ = now;
        unimplemented!()
    }

    /// New credentials on both sides; the old ones hold until a check with the new ones comes.
    pub fn restart_ice(&mut self, local: IceCredentials, remote: IceCredentials) {
        let _ = (local, remote);
        unimplemented!()
    }

    /// Says goodbye: drain [`Peer::poll_transmit`] once more, then forget the peer.
    pub fn close(&mut self) {
        unimplemented!()
    }

    /// Where to send, once there is a validated path.
    #[must_use]
    pub fn path(&self) -> Option<Path> {
        unimplemented!()
    }

    /// The handshake is done and media may flow.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        unimplemented!()
    }

    /// When something authentic came last (or the peer began).
    #[must_use]
    pub fn last_authentic(&self) -> Instant {
        unimplemented!()
    }

    /// Takes `bytes` from what may be sent to an address that is not acknowledged yet; false when it is used up.
    pub fn may_send(&mut self, bytes: usize) -> bool {
        let _ = bytes;
        unimplemented!()
    }

    /// An SRTCP report from the selected path acknowledged a packet that was sent to it.
    pub fn acknowledge_path(&mut self) {
        unimplemented!()
    }

    /// Seals one RTP packet into `out` and returns its length. `index` is 2^16 × ROC + SEQ. `None` where `out` is too small or
    /// the peer is not connected.
    pub fn seal_rtp(&mut self, index: u64, header: &[u8], payload: &[u8], out: &mut [u8]) -> Option<usize> {
        let _ = (index, header, payload, out);
        unimplemented!()
    }

    /// Seals one compound RTCP packet into `out` and returns its length.
    pub fn seal_rtcp(&mut self, packet: &[u8], out: &mut [u8]) -> Option<usize> {
        let _ = (packet, out);
        unimplemented!()
    }
}
