//! A token as it is kept and compared.

use std::fmt::{self, Write as _};

use ring::digest::{SHA256, digest};
use subtle::ConstantTimeEq as _;

use crate::secret::Secret;

/// The SHA-256 of a token. Digests have one length, so comparing them in constant time hides the token's length too.
/// Equality is that comparison, and `Debug` shows nothing: a short token could be found from its digest.
#[derive(Clone, Copy)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Of a token.
    #[must_use]
    pub fn of(token: &Secret) -> Self {
        let bytes = digest(&SHA256, token.expose().as_bytes());
        Self(bytes.as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }

    /// In hexadecimal digits, for who knows the token too.
    #[must_use]
    pub fn hexadecimal(&self) -> String {
        self.0.iter().fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Digest {}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(digest)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_and_does_not_print() {
        let of = |text| Digest::of(&Secret::new(text));
        assert_eq!(of("a"), of("a"));
        assert_ne!(of("a"), of("b"));
        assert_ne!(of("a"), of(""));
        assert_eq!(format!("{:?}", of("a")), "(digest)");
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(of("abc").hexadecimal(), known, "FIPS 180-4's example");
    }
}
