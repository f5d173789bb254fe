//! VP9 payloads (RFC 9628).

use crate::rtp::payload::{PayloadInfo, PictureFields};

/// The payload descriptor (RFC 9628 §4.2). Reference indices and the scalability structure are skipped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Descriptor {
    /// A layer frame begins with this packet (B).
    pub start: bool,
    /// The picture is predicted from others (P).
    pub predicted: bool,
    /// Temporal layer, 0 where absent.
    pub temporal: u8,
    /// Spatial layer, 0 where absent.
    pub spatial: u8,
    /// Where picture id and TL0PICIDX stand.
    pub fields: PictureFields,
    /// Where the VP9 data begins.
    pub length: usize,
}

impl Descriptor {
    /// The descriptor, or `None` where the payload ends before any VP9 data.
    #[must_use]
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let first = *payload.first()?;
        let predicted = first & 0x40 != 0;
        let flexible = first & 0x10 != 0;
        let mut fields = PictureFields::default();
        let (mut temporal, mut spatial) = (0, 0);
        let mut at = 1;
        if first & 0x80 != 0 {
            fields.take_picture_id(payload, &mut at)?;
        }
        if first & 0x20 != 0 {
            let layers = *payload.get(at)?;
            (temporal, spatial) = (layers >> 5, layers >> 1 & 0x07);
            at += 1;
            if !flexible {
                fields.take_tl0(payload, &mut at)?;
            }
        }
        if flexible && predicted {
            at += reference_indices(payload.get(at..)?)?;
        }
        if first & 0x02 != 0 {
            at += scalability_structure(payload.get(at..)?)?;
        }
        (at < payload.len()).then_some(Self {
            start: first & 0x08 != 0,
            predicted,
            temporal,
            spatial,
            fields,
            length: at,
        })
    }
}

/// Length of the reference indices: at most three, all but the last one with the bit N.
fn reference_indices(bytes: &[u8]) -> Option<usize> {
    let last = bytes.iter().take(3).position(|index| index & 1 == 0)?;
    Some(last + 1)
}

/// Length of the scalability structure.
fn scalability_structure(bytes: &[u8]) -> Option<usize> {
    let header = *bytes.first()?;
    let layers = usize::from(header >> 5) + 1;
    let mut at = 1;
    if header & 0x10 != 0 {
        at += 4 * layers;
    }
    if header & 0x08 != 0 {
        let pictures = *bytes.get(at)?;
        at += 1;
        for _ in 0..pictures {
            at += 1 + usize::from(bytes.get(at)? >> 2 & 0x03);
        }
    }
    Some(at)
}

/// Whether the frame that begins here can be a key frame by its own header (VP9 bitstream specification §6.2:
/// marker, profile, `show_existing_frame`, `frame_type`). FFmpeg's packetizer and the family's own never set P, so
/// P = 0 alone proves nothing. What has no VP9 marker, being encrypted end to end, is left to the descriptor.
fn may_be_key(data: u8) -> bool {
    if data >> 6 != 0b10 {
        return true;
    }
    // Profile 3 has a reserved bit more.
    let shift = u8::from(data & 0x30 == 0x30);
    let flags = data << shift >> 2 & 0x03;
    flags == 0
}

/// See [`crate::rtp::payload::inspect`]. A picture of several spatial layers begins with the lowest one.
#[must_use]
pub fn inspect(payload: &[u8]) -> PayloadInfo {
    let Some(descriptor) = Descriptor::parse(payload) else { return PayloadInfo::default() };
    let frame_start = descriptor.start && descriptor.spatial == 0;
    PayloadInfo {
        keyframe_start: frame_start && !descriptor.predicted && may_be_key(payload[descriptor.length]),
        frame_start,
        picture_id: descriptor.fields.picture_id(payload),
        tl0_pic_idx: descriptor.fields.tl0_pic_idx(payload),
        temporal: descriptor.temporal,
        spatial: descriptor.spatial,
        ..PayloadInfo::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::codec::Codec;
    use crate::rtp::payload::tests::{Junk, key_frames, recorded};
    use crate::rtp::payload::{PictureId, rewrite_picture_id};
    use bytes::Bytes;
    use rtp::codec::vp9::Vp9Packet;
    use rtp::packetizer::Depacketizer;

    fn id(value: u16, wide: bool) -> PictureId {
        PictureId { value, wide }
    }

    #[test]
    fn descriptors() {
        // payload, key frame starts, frame starts, picture id, TL0PICIDX, temporal layer, spatial layer
        type Row = (&'static [u8], bool, bool, Option<PictureId>, Option<u8>, u8, u8);
        let table: &[Row] = &[
            (&[0x08, 0x82], true, true, None, None, 0, 0),
            (&[0x48, 0x82], false, true, None, None, 0, 0),
            (&[0x00, 0x82], false, false, None, None, 0, 0),
            (&[0x08, 0x86], false, true, None, None, 0, 0), // P = 0 before a frame that says it is predicted
            (&[0x08, 0x88], false, true, None, None, 0, 0), // … that shows an old one again
            (&[0x08, 0xb0], true, true, None, None, 0, 0),  // profile 3
            (&[0x08, 0xb2], false, true, None, None, 0, 0),
            (&[0x08, 0x12], true, true, None, None, 0, 0), // no VP9 that we could read
            (&[0x88, 0x11, 0x82], true, true, Some(id(0x11, false)), None, 0, 0),
            (&[0x88, 0x92, 0x34, 0x82], true, true, Some(id(0x1234, true)), None, 0, 0),
            (&[0xa8, 0x92, 0x34, 0x00, 0x56, 0x82], true, true, Some(id(0x1234, true)), Some(0x56), 0, 0),
            (&[0xa8, 0x92, 0x34, 0x03, 0x56, 0x82], false, false, Some(id(0x1234, true)), Some(0x56), 0, 1),
            (&[0xe8, 0x92, 0x34, 0x40, 0x56, 0x82], false, true, Some(id(0x1234, true)), Some(0x56), 2, 0),
            (&[0xb8, 0x92, 0x34, 0x24, 0x82], false, false, Some(id(0x1234, true)), None, 1, 2), // flexible mode
            (&[0xd8, 0x11, 0x05, 0x03, 0x08, 0x86], false, true, Some(id(0x11, false)), None, 0, 0), // three references
            // Scalability structure: two layers with sizes, two pictures with one reference and none.
            (&[0x0a, 0x38, 1, 2, 3, 4, 5, 6, 7, 8, 2, 0x04, 1, 0x00, 0x82], true, true, None, None, 0, 0),
            (&[0x0a, 0x38, 1, 2, 3, 4, 5, 6, 7, 8, 2, 0x04, 1, 0x00, 0x86], false, true, None, None, 0, 0),
            (&[0x0a, 0x08, 9, 0x0c, 1, 2, 3, 0x82], false, false, None, None, 0, 0), // it ends too early
        ];
        for (payload, keyframe_start, frame_start, picture_id, tl0_pic_idx, temporal, spatial) in table.iter().copied()
        {
            let expected = PayloadInfo {
                keyframe_start,
                frame_start,
                picture_id,
                tl0_pic_idx,
                temporal,
                spatial,
                ..PayloadInfo::default()
            };
            assert_eq!(inspect(payload), expected, "{payload:02x?}");
        }
    }

    #[test]
    fn cut_short() {
        let whole = [0xa8, 0x92, 0x34, 0x00, 0x56, 0x82];
        for length in 0..whole.len() {
            assert_eq!(inspect(&whole[..length]), PayloadInfo::default(), "{length} bytes");
        }
    }

    #[test]
    fn rewriting_keeps_the_width() {
        let table: &[(&[u8], &[u8])] = &[
            (&[0xa8, 0x92, 0x34, 0x00, 0x56, 0x82], &[0xa8, 0xff, 0xfe, 0x00, 0x09, 0x82]),
            (&[0xa8, 0x12, 0x00, 0x56, 0x82], &[0xa8, 0x7e, 0x00, 0x09, 0x82]),
            (&[0xb8, 0x92, 0x34, 0x24, 0x82], &[0xb8, 0xff, 0xfe, 0x24, 0x82]),
            (&[0x08, 0x82], &[0x08, 0x82]),
        ];
        for (before, after) in table {
            let mut payload = before.to_vec();
            rewrite_picture_id(Codec::Vp9, &mut payload, 0x7ffe, 9);
            assert_eq!(payload, *after, "{before:02x?}");
        }
    }

    #[test]
    fn the_library_reads_the_same() {
        let mut junk = Junk(9);
        let mut parsed = 0;
        for _ in 0..50_000 {
            let payload = junk.bytes(60);
            let mut oracle = Vp9Packet::default();
            let Ok(data) = oracle.depacketize(&Bytes::from(payload.clone())) else { continue };
            // The library takes two reserved bits of the scalability structure for part of G, so lengths differ there.
            if data.is_empty() || oracle.v {
                continue;
            }
            parsed += 1;
            let ours = Descriptor::parse(&payload).unwrap();
            assert_eq!(payload.len() - data.len(), ours.length, "{payload:02x?}");
            assert_eq!((oracle.b, oracle.p), (ours.start, ours.predicted), "{payload:02x?}");
            assert_eq!((oracle.tid, oracle.sid), (ours.temporal, ours.spatial), "{payload:02x?}");
            let info = inspect(&payload);
            assert_eq!(info.picture_id.map(|id| id.value), oracle.i.then_some(oracle.picture_id));
            assert_eq!(info.tl0_pic_idx, (oracle.l && !oracle.f).then_some(oracle.tl0picidx));
        }
        assert!(parsed > 10_000, "the oracle took {parsed}");
    }

    #[test]
    fn a_recorded_stream() {
        let packets = recorded(include_str!("../../tests/data/rtp/vp9.txt"));
        assert_eq!(key_frames(Codec::Vp9, &packets), (vec![0, 5], 10));
        let mut begins = true;
        for packet in &packets {
            assert_eq!(inspect(&packet.payload).frame_start, begins, "timestamp {}", packet.timestamp);
            begins = packet.marker;
        }
    }
}
