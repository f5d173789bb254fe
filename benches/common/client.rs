//! A client without a socket: controlling ICE, DTLS client, and the keys that come out of it. Composed from the
//! family's parts; the server's own modules are on the other side.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::BytesMut;
use rillcast::peer::keys::{EXPORTER_LABEL, Profile, split_exported};
use rillcast::peer::srtp::Srtp;
use rillcast::sdp::{Fingerprint, IceCredentials};
use ring::digest;
use rtc_dtls::config::{ConfigBuilder, HandshakeConfig};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::crypto_provider::default_provider;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::TransportProtocol;
use rtc_stun::attributes::{ATTR_ICE_CONTROLLING, ATTR_PRIORITY, ATTR_USE_CANDIDATE, ATTR_USERNAME};
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{BINDING_REQUEST, Message, Setter as _};
use rtc_stun::textattrs::TextAttribute;

/// The address inside the DTLS endpoint, which is used for one association only.
const PEER: &str = "192.0.2.1:1";

/// Credentials that are as long as real ones.
pub fn credentials(name: &str) -> IceCredentials {
    IceCredentials { ufrag: name.to_owned(), pwd: format!("{name:0<24}") }
}

pub struct Client {
    endpoint: Endpoint,
    connected: bool,
}

impl Client {
    /// A client that has not sent anything, offering one profile.
    pub fn new(profile: Profile) -> Self {
        let mut endpoint = Endpoint::new(address(), TransportProtocol::UDP, None);
        endpoint.connect(now(), address(), config(profile), None).expect("a new endpoint has no connection");
        Self { endpoint, connected: false }
    }

    /// The digest of every client's certificate.
    pub fn fingerprint() -> Fingerprint {
        let encoded = identity().certificate[0].as_ref();
        let digest = digest::digest(&digest::SHA256, encoded).as_ref().to_vec();
        Fingerprint { algorithm: "sha-256".to_owned(), digest }
    }

    /// A nominating check to the server with these credentials.
    pub fn check(server: &IceCredentials, client: &IceCredentials) -> Vec<u8> {
        let provider = default_provider().expect("a provider is compiled in");
        let mut message = Message::new();
        message.set_type(BINDING_REQUEST);
        message.new_transaction_id().expect("there is randomness");
        message.write_header();
        let username = TextAttribute::new(ATTR_USERNAME, format!("{}:{}", server.ufrag, client.ufrag));
        username.add_to(&mut message).expect("a user name is short");
        message.add(ATTR_PRIORITY, &0x7e00_00ff_u32.to_be_bytes());
        message.add(ATTR_USE_CANDIDATE, &[]);
        message.add(ATTR_ICE_CONTROLLING, &1_u64.to_be_bytes());
        MessageIntegrity::new_short_term_integrity_with_provider(server.pwd.clone(), provider.crypto())
            .add_to(&mut message)
            .expect("the message has room");
        FINGERPRINT.add_to(&mut message).expect("the message has room");
        message.raw
    }

    /// Takes a datagram of the server's; what is no DTLS is of no interest.
    pub fn handle(&mut self, datagram: &[u8]) {
        if !matches!(datagram.first(), Some(20..=63)) {
            return;
        }
        let events = self.endpoint.read(now(), address(), None, BytesMut::from(datagram));
        let events = events.expect("the server sends nothing that is not valid");
        self.connected |= events.iter().any(|event| matches!(event, EndpointEvent::HandshakeComplete));
    }

    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.endpoint.poll_transmit().map(|transmit| transmit.message.to_vec())
    }

    pub fn is_connected(&self) -> bool {
        self.connected
    }

    /// What seals to the server and opens what comes from there.
    pub fn srtp(&self) -> Srtp {
        let state = self.endpoint.get_connection_state(address()).expect("the handshake is done");
        let profile = match state.srtp_protection_profile() {
            SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => Profile::AeadAes128Gcm,
            _ => Profile::AesCmSha1,
        };
        let exported = state.export_keying_material(EXPORTER_LABEL, &[], profile.exported_bytes());
        let exported = exported.expect("the handshake is done");
        let (client, server) = split_exported(profile, exported.as_ref()).expect("it is as long as asked for");
        Srtp::new(profile, &client, &server)
    }
}

fn address() -> std::net::SocketAddr {
    PEER.parse().expect("an address")
}

#[allow(clippy::disallowed_methods, reason = "the handshake has timers, which are never reached")]
fn now() -> Instant {
    Instant::now()
}

fn identity() -> &'static Certificate {
    static IDENTITY: OnceLock<Certificate> = OnceLock::new();
    IDENTITY.get_or_init(|| {
        let provider = default_provider().expect("a provider is compiled in");
        Certificate::generate_self_signed(vec!["client".to_owned()], provider.crypto()).expect("there is randomness")
    })
}

fn config(profile: Profile) -> Arc<HandshakeConfig> {
    let profile = match profile {
        Profile::AeadAes128Gcm => SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
        Profile::AesCmSha1 => SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
    };
    let config = ConfigBuilder::default()
        .with_crypto_provider(default_provider().expect("a provider is compiled in"))
        .with_certificates(vec![identity().clone()])
        .with_srtp_protection_profiles(vec![profile])
        .with_insecure_skip_verify(true)
        .build(true, Some(address()));
    Arc::new(config.expect("a certificate and a profile are there"))
}
