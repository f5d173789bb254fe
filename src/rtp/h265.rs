//! H265 payloads (RFC 7798): single NAL units, aggregation packets and fragmentation units, without decoding order
//! numbers (`sprop-max-don-diff` is 0 in WebRTC).

use crate::rtp::h264::Aggregated;
use crate::rtp::payload::PayloadInfo;

/// `nal_unit_type` (ITU-T H.265, table 7-1) and the packet types of RFC 7798 §4.4.
pub mod kind {
    use std::ops::RangeInclusive;

    /// Every type of slice.
    pub const SLICES: RangeInclusive<u8> = 0..=31;
    /// Slices of pictures where decoding can start.
    pub const IRAP: RangeInclusive<u8> = 16..=21;
    /// Video parameter set.
    pub const VPS: u8 = 32;
    /// Sequence parameter set.
    pub const SPS: u8 = 33;
    /// Picture parameter set.
    pub const PPS: u8 = 34;
    /// Access unit delimiter.
    pub const AUD: u8 = 35;
    /// Supplemental enhancement information before the picture.
    pub const PREFIX_SEI: u8 = 39;
    /// Aggregation packet.
    pub const AP: u8 = 48;
    /// Fragmentation unit.
    pub const FU: u8 = 49;
}

/// A NAL unit, or the first fragment of one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Nal<'a> {
    /// `nal_unit_type`, 0 to 47.
    pub kind: u8,
    /// Temporal sub-layer (`nuh_temporal_id_plus1` − 1).
    pub temporal: u8,
    /// What is behind the NAL unit's two header bytes: of a fragment, as much as the packet has.
    pub body: &'a [u8],
    /// The NAL unit with its header, unless it is a fragment.
    pub whole: Option<&'a [u8]>,
}

/// The NAL units that begin in a payload. Fragments after the first one, and packets of other types, have none.
pub fn nal_units(payload: &[u8]) -> impl Iterator<Item = Nal<'_>> {
    let (alone, aggregated): (_, &[u8]) = match payload {
        [first, _, units @ ..] if nal_type(*first) == kind::AP => (None, units),
        // The start bit of the FU header; the type is in its low bits.
        [first, second, fu, body @ ..] if nal_type(*first) == kind::FU && fu & 0x80 != 0 => {
            (Some(Nal { kind: fu & 0x3f, temporal: temporal(*second), body, whole: None }), &[])
        }
        _ => (whole_nal(payload), &[]),
    };
    let real = |nal: &Nal<'_>| nal.kind < kind::AP;
    alone.into_iter().chain(Aggregated(aggregated).filter_map(whole_nal)).filter(real)
}

/// The complete VPS, SPS and PPS of a payload, each with its type and its header bytes.
pub fn parameter_sets(payload: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    nal_units(payload).filter(is_parameter_set).filter_map(|nal| nal.whole.map(|whole| (nal.kind, whole)))
}

/// See [`crate::rtp::payload::inspect`].
#[must_use]
pub fn inspect(payload: &[u8]) -> PayloadInfo {
    let mut info = PayloadInfo::default();
    for (index, nal) in nal_units(payload).enumerate() {
        if index == 0 {
            info.temporal = nal.temporal;
        }
        // first_slice_segment_in_pic_flag
        let first_slice = nal.body.first().is_some_and(|bits| bits & 0x80 != 0);
        info.idr |= first_slice && kind::IRAP.contains(&nal.kind);
        info.parameter_sets |= is_parameter_set(&nal) && nal.whole.is_some();
        info.keyframe_start |= matches!(nal.kind, kind::VPS | kind::SPS);
        info.frame_start |= match nal.kind {
            kind::VPS | kind::SPS | kind::PPS | kind::AUD | kind::PREFIX_SEI => true,
            other => first_slice && kind::SLICES.contains(&other),
        };
    }
    info.keyframe_start |= info.idr;
    info
}

fn is_parameter_set(nal: &Nal<'_>) -> bool {
    matches!(nal.kind, kind::VPS | kind::SPS | kind::PPS)
}

fn nal_type(first: u8) -> u8 {
    first >> 1 & 0x3f
}

/// 0 is forbidden for `nuh_temporal_id_plus1`.
fn temporal(second: u8) -> u8 {
    (second & 0x07).saturating_sub(1)
}

fn whole_nal(unit: &[u8]) -> Option<Nal<'_>> {
    match unit {
        [first, second, body @ ..] => {
            Some(Nal { kind: nal_type(*first), temporal: temporal(*second), body, whole: Some(unit) })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::codec::Codec;
    use crate::rtp::payload::tests::{Junk, key_frames, recorded};
    use bytes::Bytes;
    use rtp::codec::h265::{H265AggregationUnit, H265AggregationUnitFirst, H265Packet, H265Payload};
    use rtp::packetizer::Depacketizer;

    #[test]
    fn payloads() {
        // payload, key frame starts, frame starts, parameter sets, IRAP, temporal layer
        type Row = (&'static [u8], bool, bool, bool, bool, u8);
        let table: &[Row] = &[
            (&[0x40, 0x01, 0x0c], true, true, true, false, 0),  // VPS
            (&[0x42, 0x01, 0x01], true, true, true, false, 0),  // SPS
            (&[0x44, 0x01, 0xc1], false, true, true, false, 0), // PPS
            (&[0x46, 0x01, 0x50], false, true, false, false, 0),
            (&[0x4e, 0x01, 0x05], false, true, false, false, 0),
            (&[0x26, 0x01, 0xaf], true, true, false, true, 0), // IDR_W_RADL
            (&[0x2a, 0x01, 0xaf], true, true, false, true, 0), // CRA
            (&[0x26, 0x01, 0x2f], false, false, false, false, 0), // a later slice of it
            (&[0x02, 0x02, 0xd0], false, true, false, false, 1), // TRAIL_R
            (&[0x02, 0x01, 0x50], false, false, false, false, 0),
            (&[0x60, 0x01, 0, 3, 0x40, 0x01, 0x0c, 0, 3, 0x26, 0x01, 0xaf], true, true, true, true, 0),
            (&[0x60, 0x01, 0, 3, 0x44, 0x01, 0xc1, 0, 9, 0x26], false, true, true, false, 0), // the second is cut
            (&[0x62, 0x03, 0x93, 0xaf], true, true, false, true, 2),
            (&[0x62, 0x01, 0x13, 0xaf], false, false, false, false, 0),
            (&[0x62, 0x01, 0x53, 0xaf], false, false, false, false, 0),
            (&[0x62, 0x01, 0xa1, 0x01], true, true, false, false, 0), // an SPS in pieces: not to be cached
            (&[0x62, 0x01, 0xb1, 0xaf], false, false, false, false, 0), // a fragment of a fragment: nonsense
            (&[0x64, 0x01, 0xaf, 0, 0, 0], false, false, false, false, 0), // PACI
            (&[0x26], false, false, false, false, 0),
        ];
        for (payload, keyframe_start, frame_start, parameter_sets, idr, temporal) in table.iter().copied() {
            let expected =
                PayloadInfo { keyframe_start, frame_start, temporal, parameter_sets, idr, ..PayloadInfo::default() };
            assert_eq!(inspect(payload), expected, "{payload:02x?}");
        }
    }

    #[test]
    fn the_library_reads_the_same() {
        let mut junk = Junk(265);
        let mut parsed = 0;
        for round in 0..50_000_u32 {
            let mut payload = junk.bytes(30);
            if payload.len() < 8 {
                continue;
            }
            match round % 3 {
                0 => payload[..4].copy_from_slice(&[0x60, 0x01, 0, round.to_le_bytes()[0] % 9]),
                1 => payload[..2].copy_from_slice(&[0x62, 0x01]),
                _ => {}
            }
            let mut oracle = H265Packet::default();
            if oracle.depacketize(&Bytes::from(payload.clone())).is_err() {
                continue;
            }
            let ours: Vec<_> = nal_units(&payload).map(|nal| (nal.kind, nal.whole.map(<[u8]>::to_vec))).collect();
            let theirs: Vec<(u8, Option<Vec<u8>>)> = match oracle.payload() {
                H265Payload::H265SingleNALUnitPacket(single) => {
                    vec![(single.payload_header().nalu_type(), Some(payload.clone()))]
                }
                H265Payload::H265FragmentationUnitPacket(fragment) if fragment.fu_header().s() => {
                    vec![(fragment.fu_header().fu_type(), None)]
                }
                H265Payload::H265FragmentationUnitPacket(_) => Vec::new(),
                H265Payload::H265AggregationPacket(packet) => {
                    let first = packet.first_unit().map(H265AggregationUnitFirst::nal_unit);
                    let units = first.into_iter().chain(packet.other_units().iter().map(H265AggregationUnit::nal_unit));
                    units.filter(|unit| unit.len() >= 2).map(|unit| (nal_type(unit[0]), Some(unit.to_vec()))).collect()
                }
                _ => continue,
            };
            // The library also passes on packet types inside packets.
            let theirs: Vec<_> = theirs.into_iter().filter(|(kind, _)| *kind < kind::AP).collect();
            assert_eq!(ours, theirs, "{payload:02x?}");
            parsed += 1;
        }
        assert!(parsed > 10_000, "the oracle took {parsed}");
    }

    #[test]
    fn a_recorded_stream() {
        let packets = recorded(include_str!("../../tests/data/rtp/h265.txt"));
        assert_eq!(key_frames(Codec::H265, &packets), (vec![0, 5], 10));
        let sets: Vec<_> = packets.iter().flat_map(|packet| parameter_sets(&packet.payload)).collect();
        assert_eq!(sets.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), [32, 33, 34, 32, 33, 34]);
    }
}
