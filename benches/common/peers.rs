//! Peers of the server, connected by a whole handshake, without a socket.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rillcast::peer::certificate::Certificate;
use rillcast::peer::keys::Profile;
use rillcast::peer::path::Path;
use rillcast::peer::{Peer, PeerConfig};
use rillcast::sdp::{DtlsRole, Transport};

use super::Stopwatch;
use super::client::{Client, credentials};

/// The path of the `number`th client.
pub fn path(number: usize) -> Path {
    let [.., high, low] = number.to_be_bytes();
    let remote = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, high)), 10_000 + u16::from(low));
    Path { transport: Transport::Udp, local_ip: IpAddr::V4(Ipv4Addr::LOCALHOST), remote }
}

/// A peer and its client after check and handshake, and the CPU time that the peer took for them.
pub fn connect(now: Instant, certificate: &Arc<Certificate>, profile: Profile, path: Path) -> (Peer, Client, Duration) {
    let (local, remote) = (credentials("server"), credentials("client"));
    let mut client = Client::new(profile);
    let mut check = Client::check(&local, &remote);
    let fingerprint = Client::fingerprint();
    let mut used = Duration::ZERO;
    let watch = Stopwatch::start();
    let config = PeerConfig { local, remote, fingerprint, role: DtlsRole::Server, certificate: certificate.clone() };
    let mut peer = Peer::new(now, config);
    let _ = peer.handle_datagram(now, path, &mut check);
    used += watch.elapsed();
    for _ in 0..100 {
        while let Some(datagram) = transmit(&mut peer, &mut used) {
            client.handle(&datagram);
        }
        while let Some(mut datagram) = client.poll_transmit() {
            let watch = Stopwatch::start();
            let _ = peer.handle_datagram(now, path, &mut datagram);
            used += watch.elapsed();
        }
        if peer.is_connected() && client.is_connected() {
            while peer.poll_event().is_some() {}
            return (peer, client, used);
        }
    }
    panic!("the handshake did not end");
}

fn transmit(peer: &mut Peer, used: &mut Duration) -> Option<Vec<u8>> {
    let watch = Stopwatch::start();
    let mut datagram = Vec::new();
    let path = peer.poll_transmit(&mut datagram);
    *used += watch.elapsed();
    path.map(|_| datagram)
}
