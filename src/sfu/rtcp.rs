//! What a compound RTCP packet says (RFC 3550 §6.1, RFC 4585 §6.1), as far as a room listens.
//!
//! The compound is walked here, and only the few packets that are of use go to the family's parser, each on its
//! own: its parser of transport-wide feedback makes a megabyte of 44 bytes, and a part that it does not know voids
//! the whole compound.

use bytes::Bytes;
use rtc_shared::marshal::Unmarshal as _;
pub use rtcp::sender_report::SenderReport;
pub use rtcp::transport_feedbacks::transport_layer_nack::{NackPair, TransportLayerNack};

/// What a room listens to.
#[derive(Clone, PartialEq, Debug)]
pub enum Feedback {
    /// RFC 3550 §6.4.1
    SenderReport(SenderReport),
    /// RFC 4585 §6.2.1
    Nack(TransportLayerNack),
    /// PLI (RFC 4585 §6.3.1) or FIR (RFC 5104 §4.3.1)
    KeyframeRequest,
}

const SENDER_REPORT: u8 = 200;
const TRANSPORT_FEEDBACK: u8 = 205;
const PAYLOAD_FEEDBACK: u8 = 206;
const NACK: u8 = 1;
const PLI: u8 = 1;
const FIR: u8 = 4;

/// The parts of a compound packet: packet type, count or format, bytes. What does not parse ends the walk.
pub fn parts(compound: &[u8]) -> impl Iterator<Item = (u8, u8, &[u8])> {
    let mut rest = compound;
    std::iter::from_fn(move || {
        let header = rest.get(..4).filter(|header| header[0] >> 6 == 2)?;
        let words = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let (part, tail) = rest.split_at_checked(4 + 4 * words)?;
        rest = tail;
        Some((part[1], part[0] & 0x1f, part))
    })
}

/// What a compound packet says.
pub fn feedback(compound: &[u8]) -> impl Iterator<Item = Feedback> {
    parts(compound).filter_map(|(kind, format, part)| {
        let bytes = || Bytes::copy_from_slice(part);
        match (kind, format) {
            (SENDER_REPORT, _) => SenderReport::unmarshal(&mut bytes()).ok().map(Feedback::SenderReport),
            (TRANSPORT_FEEDBACK, NACK) => TransportLayerNack::unmarshal(&mut bytes()).ok().map(Feedback::Nack),
            (PAYLOAD_FEEDBACK, PLI | FIR) => Some(Feedback::KeyframeRequest),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECEIVER_REPORT: [u8; 8] = [0x80, 201, 0, 1, 0, 0, 0, 1];
    const PICTURE_LOSS: [u8; 12] = [0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2];
    const LOST: [u8; 16] = [0x81, 205, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 7, 0, 1];
    /// Transport-wide feedback that claims 65,535 packets.
    const CLAIM: [u8; 24] =
        [0x8f, 205, 0, 5, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0x1f, 0xff, 0x1f, 0xff];
    /// Application feedback that is not REMB, and a source description without chunks.
    const UNKNOWN: [u8; 12] = [0x8f, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2];
    const EMPTY: [u8; 4] = [0x80, 202, 0, 0];

    #[test]
    fn what_is_of_use_is_found_among_the_rest() {
        let nack = |packet: &Feedback| matches!(packet, Feedback::Nack(nack) if nack.nacks[0].packet_list() == [7, 8]);
        let table: [(&[&[u8]], usize, bool); 6] = [
            (&[&RECEIVER_REPORT, &PICTURE_LOSS], 1, true),
            (&[&UNKNOWN, &EMPTY, &CLAIM, &PICTURE_LOSS], 1, true),
            (&[&LOST, &PICTURE_LOSS], 2, true),
            (&[&CLAIM], 0, false),
            (&[&PICTURE_LOSS[..8]], 0, false),
            (&[&[0x41, 206, 0, 0], &PICTURE_LOSS], 0, false),
        ];
        for (parts, count, keyframe) in table {
            let found: Vec<_> = feedback(&parts.concat()).collect();
            assert_eq!(found.len(), count, "{parts:?}");
            assert_eq!(found.contains(&Feedback::KeyframeRequest), keyframe, "{parts:?}");
        }
        assert!(feedback(&LOST).all(|packet| nack(&packet)));
    }

    #[test]
    fn junk_never_panics() {
        let compound = [RECEIVER_REPORT.as_slice(), &LOST, &PICTURE_LOSS, &CLAIM].concat();
        for cut in 0..compound.len() {
            let _ = feedback(&compound[..cut]).count();
            let mut bad = compound.clone();
            bad[cut] ^= 0xff;
            let _ = feedback(&bad).count();
        }
    }
}
