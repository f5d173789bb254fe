//! The two transforms on single packets: AEAD_AES_128_GCM (RFC 7714) and AES_CM_128_HMAC_SHA1_80 (RFC 3711 §4).

use aes::Aes128;
use aes::cipher::{InnerIvInit, KeyInit, StreamCipher};
use hmac::{Hmac, Mac};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, Tag, UnboundKey};
use sha1::Sha1;

use crate::peer::keys::{AUTHENTICATION_KEY_BYTES, KEY_BYTES, Label, Master, Profile, SALT_BYTES};

const GCM_TAG: usize = 16;
const SHA1_TAG: usize = 10;
/// E bit and index behind an SRTCP packet.
const RTCP_INDEX: usize = 4;
/// What an SRTCP packet leaves readable: the first header and its SSRC.
const RTCP_HEADER: usize = 8;

/// RTP or RTCP of one direction.
#[expect(clippy::large_enum_variant, reason = "the large one is the common one")]
pub enum Cipher {
    /// RFC 7714.
    Gcm {
        /// The session key.
        key: LessSafeKey,
        /// The session salt.
        salt: [u8; 12],
    },
    /// RFC 3711. Boxed: it is larger, and rare.
    Cm(Box<AesCm>),
}

/// AES in counter mode and HMAC-SHA1, cut to 80 bits.
pub struct AesCm {
    key: Aes128,
    salt: [u8; SALT_BYTES],
    /// Keyed once. With ring's, which has no SHA instructions, sealing 1,200 bytes takes 3.3 µs instead of 1.1.
    authentication: Hmac<Sha1>,
}

impl Cipher {
    /// From a master key; `labels` are those of encryption, authentication and salt.
    #[must_use]
    pub fn new(profile: Profile, master: &Master, labels: [Label; 3]) -> Self {
        let [encryption, authentication, salt] = labels;
        let key = master.derive::<KEY_BYTES>(encryption);
        match profile {
            Profile::AeadAes128Gcm => {
                let key = UnboundKey::new(&AES_128_GCM, &key).expect("an AES-128 key has 16 bytes");
                Self::Gcm { key: LessSafeKey::new(key), salt: master.derive(salt) }
            }
            Profile::AesCmSha1 => {
                let secret = master.derive::<AUTHENTICATION_KEY_BYTES>(authentication);
                Self::Cm(Box::new(AesCm {
                    key: Aes128::new(&key.into()),
                    salt: master.derive(salt),
                    authentication: KeyInit::new_from_slice(&secret).expect("HMAC takes keys of any length"),
                }))
            }
        }
    }

    /// Bytes behind an SRTP packet.
    #[must_use]
    pub fn rtp_tag(&self) -> usize {
        match self {
            Self::Gcm { .. } => GCM_TAG,
            Self::Cm(_) => SHA1_TAG,
        }
    }

    /// Bytes behind an SRTCP packet: tag, E bit and index.
    #[must_use]
    pub fn rtcp_tail(&self) -> usize {
        self.rtp_tag() + RTCP_INDEX
    }

    /// Where E bit and index begin in a packet of so many bytes, at least [`Self::rtcp_tail`]: RFC 7714 §9.2 puts the tag
    /// before them, RFC 3711 §3.4 behind.
    #[must_use]
    pub fn rtcp_index_at(&self, length: usize) -> usize {
        match self {
            Self::Gcm { .. } => length - RTCP_INDEX,
            Self::Cm(_) => length - self.rtcp_tail(),
        }
    }

    /// Seals `packet`: header of the given length, payload, and room for the tag.
    pub fn seal_rtp(&self, ssrc: u32, index: u64, packet: &mut [u8], header: usize) -> Option<()> {
        let (plain, tag_room) = packet.split_at_mut(packet.len() - self.rtp_tag());
        match self {
            Self::Gcm { key, salt } => {
                let (header, payload) = plain.split_at_mut(header);
                let nonce = gcm_nonce(salt, ssrc, index);
                let tag = key.seal_in_place_separate_tag(nonce, Aad::from(header), payload).ok()?;
                tag_room.copy_from_slice(tag.as_ref());
            }
            Self::Cm(cm) => {
                cm.keystream(ssrc, index, &mut plain[header..]);
                cm.write_tag(plain, &rollover(index), tag_room);
            }
        }
        Some(())
    }

    /// Opens `packet`, which is at least header and tag long; `None` where it is not authentic.
    pub fn open_rtp(&self, ssrc: u32, index: u64, packet: &mut [u8], header: usize) -> Option<()> {
        match self {
            Self::Gcm { key, salt } => {
                let (header, sealed) = packet.split_at_mut(header);
                key.open_in_place(gcm_nonce(salt, ssrc, index), Aad::from(header), sealed).ok()?;
            }
            Self::Cm(cm) => {
                let (sealed, tag) = packet.split_at_mut(packet.len() - SHA1_TAG);
                cm.verify(sealed, &rollover(index), tag)?;
                cm.keystream(ssrc, index, &mut sealed[header..]);
            }
        }
        Some(())
    }

    /// Seals `packet`: a compound RTCP packet of `plain` bytes, and room for what is behind it. `word` is E bit and index.
    pub fn seal_rtcp(&self, ssrc: u32, word: u32, packet: &mut [u8], plain: usize) -> Option<()> {
        let index_at = self.rtcp_index_at(packet.len());
        packet[index_at..index_at + RTCP_INDEX].copy_from_slice(&word.to_be_bytes());
        match self {
            Self::Gcm { key, salt } => {
                let aad = rtcp_aad(packet, word);
                let nonce = gcm_nonce(salt, ssrc, rtcp_index(word));
                let payload = &mut packet[RTCP_HEADER..plain];
                let tag = key.seal_in_place_separate_tag(nonce, Aad::from(aad), payload).ok()?;
                packet[plain..plain + GCM_TAG].copy_from_slice(tag.as_ref());
            }
            Self::Cm(cm) => {
                cm.keystream(ssrc, rtcp_index(word), &mut packet[RTCP_HEADER..plain]);
                let (covered, tag_room) = packet.split_at_mut(plain + RTCP_INDEX);
                cm.write_tag(covered, &[], tag_room);
            }
        }
        Some(())
    }

    /// Opens `packet`, which is at least [`Self::rtcp_tail`] and a header long; `None` where it is not authentic.
    pub fn open_rtcp(&self, ssrc: u32, word: u32, packet: &mut [u8]) -> Option<()> {
        let plain = packet.len() - self.rtcp_tail();
        match self {
            Self::Gcm { key, salt } => {
                let aad = rtcp_aad(packet, word);
                let nonce = gcm_nonce(salt, ssrc, rtcp_index(word));
                let (payload, tail) = packet[RTCP_HEADER..].split_at_mut(plain - RTCP_HEADER);
                let tag = Tag::try_from(&tail[..GCM_TAG]).ok()?;
                key.open_in_place_separate_tag(nonce, Aad::from(aad), tag, payload, 0..).ok()?;
            }
            Self::Cm(cm) => {
                let (covered, tag) = packet.split_at_mut(plain + RTCP_INDEX);
                cm.verify(covered, &[], tag)?;
                cm.keystream(ssrc, rtcp_index(word), &mut covered[RTCP_HEADER..plain]);
            }
        }
        Some(())
    }
}

impl AesCm {
    /// RFC 3711 §4.1.1: IV = salt × 2^16 XOR SSRC × 2^64 XOR index × 2^16.
    fn keystream(&self, ssrc: u32, index: u64, data: &mut [u8]) {
        let mut counter = [0; 16];
        counter[..SALT_BYTES].copy_from_slice(&self.salt);
        xor(&mut counter[4..8], &ssrc.to_be_bytes());
        xor(&mut counter[8..14], &index.to_be_bytes()[2..]);
        let core = ctr::CtrCore::inner_iv_init(&self.key, &counter.into());
        ctr::Ctr128BE::<&Aes128>::from_core(core).apply_keystream(data);
    }

    fn mac(&self, covered: &[u8], rollover: &[u8]) -> Hmac<Sha1> {
        let mut mac = self.authentication.clone();
        mac.update(covered);
        mac.update(rollover);
        mac
    }

    fn write_tag(&self, covered: &[u8], rollover: &[u8], room: &mut [u8]) {
        room.copy_from_slice(&self.mac(covered, rollover).finalize().into_bytes()[..SHA1_TAG]);
    }

    fn verify(&self, covered: &[u8], rollover: &[u8], tag: &[u8]) -> Option<()> {
        self.mac(covered, rollover).verify_truncated_left(tag).ok()
    }
}

/// RFC 7714 §8.1: salt XOR (0, SSRC, ROC, SEQ). The same bytes as §9.1 for SRTCP: (0, SSRC, 0, index of 31 bits).
fn gcm_nonce(salt: &[u8; 12], ssrc: u32, index: u64) -> Nonce {
    let mut nonce = *salt;
    xor(&mut nonce[2..6], &ssrc.to_be_bytes());
    xor(&mut nonce[6..12], &index.to_be_bytes()[2..]);
    Nonce::assume_unique_for_key(nonce)
}

/// RFC 7714 §9.2: the readable header, then E bit and index.
fn rtcp_aad(packet: &[u8], word: u32) -> [u8; RTCP_HEADER + RTCP_INDEX] {
    let mut aad = [0; RTCP_HEADER + RTCP_INDEX];
    aad[..RTCP_HEADER].copy_from_slice(&packet[..RTCP_HEADER]);
    aad[RTCP_HEADER..].copy_from_slice(&word.to_be_bytes());
    aad
}

fn rtcp_index(word: u32) -> u64 {
    u64::from(word & 0x7fff_ffff)
}

fn rollover(index: u64) -> [u8; 4] {
    let [_, _, a, b, c, d, ..] = index.to_be_bytes();
    [a, b, c, d]
}

fn xor(bytes: &mut [u8], mask: &[u8]) {
    for (byte, mask) in bytes.iter_mut().zip(mask) {
        *byte ^= mask;
    }
}
