//! What the first bytes of a frame say.

use super::annexb::nal_units;
use crate::rtp::codec::Codec;

/// Whether decoding can begin with this frame (one IVF frame, one access unit, one Opus packet).
pub fn is_key_frame(codec: Codec, frame: &[u8]) -> bool {
    match codec {
        Codec::Vp8 => frame.first().is_some_and(|byte| byte & 1 == 0),
        Codec::Vp9 => frame.first().is_some_and(|byte| vp9_is_key(*byte)),
        Codec::Av1 => obus(frame).is_some_and(|obus| obus.iter().any(|obu| obu.kind == OBU_SEQUENCE_HEADER)),
        Codec::H264 => nal_units(frame).any(|unit| unit[0] & 0x1f == 5),
        Codec::H265 => nal_units(frame).any(|unit| (16..=23).contains(&((unit[0] >> 1) & 0x3f))),
        Codec::Opus | Codec::Pcmu | Codec::Pcma => true,
    }
}

/// The first byte of a VP9 frame: marker (2 bits), profile (2, low bit first), `show_existing_frame`, `frame_type`.
fn vp9_is_key(byte: u8) -> bool {
    let profile_three = byte & 0x30 == 0x30;
    let (shows_existing, inter) = if profile_three { (byte & 0x04, byte & 0x02) } else { (byte & 0x08, byte & 0x04) };
    byte >> 6 == 2 && shows_existing == 0 && inter == 0
}

/// `OBU_SEQUENCE_HEADER` (AV1 §6.2.2).
pub(super) const OBU_SEQUENCE_HEADER: u8 = 1;
/// `OBU_TEMPORAL_DELIMITER`
pub(super) const OBU_TEMPORAL_DELIMITER: u8 = 2;
/// `OBU_TILE_LIST`
pub(super) const OBU_TILE_LIST: u8 = 8;

/// One open bitstream unit of AV1.
pub(super) struct Obu {
    /// `obu_type`
    pub kind: u8,
}

/// The units of a temporal unit in the low-overhead format (AV1 §5.2), or `None` where their sizes do not add up.
pub(super) fn obus(mut data: &[u8]) -> Option<Vec<Obu>> {
    let mut found = Vec::new();
    while let Some((&header, rest)) = data.split_first() {
        let rest = if header & 0x04 == 0 { rest } else { rest.get(1..)? };
        let (size, rest) = if header & 0x02 == 0 { (rest.len(), rest) } else { leb128(rest)? };
        data = rest.get(size..)?;
        found.push(Obu { kind: (header >> 3) & 0x0f });
    }
    Some(found)
}

/// A number of up to 32 bits in LEB128 (AV1 §4.10.5), and what follows it.
pub(super) fn leb128(data: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0_u64;
    for (index, byte) in data.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, &data[index + 1..]));
        }
    }
    None
}

/// Appends a number in LEB128.
pub(super) fn put_leb128(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).expect("seven bits") | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).expect("below 0x80"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_frames_by_codec() {
        let table: [(Codec, &[u8], bool); 13] = [
            (Codec::Vp8, &[0x10], true),
            (Codec::Vp8, &[0x11], false),
            (Codec::Vp8, &[], false),
            (Codec::Vp9, &[0x82], true),
            (Codec::Vp9, &[0x86], false),
            (Codec::Vp9, &[0x8a], false),
            (Codec::Vp9, &[0xb0], true),
            (Codec::Av1, &[0x12, 0x00, 0x0a, 0x01, 0x00], true),
            (Codec::Av1, &[0x12, 0x00, 0x32, 0x01, 0x00], false),
            (Codec::H264, &[0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x65, 1], true),
            (Codec::H264, &[0, 0, 0, 1, 0x41, 1], false),
            (Codec::H265, &[0, 0, 0, 1, 0x26, 1, 1], true),
            (Codec::H265, &[0, 0, 0, 1, 0x02, 1, 1], false),
        ];
        for (codec, frame, key) in table {
            assert_eq!(is_key_frame(codec, frame), key, "{codec:?} {frame:x?}");
        }
    }

    #[test]
    fn obus_that_do_not_add_up() {
        for bad in [&[0x32, 0x05, 0x00][..], &[0x36], &[0x32, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]] {
            assert!(obus(bad).is_none(), "{bad:x?}");
        }
    }

    #[test]
    fn leb128_round_trips() {
        for value in [0, 1, 127, 128, 300, 16_383, 16_384, 1 << 27] {
            let mut out = Vec::new();
            put_leb128(&mut out, value);
            out.push(9);
            assert_eq!(leb128(&out), Some((value, &[9_u8][..])));
        }
    }
}
