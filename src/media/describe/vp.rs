//! VP8 (RFC 6386 §9.1) and VP9 (bitstream specification §6.2).

use super::Description;
use super::reader::Reader;

pub(super) fn vp8(frame: &[u8]) -> Option<Description> {
    let head: &[u8; 10] = frame.first_chunk()?;
    if head[0] & 1 != 0 || head[3..6] != [0x9d, 0x01, 0x2a] {
        return None;
    }
    // The two high bits are for scaling.
    let size = |low: usize| u16::from_le_bytes([head[low], head[low + 1]]) & 0x3fff;
    Some(Description { width: size(6), height: size(8), configuration: Vec::new() })
}

/// The colour space without subsampling.
const RGB: u32 = 7;

pub(super) fn vp9(frame: &[u8]) -> Option<Description> {
    let mut bits = Reader::new(frame);
    if bits.bits(2)? != 2 {
        return None;
    }
    let profile = bits.bits(1)? | bits.bits(1)? << 1;
    if profile == 3 && bits.flag()? {
        return None;
    }
    let (shows_existing, inter) = (bits.flag()?, bits.flag()?);
    if shows_existing || inter {
        return None;
    }
    bits.skip(2)?;
    if bits.bits(24)? != 0x49_83_42 {
        return None;
    }
    let depth: u8 = match profile >= 2 {
        true if bits.flag()? => 12,
        true => 10,
        false => 8,
    };
    let space = bits.bits(3)?;
    let full_range = space == RGB || bits.flag()?;
    let (mut horizontal, mut vertical) = (space != RGB, space != RGB);
    if profile & 1 == 1 {
        if space != RGB {
            (horizontal, vertical) = (bits.flag()?, bits.flag()?);
        }
        bits.skip(1)?;
    }
    let (width, height) = (bits.bits(16)? + 1, bits.bits(16)? + 1);
    // As ITU-T H.273 numbers them: primaries, transfer, matrix.
    let colour = match space {
        1 | 3 => [6, 6, 6],
        2 => [1, 1, 1],
        4 => [7, 7, 7],
        5 => [9, 14, 9],
        RGB => [1, 13, 0],
        _ => [2, 2, 2],
    };
    // "VP Codec ISO Media File Format Binding": 4:2:0 with the chroma beside the luma, 4:2:2, 4:4:4.
    let subsampling = match (horizontal, vertical) {
        (true, true) => 1,
        (true, false) => 2,
        _ => 3,
    };
    let profile = u8::try_from(profile).ok()?;
    let packed = depth << 4 | subsampling << 1 | u8::from(full_range);
    let mut configuration = vec![1, 0, 0, 0, profile, level(width, height), packed];
    configuration.extend_from_slice(&colour);
    configuration.extend_from_slice(&[0, 0]);
    Some(Description { width: width.try_into().ok()?, height: height.try_into().ok()?, configuration })
}

/// The lowest level whose pictures are as large: the stream does not say it.
fn level(width: u32, height: u32) -> u8 {
    let size = width * height;
    let levels = [(36_864, 10), (73_728, 11), (122_880, 20), (245_760, 21), (552_960, 30), (983_040, 31)];
    let large = [(2_228_224, 40), (8_912_896, 50), (u32::MAX, 60)];
    levels.iter().chain(&large).find(|(most, _)| size <= *most).map_or(60, |(_, level)| *level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vp8_says_its_size() {
        let frame = [0x10, 2, 0, 0x9d, 0x01, 0x2a, 0x40, 0x41, 0xb4, 0x00, 7];
        let size = vp8(&frame).map(|description| (description.width, description.height));
        assert_eq!(size, Some((320, 180)), "without the scale");
        assert_eq!(vp8(&frame[..9]), None);
        assert_eq!(vp8(&[&[0x11], &frame[1..]].concat()), None, "no key frame");
    }

    #[test]
    fn vp9_says_its_size_and_colours() {
        // Marker, profile 0, key frame, shown; sync code; BT.601, limited; 640 x 360.
        let bits = "10 0 0 0 0 1 0 010010011000001101000010 001 0 0000001001111111 0000000101100111 0";
        let description = vp9(&pack(bits)).unwrap();
        assert_eq!((description.width, description.height), (640, 360));
        assert_eq!(description.configuration, [1, 0, 0, 0, 0, 21, 0x82, 6, 6, 6, 0, 0]);
        assert_eq!(vp9(&pack("10 0 0 0 1 1 0")), None, "no key frame");
        // Profile 2, 10 bits, BT.2020.
        let bits = "10 0 1 0 0 1 0 010010011000001101000010 0 101 1 0000001001111111 0000000101100111 0";
        assert_eq!(vp9(&pack(bits)).unwrap().configuration[4..10], [2, 21, 0xa3, 9, 14, 9]);
    }

    fn pack(bits: &str) -> Vec<u8> {
        let bits: Vec<u8> = bits.bytes().filter(|bit| *bit != b' ').map(|bit| bit - b'0').collect();
        bits.chunks(8).map(|bits| bits.iter().enumerate().fold(0, |byte, (at, bit)| byte | bit << (7 - at))).collect()
    }
}
