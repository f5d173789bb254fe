//! VP8 payloads (RFC 7741).

use crate::rtp::payload::{PayloadInfo, PictureFields};

/// The payload descriptor (RFC 7741 §4.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Descriptor {
    /// A partition starts with this packet (S).
    pub start: bool,
    /// The partition's index (PID).
    pub partition: u8,
    /// Temporal layer (TID), 0 where absent.
    pub temporal: u8,
    /// Where picture id and TL0PICIDX stand.
    pub fields: PictureFields,
    /// Where the VP8 data begins.
    pub length: usize,
}

impl Descriptor {
    /// The descriptor, or `None` where the payload ends before any VP8 data.
    #[must_use]
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let first = *payload.first()?;
        let mut fields = PictureFields::default();
        let mut temporal = 0;
        let mut at = 1;
        if first & 0x80 != 0 {
            let present = *payload.get(1)?;
            at = 2;
            if present & 0x80 != 0 {
                fields.take_picture_id(payload, &mut at)?;
            }
            if present & 0x40 != 0 {
                fields.take_tl0(payload, &mut at)?;
            }
            if present & 0x30 != 0 {
                // One byte for T and K together; TID means something with T alone.
                let byte = *payload.get(at)?;
                temporal = if present & 0x20 != 0 { byte >> 6 } else { 0 };
                at += 1;
            }
        }
        (at < payload.len()).then_some(Self {
            start: first & 0x10 != 0,
            partition: first & 0x07,
            temporal,
            fields,
            length: at,
        })
    }
}

/// See [`crate::rtp::payload::inspect`].
#[must_use]
pub fn inspect(payload: &[u8]) -> PayloadInfo {
    let Some(descriptor) = Descriptor::parse(payload) else { return PayloadInfo::default() };
    let frame_start = descriptor.start && descriptor.partition == 0;
    // The first bit of the payload header, P, is 0 in a key frame (RFC 7741 §4.3).
    let key = payload[descriptor.length] & 1 == 0;
    PayloadInfo {
        keyframe_start: frame_start && key,
        frame_start,
        picture_id: descriptor.fields.picture_id(payload),
        tl0_pic_idx: descriptor.fields.tl0_pic_idx(payload),
        temporal: descriptor.temporal,
        ..PayloadInfo::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::codec::Codec;
    use crate::rtp::payload::PictureId;
    use crate::rtp::payload::rewrite_picture_id;
    use crate::rtp::payload::tests::{Junk, key_frames, recorded};
    use bytes::Bytes;
    use rtp::codec::vp8::Vp8Packet;
    use rtp::packetizer::Depacketizer;

    fn id(value: u16, wide: bool) -> PictureId {
        PictureId { value, wide }
    }

    #[test]
    fn descriptors() {
        // payload, key frame starts, frame starts, picture id, TL0PICIDX, temporal layer
        type Row = (&'static [u8], bool, bool, Option<PictureId>, Option<u8>, u8);
        let table: &[Row] = &[
            (&[0x10, 0x10], true, true, None, None, 0),
            (&[0x10, 0x11], false, true, None, None, 0),
            (&[0x00, 0x10], false, false, None, None, 0),
            (&[0x11, 0x10], false, false, None, None, 0), // S of another partition
            (&[0x90, 0x80, 0x11, 0x10], true, true, Some(id(0x11, false)), None, 0),
            (&[0x90, 0x80, 0x92, 0x34, 0x10], true, true, Some(id(0x1234, true)), None, 0),
            (&[0x90, 0xe0, 0x92, 0x34, 0x56, 0xa0, 0x11], false, true, Some(id(0x1234, true)), Some(0x56), 2),
            (&[0x90, 0x10, 0xff, 0x10], true, true, None, None, 0), // K without T: no temporal layer
            (&[0x90, 0x00, 0x10], true, true, None, None, 0),
        ];
        for (payload, keyframe_start, frame_start, picture_id, tl0_pic_idx, temporal) in table.iter().copied() {
            let expected = PayloadInfo {
                keyframe_start,
                frame_start,
                picture_id,
                tl0_pic_idx,
                temporal,
                ..PayloadInfo::default()
            };
            assert_eq!(inspect(payload), expected, "{payload:02x?}");
        }
    }

    #[test]
    fn cut_short() {
        let whole = [0x90, 0xe0, 0x92, 0x34, 0x56, 0xa0, 0x10];
        for length in 0..whole.len() {
            assert_eq!(inspect(&whole[..length]), PayloadInfo::default(), "{length} bytes");
        }
    }

    #[test]
    fn rewriting_keeps_the_width() {
        let table: &[(&[u8], &[u8])] = &[
            (&[0x90, 0xe0, 0x92, 0x34, 0x56, 0xa0, 0x10], &[0x90, 0xe0, 0xff, 0xfe, 0x09, 0xa0, 0x10]),
            (&[0x90, 0x80, 0x12, 0x10], &[0x90, 0x80, 0x7e, 0x10]),
            (&[0x90, 0x40, 0x12, 0x10], &[0x90, 0x40, 0x09, 0x10]),
            (&[0x10, 0x10], &[0x10, 0x10]),
            (&[0x90, 0x80, 0x92, 0x34], &[0x90, 0x80, 0x92, 0x34]), // no data behind it: left alone
        ];
        for (before, after) in table {
            let mut payload = before.to_vec();
            rewrite_picture_id(Codec::Vp8, &mut payload, 0x7ffe, 9);
            assert_eq!(payload, *after, "{before:02x?}");
        }
    }

    #[test]
    fn the_library_reads_the_same() {
        let mut junk = Junk(8);
        let mut parsed = 0;
        for _ in 0..50_000 {
            let payload = junk.bytes(12);
            let mut oracle = Vp8Packet::default();
            let Ok(data) = oracle.depacketize(&Bytes::from(payload.clone())) else { continue };
            parsed += 1;
            let ours = Descriptor::parse(&payload).unwrap();
            assert_eq!(payload.len() - data.len(), ours.length, "{payload:02x?}");
            assert_eq!((oracle.s == 1, oracle.pid, oracle.tid), (ours.start, ours.partition, ours.temporal));
            let info = inspect(&payload);
            assert_eq!(info.picture_id.map(|id| id.value), (oracle.i == 1).then_some(oracle.picture_id));
            assert_eq!(info.tl0_pic_idx, (oracle.l == 1).then_some(oracle.tl0_pic_idx));
        }
        assert!(parsed > 20_000, "the oracle took {parsed}");
    }

    #[test]
    fn a_recorded_stream() {
        let packets = recorded(include_str!("../../tests/data/rtp/vp8.txt"));
        assert_eq!(key_frames(Codec::Vp8, &packets), (vec![0, 5], 10));
        let mut begins = true;
        for packet in &packets {
            assert_eq!(inspect(&packet.payload).frame_start, begins, "timestamp {}", packet.timestamp);
            begins = packet.marker;
        }
    }
}
