//! The packets of one frame back into the frame.
//!
//! Ours, because what comes from the network must not end the process: the `rtp` crate's depacketizers for H.264
//! and AV1 read past the end of some payloads that are cut off.

use bytes::Bytes;

use super::bits::{OBU_TEMPORAL_DELIMITER, OBU_TILE_LIST, leb128, put_leb128};
use crate::rtp::codec::Codec;

/// The frame that the payloads of its packets, in order and without a gap, carry: in the form in which
/// [`super::Frame`] has it. `None` where they are not the packets of one frame.
pub fn frame_of(codec: Codec, payloads: &[Bytes]) -> Option<Vec<u8>> {
    let frame = match codec {
        Codec::Vp8 => joined(payloads, vp8_body)?,
        Codec::Vp9 => joined(payloads, vp9_body)?,
        Codec::Av1 => av1(payloads)?,
        Codec::H264 => h264(payloads)?,
        Codec::H265 => h265(payloads)?,
        Codec::Opus | Codec::Pcmu | Codec::Pcma => payloads.concat(),
    };
    Some(frame).filter(|frame| !frame.is_empty())
}

/// Whether a frame begins in a packet, and what follows its payload descriptor.
type Body<'a> = (bool, &'a [u8]);

/// Joins what stands behind the payload descriptors; the first packet must say that a frame begins in it.
fn joined(payloads: &[Bytes], body: fn(&[u8]) -> Option<Body<'_>>) -> Option<Vec<u8>> {
    let mut frame = Vec::new();
    for (index, payload) in payloads.iter().enumerate() {
        let (begins, data) = body(payload)?;
        if index == 0 && !begins {
            return None;
        }
        frame.extend_from_slice(data);
    }
    Some(frame)
}

/// RFC 7741 §4.2
fn vp8_body(payload: &[u8]) -> Option<Body<'_>> {
    let (&first, mut rest) = payload.split_first()?;
    if first & 0x80 != 0 {
        let (&flags, after) = rest.split_first()?;
        rest = after;
        if flags & 0x80 != 0 {
            let long = rest.first()? & 0x80 != 0;
            rest = rest.get(1 + usize::from(long)..)?;
        }
        rest = rest.get(usize::from(flags & 0x40 != 0)..)?;
        rest = rest.get(usize::from(flags & 0x30 != 0)..)?;
    }
    Some((first & 0x17 == 0x10, rest))
}

/// RFC 9628 §4.2
fn vp9_body(payload: &[u8]) -> Option<Body<'_>> {
    let (&first, mut rest) = payload.split_first()?;
    let has = |bit: u8| first & bit != 0;
    if has(0x80) {
        let long = rest.first()? & 0x80 != 0;
        rest = rest.get(1 + usize::from(long)..)?;
    }
    if has(0x20) {
        rest = rest.get(if has(0x10) { 1 } else { 2 }..)?;
    }
    if has(0x40) && has(0x10) {
        for _ in 0..3 {
            let (difference, after) = rest.split_first()?;
            rest = after;
            if difference & 1 == 0 {
                break;
            }
        }
    }
    if has(0x02) {
        rest = after_scalability_structure(rest)?;
    }
    Some((has(0x08), rest))
}

/// RFC 9628 §4.2.1
fn after_scalability_structure(data: &[u8]) -> Option<&[u8]> {
    let (&head, mut rest) = data.split_first()?;
    if head & 0x10 != 0 {
        rest = rest.get(4 * (usize::from(head >> 5) + 1)..)?;
    }
    if head & 0x08 != 0 {
        let (&pictures, after) = rest.split_first()?;
        rest = after;
        for _ in 0..pictures {
            let references = usize::from((rest.first()? >> 2) & 3);
            rest = rest.get(1 + references..)?;
        }
    }
    Some(rest)
}

/// The AV1 payload format: units without sizes, cut across packets, into units with sizes.
fn av1(payloads: &[Bytes]) -> Option<Vec<u8>> {
    let mut frame = vec![OBU_TEMPORAL_DELIMITER << 3 | 0x02, 0];
    let empty = frame.len();
    let mut unit: Vec<u8> = Vec::new();
    let mut continues = false;
    for payload in payloads {
        let (&aggregation, mut rest) = payload.split_first()?;
        if (aggregation & 0x80 != 0) != continues {
            return None;
        }
        let count = usize::from((aggregation >> 4) & 3);
        let mut index = 0;
        while !rest.is_empty() {
            index += 1;
            let size = if index == count {
                rest.len()
            } else {
                let (size, after) = leb128(rest)?;
                rest = after;
                size
            };
            unit.extend_from_slice(rest.get(..size)?);
            rest = &rest[size..];
            continues = rest.is_empty() && aggregation & 0x40 != 0;
            if !continues {
                put_obu(&mut frame, &unit)?;
                unit.clear();
            }
        }
    }
    (!continues && frame.len() > empty).then_some(frame)
}

/// Appends a unit with its size; delimiters and tile lists are left out (§5 of the payload format).
fn put_obu(frame: &mut Vec<u8>, unit: &[u8]) -> Option<()> {
    let Some(&header) = unit.first() else { return Some(()) };
    if [OBU_TEMPORAL_DELIMITER, OBU_TILE_LIST].contains(&((header >> 3) & 0x0f)) {
        return Some(());
    }
    if header & 0x02 != 0 {
        frame.extend_from_slice(unit);
        return Some(());
    }
    let head = if header & 0x04 == 0 { 1 } else { 2 };
    let body = unit.get(head..)?;
    frame.push(header | 0x02);
    frame.extend_from_slice(&unit[1..head]);
    put_leb128(frame, body.len());
    frame.extend_from_slice(body);
    Some(())
}

/// RFC 6184: single units, STAP-A (24), FU-A (28).
fn h264(payloads: &[Bytes]) -> Option<Vec<u8>> {
    let mut frame = Vec::new();
    let mut open = false;
    for payload in payloads {
        let kind = payload.first()? & 0x1f;
        if open && kind != 28 {
            return None;
        }
        match kind {
            1..=23 => put_unit(&mut frame, &[payload]),
            24 => put_aggregate(&mut frame, &payload[1..])?,
            28 => {
                let fragment = *payload.get(1)?;
                let header = payload[0] & 0xe0 | fragment & 0x1f;
                open = put_fragment(&mut frame, open, fragment, &[header], &payload[2..])?;
            }
            _ => return None,
        }
    }
    (!open).then_some(frame)
}

/// RFC 7798: single units, aggregation packets (48), fragmentation units (49).
fn h265(payloads: &[Bytes]) -> Option<Vec<u8>> {
    let mut frame = Vec::new();
    let mut open = false;
    for payload in payloads {
        let header: [u8; 2] = *payload.first_chunk()?;
        let kind = (header[0] >> 1) & 0x3f;
        if open && kind != 49 {
            return None;
        }
        match kind {
            0..=47 => put_unit(&mut frame, &[payload]),
            48 => put_aggregate(&mut frame, &payload[2..])?,
            49 => {
                let fragment = *payload.get(2)?;
                let header = [header[0] & 0x81 | (fragment & 0x3f) << 1, header[1]];
                open = put_fragment(&mut frame, open, fragment, &header, &payload[3..])?;
            }
            _ => return None,
        }
    }
    (!open).then_some(frame)
}

fn put_unit(frame: &mut Vec<u8>, parts: &[&[u8]]) {
    frame.extend_from_slice(&[0, 0, 0, 1]);
    for part in parts {
        frame.extend_from_slice(part);
    }
}

fn put_aggregate(frame: &mut Vec<u8>, mut units: &[u8]) -> Option<()> {
    while !units.is_empty() {
        let (size, rest) = units.split_first_chunk()?;
        let size = usize::from(u16::from_be_bytes(*size));
        put_unit(frame, &[rest.get(..size)?]);
        units = &rest[size..];
    }
    Some(())
}

/// Appends a fragment; says whether the unit goes on. `None` where a beginning or an end is missing.
fn put_fragment(frame: &mut Vec<u8>, open: bool, flags: u8, header: &[u8], data: &[u8]) -> Option<bool> {
    let (begins, ends) = (flags & 0x80 != 0, flags & 0x40 != 0);
    if begins == open {
        return None;
    }
    if begins {
        put_unit(frame, &[header, data]);
    } else {
        frame.extend_from_slice(data);
    }
    Some(!ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODECS: [Codec; 6] = [Codec::Vp8, Codec::Vp9, Codec::Av1, Codec::H264, Codec::H265, Codec::Opus];

    fn frame(codec: Codec, payloads: &[&[u8]]) -> Option<Vec<u8>> {
        frame_of(codec, &payloads.iter().map(|payload| Bytes::copy_from_slice(payload)).collect::<Vec<_>>())
    }

    #[test]
    fn what_is_not_whole_is_no_frame() {
        let table: [(Codec, &[&[u8]]); 12] = [
            (Codec::Vp8, &[&[0x00, 1]]),
            (Codec::Vp8, &[&[0x90, 0x80, 0x80]]),
            (Codec::Vp9, &[&[0x90, 0x80, 1, 7]]),
            (Codec::Vp9, &[&[0x8a, 1, 0xf8]]),
            (Codec::Av1, &[&[0x90, 1, 2]]),
            (Codec::Av1, &[&[0x50, 0x30, 2]]),
            (Codec::Av1, &[&[0x00, 9, 1]]),
            (Codec::H264, &[&[24, 0]]),
            (Codec::H264, &[&[24, 0, 9, 1]]),
            (Codec::H264, &[&[28, 0x45, 1]]),
            (Codec::H264, &[&[28, 0x85, 1], &[1, 2]]),
            (Codec::H265, &[&[0x62, 1, 0x93, 1]]),
        ];
        for (codec, payloads) in table {
            assert_eq!(frame(codec, payloads), None, "{codec:?} {payloads:x?}");
        }
    }

    #[test]
    fn descriptors_of_other_senders() {
        type Row = (Codec, &'static [&'static [u8]], &'static [u8]);
        let table: [Row; 7] = [
            // Chromium's VP8: picture id, TL0PICIDX, TID and KEYIDX.
            (Codec::Vp8, &[&[0x90, 0xf0, 0x81, 0x02, 5, 0x20, 7], &[0x80, 0xf0, 0x81, 0x02, 5, 0x20, 8]], &[7, 8]),
            // VP9, not flexible, with layer indices and a scalability structure of one layer and one picture.
            (Codec::Vp9, &[&[0xaa, 0x81, 2, 0, 9, 0x18, 2, 128, 1, 104, 1, 0x04, 1, 7]], &[7]),
            // VP9, flexible, three references.
            (Codec::Vp9, &[&[0xdc, 0x81, 2, 3, 5, 6, 7]], &[7]),
            (Codec::H264, &[&[24, 0, 2, 0x67, 1, 0, 1, 0x68]], &[0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68]),
            (Codec::H264, &[&[0x7c, 0x85, 1], &[0x7c, 0x05, 2], &[0x7c, 0x45, 3]], &[0, 0, 0, 1, 0x65, 1, 2, 3]),
            (Codec::H265, &[&[0x62, 1, 0x93, 1], &[0x62, 1, 0x53, 2]], &[0, 0, 0, 1, 0x26, 1, 1, 2]),
            // AV1: two units in one packet, the second goes on in the next.
            (Codec::Av1, &[&[0x60, 2, 0x08, 9, 0x30, 1], &[0x90, 2]], &[0x12, 0, 0x0a, 1, 9, 0x32, 2, 1, 2]),
        ];
        for (codec, payloads, whole) in table {
            assert_eq!(frame(codec, payloads).as_deref(), Some(whole), "{codec:?} {payloads:x?}");
        }
    }

    /// Whatever comes, nothing panics: all payloads of up to two bytes, and many longer ones.
    #[test]
    fn any_bytes_are_survived() {
        let mut state = 1_u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        };
        for round in 0..30_000_u32 {
            let payloads: Vec<Bytes> =
                (0..=round % 3).map(|_| (0..round % 23).map(|_| random()).collect::<Vec<_>>().into()).collect();
            for codec in CODECS {
                let _ = frame_of(codec, &payloads);
            }
        }
        for first in 0..=255 {
            for codec in CODECS {
                let _ = frame(codec, &[&[first], &[first, !first]]);
            }
        }
    }
}
