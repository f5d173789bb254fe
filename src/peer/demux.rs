//! Which peer a datagram is for: by source address once ICE has validated it, by ufrag before.

use crate::id::PeerKey;
use crate::peer::path::Path;
use crate::sfu::drop::DropReason;

/// A worker's routing table.
#[derive(Default)]
pub struct Demux {}

impl Demux {
    /// The peer of a datagram. A STUN message that names a ufrag goes to the peer of that ufrag even from a known path
    /// (a client may reuse its socket for a new session).
    ///
    /// # Errors
    /// Why nobody is meant.
    pub fn route(&self, path: &Path, data: &[u8]) -> Result<PeerKey, DropReason> {
        let _ = (path, data);
        unimplemented!()
    }

    /// Checks for this local ufrag go to the peer.
    pub fn add_ufrag(&mut self, ufrag: &str, peer: PeerKey) {
        let _ = (ufrag, peer);
        unimplemented!()
    }

    /// What comes on this path goes to the peer.
    pub fn add_path(&mut self, path: Path, peer: PeerKey) {
        let _ = (path, peer);
        unimplemented!()
    }

    /// Forgets a path, if it still is the peer's.
    pub fn remove_path(&mut self, path: &Path, peer: PeerKey) {
        let _ = (path, peer);
        unimplemented!()
    }

    /// Forgets everything of the peer.
    pub fn remove_peer(&mut self, peer: PeerKey) {
        let _ = peer;
        unimplemented!()
    }
}
