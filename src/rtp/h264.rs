//! H264 payloads (RFC 6184): single NAL units, STAP-A and FU-A, which is what packetization modes 0 and 1 have.

use crate::rtp::payload::PayloadInfo;

/// `nal_unit_type` (ITU-T H.264, table 7-1) and the packet types of RFC 6184 §5.2.
pub mod kind {
    /// A slice of a picture that is no IDR picture.
    pub const SLICE: u8 = 1;
    /// A slice of an IDR picture.
    pub const IDR: u8 = 5;
    /// Supplemental enhancement information.
    pub const SEI: u8 = 6;
    /// Sequence parameter set.
    pub const SPS: u8 = 7;
    /// Picture parameter set.
    pub const PPS: u8 = 8;
    /// Access unit delimiter.
    pub const AUD: u8 = 9;
    /// Single-time aggregation packet.
    pub const STAP_A: u8 = 24;
    /// Fragmentation unit.
    pub const FU_A: u8 = 28;
}

/// A NAL unit, or the first fragment of one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Nal<'a> {
    /// `nal_unit_type`, 1 to 23.
    pub kind: u8,
    /// What is behind the NAL unit's header byte: of a fragment, as much as the packet has.
    pub body: &'a [u8],
    /// The NAL unit with its header, unless it is a fragment.
    pub whole: Option<&'a [u8]>,
}

/// The NAL units that begin in a payload. Fragments after the first one, and packets of other types, have none.
pub fn nal_units(payload: &[u8]) -> impl Iterator<Item = Nal<'_>> {
    let (alone, aggregated): (_, &[u8]) = match payload {
        [header, units @ ..] if header & 0x1f == kind::STAP_A => (None, units),
        // The start bit of the FU header; the type is in its low bits.
        [header, fu, body @ ..] if header & 0x1f == kind::FU_A && fu & 0x80 != 0 => {
            (Some(Nal { kind: fu & 0x1f, body, whole: None }), &[])
        }
        _ => (whole_nal(payload), &[]),
    };
    let real = |nal: &Nal<'_>| (1..=23).contains(&nal.kind);
    alone.into_iter().chain(Aggregated(aggregated).filter_map(whole_nal)).filter(real)
}

/// The complete SPS and PPS of a payload, each with its type ([`kind::SPS`] or [`kind::PPS`]) and its header byte.
pub fn parameter_sets(payload: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    nal_units(payload).filter(is_parameter_set).filter_map(|nal| nal.whole.map(|whole| (nal.kind, whole)))
}

/// Replaces `out` by a STAP-A (RFC 6184 §5.7.1) of the two parameter sets. A set of more than 65,535 bytes has no
/// place in one: then `out` is left empty.
pub fn stap_a(sps: &[u8], pps: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let (Ok(sps_length), Ok(pps_length)) = (u16::try_from(sps.len()), u16::try_from(pps.len())) else { return };
    // The highest importance (nal_ref_idc) of those inside, as §5.7 asks.
    let importance = [sps, pps].into_iter().filter_map(|nal| nal.first()).map(|header| header & 0x60).max();
    out.push(importance.unwrap_or(0) | kind::STAP_A);
    out.extend_from_slice(&sps_length.to_be_bytes());
    out.extend_from_slice(sps);
    out.extend_from_slice(&pps_length.to_be_bytes());
    out.extend_from_slice(pps);
}

/// What a slice is made of (ITU-T H.264, table 7-6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SliceType {
    /// Predicted from one picture.
    P,
    /// Predicted from two pictures, which may lie in the future.
    B,
    /// Not predicted.
    I,
    /// A switching P slice.
    Sp,
    /// A switching I slice.
    Si,
}

/// The type of the first slice that begins in a payload, if one does. A publisher that sends B slices sends
/// pictures out of presentation order.
#[must_use]
pub fn slice_type(payload: &[u8]) -> Option<SliceType> {
    let slice = nal_units(payload).find(|nal| matches!(nal.kind, kind::SLICE | kind::IDR))?;
    let mut bits = Bits::new(slice.body);
    let _first_mb_in_slice = bits.exp_golomb()?;
    Some(match bits.exp_golomb()? {
        0 | 5 => SliceType::P,
        1 | 6 => SliceType::B,
        2 | 7 => SliceType::I,
        3 | 8 => SliceType::Sp,
        4 | 9 => SliceType::Si,
        _ => return None,
    })
}

/// See [`crate::rtp::payload::inspect`].
#[must_use]
pub fn inspect(payload: &[u8]) -> PayloadInfo {
    let mut info = PayloadInfo::default();
    for nal in nal_units(payload) {
        // first_mb_in_slice is 0, written as a single 1, in the first slice of a picture.
        let first_slice = nal.body.first().is_some_and(|bits| bits & 0x80 != 0);
        match nal.kind {
            kind::IDR => info.idr |= first_slice,
            kind::SPS => {
                info.keyframe_start = true;
                info.parameter_sets |= nal.whole.is_some();
            }
            kind::PPS => info.parameter_sets |= nal.whole.is_some(),
            _ => {}
        }
        info.frame_start |= match nal.kind {
            kind::SLICE | kind::IDR => first_slice,
            kind::SEI | kind::SPS | kind::PPS | kind::AUD => true,
            _ => false,
        };
    }
    info.keyframe_start |= info.idr;
    info
}

fn is_parameter_set(nal: &Nal<'_>) -> bool {
    matches!(nal.kind, kind::SPS | kind::PPS)
}

fn whole_nal(unit: &[u8]) -> Option<Nal<'_>> {
    let (header, body) = unit.split_first()?;
    Some(Nal { kind: header & 0x1f, body, whole: Some(unit) })
}

/// The units of an aggregation packet, each behind its length of 16 bits; ends where one does not fit.
pub(super) struct Aggregated<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Aggregated<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first_chunk::<2>()?;
        let (unit, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        self.0 = rest;
        Some(unit)
    }
}

/// The first 64 bits of a slice header. Enough for `first_mb_in_slice` and `slice_type`, and free of emulation
/// prevention bytes for pictures of up to 65,535 macroblocks (beyond level 5.1): a byte 3 is only inserted after 16
/// zero bits.
struct Bits(u64);

impl Bits {
    fn new(bytes: &[u8]) -> Self {
        let mut first = [0; 8];
        let length = bytes.len().min(8);
        first[..length].copy_from_slice(&bytes[..length]);
        Self(u64::from_be_bytes(first))
    }

    /// `ue(v)` (ITU-T H.264 §9.1) of at most 31 bits.
    fn exp_golomb(&mut self) -> Option<u64> {
        let zeros = self.0.leading_zeros();
        if zeros > 15 {
            return None;
        }
        let length = 2 * zeros + 1;
        let value = (self.0 >> (64 - length)) - 1;
        self.0 <<= length;
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::codec::Codec;
    use crate::rtp::payload::tests::{Junk, key_frames, recorded};
    use bytes::Bytes;
    use rtp::codec::h264::H264Packet;
    use rtp::packetizer::Depacketizer;

    const SPS: &[u8] = &[0x67, 0x42, 0xe0, 0x1f];
    const PPS: &[u8] = &[0x68, 0xce];

    #[test]
    fn payloads() {
        // payload, key frame starts, frame starts, parameter sets, IDR
        type Row = (&'static [u8], bool, bool, bool, bool);
        let table: &[Row] = &[
            (SPS, true, true, true, false),
            (PPS, false, true, true, false),
            (&[0x65, 0x88], true, true, false, true),
            (&[0x65, 0x40], false, false, false, false), // a later slice of an IDR picture
            (&[0x41, 0x9a], false, true, false, false),
            (&[0x41, 0x40], false, false, false, false),
            (&[0x09, 0xf0], false, true, false, false),
            (&[0x06, 0x05], false, true, false, false),
            (&[0x78, 0, 4, 0x67, 0x42, 0xe0, 0x1f, 0, 2, 0x68, 0xce], true, true, true, false),
            (&[0x78, 0, 2, 0x68, 0xce, 0, 2, 0x65, 0x88], true, true, true, true),
            (&[0x78, 0, 2, 0x68, 0xce, 0, 9, 0x65, 0x88], false, true, true, false), // the second is cut
            (&[0x78, 0, 0, 0, 2, 0x65, 0x88], true, true, false, true),              // an empty one first
            (&[0x7c, 0x85, 0x88], true, true, false, true),
            (&[0x7c, 0x05, 0x88], false, false, false, false), // the middle of a fragmented IDR slice
            (&[0x7c, 0x45, 0x88], false, false, false, false), // its end
            (&[0x7c, 0x87, 0x42], true, true, false, false),   // an SPS in pieces: not to be cached
            (&[0x7c, 0x81, 0x9a], false, true, false, false),
            (&[0x7c, 0x9c, 0x9a], false, false, false, false), // a fragment of a fragment: nonsense
            (&[0x7c], false, false, false, false),
            (&[0x79, 0, 0, 0, 2, 0x65, 0x88], false, false, false, false), // STAP-B
            (&[0x65], false, false, false, false),
        ];
        for (payload, keyframe_start, frame_start, parameter_sets, idr) in table.iter().copied() {
            let expected = PayloadInfo { keyframe_start, frame_start, parameter_sets, idr, ..PayloadInfo::default() };
            assert_eq!(inspect(payload), expected, "{payload:02x?}");
        }
    }

    #[test]
    fn parameter_sets_make_a_stap_a_and_come_out_of_it() {
        let mut packet = vec![1, 2, 3];
        stap_a(SPS, PPS, &mut packet);
        assert_eq!(packet[0], 0x78, "importance 3, type 24");
        let sets: Vec<_> = parameter_sets(&packet).collect();
        assert_eq!(sets, [(kind::SPS, SPS), (kind::PPS, PPS)]);

        let annex_b = H264Packet::default().depacketize(&Bytes::from(packet.clone())).unwrap();
        assert_eq!(annex_b, [&[0, 0, 0, 1], SPS, &[0, 0, 0, 1], PPS].concat());

        stap_a(SPS, &vec![0x68; 65_536], &mut packet);
        assert!(packet.is_empty());
    }

    #[test]
    fn slice_types() {
        // first_mb_in_slice 0 is `1`; slice_type 0 `1`, 1 `010`, 2 `011`, 5 `00110`, 6 `00111`, 7 `0001000`, 10
        // `0001011`
        let table: &[(&[u8], Option<SliceType>)] = &[
            (&[0x41, 0b1100_0000], Some(SliceType::P)),
            (&[0x01, 0b1010_0000], Some(SliceType::B)),
            (&[0x41, 0b1011_0000], Some(SliceType::I)),
            (&[0x41, 0b1001_1000], Some(SliceType::P)),
            (&[0x01, 0b1001_1100], Some(SliceType::B)),
            (&[0x65, 0b1000_1000], Some(SliceType::I)),
            (&[0x41, 0b0001_0010, 0b1000_0000], Some(SliceType::B)), // first_mb_in_slice 8
            (&[0x41, 0b1000_1011], None),
            (&[0x7c, 0x81, 0b1001_1100], Some(SliceType::B)),
            (&[0x7c, 0x01, 0b1001_1100], None),
            (&[0x78, 0, 2, 0x06, 0xff, 0, 2, 0x01, 0b1010_0000], Some(SliceType::B)),
            (SPS, None),
            (&[0x41, 0, 0, 0], None),
            (&[0x41], None),
        ];
        for (payload, expected) in table.iter().copied() {
            assert_eq!(slice_type(payload), expected, "{payload:02x?}");
        }
    }

    /// NAL units that the library and we find in whole packets (fragments stay inside the library).
    #[test]
    fn the_library_reads_the_same() {
        let mut junk = Junk(264);
        let mut parsed = 0;
        for round in 0..50_000 {
            let mut payload = junk.bytes(30);
            if payload.len() > 4 && round % 2 == 0 {
                payload[0] = 0x78;
                payload[1] = 0;
                payload[2] %= 12;
            }
            let Some(packet_type) = payload.first().map(|header| header & 0x1f) else { continue };
            // Left out: what the library does not do (it joins fragments), what it passes on and we do not (empty
            // units and packet types inside an aggregate), and one byte after an aggregate, on which it panics.
            let comparable = match packet_type {
                kind::FU_A => false,
                kind::STAP_A => {
                    let mut units = Aggregated(&payload[1..]);
                    units.by_ref().all(|unit| unit.first().is_some_and(|h| (1..=23).contains(&(h & 0x1f))))
                        && units.0.len() != 1
                }
                _ => payload.len() > 2,
            };
            if !comparable {
                continue;
            }
            let Ok(annex_b) = H264Packet::default().depacketize(&Bytes::from(payload.clone())) else { continue };
            let ours: Vec<u8> =
                nal_units(&payload).flat_map(|nal| [&[0, 0, 0, 1], nal.whole.unwrap()].concat()).collect();
            assert_eq!(ours, annex_b, "{payload:02x?}");
            parsed += 1;
        }
        assert!(parsed > 10_000, "the oracle took {parsed}");
    }

    #[test]
    fn a_recorded_stream() {
        let packets = recorded(include_str!("../../tests/data/rtp/h264.txt"));
        assert_eq!(key_frames(Codec::H264, &packets), (vec![0, 5], 10));
        let types: Vec<_> = packets.iter().filter_map(|packet| slice_type(&packet.payload)).collect();
        assert!(types.contains(&SliceType::I) && types.contains(&SliceType::P) && !types.contains(&SliceType::B));

        let sets: Vec<_> = packets.iter().flat_map(|packet| parameter_sets(&packet.payload)).collect();
        assert_eq!(sets.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), [7, 8, 7, 8]);
        assert_eq!(sets[0], sets[2]);
    }

    #[test]
    fn a_recorded_stream_with_b_slices() {
        let packets = recorded(include_str!("../../tests/data/rtp/h264-b.txt"));
        assert_eq!(key_frames(Codec::H264, &packets).1, 10);
        assert!(packets.iter().any(|packet| slice_type(&packet.payload) == Some(SliceType::B)));
    }
}
