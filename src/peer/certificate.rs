//! The server's certificate: ECDSA P-256, self-signed, one per server.

use crate::sdp::Fingerprint;

/// A certificate with its key.
pub struct Certificate {}

impl Certificate {
    /// A new one.
    ///
    /// # Errors
    /// Where the random source or the key generation fails.
    pub fn generate() -> Result<Self, String> {
        unimplemented!()
    }

    /// Its SHA-256 digest, for `a=fingerprint`.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        unimplemented!()
    }
}
