//! Which peer a datagram is for: by source address once ICE has validated it, by ufrag before.

use std::collections::HashMap;

use crate::id::PeerKey;
use crate::peer::path::Path;
use crate::sfu::drop::DropReason;

/// A worker's routing table. The maps have a secret seed: addresses and names are the clients' choice.
#[derive(Default)]
pub struct Demux {
    paths: HashMap<Path, PeerKey>,
    ufrags: HashMap<String, PeerKey>,
    /// The same from the other side, so that a peer's end costs no walk over all.
    owned: HashMap<PeerKey, Owned>,
}

/// The present one, and the one before the last restart.
const UFRAGS_PER_PEER: usize = 2;

/// What leads to one peer.
#[derive(Default)]
struct Owned {
    paths: Vec<Path>,
    ufrags: Vec<String>,
}

/// What a datagram is by its first byte (RFC 7983 §7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// ICE checks.
    Stun,
    /// The handshake.
    Dtls,
    /// SRTP or SRTCP.
    Media,
}

impl Kind {
    /// The kind, or `None` for what is none of ours.
    #[must_use]
    pub fn of(data: &[u8]) -> Option<Self> {
        match data.first()? {
            0..=3 => Some(Self::Stun),
            20..=63 => Some(Self::Dtls),
            128..=191 => Some(Self::Media),
            _ => None,
        }
    }
}

impl Demux {
    /// The peer of a datagram. A STUN message that names a ufrag goes to the peer of that ufrag even from a known path
    /// (a client may reuse its socket for a new session).
    ///
    /// # Errors
    /// Why nobody is meant.
    pub fn route(&self, path: &Path, data: &[u8]) -> Result<PeerKey, DropReason> {
        match Kind::of(data).ok_or(DropReason::NotMultiplexed)? {
            // A response names no user: it belongs to the path that our request went to.
            Kind::Stun if data[0] & 1 == 1 => self.paths.get(path).copied().ok_or(DropReason::UnknownAddress),
            Kind::Stun => {
                let ufrag = local_ufrag(data).ok_or(DropReason::StunMalformed)?;
                self.ufrags.get(ufrag).copied().ok_or(DropReason::StunUnknownUfrag)
            }
            Kind::Dtls | Kind::Media => self.paths.get(path).copied().ok_or(DropReason::UnknownAddress),
        }
    }

    /// Checks for this local ufrag go to the peer. After an ICE restart the one before still does; older ones are
    /// forgotten, so that a client that restarts for ever takes no more room than another.
    pub fn add_ufrag(&mut self, ufrag: &str, peer: PeerKey) {
        let owned = &mut self.owned.entry(peer).or_default().ufrags;
        if owned.len() == UFRAGS_PER_PEER {
            self.ufrags.remove(&owned.remove(0));
        }
        owned.push(ufrag.to_owned());
        self.ufrags.insert(ufrag.to_owned(), peer);
    }

    /// What comes on this path goes to the peer.
    pub fn add_path(&mut self, path: Path, peer: PeerKey) {
        let before = self.paths.insert(path, peer);
        if before != Some(peer) {
            self.owned.entry(peer).or_default().paths.push(path);
        }
    }

    /// Forgets a path, if it still is the peer's.
    pub fn remove_path(&mut self, path: &Path, peer: PeerKey) {
        if self.paths.get(path) == Some(&peer) {
            self.paths.remove(path);
        }
        if let Some(owned) = self.owned.get_mut(&peer) {
            owned.paths.retain(|known| known != path);
        }
    }

    /// Forgets everything of the peer.
    pub fn remove_peer(&mut self, peer: PeerKey) {
        let owned = self.owned.remove(&peer).unwrap_or_default();
        for path in owned.paths {
            if self.paths.get(&path) == Some(&peer) {
                self.paths.remove(&path);
            }
        }
        for ufrag in owned.ufrags {
            if self.ufrags.get(&ufrag) == Some(&peer) {
                self.ufrags.remove(&ufrag);
            }
        }
    }
}

/// The part of USERNAME before the colon: our own ufrag (RFC 8445 §7.2.2).
fn local_ufrag(data: &[u8]) -> Option<&str> {
    const USERNAME: u16 = 0x0006;
    let mut rest = data.get(20..)?;
    while let Some((head, tail)) = rest.split_at_checked(4) {
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let value = tail.get(..length)?;
        if u16::from_be_bytes([head[0], head[1]]) == USERNAME {
            return std::str::from_utf8(value).ok()?.split(':').next();
        }
        rest = tail.get(length.next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sdp::Transport;

    fn key(slot: u32) -> PeerKey {
        PeerKey { slot, generation: 0 }
    }

    fn path(port: u16) -> Path {
        let local_ip = "127.0.0.1".parse().unwrap();
        Path { transport: Transport::Udp, local_ip, remote: format!("127.0.0.1:{port}").parse().unwrap() }
    }

    fn stun(username: &str) -> Vec<u8> {
        let mut message = vec![0; 20];
        message[1] = 1;
        message.extend([0x80, 0x22, 0, 3, b'a', b'b', b'c', 0, 0, 6, 0, u8::try_from(username.len()).unwrap()]);
        message.extend(username.as_bytes());
        message.resize(message.len().next_multiple_of(4), 0);
        message
    }

    #[test]
    fn datagrams_find_their_peer() {
        type Row = (u16, Vec<u8>, Result<PeerKey, DropReason>);
        let mut demux = Demux::default();
        demux.add_ufrag("one", key(1));
        demux.add_ufrag("two", key(2));
        demux.add_path(path(5), key(1));
        let table: [Row; 11] = [
            (5, vec![1, 1], Ok(key(1))),
            (6, vec![1, 1], Err(DropReason::UnknownAddress)),
            (5, vec![0x80, 96], Ok(key(1))),
            (6, vec![0x80, 96], Err(DropReason::UnknownAddress)),
            (5, vec![22], Ok(key(1))),
            (5, stun("two:x"), Ok(key(2))),
            (6, stun("one:x"), Ok(key(1))),
            (6, stun("three:x"), Err(DropReason::StunUnknownUfrag)),
            (5, vec![0; 20], Err(DropReason::StunMalformed)),
            (5, vec![64], Err(DropReason::NotMultiplexed)),
            (5, vec![], Err(DropReason::NotMultiplexed)),
        ];
        for (port, data, expected) in table {
            assert_eq!(demux.route(&path(port), &data), expected, "{port} {data:?}");
        }
        demux.remove_path(&path(5), key(2));
        assert!(demux.route(&path(5), &[0x80]).is_ok(), "it is not the path of that peer");
        demux.remove_peer(key(1));
        assert!(demux.route(&path(5), &[0x80]).is_err() && demux.route(&path(5), &stun("one:x")).is_err());
    }

    #[test]
    fn restarts_take_no_room() {
        let mut demux = Demux::default();
        for restart in 0..100 {
            demux.add_ufrag(&format!("ufrag{restart}"), key(1));
        }
        assert_eq!(demux.ufrags.len(), UFRAGS_PER_PEER);
        assert!(
            demux.route(&path(1), &stun("ufrag98:x")).is_ok() && demux.route(&path(1), &stun("ufrag97:x")).is_err()
        );
    }

    #[test]
    fn junk_never_panics() {
        let message = stun("name:x");
        for cut in 0..message.len() {
            let _ = local_ufrag(&message[..cut]);
            let mut bad = message.clone();
            bad[cut] = 0xff;
            let _ = local_ufrag(&bad);
        }
    }
}
