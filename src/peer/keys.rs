//! Session keys from the handshake's keying material (RFC 5764 §4.2, RFC 3711 §4.3).

use aes::Aes128;
use aes::cipher::{KeyIvInit as _, StreamCipher as _};
use ctr::Ctr128BE;

/// Bytes of an AES-128 key.
pub const KEY: usize = 16;

/// The two protection profiles that are served.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Profile {
    /// `AEAD_AES_128_GCM` (RFC 7714)
    Gcm,
    /// `AES_CM_128_HMAC_SHA1_80` (RFC 3711)
    Cm,
}

impl Profile {
    /// Bytes of the master salt.
    #[must_use]
    pub fn salt(self) -> usize {
        match self {
            Self::Gcm => 12,
            Self::Cm => 14,
        }
    }

    /// Bytes of keying material for both directions.
    #[must_use]
    pub fn material(self) -> usize {
        2 * (KEY + self.salt())
    }
}

/// One direction's master key and salt.
#[derive(Clone, Copy)]
pub struct Master<'a> {
    key: &'a [u8],
    salt: &'a [u8],
}

/// Splits keying material into the client's and the server's write keys (RFC 5764 §4.2). `None` where the length is
/// wrong.
#[must_use]
pub fn split(profile: Profile, material: &[u8]) -> Option<(Master<'_>, Master<'_>)> {
    if material.len() != profile.material() {
        return None;
    }
    let (client_key, rest) = material.split_at(KEY);
    let (server_key, rest) = rest.split_at(KEY);
    let (client_salt, server_salt) = rest.split_at(profile.salt());
    Some((Master { key: client_key, salt: client_salt }, Master { key: server_key, salt: server_salt }))
}

/// What a session key is for; the values are the labels of RFC 3711 §4.3.2.
#[derive(Clone, Copy)]
pub enum Label {
    /// SRTP encryption.
    Rtp = 0,
    /// SRTCP encryption.
    Rtcp = 3,
}

/// The keys of SRTP or of SRTCP in one direction.
pub struct SessionKeys {
    /// Encryption.
    pub cipher: [u8; KEY],
    /// Authentication; not used with GCM.
    pub authentication: [u8; 20],
    /// Salt: 14 bytes, of which GCM uses the first 12.
    pub salt: [u8; 14],
}

impl SessionKeys {
    /// Derives them; the key derivation rate is 0, as with every WebRTC client.
    #[must_use]
    pub fn derive(master: &Master<'_>, label: Label) -> Self {
        let label = label as u8;
        let mut keys = Self { cipher: [0; KEY], authentication: [0; 20], salt: [0; 14] };
        expand(master, label, &mut keys.cipher);
        expand(master, label + 1, &mut keys.authentication);
        expand(master, label + 2, &mut keys.salt);
        keys
    }
}

/// The pseudo-random function: AES in counter mode under the master key, from the salt and the label.
fn expand(master: &Master<'_>, label: u8, out: &mut [u8]) {
    let mut counter = [0; 16];
    // A salt of 96 bits stands as if followed by zeros (RFC 7714 §11).
    counter[..master.salt.len()].copy_from_slice(master.salt);
    counter[7] ^= label;
    let key: &[u8; KEY] = master.key.try_into().expect("split gives keys of this length");
    Ctr128BE::<Aes128>::new(key.into(), &counter.into()).apply_keystream(out);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3711 appendix B.3.
    #[test]
    fn keys_of_the_rfc() {
        let key = 0xE1F9_7A0D_3E01_8BE0_D64F_A32C_06DE_4139_u128.to_be_bytes();
        let salt = [0x0E, 0xC6, 0x75, 0xAD, 0x49, 0x8A, 0xFE, 0xEB, 0xB6, 0x96, 0x0B, 0x3A, 0xAB, 0xE6];
        let keys = SessionKeys::derive(&Master { key: &key, salt: &salt }, Label::Rtp);
        assert_eq!(u128::from_be_bytes(keys.cipher), 0xC61E_7A93_744F_39EE_1073_4AFE_3FF7_A087);
        assert_eq!(keys.salt, [0x30, 0xCB, 0xBC, 0x08, 0x86, 0x3D, 0x8C, 0x85, 0xD4, 0x9D, 0xB3, 0x4A, 0x9A, 0xE1]);
        assert_eq!(keys.authentication[..4], [0xCE, 0xBE, 0x32, 0x1F]);
    }

    #[test]
    fn material_of_another_length_is_refused() {
        assert!(split(Profile::Gcm, &[0; 56]).is_some() && split(Profile::Cm, &[0; 60]).is_some());
        assert!(split(Profile::Gcm, &[0; 60]).is_none() && split(Profile::Cm, &[0; 56]).is_none());
    }
}
