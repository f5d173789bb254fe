//! The handshake of one peer, by the family's DTLS endpoint: what goes into it is bounded, and what comes out of it
//! is keying material.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rtc_dtls::config::{ClientAuthType, ConfigBuilder};
use rtc_dtls::crypto_provider::default_provider;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::TransportProtocol;

use crate::limits;
use crate::peer::certificate::{self, Certificate};
use crate::peer::client_hello::Assembler;
use crate::peer::keys::Profile;
use crate::sdp::{DtlsRole, Fingerprint};
use crate::sfu::drop::DropReason;

/// The endpoint keys its associations by address; with one endpoint per session the address never changes.
const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);
/// RFC 5764 §4.2.
const EXPORTER_LABEL: &str = "EXTRACTOR-dtls_srtp";
/// First retransmission of a flight: a fast one costs a packet, a slow one the first picture.
const FLIGHT_INTERVAL: Duration = Duration::from_millis(250);
/// Datagrams that wait for the rest of the ClientHello.
const WAITING_DATAGRAMS: usize = 16;

/// Content types of records (RFC 5246 §6.2.1).
const ALERT: u8 = 21;
const APPLICATION_DATA: u8 = 23;

/// What came of a datagram or of time.
#[derive(Debug)]
pub enum DtlsEvent {
    /// The handshake is done: the profile, the keying material, and whether we were the client.
    Connected {
        /// SRTP profile.
        profile: Profile,
        /// RFC 5764 §4.2.
        material: Vec<u8>,
    },
    /// The other side said goodbye.
    Closed,
    /// The handshake failed, or the certificate is not the one of the offer.
    Failed,
}

/// See the module.
pub struct Dtls {
    endpoint: Endpoint,
    role: DtlsRole,
    certificate: Arc<Certificate>,
    fingerprint: Fingerprint,
    hello: Option<Assembler>,
    waiting: Vec<BytesMut>,
    started: bool,
    connected: bool,
    datagrams: u32,
    bytes: usize,
}

impl Dtls {
    /// An endpoint that waits for the client, or for [`Dtls::start`].
    #[must_use]
    pub fn new(role: DtlsRole, certificate: Arc<Certificate>, fingerprint: Fingerprint) -> Self {
        Self {
            endpoint: Endpoint::new(PEER, TransportProtocol::UDP, None),
            role,
            certificate,
            fingerprint,
            hello: (role == DtlsRole::Server).then(Assembler::default),
            waiting: Vec::new(),
            started: false,
            connected: false,
            datagrams: 0,
            bytes: 0,
        }
    }

    /// There is a path: a client begins.
    ///
    /// # Errors
    /// Where the endpoint refuses.
    pub fn start(&mut self, now: Instant) -> Result<(), DropReason> {
        if self.role == DtlsRole::Server || self.started {
            return Ok(());
        }
        self.started = true;
        let profiles =
            vec![SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm, SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80];
        let config = self.config(profiles)?;
        self.endpoint.connect(now, PEER, config, None).map_err(|_| DropReason::DtlsInvalid)
    }

    /// One datagram from a path that ICE has validated.
    ///
    /// # Errors
    /// Why nothing came of it.
    pub fn handle(&mut self, now: Instant, data: &[u8]) -> Result<Option<DtlsEvent>, DropReason> {
        self.datagrams += 1;
        self.bytes += data.len();
        let spent = if self.connected {
            self.datagrams > limits::DTLS_DATAGRAMS_AFTER
        } else {
            self.datagrams > limits::HANDSHAKE_DATAGRAMS || self.bytes > limits::HANDSHAKE_BYTES
        };
        if spent {
            return Err(DropReason::HandshakeBudget);
        }
        if !records(data).all(|(kind, epoch)| self.is_wanted(kind, epoch)) {
            return Err(DropReason::DtlsInvalid);
        }
        let Some(hello) = &mut self.hello else { return self.read(now, BytesMut::from(data)) };
        let profile = hello.handle(data);
        if self.waiting.len() < WAITING_DATAGRAMS {
            self.waiting.push(BytesMut::from(data));
        }
        let Some(profile) = profile else { return Ok(None) };
        self.hello = None;
        self.endpoint.set_server_config(Some(self.config(vec![wire(profile)])?));
        let mut event = None;
        for datagram in std::mem::take(&mut self.waiting) {
            event = self.read(now, datagram)?.or(event);
        }
        Ok(event)
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self, out: &mut Vec<u8>) -> bool {
        let Some(transmit) = self.endpoint.poll_transmit() else { return false };
        out.clear();
        out.extend_from_slice(&transmit.message);
        true
    }

    /// When a flight has to be repeated.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.endpoint.poll_timeout(&PEER).filter(|_| !self.connected)
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<DtlsEvent> {
        let due = self.next_timeout().is_some_and(|due| now >= due);
        (due && self.endpoint.handle_timeout(PEER, now).is_err()).then_some(DtlsEvent::Failed)
    }

    /// Queues a `close_notify`.
    pub fn close(&mut self, now: Instant) {
        // Before the handshake there is nobody to say goodbye to.
        let _ = self.endpoint.close(now);
    }

    /// What may enter the endpoint. It queues records of the next epoch without bound, so data has no business here
    /// at all (there is no data channel); and once connected an alert in the clear is nobody's word.
    fn is_wanted(&self, kind: u8, epoch: u16) -> bool {
        kind != APPLICATION_DATA && !(self.connected && kind == ALERT && epoch == 0)
    }

    fn read(&mut self, now: Instant, data: BytesMut) -> Result<Option<DtlsEvent>, DropReason> {
        let events = self.endpoint.read(now, PEER, None, data).map_err(|_| DropReason::DtlsInvalid)?;
        let mut outcome = None;
        for event in events {
            match event {
                EndpointEvent::HandshakeComplete => outcome = Some(self.finish()),
                EndpointEvent::PeerClosed => outcome = Some(DtlsEvent::Closed),
                _ => {}
            }
        }
        Ok(outcome)
    }

    /// The handshake is done: is it the client of the offer, and what are the keys?
    fn finish(&mut self) -> DtlsEvent {
        let Some(state) = self.endpoint.get_connection_state(PEER) else { return DtlsEvent::Failed };
        let known = state.peer_certificates.first().is_some_and(|der| certificate::matches(&self.fingerprint, der));
        let profile = match state.srtp_protection_profile() {
            SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => Profile::Gcm,
            SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80 => Profile::Cm,
            _ => return DtlsEvent::Failed,
        };
        let material = state.export_keying_material(EXPORTER_LABEL, &[], profile.material());
        match material {
            Ok(material) if known => {
                self.connected = true;
                self.datagrams = 0;
                DtlsEvent::Connected { profile, material: material.as_ref().to_vec() }
            }
            _ => DtlsEvent::Failed,
        }
    }

    fn config(
        &self,
        profiles: Vec<SrtpProtectionProfile>,
    ) -> Result<Arc<rtc_dtls::config::HandshakeConfig>, DropReason> {
        let provider = default_provider().map_err(|_| DropReason::DtlsInvalid)?;
        let config = ConfigBuilder::default()
            .with_crypto_provider(provider)
            .with_certificates(vec![self.certificate.pair().clone()])
            .with_srtp_protection_profiles(profiles)
            .with_client_auth(ClientAuthType::RequireAnyClientCert)
            // The certificates are self-signed: the fingerprint of the offer vouches for them (RFC 8827 §6.5).
            .with_insecure_skip_verify(true)
            .with_flight_interval(FLIGHT_INTERVAL)
            .build(self.role == DtlsRole::Client, None);
        config.map(Arc::new).map_err(|_| DropReason::DtlsInvalid)
    }
}

fn wire(profile: Profile) -> SrtpProtectionProfile {
    match profile {
        Profile::Gcm => SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
        Profile::Cm => SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
    }
}

/// Content type and epoch of each record in a datagram (RFC 6347 §4.1).
fn records(datagram: &[u8]) -> impl Iterator<Item = (u8, u16)> + '_ {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let header = rest.get(..13)?;
        let length = usize::from(u16::from_be_bytes([header[11], header[12]]));
        rest = rest.get(13 + length..).unwrap_or_default();
        Some((header[0], u16::from_be_bytes([header[3], header[4]])))
    })
}
