//! Where a peer's datagrams come from and go to.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use crate::limits::{PATHS_PER_PEER, UNACKNOWLEDGED_FACTOR};
use crate::sdp::Transport;

/// A pair of addresses that datagrams of one peer travel between. For TCP one connection is one path.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Path {
    /// UDP or framed TCP.
    pub transport: Transport,
    /// Our address that the datagram came to; the reply leaves from it.
    pub local_ip: IpAddr,
    /// The peer's address.
    pub remote: SocketAddr,
}

/// The paths that ICE has validated, the selected one, and what may be sent to it.
#[derive(Default)]
pub struct Paths {
    /// In no order; the selected one is never forgotten.
    validated: Vec<Validated>,
    selected: usize,
}

struct Validated {
    path: Path,
    heard: Instant,
    /// Bytes of authentic datagrams that came from there.
    received: u64,
    /// Media bytes sent there while it was not acknowledged.
    sent: u64,
    acknowledged: bool,
}

impl Paths {
    /// Whether ICE has validated the path.
    #[must_use]
    pub fn contains(&self, path: &Path) -> bool {
        self.position(path).is_some()
    }

    /// Validated paths; at most [`PATHS_PER_PEER`].
    #[must_use]
    pub fn len(&self) -> usize {
        self.validated.len()
    }

    /// No path is validated yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.validated.is_empty()
    }

    /// Where to send.
    #[must_use]
    pub fn selected(&self) -> Option<Path> {
        self.validated.get(self.selected).map(|entry| entry.path)
    }

    /// When something authentic came last on the selected path.
    #[must_use]
    pub fn selected_heard(&self) -> Option<Instant> {
        self.validated.get(self.selected).map(|entry| entry.heard)
    }

    /// An authentic datagram of so many bytes came on the path.
    pub fn hear(&mut self, path: &Path, bytes: usize, now: Instant) {
        if let Some(at) = self.position(path) {
            let entry = &mut self.validated[at];
            entry.heard = now;
            entry.received += bytes as u64;
        }
    }

    /// A check of so many bytes validated the path. Returns the one forgotten for it.
    pub fn validate(&mut self, path: Path, bytes: usize, now: Instant) -> Option<Path> {
        if self.contains(&path) {
            self.hear(&path, bytes, now);
            return None;
        }
        let entry = Validated { path, heard: now, received: bytes as u64, sent: 0, acknowledged: false };
        if self.validated.len() < PATHS_PER_PEER {
            self.validated.push(entry);
            return None;
        }
        let others = (0..self.validated.len()).filter(|&at| at != self.selected);
        let oldest = others.min_by_key(|&at| self.validated[at].heard)?;
        Some(std::mem::replace(&mut self.validated[oldest], entry).path)
    }

    /// Sends to this validated path from now on; false where it is the selected one already, or not validated.
    pub fn select(&mut self, path: &Path) -> bool {
        match self.position(path) {
            Some(at) if at != self.selected => {
                self.selected = at;
                true
            }
            _ => false,
        }
    }

    /// Whether the client is known to receive what is sent to this path.
    #[must_use]
    pub fn is_acknowledged(&self, path: &Path) -> bool {
        self.position(path).is_some_and(|at| self.validated[at].acknowledged)
    }

    /// The path is gone. Where it was the selected one, the one heard last takes over. False where it was not known.
    pub fn forget(&mut self, path: &Path) -> bool {
        let Some(at) = self.position(path) else { return false };
        let selected = self.selected().filter(|selected| selected != path);
        self.validated.swap_remove(at);
        let latest = || (0..self.validated.len()).max_by_key(|&at| self.validated[at].heard);
        self.selected = selected.and_then(|path| self.position(&path)).or_else(latest).unwrap_or(0);
        true
    }

    /// The client is known to receive what is sent to this path.
    pub fn acknowledge(&mut self, path: &Path) {
        if let Some(at) = self.position(path) {
            self.validated[at].acknowledged = true;
        }
    }

    /// Takes media bytes from what the selected path may have (RFC 9000 §8 has the reasoning); false when it is used up.
    pub fn may_send(&mut self, bytes: usize) -> bool {
        let Some(entry) = self.validated.get_mut(self.selected) else {
            return false;
        };
        if entry.acknowledged {
            return true;
        }
        let after = entry.sent + bytes as u64;
        let allowed = after <= UNACKNOWLEDGED_FACTOR * entry.received;
        if allowed {
            entry.sent = after;
        }
        allowed
    }

    fn position(&self, path: &Path) -> Option<usize> {
        let is_it = |entry: &Validated| entry.path == *path;
        if self.validated.get(self.selected).is_some_and(is_it) {
            return Some(self.selected);
        }
        self.validated.iter().position(is_it)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn path(port: u16) -> Path {
        let remote = SocketAddr::from(([192, 0, 2, 1], port));
        Path { transport: Transport::Udp, local_ip: IpAddr::from([198, 51, 100, 1]), remote }
    }

    #[test]
    fn the_longest_silent_path_is_forgotten_but_never_the_selected_one() {
        let start = Instant::now();
        let mut paths = Paths::default();
        let mut forgotten = Vec::new();
        for port in 0..100u16 {
            let now = start + Duration::from_secs(port.into());
            forgotten.extend(paths.validate(path(port), 100, now));
            // The second one is kept by what comes from there.
            paths.hear(&path(1), 10, now);
        }
        assert_eq!(paths.len(), PATHS_PER_PEER);
        assert_eq!(paths.selected(), Some(path(0)));
        assert!(paths.contains(&path(1)) && !paths.contains(&path(2)));
        assert_eq!(forgotten.len(), 100 - PATHS_PER_PEER);
        assert_eq!(forgotten[..2], [path(2), path(3)]);
    }

    #[test]
    fn three_times_what_came_until_acknowledged() {
        let now = Instant::now();
        let mut paths = Paths::default();
        assert!(!paths.may_send(1), "nowhere to send");
        paths.validate(path(1), 100, now);
        paths.acknowledge(&path(1));
        assert!(paths.may_send(1 << 30));
        assert!(paths.validate(path(2), 100, now).is_none());
        assert!(paths.select(&path(2)) && !paths.select(&path(2)) && !paths.select(&path(3)));
        assert!(paths.may_send(299) && !paths.may_send(2) && paths.may_send(1) && !paths.may_send(1));
        paths.hear(&path(1), 1000, now);
        assert!(!paths.may_send(1), "bytes from elsewhere do not count");
        paths.hear(&path(2), 10, now);
        assert!(paths.may_send(30) && !paths.may_send(1));
        // To and fro gives no new allowance, and takes no acknowledgement away.
        paths.select(&path(1));
        assert!(paths.may_send(1 << 30));
        paths.select(&path(2));
        assert!(!paths.may_send(1));
        paths.acknowledge(&path(2));
        assert!(paths.may_send(1 << 30));
    }
}
