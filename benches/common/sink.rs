//! A room's way out without the kernel: connected peers that seal into the server's send batch, and a wire that takes
//! everything. It does for each packet what the worker's own sink does, less the sockets.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use rillcast::id::PeerKey;
use rillcast::net::Route;
use rillcast::net::batch::{SendBatch, SendCounts, Train, Transmit};
use rillcast::peer::Peer;
use rillcast::peer::certificate::Certificate;
use rillcast::peer::keys::Profile;
use rillcast::sfu::drop::DropReason;
use rillcast::sfu::sink::{Sent, Sink};

use super::peers::{connect, path};

/// What sealing adds at most.
const SEAL_BYTES: usize = 20;

pub struct PeersSink {
    peers: Vec<Peer>,
    batch: SendBatch,
    wire: Nowhere,
    /// RTCP packets, to subscribers and to the publisher.
    pub reports: u64,
}

/// Takes everything.
struct Nowhere;

impl Transmit for Nowhere {
    fn transmit(&mut self, _bytes: &[u8], trains: &[Train]) -> io::Result<usize> {
        Ok(trains.len())
    }

    fn transmit_in_fragments(&mut self, _bytes: &[u8], _datagram: &Train) -> io::Result<()> {
        Ok(())
    }
}

impl PeersSink {
    /// Peers with AES-GCM after a whole handshake; the slot of a [`PeerKey`] is a peer's place here.
    pub fn connect(now: Instant, peers: usize) -> Self {
        let certificate = Arc::new(Certificate::generate().expect("there is randomness"));
        let peer = |number| connect(now, &certificate, Profile::AeadAes128Gcm, path(number)).0;
        let peers = (0..peers).map(peer).collect();
        Self { peers, batch: SendBatch::new(true), wire: Nowhere, reports: 0 }
    }

    /// The key of the `number`th peer.
    pub fn key(number: usize) -> PeerKey {
        PeerKey { slot: u32::try_from(number).expect("a few thousand"), generation: 0 }
    }

    /// The end of a turn.
    pub fn flush(&mut self) {
        self.batch.flush(&mut self.wire);
    }

    /// What went out so far.
    pub fn counts(&self) -> SendCounts {
        self.batch.counts()
    }

    fn send(
        &mut self,
        to: PeerKey,
        plain: usize,
        seal: impl FnOnce(&mut Peer, &mut [u8]) -> Option<usize>,
    ) -> Option<()> {
        let peer = self.peers.get_mut(to.slot as usize)?;
        let path = peer.path()?;
        if !peer.may_send(plain + SEAL_BYTES) {
            return None;
        }
        if self.batch.is_full() {
            self.batch.flush(&mut self.wire);
        }
        let length = seal(peer, self.batch.begin())?;
        self.batch.commit(&Route { local: path.local_ip, remote: path.remote }, length);
        Some(())
    }
}

impl Sink for PeersSink {
    fn rtp(&mut self, to: PeerKey, index: u64, header: &[u8], payload: &[u8]) -> Sent {
        let sent = self.send(to, header.len() + payload.len(), |peer, out| peer.seal_rtp(index, header, payload, out));
        sent.map_or(Sent::Dropped, |()| Sent::Yes)
    }

    fn rtcp(&mut self, to: PeerKey, packet: &[u8]) -> Sent {
        self.reports += 1;
        self.send(to, packet.len(), |peer, out| peer.seal_rtcp(packet, out)).map_or(Sent::Dropped, |()| Sent::Yes)
    }

    fn is_ready(&mut self, _to: PeerKey) -> bool {
        true
    }

    fn skip(&mut self, reason: DropReason, packets: u64) {
        panic!("{packets} packets were given up: {}", reason.name());
    }
}
