//! The two ciphers of SRTP and SRTCP, over bytes that are already laid out: no state but the keys.

use aes::Aes128;
use aes::cipher::{KeyIvInit as _, StreamCipher as _};
use ctr::Ctr128BE;
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hmac;
use subtle::ConstantTimeEq as _;

use crate::peer::keys::{Profile, SessionKeys};

/// Bytes of a GCM tag (RFC 7714 §13).
const GCM_TAG: usize = 16;
/// Bytes of an HMAC-SHA1-80 tag.
const CM_TAG: usize = 10;

/// The keys of one direction and one of RTP or RTCP, ready for use.
pub enum Cipher {
    /// RFC 7714
    Gcm(Box<Gcm>),
    /// RFC 3711
    Cm(Box<Cm>),
}

/// AES-128-GCM.
pub struct Gcm {
    key: LessSafeKey,
    salt: [u8; 12],
}

/// AES-128 in counter mode, with HMAC-SHA1.
pub struct Cm {
    key: [u8; 16],
    salt: [u8; 14],
    authentication: hmac::Key,
}

impl Cipher {
    /// From derived keys.
    #[must_use]
    pub fn new(profile: Profile, keys: &SessionKeys) -> Self {
        match profile {
            Profile::Gcm => {
                let key = UnboundKey::new(&AES_128_GCM, &keys.cipher).expect("16 bytes make an AES-128 key");
                let mut salt = [0; 12];
                salt.copy_from_slice(&keys.salt[..12]);
                Self::Gcm(Box::new(Gcm { key: LessSafeKey::new(key), salt }))
            }
            Profile::Cm => {
                let authentication = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &keys.authentication);
                Self::Cm(Box::new(Cm { key: keys.cipher, salt: keys.salt, authentication }))
            }
        }
    }

    /// Bytes of the tag.
    #[must_use]
    pub fn tag(&self) -> usize {
        match self {
            Self::Gcm(_) => GCM_TAG,
            Self::Cm(_) => CM_TAG,
        }
    }

    /// Encrypts `body` and returns the tag, which covers `clear`, the body and, with HMAC, `trailer` (the rollover
    /// counter or the SRTCP index; GCM has it in the nonce or in `clear`).
    pub fn seal(&self, position: Position, clear: &[&[u8]], body: &mut [u8], trailer: [u8; 4]) -> Tag {
        match self {
            Self::Gcm(gcm) => {
                let mut aad = [0; MAX_AAD];
                let aad = join(clear, &mut aad);
                let sealed = gcm.key.seal_in_place_separate_tag(gcm.nonce(position), Aad::from(aad), body);
                let tag = sealed.expect("a packet is far shorter than what GCM seals");
                let mut bytes = [0; GCM_TAG];
                bytes.copy_from_slice(tag.as_ref());
                Tag { bytes, length: GCM_TAG }
            }
            Self::Cm(cm) => {
                cm.apply(position, body);
                cm.tag(clear, body, trailer)
            }
        }
    }

    /// Checks the tag and decrypts `body` in place, tag excluded. False, with `body` undefined, where it does not hold.
    pub fn open(&self, position: Position, clear: &[&[u8]], body_and_tag: &mut [u8], trailer: [u8; 4]) -> bool {
        match self {
            Self::Gcm(gcm) => {
                let mut aad = [0; MAX_AAD];
                let aad = join(clear, &mut aad);
                gcm.key.open_in_place(gcm.nonce(position), Aad::from(aad), body_and_tag).is_ok()
            }
            Self::Cm(cm) => {
                let Some(length) = body_and_tag.len().checked_sub(CM_TAG) else { return false };
                let (body, tag) = body_and_tag.split_at_mut(length);
                let expected = cm.tag(clear, body, trailer);
                if !bool::from(expected.as_ref().ct_eq(tag)) {
                    return false;
                }
                cm.apply(position, body);
                true
            }
        }
    }
}

/// Longest associated data: an RTP header with all its contributing sources and a large extension, or an RTCP
/// header and index. A longer one opens under no key.
const MAX_AAD: usize = 1024;

fn join<'a>(parts: &[&[u8]], out: &'a mut [u8; MAX_AAD]) -> &'a [u8] {
    let mut length = 0;
    for part in parts {
        let end = (length + part.len()).min(MAX_AAD);
        out[length..end].copy_from_slice(&part[..end - length]);
        length = end;
    }
    &out[..length]
}

/// A tag of either cipher.
pub struct Tag {
    bytes: [u8; GCM_TAG],
    length: usize,
}

impl AsRef<[u8]> for Tag {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// What makes a nonce unique under one key: SSRC, and the packet index of SRTP (48 bits) or the index of SRTCP (31
/// bits).
#[derive(Clone, Copy)]
pub struct Position {
    /// Synchronisation source.
    pub ssrc: u32,
    /// Index.
    pub index: u64,
}

impl Gcm {
    /// RFC 7714 §8.1 and §9.1: two zero bytes, the SSRC, the index in six bytes; then the salt over it all.
    fn nonce(&self, position: Position) -> Nonce {
        let mut bytes = [0; 12];
        bytes[2..6].copy_from_slice(&position.ssrc.to_be_bytes());
        bytes[6..12].copy_from_slice(&position.index.to_be_bytes()[2..]);
        for (byte, salt) in bytes.iter_mut().zip(self.salt) {
            *byte ^= salt;
        }
        Nonce::assume_unique_for_key(bytes)
    }
}

impl Cm {
    /// RFC 3711 §4.1.1.
    fn apply(&self, position: Position, body: &mut [u8]) {
        let mut counter = [0; 16];
        counter[..14].copy_from_slice(&self.salt);
        for (byte, ssrc) in counter[4..8].iter_mut().zip(position.ssrc.to_be_bytes()) {
            *byte ^= ssrc;
        }
        for (byte, index) in counter[8..14].iter_mut().zip(&position.index.to_be_bytes()[2..]) {
            *byte ^= index;
        }
        Ctr128BE::<Aes128>::new(&self.key.into(), &counter.into()).apply_keystream(body);
    }

    fn tag(&self, clear: &[&[u8]], body: &[u8], trailer: [u8; 4]) -> Tag {
        let mut context = hmac::Context::with_key(&self.authentication);
        // With HMAC the index that GCM takes as associated data stands behind the body.
        context.update(clear[0]);
        context.update(body);
        context.update(&trailer);
        let mut bytes = [0; GCM_TAG];
        bytes[..CM_TAG].copy_from_slice(&context.sign().as_ref()[..CM_TAG]);
        Tag { bytes, length: CM_TAG }
    }
}
