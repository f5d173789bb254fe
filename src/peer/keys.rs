//! SRTP session keys from what the DTLS handshake exports (RFC 5764 §4.2, RFC 3711 §4.3).

use aes::Aes128;
use aes::cipher::{KeyIvInit, StreamCipher};

/// The label of the exporter (RFC 5764 §4.2).
pub const EXPORTER_LABEL: &str = "EXTRACTOR-dtls_srtp";

/// Bytes of a master or session key: both profiles are AES-128.
pub const KEY_BYTES: usize = 16;
/// Bytes of the longest salt.
pub const SALT_BYTES: usize = 14;
/// Bytes of an HMAC-SHA1 key (RFC 3711 §8.2).
pub const AUTHENTICATION_KEY_BYTES: usize = 20;

/// The protection profiles that are negotiated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Profile {
    /// `SRTP_AEAD_AES_128_GCM` (RFC 7714).
    AeadAes128Gcm,
    /// `SRTP_AES128_CM_HMAC_SHA1_80` (RFC 5764).
    AesCmSha1,
}

impl Profile {
    /// Its name (RFC 5764 §4.1.2, RFC 7714 §14.2), without the `SRTP_` that all of them begin with.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Self::AesCmSha1 => "AES128_CM_HMAC_SHA1_80",
        }
    }

    /// Bytes of the master salt.
    #[must_use]
    pub fn salt_bytes(self) -> usize {
        match self {
            Self::AeadAes128Gcm => 12,
            Self::AesCmSha1 => SALT_BYTES,
        }
    }

    /// Bytes to export: two keys, two salts.
    #[must_use]
    pub fn exported_bytes(self) -> usize {
        2 * (KEY_BYTES + self.salt_bytes())
    }
}

/// The master key and salt of one direction.
#[derive(Clone)]
pub struct Master {
    key: [u8; KEY_BYTES],
    /// Left-aligned and filled up with zeros, as RFC 7714 §11 wants the shorter salt.
    salt: [u8; SALT_BYTES],
}

/// What a session key is for; the numbers are those of RFC 3711 §4.3.2.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Label {
    /// SRTP encryption key.
    RtpEncryption = 0,
    /// SRTP authentication key.
    RtpAuthentication = 1,
    /// SRTP salt.
    RtpSalt = 2,
    /// SRTCP encryption key.
    RtcpEncryption = 3,
    /// SRTCP authentication key.
    RtcpAuthentication = 4,
    /// SRTCP salt.
    RtcpSalt = 5,
}

/// What both sides write with: client first. `None` unless there are [`Profile::exported_bytes`].
#[must_use]
pub fn split_exported(profile: Profile, exported: &[u8]) -> Option<(Master, Master)> {
    if exported.len() != profile.exported_bytes() {
        return None;
    }
    let (keys, salts) = exported.split_at(2 * KEY_BYTES);
    let (client_key, server_key) = keys.split_at(KEY_BYTES);
    let (client_salt, server_salt) = salts.split_at(profile.salt_bytes());
    Some((Master::new(client_key, client_salt), Master::new(server_key, server_salt)))
}

impl Master {
    /// Key of 16 bytes, salt of 12 or 14.
    fn new(key: &[u8], salt: &[u8]) -> Self {
        let mut master = Self { key: [0; KEY_BYTES], salt: [0; SALT_BYTES] };
        master.key.copy_from_slice(key);
        master.salt[..salt.len()].copy_from_slice(salt);
        master
    }

    /// A session key of `BYTES`: AES in counter mode over `label` XOR salt (RFC 3711 §4.3.1; the key derivation
    /// rate is 0).
    #[must_use]
    pub fn derive<const BYTES: usize>(&self, label: Label) -> [u8; BYTES] {
        let mut counter = [0; 16];
        counter[..SALT_BYTES].copy_from_slice(&self.salt);
        counter[7] ^= label as u8;
        let mut derived = [0; BYTES];
        ctr::Ctr128BE::<Aes128>::new(&self.key.into(), &counter.into()).apply_keystream(&mut derived);
        derived
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    /// RFC 3711 appendix B.3.
    #[test]
    fn the_vectors_of_the_rfc() {
        let master = Master::new(&hex("E1F97A0D3E018BE0D64FA32C06DE4139"), &hex("0EC675AD498AFEEBB6960B3AABE6"));
        assert_eq!(master.derive::<16>(Label::RtpEncryption)[..], hex("C61E7A93744F39EE10734AFE3FF7A087"));
        assert_eq!(master.derive::<14>(Label::RtpSalt)[..], hex("30CBBC08863D8C85D49DB34A9AE1"));
        assert_eq!(master.derive::<20>(Label::RtpAuthentication)[..], hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"));
    }

    #[test]
    fn exported_bytes_are_keys_then_salts() {
        for profile in [Profile::AeadAes128Gcm, Profile::AesCmSha1] {
            let exported: Vec<u8> = (0..100).take(profile.exported_bytes()).collect();
            let (client, server) = split_exported(profile, &exported).unwrap();
            assert_eq!((client.key[0], server.key[0], client.salt[0]), (0, 16, 32));
            assert_eq!(usize::from(server.salt[0]), 32 + profile.salt_bytes());
            assert!(split_exported(profile, &exported[1..]).is_none());
        }
    }
}
