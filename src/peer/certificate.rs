//! The server's certificate: ECDSA P-256, self-signed, one per server.

use ring::digest;
use rtc_dtls::crypto::Certificate as Pair;
use rtc_dtls::crypto_provider::default_provider;

use crate::sdp::Fingerprint;

/// A certificate with its key.
pub struct Certificate {
    pair: Pair,
}

impl Certificate {
    /// A new one.
    ///
    /// # Errors
    /// Where the random source or the key generation fails.
    pub fn generate() -> Result<Self, String> {
        let provider = default_provider().map_err(|error| error.to_string())?;
        // The family's default algorithm is ECDSA P-256 with SHA-256.
        let pair = Pair::generate_self_signed(vec!["rillcast".to_owned()], provider.crypto());
        pair.map(|pair| Self { pair }).map_err(|error| error.to_string())
    }

    /// Its SHA-256 digest, for `a=fingerprint`.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let digest = digest::digest(&digest::SHA256, self.pair.certificate[0].as_ref());
        Fingerprint { algorithm: "sha-256".to_owned(), digest: digest.as_ref().to_vec() }
    }

    /// What the DTLS endpoint takes.
    #[must_use]
    pub fn pair(&self) -> &Pair {
        &self.pair
    }
}

/// True when a certificate (DER) has this digest. An algorithm that is not known fits nothing.
#[must_use]
pub fn matches(fingerprint: &Fingerprint, certificate: &[u8]) -> bool {
    let algorithm = match fingerprint.algorithm.as_str() {
        "sha-256" => &digest::SHA256,
        "sha-384" => &digest::SHA384,
        "sha-512" => &digest::SHA512,
        _ => return false,
    };
    digest::digest(algorithm, certificate).as_ref() == fingerprint.digest
}
