//! SRTP and SRTCP of one peer (RFC 3711, RFC 7714): opens in place, seals out of place, allocates nothing per
//! packet. What it remembers of an SSRC is written by authenticated packets alone: a forged one leaves no trace.

use crate::limits;
use crate::peer::cipher::{Cipher, Position};
use crate::peer::keys::{Label, Master, Profile, SessionKeys};
use crate::peer::replay::ReplayWindow;
use crate::rtp::sequence::low16;
use crate::sfu::drop::DropReason;

/// Bytes of the SRTCP index with its E bit.
const INDEX: usize = 4;
/// The E bit: the packet is encrypted.
const ENCRYPTED: u32 = 1 << 31;
/// Bytes of an RTCP header with its SSRC: they stay in the clear.
const RTCP_CLEAR: usize = 8;

/// What the client sends.
pub struct Opener {
    rtp: Cipher,
    rtcp: Cipher,
    rtp_windows: Vec<(u32, ReplayWindow)>,
    rtcp_windows: Vec<(u32, ReplayWindow)>,
}

/// What we send.
pub struct Sealer {
    rtp: Cipher,
    rtcp: Cipher,
    rtcp_index: u32,
}

impl Opener {
    /// From the client's write keys.
    #[must_use]
    pub fn new(profile: Profile, master: &Master<'_>) -> Self {
        Self {
            rtp: Cipher::new(profile, &SessionKeys::derive(master, Label::Rtp)),
            rtcp: Cipher::new(profile, &SessionKeys::derive(master, Label::Rtcp)),
            rtp_windows: Vec::new(),
            rtcp_windows: Vec::new(),
        }
    }

    /// SSRCs that are remembered.
    #[must_use]
    pub fn ssrcs(&self) -> usize {
        self.rtp_windows.len() + self.rtcp_windows.len()
    }

    /// Opens an RTP packet in place and returns the length of what is in the clear now.
    ///
    /// # Errors
    /// Why it does not open.
    pub fn open_rtp(&mut self, data: &mut [u8]) -> Result<usize, DropReason> {
        let (header, ssrc, sequence) = rtp_header(data).ok_or(DropReason::RtpMalformed)?;
        let length = data.len().checked_sub(self.rtp.tag()).filter(|length| *length >= header);
        let length = length.ok_or(DropReason::RtpMalformed)?;
        let known = self.rtp_windows.iter().position(|(known, _)| *known == ssrc);
        let highest = known.and_then(|place| self.rtp_windows[place].1.highest());
        let index = estimate_index(highest, sequence);
        if known.is_some_and(|place| !self.rtp_windows[place].1.is_fresh(index)) {
            return Err(DropReason::SrtpReplay);
        }
        if known.is_none() && self.rtp_windows.len() >= limits::SRTP_SSRCS {
            return Err(DropReason::TooManySsrcs);
        }
        let (clear, body) = data.split_at_mut(header);
        let rollover = u32::try_from(index >> 16 & 0xffff_ffff).expect("32 bits").to_be_bytes();
        if !self.rtp.open(Position { ssrc, index }, &[clear], body, rollover) {
            return Err(DropReason::SrtpAuthentication);
        }
        note(&mut self.rtp_windows, ssrc, index);
        Ok(length)
    }

    /// Opens a compound RTCP packet likewise.
    ///
    /// # Errors
    /// Why it does not open.
    pub fn open_rtcp(&mut self, data: &mut [u8]) -> Result<usize, DropReason> {
        let tag = self.rtcp.tag();
        let length = data.len().checked_sub(tag + INDEX).filter(|length| *length >= RTCP_CLEAR);
        let length = length.ok_or(DropReason::RtpMalformed)?;
        // GCM puts the tag before the index (RFC 7714 §9), HMAC behind it (RFC 3711 §3.4).
        let gcm = matches!(self.rtcp, Cipher::Gcm(_));
        let at = if gcm { data.len() - INDEX } else { length };
        let word: [u8; INDEX] = data[at..at + INDEX].try_into().expect("four bytes");
        let marked = u32::from_be_bytes(word);
        if marked & ENCRYPTED == 0 {
            return Err(DropReason::RtpMalformed);
        }
        let ssrc = u32::from_be_bytes(data[4..8].try_into().expect("four bytes"));
        let index = u64::from(marked & !ENCRYPTED);
        let known = self.rtcp_windows.iter().position(|(known, _)| *known == ssrc);
        if known.is_some_and(|place| !self.rtcp_windows[place].1.is_fresh(index)) {
            return Err(DropReason::SrtpReplay);
        }
        if known.is_none() && self.rtcp_windows.len() >= limits::SRTP_SSRCS {
            return Err(DropReason::TooManySsrcs);
        }
        if !gcm {
            // The tag moves next to the body, so that both ciphers see the same layout.
            data.copy_within(at + INDEX.., at);
        }
        let (clear, body) = data.split_at_mut(RTCP_CLEAR);
        let body = &mut body[..length - RTCP_CLEAR + tag];
        if !self.rtcp.open(Position { ssrc, index }, &[clear, &word], body, word) {
            return Err(DropReason::SrtpAuthentication);
        }
        note(&mut self.rtcp_windows, ssrc, index);
        Ok(length)
    }
}

impl Sealer {
    /// From our write keys.
    #[must_use]
    pub fn new(profile: Profile, master: &Master<'_>) -> Self {
        Self {
            rtp: Cipher::new(profile, &SessionKeys::derive(master, Label::Rtp)),
            rtcp: Cipher::new(profile, &SessionKeys::derive(master, Label::Rtcp)),
            rtcp_index: 0,
        }
    }

    /// Seals an RTP packet into `out` and returns its length; `None` where `out` is too small. The caller gives the
    /// index (2^16 × ROC + SEQ), and the same bytes whenever it gives the same one (RFC 3711 §9.1).
    #[must_use]
    pub fn seal_rtp(&self, index: u64, header: &[u8], payload: &[u8], out: &mut [u8]) -> Option<usize> {
        let end = header.len() + payload.len();
        let out = out.get_mut(..end + self.rtp.tag())?;
        out[..header.len()].copy_from_slice(header);
        out[header.len()..end].copy_from_slice(payload);
        let ssrc = u32::from_be_bytes(header.get(8..12)?.try_into().ok()?);
        let rollover = u32::try_from(index >> 16 & 0xffff_ffff).ok()?.to_be_bytes();
        let tag = self.rtp.seal(Position { ssrc, index }, &[header], &mut out[header.len()..end], rollover);
        out[end..].copy_from_slice(tag.as_ref());
        Some(out.len())
    }

    /// Seals a compound RTCP packet into `out` and returns its length; `None` where `out` is too small, or after
    /// 2^31 packets, when the key is used up.
    #[must_use]
    pub fn seal_rtcp(&mut self, packet: &[u8], out: &mut [u8]) -> Option<usize> {
        let tag_length = self.rtcp.tag();
        let end = packet.len();
        let out = out.get_mut(..end + tag_length + INDEX).filter(|_| end >= RTCP_CLEAR)?;
        let index = self.rtcp_index;
        self.rtcp_index = index.checked_add(1).filter(|next| *next < ENCRYPTED)?;
        let word = (index | ENCRYPTED).to_be_bytes();
        out[..end].copy_from_slice(packet);
        let ssrc = u32::from_be_bytes(packet[4..8].try_into().expect("four bytes"));
        let (clear, rest) = out.split_at_mut(RTCP_CLEAR);
        let body = end - RTCP_CLEAR;
        let tag = self.rtcp.seal(Position { ssrc, index: u64::from(index) }, &[clear, &word], &mut rest[..body], word);
        let (tag_at, word_at) = match self.rtcp {
            Cipher::Gcm(_) => (body, body + tag_length),
            Cipher::Cm(_) => (body + INDEX, body),
        };
        rest[tag_at..tag_at + tag_length].copy_from_slice(tag.as_ref());
        rest[word_at..word_at + INDEX].copy_from_slice(&word);
        Some(out.len())
    }
}

/// Length of the header with sources and extensions, SSRC, sequence number.
fn rtp_header(data: &[u8]) -> Option<(usize, u32, u16)> {
    // The padding bit speaks of the plain text, so the view is of the header alone.
    let fixed = data.get(..12)?;
    let mut length = 12 + 4 * usize::from(fixed[0] & 0x0f);
    if fixed[0] & 0x10 != 0 {
        let words = data.get(length + 2..length + 4)?;
        length += 4 + 4 * usize::from(u16::from_be_bytes([words[0], words[1]]));
    }
    let valid = fixed[0] >> 6 == 2 && length <= data.len();
    let ssrc = u32::from_be_bytes(fixed[8..12].try_into().ok()?);
    valid.then(|| (length, ssrc, u16::from_be_bytes([fixed[2], fixed[3]])))
}

/// The index of a sequence number, nearest to the highest one (RFC 3711 §3.3.1).
fn estimate_index(highest: Option<u64>, sequence: u16) -> u64 {
    let Some(highest) = highest else { return u64::from(sequence) };
    let distance = i64::from(sequence.wrapping_sub(low16(highest)).cast_signed());
    match highest.checked_add_signed(distance) {
        Some(index) => index & 0xffff_ffff_ffff,
        // Before the first cycle there is none: it can only be ahead.
        None => u64::from(sequence),
    }
}

fn note(windows: &mut Vec<(u32, ReplayWindow)>, ssrc: u32, index: u64) {
    let place = windows.iter().position(|(known, _)| *known == ssrc).unwrap_or_else(|| {
        windows.push((ssrc, ReplayWindow::default()));
        windows.len() - 1
    });
    windows[place].1.note(index);
}

#[cfg(test)]
mod tests {
    use rtc_srtp::config::Config;
    use rtc_srtp::context::Context;
    use rtc_srtp::protection_profile::ProtectionProfile;

    use super::*;
    use crate::peer::keys::split;

    const PROFILES: [Profile; 2] = [Profile::Gcm, Profile::Cm];

    /// Our two ends of the client's direction, and the family's.
    struct Ends {
        sealer: Sealer,
        opener: Opener,
        their_sealer: Context,
        their_opener: Context,
    }

    fn ends(profile: Profile) -> Ends {
        let material: Vec<u8> = (0_u8..).take(profile.material()).map(|n| n ^ 0x5a).collect();
        let (client, _) = split(profile, &material).unwrap();
        let theirs = match profile {
            Profile::Gcm => ProtectionProfile::AeadAes128Gcm,
            Profile::Cm => ProtectionProfile::Aes128CmHmacSha1_80,
        };
        let mut config = Config { profile: theirs, ..Config::default() };
        config.set_session_keys_from_keying_material(&material, true).unwrap();
        let provider = rtc_dtls::crypto_provider::default_provider().unwrap();
        let keys = &config.keys;
        let context = || {
            Context::new(&keys.local_master_key, &keys.local_master_salt, theirs, None, None, provider.crypto())
                .unwrap()
        };
        Ends {
            sealer: Sealer::new(profile, &client),
            opener: Opener::new(profile, &client),
            their_sealer: context(),
            their_opener: context(),
        }
    }

    /// A packet with sources and an extension where `rich`.
    fn header(ssrc: u32, sequence: u16, rich: bool) -> Vec<u8> {
        let mut bytes = vec![if rich { 0x92 } else { 0x80 }, 96];
        bytes.extend(sequence.to_be_bytes());
        bytes.extend(7_u32.to_be_bytes());
        bytes.extend(ssrc.to_be_bytes());
        if rich {
            bytes.extend([0; 8]);
            bytes.extend([0xbe, 0xde, 0, 1, 0x10, 5, 0, 0]);
        }
        bytes
    }

    #[test]
    fn rtp_goes_both_ways_with_the_family_over_rollovers() {
        for profile in PROFILES {
            let mut ends = ends(profile);
            for step in 0..400_u16 {
                let index = 65_300 + u64::from(step) * 500;
                let head = header(9, low16(index), step % 2 == 0);
                let payload = vec![step.to_be_bytes()[1]; usize::from(step) % 50];
                let plain = [head.clone(), payload.clone()].concat();
                let mut ours = [0; 256];
                let length = ends.sealer.seal_rtp(index, &head, &payload, &mut ours).unwrap();
                let mut theirs = ends.their_sealer.encrypt_rtp(&plain).unwrap().to_vec();
                if index >> 16 == 0 {
                    // Both begin with the same rollover counter, so they agree to the byte.
                    assert_eq!(ours[..length], theirs[..]);
                }
                if step == 0 {
                    assert_eq!(ends.their_opener.decrypt_rtp(&ours[..length]).unwrap()[..], plain[..]);
                } else {
                    assert_eq!(
                        ends.their_opener.decrypt_rtp(&ours[..length]).unwrap()[..],
                        plain[..],
                        "{profile:?} {index}"
                    );
                }
                let opened = ends.opener.open_rtp(&mut theirs).unwrap();
                assert_eq!(theirs[..opened], plain[..], "{profile:?} {index}");
            }
        }
    }

    #[test]
    fn rtcp_goes_both_ways_with_the_family() {
        for profile in PROFILES {
            let mut ends = ends(profile);
            for words in 1..20_u8 {
                let mut plain = vec![0x80, 201, 0, words, 0, 0, 0, 9];
                plain.resize(4 + 4 * usize::from(words), words);
                let mut ours = [0; 256];
                let length = ends.sealer.seal_rtcp(&plain, &mut ours).unwrap();
                assert_eq!(ends.their_opener.decrypt_rtcp(&ours[..length]).unwrap()[..], plain[..], "{profile:?}");
                let mut theirs = ends.their_sealer.encrypt_rtcp(&plain).unwrap().to_vec();
                let mut again = theirs.clone();
                let opened = ends.opener.open_rtcp(&mut theirs).unwrap();
                assert_eq!(theirs[..opened], plain[..], "{profile:?}");
                assert_eq!(ends.opener.open_rtcp(&mut again), Err(DropReason::SrtpReplay));
            }
        }
    }

    /// One forged packet with a far sequence number, before the first real one: all the real ones are taken.
    #[test]
    fn a_forged_first_packet_leaves_no_trace() {
        for profile in PROFILES {
            let mut ends = ends(profile);
            let mut forged = [header(9, 30_000, false), vec![1; 60]].concat();
            assert_eq!(ends.opener.open_rtp(&mut forged), Err(DropReason::SrtpAuthentication));
            for index in 0..500 {
                let mut packet = [0; 128];
                let length =
                    ends.sealer.seal_rtp(index, &header(9, low16(index), false), b"real", &mut packet).unwrap();
                assert!(ends.opener.open_rtp(&mut packet[..length]).is_ok(), "{index}");
            }
        }
    }

    #[test]
    fn forged_ssrcs_take_no_room_and_authentic_ones_are_bounded() {
        for profile in PROFILES {
            let mut ends = ends(profile);
            for ssrc in 0..200_000 {
                let mut rtp = [header(ssrc, 1, false), vec![1; 40]].concat();
                assert_eq!(ends.opener.open_rtp(&mut rtp), Err(DropReason::SrtpAuthentication));
            }
            assert_eq!(ends.opener.ssrcs(), 0);
            let mut verdicts = Vec::new();
            for ssrc in 0..30 {
                let mut packet = [0; 128];
                let length = ends.sealer.seal_rtp(1, &header(ssrc, 1, false), b"real", &mut packet).unwrap();
                verdicts.push(ends.opener.open_rtp(&mut packet[..length]));
            }
            assert_eq!(ends.opener.ssrcs(), limits::SRTP_SSRCS);
            assert_eq!(verdicts.last(), Some(&Err(DropReason::TooManySsrcs)));
        }
    }

    #[test]
    fn a_changed_bit_anywhere_is_noticed_and_junk_never_panics() {
        for profile in PROFILES {
            let mut ends = ends(profile);
            let mut good = [0; 128];
            let length = ends.sealer.seal_rtp(5, &header(9, 5, true), b"payload", &mut good).unwrap();
            for bit in 0..length * 8 {
                let mut bad = good[..length].to_vec();
                bad[bit / 8] ^= 1 << (bit % 8);
                assert!(ends.opener.open_rtp(&mut bad).is_err(), "{profile:?} bit {bit}");
            }
            for cut in 0..length {
                assert!(ends.opener.open_rtp(&mut good[..cut].to_vec()).is_err());
                assert!(ends.opener.open_rtcp(&mut good[..cut].to_vec()).is_err());
            }
            assert!(ends.opener.open_rtp(&mut good[..length]).is_ok());
        }
    }

    #[test]
    fn what_does_not_fit_is_not_sealed() {
        let mut ends = ends(Profile::Gcm);
        assert_eq!(ends.sealer.seal_rtp(1, &header(1, 1, false), &[0; 20], &mut [0; 47]), None);
        assert_eq!(ends.sealer.seal_rtcp(&[0x80, 201, 0, 1, 0, 0, 0, 1], &mut [0; 27]), None);
        assert_eq!(ends.sealer.seal_rtcp(&[0x80, 201], &mut [0; 64]), None);
    }
}
