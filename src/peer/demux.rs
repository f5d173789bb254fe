//! Which peer a datagram is for: by source address once ICE has validated it, by ufrag before.

use std::collections::HashMap;

use crate::id::PeerKey;
use crate::limits::{PATHS_PER_PEER, UFRAGS_PER_PEER};
use crate::peer::path::Path;
use crate::peer::stun::Request;
use crate::sfu::drop::DropReason;

/// What a datagram is by its first byte (RFC 7983), or by its second where RTCP shares the port (RFC 5761 §4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// STUN.
    Stun,
    /// A DTLS record.
    Dtls,
    /// SRTP.
    Rtp,
    /// SRTCP.
    Rtcp,
}

impl Kind {
    /// The kind, or `None` where it is something else or empty.
    #[must_use]
    pub fn of(datagram: &[u8]) -> Option<Self> {
        match (datagram.first()?, datagram.get(1)) {
            (0..=3, _) => Some(Self::Stun),
            (20..=63, _) => Some(Self::Dtls),
            (128..=191, Some(192..=223)) => Some(Self::Rtcp),
            (128..=191, _) => Some(Self::Rtp),
            _ => None,
        }
    }
}

/// A worker's routing table. The maps have a secret seed: clients choose their ports.
#[derive(Default)]
pub struct Demux {
    by_path: HashMap<Path, PeerKey>,
    by_ufrag: HashMap<String, PeerKey>,
    routes: HashMap<PeerKey, Routes>,
}

/// What leads to one peer, oldest first.
#[derive(Default)]
struct Routes {
    ufrags: Vec<String>,
    paths: Vec<Path>,
}

impl Demux {
    /// The peer of a datagram. A STUN message that names a ufrag goes to the peer of that ufrag even from a known path
    /// (a client may reuse its socket for a new session).
    ///
    /// # Errors
    /// Why nobody is meant.
    pub fn route(&self, path: &Path, data: &[u8]) -> Result<PeerKey, DropReason> {
        match Kind::of(data) {
            // A response names no user: it belongs to the path that our request went to.
            Some(Kind::Stun) if data[0] & 1 == 1 => self.by_path.get(path).copied().ok_or(DropReason::UnknownAddress),
            Some(Kind::Stun) => {
                let request = Request::parse(data).ok_or(DropReason::StunMalformed)?;
                self.by_ufrag.get(request.ufrag()).copied().ok_or(DropReason::StunUnknownUfrag)
            }
            Some(_) => self.by_path.get(path).copied().ok_or(DropReason::UnknownAddress),
            None => Err(DropReason::NotMultiplexed),
        }
    }

    /// Whose datagrams come on this path.
    #[must_use]
    pub fn owner(&self, path: &Path) -> Option<PeerKey> {
        self.by_path.get(path).copied()
    }

    /// Checks for this local ufrag go to the peer. Its oldest ufrag goes when it has too many.
    pub fn add_ufrag(&mut self, ufrag: &str, peer: PeerKey) {
        if self.by_ufrag.insert(ufrag.to_owned(), peer) == Some(peer) {
            return;
        }
        let ufrags = &mut self.routes.entry(peer).or_default().ufrags;
        ufrags.push(ufrag.to_owned());
        if ufrags.len() > UFRAGS_PER_PEER {
            let oldest = ufrags.remove(0);
            remove_if(&mut self.by_ufrag, &oldest, peer);
        }
    }

    /// What comes on this path goes to the peer.
    pub fn add_path(&mut self, path: Path, peer: PeerKey) {
        if self.by_path.insert(path, peer) == Some(peer) {
            return;
        }
        let paths = &mut self.routes.entry(peer).or_default().paths;
        // It may have been another peer's in between.
        paths.retain(|known| *known != path);
        paths.push(path);
        if paths.len() > PATHS_PER_PEER {
            let oldest = paths.remove(0);
            remove_if(&mut self.by_path, &oldest, peer);
        }
    }

    /// Forgets a path, if it still is the peer's.
    pub fn remove_path(&mut self, path: &Path, peer: PeerKey) {
        remove_if(&mut self.by_path, path, peer);
        if let Some(routes) = self.routes.get_mut(&peer) {
            routes.paths.retain(|known| known != path);
        }
    }

    /// Forgets everything of the peer.
    pub fn remove_peer(&mut self, peer: PeerKey) {
        let Some(routes) = self.routes.remove(&peer) else {
            return;
        };
        for ufrag in &routes.ufrags {
            remove_if(&mut self.by_ufrag, ufrag, peer);
        }
        for path in &routes.paths {
            remove_if(&mut self.by_path, path, peer);
        }
    }

    /// Entries in all maps: bounded by the number of peers times what the limits give each.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_path.len() + self.by_ufrag.len() + self.routes.len()
    }

    /// Nobody is routed to.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn remove_if<K, Q>(map: &mut HashMap<K, PeerKey>, key: &Q, peer: PeerKey)
where
    K: std::hash::Hash + Eq + std::borrow::Borrow<Q>,
    Q: std::hash::Hash + Eq + ?Sized,
{
    if map.get(key) == Some(&peer) {
        map.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::stun::tests::check;
    use crate::sdp::Transport;
    use std::net::{IpAddr, SocketAddr};

    fn peer(slot: u32) -> PeerKey {
        PeerKey { slot, generation: 0 }
    }

    fn path(port: u16) -> Path {
        let remote = SocketAddr::from(([192, 0, 2, 1], port));
        Path { transport: Transport::Udp, local_ip: IpAddr::from([198, 51, 100, 1]), remote }
    }

    #[test]
    fn kinds() {
        let table: &[(&[u8], Option<Kind>)] = &[
            (&[], None),
            (&[0], Some(Kind::Stun)),
            (&[3], Some(Kind::Stun)),
            (&[4], None),
            (&[19], None),
            (&[20], Some(Kind::Dtls)),
            (&[63], Some(Kind::Dtls)),
            (&[64], None),
            (&[127], None),
            (&[128], Some(Kind::Rtp)),
            (&[128, 191], Some(Kind::Rtp)),
            (&[128, 192], Some(Kind::Rtcp)),
            (&[191, 223], Some(Kind::Rtcp)),
            (&[128, 224], Some(Kind::Rtp)),
            (&[192, 200], None),
        ];
        for (data, expected) in table {
            assert_eq!(Kind::of(data), *expected, "{data:?}");
        }
    }

    #[test]
    fn routes() {
        let mut demux = Demux::default();
        demux.add_ufrag("one", peer(1));
        demux.add_ufrag("two", peer(2));
        demux.add_path(path(1), peer(1));
        let (one, two, three) = (check("one:x", "p", &[]), check("two:x", "p", &[]), check("three:x", "p", &[]));
        let dtls = [22, 254, 253];
        let table: &[(u16, &[u8], Result<PeerKey, DropReason>)] = &[
            (1, &dtls, Ok(peer(1))),
            (2, &dtls, Err(DropReason::UnknownAddress)),
            (2, &[128, 96], Err(DropReason::UnknownAddress)),
            (1, &[64], Err(DropReason::NotMultiplexed)),
            (9, &one, Ok(peer(1))),
            (1, &two, Ok(peer(2))),
            (1, &three, Err(DropReason::StunUnknownUfrag)),
            (1, &one[..20], Err(DropReason::StunMalformed)),
        ];
        for (port, data, expected) in table {
            assert_eq!(demux.route(&path(*port), data), *expected, "{port} {data:?}");
        }
        // The client's new session takes over its socket; what the old one forgets later is not its own any more.
        demux.add_path(path(1), peer(2));
        demux.remove_path(&path(1), peer(1));
        assert_eq!(demux.route(&path(1), &dtls), Ok(peer(2)));
        demux.remove_peer(peer(1));
        assert_eq!(demux.route(&path(1), &dtls), Ok(peer(2)));
        demux.remove_peer(peer(2));
        assert!(demux.is_empty());
    }

    #[test]
    fn one_peer_has_so_many_routes_and_no_more() {
        let mut demux = Demux::default();
        for n in 0..1000u16 {
            demux.add_ufrag(&format!("ufrag{n}"), peer(1));
            demux.add_path(path(n), peer(1));
            demux.add_path(path(n), peer(1));
            // Two peers that take a path from each other.
            demux.add_path(path(1), peer(2));
            demux.add_path(path(1), peer(3));
        }
        assert_eq!(demux.len(), UFRAGS_PER_PEER + PATHS_PER_PEER + 1 + 3);
        for slot in 1..=3 {
            demux.remove_peer(peer(slot));
        }
        assert!(demux.is_empty());
    }
}
