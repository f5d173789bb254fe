//! SRTP and SRTCP (RFC 3711, RFC 7714): opens in place, seals into the caller's buffer, allocates nothing per packet.
//!
//! State per SSRC begins with an authenticated packet and moves with authenticated packets only, so that nothing
//! forged can shift a window or fill a table.

use crate::limits::{SRTCP_REPLAY_WINDOW, SRTP_REPLAY_WINDOW, SSRCS_PER_PEER};
use crate::peer::cipher::Cipher;
use crate::peer::keys::{Label, Master, Profile};
use crate::peer::replay::{ReplayWindow, estimate_index};
use crate::sfu::drop::DropReason;

/// The fixed RTP header.
const RTP_HEADER: usize = 12;
/// The part of an SRTCP packet that is not encrypted: first header and SSRC.
const RTCP_HEADER: usize = 8;
/// The E bit in front of the SRTCP index.
const ENCRYPTED: u32 = 1 << 31;

/// Both directions of one session.
pub struct Srtp {
    send_rtp: Cipher,
    send_rtcp: Cipher,
    receive_rtp: Cipher,
    receive_rtcp: Cipher,
    rtp: Windows<{ SRTP_REPLAY_WINDOW / 64 }>,
    rtcp: Windows<{ SRTCP_REPLAY_WINDOW / 64 }>,
    /// Of the last SRTCP packet sealed; 31 bits.
    sent_rtcp: u32,
}

impl Srtp {
    /// Seals with `send`, opens with `receive`.
    #[must_use]
    pub fn new(profile: Profile, send: &Master, receive: &Master) -> Self {
        let rtp = [Label::RtpEncryption, Label::RtpAuthentication, Label::RtpSalt];
        let rtcp = [Label::RtcpEncryption, Label::RtcpAuthentication, Label::RtcpSalt];
        Self {
            send_rtp: Cipher::new(profile, send, rtp),
            send_rtcp: Cipher::new(profile, send, rtcp),
            receive_rtp: Cipher::new(profile, receive, rtp),
            receive_rtcp: Cipher::new(profile, receive, rtcp),
            rtp: Windows::default(),
            rtcp: Windows::default(),
            sent_rtcp: 0,
        }
    }

    /// Opens an SRTP packet in place and returns the length of the RTP packet. On an error the bytes are spoiled.
    ///
    /// # Errors
    /// Malformed, not authentic, seen before, or one SSRC too many. No state has changed then.
    pub fn open_rtp(&mut self, packet: &mut [u8]) -> Result<usize, DropReason> {
        let header = rtp_header_length(packet).ok_or(DropReason::RtpMalformed)?;
        let sealed = packet.len() - header;
        let length = sealed.checked_sub(self.receive_rtp.rtp_tag()).ok_or(DropReason::RtpMalformed)?;
        let sequence = u16::from_be_bytes([packet[2], packet[3]]);
        let ssrc = be32(&packet[8..]);
        let known = self.rtp.position(ssrc);
        let index = match known {
            Some(at) => estimate_index(self.rtp.windows[at].1.highest(), sequence),
            None => sequence.into(),
        };
        self.rtp.check(known, index)?;
        self.receive_rtp.open_rtp(ssrc, index, packet, header).ok_or(DropReason::SrtpAuthentication)?;
        self.rtp.accept(known, ssrc, index);
        Ok(header + length)
    }

    /// Opens an SRTCP packet in place and returns the length of the compound RTCP packet. On an error the bytes are
    /// spoiled.
    ///
    /// # Errors
    /// As for [`Self::open_rtp`]; a packet without the E bit counts as not authentic, since nobody sends it.
    pub fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, DropReason> {
        let tail = self.receive_rtcp.rtcp_tail();
        let length = packet.len().checked_sub(tail).ok_or(DropReason::RtpMalformed)?;
        if length < RTCP_HEADER || packet[0] >> 6 != 2 {
            return Err(DropReason::RtpMalformed);
        }
        let word = be32(&packet[self.receive_rtcp.rtcp_index_at(packet.len())..]);
        if word & ENCRYPTED == 0 {
            return Err(DropReason::SrtpAuthentication);
        }
        let ssrc = be32(&packet[4..]);
        let known = self.rtcp.position(ssrc);
        let index = u64::from(word & !ENCRYPTED);
        self.rtcp.check(known, index)?;
        self.receive_rtcp.open_rtcp(ssrc, word, packet).ok_or(DropReason::SrtpAuthentication)?;
        self.rtcp.accept(known, ssrc, index);
        Ok(length)
    }

    /// Seals one RTP packet into `out` and returns its length. `index` is 2^16 × ROC + SEQ; who calls sees to it that one
    /// index of one SSRC never comes with two different packets. `None` where `out` is too small, the header too short or
    /// of another sequence number than the index.
    pub fn seal_rtp(&mut self, index: u64, header: &[u8], payload: &[u8], out: &mut [u8]) -> Option<usize> {
        let fixed = header.get(..RTP_HEADER)?;
        let sequence = u16::from_be_bytes([fixed[2], fixed[3]]);
        if index >> 48 != 0 || index & 0xffff != u64::from(sequence) {
            return None;
        }
        let plain = header.len() + payload.len();
        let out = out.get_mut(..plain + self.send_rtp.rtp_tag())?;
        out[..header.len()].copy_from_slice(header);
        out[header.len()..plain].copy_from_slice(payload);
        self.send_rtp.seal_rtp(be32(&fixed[8..]), index, out, header.len())?;
        Some(out.len())
    }

    /// Seals one compound RTCP packet into `out` and returns its length. `None` where `out` is too small, the packet
    /// shorter than a header, or 2^31 packets were sealed.
    pub fn seal_rtcp(&mut self, packet: &[u8], out: &mut [u8]) -> Option<usize> {
        let fixed = packet.get(..RTCP_HEADER)?;
        let index = self.sent_rtcp + 1;
        if index & ENCRYPTED != 0 {
            return None;
        }
        let out = out.get_mut(..packet.len() + self.send_rtcp.rtcp_tail())?;
        out[..packet.len()].copy_from_slice(packet);
        // Even where sealing fails the index is spent.
        self.sent_rtcp = index;
        self.send_rtcp.seal_rtcp(be32(&fixed[4..]), index | ENCRYPTED, out, packet.len())?;
        Some(out.len())
    }

    /// SSRCs with state, of RTP and of RTCP; each at most [`SSRCS_PER_PEER`].
    #[must_use]
    pub fn ssrcs(&self) -> (usize, usize) {
        (self.rtp.windows.len(), self.rtcp.windows.len())
    }

    /// Makes the next SRTCP packet the one after this index.
    #[cfg(test)]
    pub(crate) fn set_sent_rtcp(&mut self, index: u32) {
        self.sent_rtcp = index;
    }
}

/// Replay windows by SSRC. A few entries, so a list rather than a map.
struct Windows<const WORDS: usize> {
    windows: Vec<(u32, ReplayWindow<WORDS>)>,
}

impl<const WORDS: usize> Default for Windows<WORDS> {
    fn default() -> Self {
        Self { windows: Vec::new() }
    }
}

impl<const WORDS: usize> Windows<WORDS> {
    fn position(&self, ssrc: u32) -> Option<usize> {
        self.windows.iter().position(|(known, _)| *known == ssrc)
    }

    fn check(&self, known: Option<usize>, index: u64) -> Result<(), DropReason> {
        match known {
            Some(at) if !self.windows[at].1.is_new(index) => Err(DropReason::SrtpReplay),
            None if self.windows.len() >= SSRCS_PER_PEER => Err(DropReason::TooManySsrcs),
            _ => Ok(()),
        }
    }

    /// After [`Self::check`], and only for what is authentic.
    fn accept(&mut self, known: Option<usize>, ssrc: u32, index: u64) {
        if let Some(at) = known {
            self.windows[at].1.accept(index);
        } else {
            self.windows.reserve_exact(1);
            self.windows.push((ssrc, ReplayWindow::new(index)));
        }
    }
}

/// Bytes of the RTP header with its CSRCs and extension, which stay readable (RFC 3711 §3.1).
fn rtp_header_length(packet: &[u8]) -> Option<usize> {
    let first = *packet.first()?;
    let mut length = RTP_HEADER + 4 * usize::from(first & 0x0f);
    if first & 0x10 != 0 {
        let words = packet.get(length + 2..length + 4)?;
        length += 4 + 4 * usize::from(u16::from_be_bytes([words[0], words[1]]));
    }
    (first >> 6 == 2 && length <= packet.len()).then_some(length)
}

fn be32(bytes: &[u8]) -> u32 {
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}
