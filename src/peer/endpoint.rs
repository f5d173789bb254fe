//! What the family's DTLS endpoint is told and asked.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Instant;

use rtc_dtls::cipher_suite::{CipherSuite, CipherSuiteId};
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, HandshakeConfig};
use rtc_dtls::endpoint::Endpoint;
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_dtls::state::State;
use rtc_shared::TransportProtocol;
use rtc_shared::error::Error;

use crate::peer::certificate::{Certificate, matches};
use crate::peer::keys::Profile;
use crate::sdp::{DtlsRole, Fingerprint};

/// The endpoint knows its peer by address. Ours moves about, so inside it is always this one.
pub const PEER: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 1));

/// What one handshake is done by: 0.6 µs, so each session has its own.
///
/// # Errors
/// Where the certificate cannot sign any cipher suite.
pub fn configure(
    certificate: &Certificate,
    fingerprint: &Fingerprint,
    role: DtlsRole,
    profiles: &[Profile],
) -> Result<Arc<HandshakeConfig>, Error> {
    let fingerprint = fingerprint.clone();
    let profiles = profiles.iter().map(|profile| match profile {
        Profile::AeadAes128Gcm => SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
        Profile::AesCmSha1 => SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
    });
    let config = ConfigBuilder::default()
        .with_crypto_provider(certificate.provider.clone())
        .with_certificates(vec![certificate.chain.clone()])
        .with_srtp_protection_profiles(profiles.collect())
        .with_client_auth(ClientAuthType::RequireAnyClientCert)
        // No chain to check: the fingerprint is what counts. Otherwise each build would make a key pair.
        .with_insecure_skip_verify(true)
        .with_verify_peer_certificate(Some(Arc::new(move |chain, _| match chain.first() {
            Some(encoded) if matches(&fingerprint, encoded) => Ok(()),
            _ => Err(Error::Other("the certificate has another fingerprint".to_owned())),
        })))
        .with_server_name("rillcast".to_owned())
        .build(role == DtlsRole::Client, None)?;
    Ok(Arc::new(config))
}

/// Takes the datagrams that the endpoint wants to send.
pub fn transmits(endpoint: &mut Endpoint) -> impl Iterator<Item = Vec<u8>> + '_ {
    std::iter::from_fn(|| endpoint.poll_transmit()).map(|transmit| transmit.message.to_vec())
}

/// Encrypted records can be read.
#[must_use]
pub fn has_keys(endpoint: &Endpoint) -> bool {
    let suite = endpoint.get_connection_state(PEER).and_then(State::cipher_suite);
    suite.is_some_and(CipherSuite::is_initialized)
}

/// What a finished handshake has agreed on: version and cipher suite.
#[must_use]
pub fn agreed(endpoint: &Endpoint) -> Agreed {
    let suite = endpoint.get_connection_state(PEER).and_then(State::cipher_suite).map(CipherSuite::id);
    let cipher = match suite {
        Some(CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_128_Gcm_Sha256) => "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        Some(CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_256_Cbc_Sha) => "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
        Some(CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_128_Ccm) => "TLS_ECDHE_ECDSA_WITH_AES_128_CCM",
        Some(CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_128_Ccm_8) => "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8",
        // Our certificate is an ECDSA one, and there are no shared keys.
        _ => "other",
    };
    Agreed { version: "1.2", cipher }
}

/// What a DTLS handshake has agreed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Agreed {
    /// Version of DTLS: the endpoint has one only (RFC 6347).
    pub version: &'static str,
    /// Name of the cipher suite in IANA's list.
    pub cipher: &'static str,
}

/// The profile that a finished handshake has negotiated; `None` without one, or where the certificate is not the one
/// announced.
#[must_use]
pub fn outcome(endpoint: &Endpoint, fingerprint: &Fingerprint) -> Option<Profile> {
    let state = endpoint.get_connection_state(PEER)?;
    let is_announced = state.peer_certificates.first().is_some_and(|encoded| matches(fingerprint, encoded));
    match state.srtp_protection_profile() {
        _ if !is_announced => None,
        SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => Some(Profile::AeadAes128Gcm),
        SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80 => Some(Profile::AesCmSha1),
        _ => None,
    }
}

/// An endpoint with nothing but the keys: no transcript, flights, certificates and configuration of its own.
#[must_use]
pub fn slim(now: Instant, endpoint: &Endpoint, certificate: &Certificate) -> Option<Endpoint> {
    let state = endpoint.get_connection_state(PEER)?;
    let bytes = state.marshal_binary().ok()?;
    let mut kept = State::new(certificate.provider.clone(), state.is_client());
    kept.unmarshal_binary(&bytes).ok()?;
    kept.peer_certificates = Vec::new();
    let mut slim = Endpoint::new(PEER, TransportProtocol::UDP, None);
    // The role that `connect` implies matters to flights only, and none will be sent.
    slim.connect(now, PEER, certificate.established.clone(), Some(kept)).ok()?;
    Some(slim)
}
