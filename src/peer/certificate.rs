//! The server's certificate: ECDSA P-256, self-signed, one per server.

use std::sync::Arc;

use ring::digest;
use rtc_dtls::config::{ConfigBuilder, HandshakeConfig};
use rtc_dtls::crypto::Certificate as Chain;
use rtc_dtls::crypto_provider::{RTCCryptoProvider, default_provider};

use crate::sdp::Fingerprint;

/// A certificate with its key.
pub struct Certificate {
    pub(super) chain: Chain,
    pub(super) provider: Arc<dyn RTCCryptoProvider>,
    /// For sessions whose handshake is over: one for all, because nothing in it matters any more.
    pub(super) established: Arc<HandshakeConfig>,
}

impl Certificate {
    /// A new one.
    ///
    /// # Errors
    /// Where the random source or the key generation fails.
    pub fn generate() -> Result<Self, String> {
        let provider = default_provider().map_err(|error| error.to_string())?;
        let names = vec!["rillcast".to_owned()];
        let chain = Chain::generate_self_signed(names, provider.crypto()).map_err(|error| error.to_string())?;
        let established = ConfigBuilder::default()
            .with_crypto_provider(provider.clone())
            .with_insecure_skip_verify(true)
            .with_server_name("rillcast".to_owned())
            .build(true, None)
            .map_err(|error| error.to_string())?;
        Ok(Self { chain, provider, established: Arc::new(established) })
    }

    /// Its SHA-256 digest, for `a=fingerprint`.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let encoded = self.chain.certificate.first().map(AsRef::as_ref).unwrap_or_default();
        let digest = digest::digest(&digest::SHA256, encoded);
        Fingerprint { algorithm: "sha-256".to_owned(), digest: digest.as_ref().to_vec() }
    }
}

/// Whether the DER-encoded certificate has the fingerprint (RFC 8122 §5); never for an unknown algorithm.
#[must_use]
pub(super) fn matches(fingerprint: &Fingerprint, encoded: &[u8]) -> bool {
    let algorithm = match fingerprint.algorithm.as_str() {
        "sha-256" => &digest::SHA256,
        "sha-384" => &digest::SHA384,
        "sha-512" => &digest::SHA512,
        _ => return false,
    };
    digest::digest(algorithm, encoded).as_ref() == fingerprint.digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints() {
        let certificate = Certificate::generate().unwrap();
        let encoded = certificate.chain.certificate[0].as_ref();
        assert!(matches(&certificate.fingerprint(), encoded));
        assert!(!matches(&Certificate::generate().unwrap().fingerprint(), encoded));
        for (name, algorithm) in [("sha-384", &digest::SHA384), ("sha-512", &digest::SHA512)] {
            let digest = digest::digest(algorithm, encoded).as_ref().to_vec();
            assert!(matches(&Fingerprint { algorithm: name.into(), digest: digest.clone() }, encoded));
            assert!(!matches(&Fingerprint { algorithm: "sha-256".into(), digest: digest.clone() }, encoded));
            assert!(!matches(&Fingerprint { algorithm: "sha-1".into(), digest }, encoded));
        }
        let empty = Fingerprint { algorithm: "sha-256".into(), digest: vec![] };
        assert!(!matches(&empty, encoded));
    }
}
