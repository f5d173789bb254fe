//! A client made of the family's parts, and a network that loses, delays and duplicates by a seed.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rtc_dtls::config::ConfigBuilder;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::TransportProtocol;
use rtc_srtp::config::Config;
use rtc_srtp::context::Context;
use rtc_srtp::protection_profile::ProtectionProfile;

use crate::peer::certificate::Certificate;
use crate::peer::path::Path;
use crate::peer::stun::tests::{answer, check};
use crate::peer::{Peer, PeerConfig, PeerEvent, Received};
use crate::sdp::{DtlsRole, Fingerprint, IceCredentials, Transport};

pub const USE_CANDIDATE: (u16, &[u8]) = (0x25, &[]);
const OURS: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9);

/// One pair of certificates for all tests: the server's and the client's.
pub fn certificates() -> &'static [Arc<Certificate>; 2] {
    static CERTIFICATES: OnceLock<[Arc<Certificate>; 2]> = OnceLock::new();
    CERTIFICATES.get_or_init(|| std::array::from_fn(|_| Arc::new(Certificate::generate().unwrap())))
}

pub fn credentials(name: &str) -> IceCredentials {
    IceCredentials { ufrag: name.into(), pwd: format!("password-of-{name}-with-length") }
}

pub fn path(port: u16) -> Path {
    let remote = SocketAddr::from(([192, 0, 2, 1], port));
    Path { transport: Transport::Udp, local_ip: IpAddr::from([198, 51, 100, 1]), remote }
}

pub fn server_with(now: Instant, fingerprint: Fingerprint, role: DtlsRole) -> Peer {
    let certificate = certificates()[usize::from(role == DtlsRole::Client)].clone();
    let (local, remote) = (credentials("server"), credentials("client"));
    Peer::new(now, PeerConfig { local, remote, fingerprint, role, certificate })
}

pub fn server(now: Instant) -> Peer {
    server_with(now, certificates()[1].fingerprint(), DtlsRole::Server)
}

/// A check of the client for the server, or for whoever has the server's place.
pub fn good_check(attributes: &[(u16, &[u8])]) -> Vec<u8> {
    check("server:client", &credentials("server").pwd, attributes)
}

pub fn events(peer: &mut Peer) -> Vec<PeerEvent> {
    std::iter::from_fn(|| peer.poll_event()).collect()
}

pub fn sent(peer: &mut Peer) -> Vec<(Path, Vec<u8>)> {
    let mut out = Vec::new();
    std::iter::from_fn(|| peer.poll_transmit(&mut out).map(|path| (path, out.clone()))).collect()
}

/// Validates the path and drops what the peer says to it.
pub fn validate(peer: &mut Peer, now: Instant, path: Path) {
    assert_eq!(peer.handle_datagram(now, path, &mut good_check(&[USE_CANDIDATE])), Received::Control);
    assert_eq!(sent(peer).iter().filter(|(_, bytes)| bytes[..2] == [1, 1]).count(), 1, "one success response");
}

/// The client of this name answers the request that the peer has just sent to the path.
pub fn prove(peer: &mut Peer, now: Instant, path: Path, (ours, theirs): (&str, &str)) {
    let requests = sent(peer).into_iter().filter(|(to, bytes)| *to == path && bytes[..2] == [0, 1]);
    let (_, request) = requests.last().expect("the peer asks whether the path is real");
    let mut answered = answer(&request, &format!("{theirs}:{ours}"), &credentials(theirs).pwd);
    let mut elsewhere = answered.clone();
    let other = super::harness::path(path.remote.port() + 1_000);
    assert!(
        matches!(peer.handle_datagram(now, other, &mut elsewhere), Received::Dropped(_)),
        "it proves one path only"
    );
    assert_eq!(peer.handle_datagram(now, path, &mut answered), Received::Control);
}

/// One end of a simulated connection.
pub trait Side {
    fn receive(&mut self, now: Instant, datagram: Vec<u8>);
    fn transmit(&mut self) -> Option<Vec<u8>>;
    fn next_timeout(&self) -> Option<Instant>;
    fn handle_timeout(&mut self, now: Instant);
    fn is_connected(&self) -> bool;
}

impl Side for Peer {
    fn receive(&mut self, now: Instant, mut datagram: Vec<u8>) {
        self.handle_datagram(now, path(1), &mut datagram);
    }

    fn transmit(&mut self) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        self.poll_transmit(&mut out).map(|_| out)
    }

    fn next_timeout(&self) -> Option<Instant> {
        Peer::next_timeout(self)
    }

    fn handle_timeout(&mut self, now: Instant) {
        Peer::handle_timeout(self, now);
    }

    fn is_connected(&self) -> bool {
        Peer::is_connected(self)
    }
}

/// A DTLS client of the family, with the SRTP contexts that come out of it.
pub struct Client {
    pub endpoint: Endpoint,
    pub is_connected: bool,
    pub is_closed: bool,
}

impl Client {
    pub fn new(now: Instant, profiles: &[SrtpProtectionProfile], mtu: usize) -> Self {
        let certificate = &certificates()[1];
        let config = ConfigBuilder::default()
            .with_crypto_provider(certificate.provider.clone())
            .with_certificates(vec![certificate.chain.clone()])
            .with_srtp_protection_profiles(profiles.to_vec())
            .with_insecure_skip_verify(true)
            .with_mtu(mtu)
            .build(true, Some(OURS))
            .unwrap();
        let mut endpoint = Endpoint::new(OURS, TransportProtocol::UDP, None);
        endpoint.connect(now, OURS, Arc::new(config), None).unwrap();
        Self { endpoint, is_connected: false, is_closed: false }
    }

    pub fn certificates_of_server(&self) -> Vec<Vec<u8>> {
        self.endpoint.get_connection_state(OURS).unwrap().peer_certificates.clone()
    }

    /// What seals to the server and what opens what comes from there.
    pub fn contexts(&self) -> (Context, Context) {
        let state = self.endpoint.get_connection_state(OURS).unwrap();
        let profile = match state.srtp_protection_profile() {
            SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => ProtectionProfile::AeadAes128Gcm,
            _ => ProtectionProfile::Aes128CmHmacSha1_80,
        };
        let mut config = Config { profile, ..Config::default() };
        let label = rtc_srtp::config::LABEL_EXTRACTOR_DTLS_SRTP;
        let exported = state.export_keying_material(label, &[], config.keying_material_len()).unwrap();
        config.set_session_keys_from_keying_material(exported.as_ref(), true).unwrap();
        let (keys, provider) = (config.keys, &certificates()[1].provider);
        let context =
            |key: &[u8], salt: &[u8]| Context::new(key, salt, profile, None, None, provider.crypto()).unwrap();
        (
            context(&keys.local_master_key, &keys.local_master_salt),
            context(&keys.remote_master_key, &keys.remote_master_salt),
        )
    }

    /// A close_notify as the client sends it.
    pub fn close(&mut self, now: Instant) -> Vec<u8> {
        self.endpoint.close(now).unwrap();
        self.transmit().unwrap()
    }
}

impl Side for Client {
    fn receive(&mut self, now: Instant, datagram: Vec<u8>) {
        let events = self.endpoint.read(now, OURS, None, BytesMut::from(datagram.as_slice())).unwrap_or_default();
        for event in events {
            self.is_connected |= matches!(event, EndpointEvent::HandshakeComplete);
            self.is_closed |= matches!(event, EndpointEvent::PeerClosed);
        }
    }

    fn transmit(&mut self) -> Option<Vec<u8>> {
        self.endpoint.poll_transmit().map(|transmit| transmit.message.to_vec())
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.endpoint.poll_timeout(&OURS)
    }

    fn handle_timeout(&mut self, now: Instant) {
        let _ = self.endpoint.handle_timeout(OURS, now);
    }

    fn is_connected(&self) -> bool {
        self.is_connected
    }
}

/// Per cent of datagrams that are lost, duplicated, and delayed beyond the next ones.
#[derive(Clone, Copy, Default, Debug)]
pub struct Weather {
    pub seed: u64,
    pub loss: u64,
    pub duplicates: u64,
    pub detours: u64,
}

pub struct Network {
    weather: Weather,
    state: u64,
    /// By arrival; true where the first side is meant.
    flying: BTreeMap<(Instant, u64), (bool, Vec<u8>)>,
    count: u64,
}

impl Network {
    pub fn new(weather: Weather) -> Self {
        Self { weather, state: weather.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, flying: BTreeMap::new(), count: 0 }
    }

    fn happens(&mut self, per_cent: u64) -> bool {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 11) % 100 < per_cent
    }

    fn send(&mut self, now: Instant, to_first: bool, datagram: &[u8]) {
        let copies = if self.happens(self.weather.duplicates) { 2 } else { 1 };
        for _ in 0..copies {
            if self.happens(self.weather.loss) {
                continue;
            }
            let delay = if self.happens(self.weather.detours) { 45 } else { 5 };
            self.count += 1;
            self.flying.insert((now + Duration::from_millis(delay), self.count), (to_first, datagram.to_vec()));
        }
    }

    /// Runs until both are connected and nothing flies, or until the time is over. Returns the time then.
    pub fn run(&mut self, start: Instant, limit: Duration, first: &mut dyn Side, second: &mut dyn Side) -> Instant {
        let mut now = start;
        loop {
            while let Some(datagram) = first.transmit() {
                self.send(now, false, &datagram);
            }
            while let Some(datagram) = second.transmit() {
                self.send(now, true, &datagram);
            }
            let arrival = self.flying.first_key_value().map(|((at, _), _)| *at);
            if arrival.is_none() && first.is_connected() && second.is_connected() {
                return now;
            }
            let next = [arrival, first.next_timeout(), second.next_timeout()].into_iter().flatten().min();
            let Some(next) = next.filter(|&next| next <= start + limit) else {
                return start + limit;
            };
            now = now.max(next);
            while let Some(entry) = self.flying.first_entry().filter(|entry| entry.key().0 <= now) {
                let (to_first, datagram) = entry.remove();
                if to_first { first.receive(now, datagram) } else { second.receive(now, datagram) }
            }
            if first.next_timeout().is_some_and(|at| at <= now) {
                first.handle_timeout(now);
            }
            if second.next_timeout().is_some_and(|at| at <= now) {
                second.handle_timeout(now);
            }
        }
    }
}

/// A server and a client of the family that are connected on path 1.
pub fn connected(profiles: &[SrtpProtectionProfile]) -> (Instant, Peer, Client) {
    let now = Instant::now();
    let mut server = server(now);
    validate(&mut server, now, path(1));
    let mut client = Client::new(now, profiles, 1200);
    let now = Network::new(Weather::default()).run(now, Duration::from_secs(1), &mut server, &mut client);
    assert!(server.is_connected() && client.is_connected);
    (now, server, client)
}

/// An RTP packet with a payload of its own.
pub fn rtp(sequence: u16, ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 96];
    packet.extend_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(&[0, 0, 3, 4]);
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(&[sequence.to_be_bytes(); 50].concat());
    packet
}

/// A receiver report without blocks.
pub fn report(ssrc: u32) -> Vec<u8> {
    [&[0x80, 201, 0, 1], &ssrc.to_be_bytes()[..]].concat()
}
