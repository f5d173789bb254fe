//! AV1 payloads (RTP Payload Format for AV1, §4).

use crate::rtp::payload::PayloadInfo;

/// `obu_type` of the AV1 specification, §6.2.2.
mod obu {
    pub const SEQUENCE_HEADER: u8 = 1;
    pub const TEMPORAL_DELIMITER: u8 = 2;
    pub const FRAME_HEADER: u8 = 3;
    pub const METADATA: u8 = 5;
    pub const FRAME: u8 = 6;
}

/// See [`crate::rtp::payload::inspect`].
///
/// A key frame is told by the aggregation header's N bit; and, for senders that forget it, by a sequence header with a
/// key frame behind it in the same packet.
#[must_use]
pub fn inspect(payload: &[u8]) -> PayloadInfo {
    let Some((header, elements)) = Elements::of(payload) else { return PayloadInfo::default() };
    let continued = header & 0x80 != 0;
    let new_sequence = header & 0x08 != 0;
    let mut obus = elements.skip(usize::from(continued)).filter_map(Obu::parse);
    let Some(first) = obus.next() else { return PayloadInfo::default() };

    let opens = [obu::SEQUENCE_HEADER, obu::TEMPORAL_DELIMITER, obu::FRAME_HEADER, obu::METADATA, obu::FRAME];
    let key_behind = first.kind == obu::SEQUENCE_HEADER && obus.find_map(Obu::is_key_frame).unwrap_or_default();
    PayloadInfo {
        keyframe_start: !continued && (new_sequence || key_behind),
        frame_start: !continued && first.spatial == 0 && opens.contains(&first.kind),
        temporal: first.temporal,
        spatial: first.spatial,
        ..PayloadInfo::default()
    }
}

/// The OBU elements of a payload: the last one may go on in the next packet, the first one may be the rest of one.
struct Elements<'a> {
    rest: &'a [u8],
    /// Elements until the one without a length; `None` where each has its length (W = 0).
    left: Option<u8>,
}

impl<'a> Elements<'a> {
    /// The aggregation header, and what is behind it.
    fn of(payload: &'a [u8]) -> Option<(u8, Self)> {
        let (header, rest) = payload.split_first()?;
        let count = header >> 4 & 0x03;
        Some((*header, Self { rest, left: (count != 0).then_some(count) }))
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() || self.left == Some(0) {
            return None;
        }
        if let Some(left) = &mut self.left {
            *left -= 1;
            if *left == 0 {
                return Some(std::mem::take(&mut self.rest));
            }
        }
        let (length, rest) = leb128(self.rest)?;
        let (element, rest) = rest.split_at_checked(length)?;
        self.rest = rest;
        Some(element)
    }
}

/// The beginning of an OBU (AV1 specification §5.3).
#[derive(Clone, Copy)]
struct Obu<'a> {
    kind: u8,
    temporal: u8,
    spatial: u8,
    body: &'a [u8],
}

impl<'a> Obu<'a> {
    fn parse(element: &'a [u8]) -> Option<Self> {
        let (header, mut body) = element.split_first()?;
        // obu_forbidden_bit
        if header & 0x80 != 0 {
            return None;
        }
        let (mut temporal, mut spatial) = (0, 0);
        if header & 0x04 != 0 {
            let (extension, rest) = body.split_first()?;
            (temporal, spatial) = (extension >> 5, extension >> 3 & 0x03);
            body = rest;
        }
        if header & 0x02 != 0 {
            body = leb128(body)?.1;
        }
        Some(Self { kind: header >> 3 & 0x0f, temporal, spatial, body })
    }

    /// Whether the frame that begins here is a key frame (§5.9.2: `show_existing_frame`, then `frame_type`); `None`
    /// where none begins.
    fn is_key_frame(self) -> Option<bool> {
        let begins = self.kind == obu::FRAME || self.kind == obu::FRAME_HEADER;
        self.body.first().filter(|_| begins).map(|bits| bits & 0xe0 == 0)
    }
}

/// A number of at most 8 bytes, least significant 7 bits first (AV1 specification §4.10.5), and what is behind it.
fn leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().take(8).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, &bytes[index + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::payload::tests::{Junk, unhex};
    use bytes::{Bytes, BytesMut};
    use rtp::codec::av1::{Av1Depacketizer, Av1Payloader};
    use rtp::packetizer::{Depacketizer, Payloader};

    #[test]
    fn payloads() {
        // payload, key frame starts, frame starts, temporal layer, spatial layer
        type Row = (&'static [u8], bool, bool, u8, u8);
        let table: &[Row] = &[
            (&[0x28, 2, 0x08, 0, 0x30, 0x10], true, true, 0, 0), // N, sequence header, key frame
            (&[0x20, 2, 0x08, 0, 0x30, 0x10], true, true, 0, 0), // the same without N
            (&[0x20, 2, 0x08, 0, 0x30, 0x30], false, true, 0, 0), // sequence header before an inter frame
            (&[0x20, 2, 0x08, 0, 0x30, 0x80], false, true, 0, 0), // … before a frame shown again
            (&[0x10, 0x30, 0x10], false, true, 0, 0),            // a key frame without a sequence header
            (&[0x18, 0x08, 0], true, true, 0, 0),                // the sequence header alone, N
            (&[0x10, 0x20, 0xaa], false, false, 0, 0),           // a tile group
            (&[0x98, 0x08, 0], false, false, 0, 0),              // N in a continuation: nonsense
            (&[0x90, 0x30, 0x10], false, false, 0, 0),           // nothing but a continuation
            (&[0xa0, 1, 0xff, 0x34, 0x28, 0x10], false, false, 1, 1), // a continuation, then a frame
            (&[0x10, 0x34, 0x48, 0x30], false, false, 2, 1),     // extension: temporal 2, spatial 1
            (&[0x10, 0x34, 0x40, 0x30], false, true, 2, 0),
            (&[0x00, 2, 0x0a, 0x00, 3, 0x32, 0x01, 0x10], true, true, 0, 0), // W = 0, sizes inside the OBUs
            (&[0x00, 0xff, 0xff], false, false, 0, 0),                       // a length that does not end
            (&[0x20, 9, 0x08], false, false, 0, 0),                          // longer than the packet
            (&[0x18, 0x88, 0], false, false, 0, 0),                          // the forbidden bit
        ];
        for (payload, keyframe_start, frame_start, temporal, spatial) in table.iter().copied() {
            let expected = PayloadInfo { keyframe_start, frame_start, temporal, spatial, ..PayloadInfo::default() };
            assert_eq!(inspect(payload), expected, "{payload:02x?}");
        }
    }

    /// Temporal units of a recorded stream, delimiters included.
    fn temporal_units() -> Vec<Bytes> {
        let text = include_str!("../../tests/data/rtp/av1.txt");
        text.lines().filter(|line| !line.starts_with('#')).map(|line| unhex(line).into()).collect()
    }

    #[test]
    fn a_recorded_stream_packetized() {
        for mtu in [40, 200, 1200] {
            let mut keys = Vec::new();
            for (frame, unit) in temporal_units().iter().enumerate() {
                let payloads = Av1Payloader {}.payload(mtu, unit).unwrap();
                for (index, payload) in payloads.iter().enumerate() {
                    let info = inspect(payload);
                    assert!(info.frame_start || index != 0, "frame {frame} at {mtu}");
                    if info.keyframe_start {
                        keys.push((frame, index));
                    }
                }
            }
            assert_eq!(keys, [(0, 0), (5, 0)], "at {mtu}");
        }
    }

    #[test]
    fn a_forgotten_n_bit_is_made_up_for() {
        for (frame, unit) in temporal_units().iter().enumerate() {
            let payload = Av1Payloader {}.payload(1200, unit).unwrap().swap_remove(0);
            let mut forgetful = BytesMut::from(&payload[..]);
            forgetful[0] &= !0x08;
            assert_eq!(inspect(&forgetful).keyframe_start, frame % 5 == 0, "frame {frame}");
        }
    }

    #[test]
    fn what_the_library_reads_we_read() {
        let mut junk = Junk(1);
        let mut parsed = 0;
        for _ in 0..50_000 {
            let payload = Bytes::from(junk.bytes(20));
            let Some((header, elements)) = Elements::of(&payload) else { continue };
            let whole: Vec<&[u8]> = elements.skip(usize::from(header & 0x80 != 0)).filter(|e| !e.is_empty()).collect();
            // The library panics on an OBU that ends before its extension byte.
            if whole.iter().any(|element| element.len() == 1 && element[0] & 0x04 != 0) {
                continue;
            }
            let Ok(units) = Av1Depacketizer::new().depacketize(&payload) else { continue };
            // Fragments stay inside the library until their rest comes; it drops delimiters and tile lists.
            let Some(kind) = units.first().map(|header| header >> 3 & 0x0f) else { continue };
            let mut kinds = whole.iter().map(|element| element[0] >> 3 & 0x0f);
            assert!(kinds.any(|ours| ours == kind), "{payload:02x?}");
            parsed += 1;
        }
        assert!(parsed > 1_000, "the oracle took {parsed}");
    }
}
