//! AV1: the sequence header (AV1 §5.5), and `av1C` of it (AV1 Codec ISO Media File Format Binding §2.3).

use super::super::bits::{OBU_SEQUENCE_HEADER, leb128, put_leb128};
use super::Description;
use super::reader::Reader;

pub(super) fn av1(frame: &[u8]) -> Option<Description> {
    let header = sequence_header(frame)?;
    let Sequence { width, height, flags } = Sequence::read(header)?;
    let mut configuration = vec![0x81, flags[0], flags[1], 0, OBU_SEQUENCE_HEADER << 3 | 2];
    put_leb128(&mut configuration, header.len());
    configuration.extend_from_slice(header);
    Some(Description { width: width.try_into().ok()?, height: height.try_into().ok()?, configuration })
}

/// The body of the first sequence header of a temporal unit.
fn sequence_header(mut data: &[u8]) -> Option<&[u8]> {
    loop {
        let (&header, rest) = data.split_first()?;
        let rest = if header & 0x04 == 0 { rest } else { rest.get(1..)? };
        let (size, rest) = if header & 0x02 == 0 { (rest.len(), rest) } else { leb128(rest)? };
        let body = rest.get(..size)?;
        if (header >> 3) & 0x0f == OBU_SEQUENCE_HEADER {
            return Some(body);
        }
        data = &rest[size..];
    }
}

struct Sequence {
    width: u32,
    height: u32,
    /// The second and third byte of `av1C`.
    flags: [u8; 2],
}

impl Sequence {
    fn read(header: &[u8]) -> Option<Self> {
        let mut bits = Reader::new(header);
        let profile = bits.bits(3)?;
        let (_still, reduced) = (bits.flag()?, bits.flag()?);
        let (level, tier) = if reduced { (bits.bits(5)?, 0) } else { operating_points(&mut bits)? };
        let (width_bits, height_bits) = (bits.bits(4)? + 1, bits.bits(4)? + 1);
        let (width, height) = (bits.bits(width_bits)? + 1, bits.bits(height_bits)? + 1);
        if !reduced && bits.flag()? {
            bits.skip(7)?;
        }
        bits.skip(3)?;
        if !reduced {
            tools(&mut bits)?;
        }
        bits.skip(3)?;
        let colour = colour(&mut bits, profile)?;
        let first = u8::try_from(profile << 5 | level).ok()?;
        Some(Self { width, height, flags: [first, u8::try_from(tier << 7).ok()? | colour] })
    }
}

/// Level and tier of the first operating point.
fn operating_points(bits: &mut Reader<'_>) -> Option<(u32, u32)> {
    let mut delay_bits = None;
    if bits.flag()? {
        bits.skip(64)?;
        if bits.flag()? {
            bits.golomb()?;
        }
        if bits.flag()? {
            delay_bits = Some(bits.bits(5)? + 1);
            bits.skip(32 + 10)?;
        }
    }
    let has_display_delay = bits.flag()?;
    let mut first = None;
    for _ in 0..=bits.bits(5)? {
        bits.skip(12)?;
        let level = bits.bits(5)?;
        let tier = if level > 7 { bits.bits(1)? } else { 0 };
        if let Some(delay) = delay_bits
            && bits.flag()?
        {
            bits.skip(2 * delay + 1)?;
        }
        if has_display_delay && bits.flag()? {
            bits.skip(4)?;
        }
        first.get_or_insert((level, tier));
    }
    first
}

/// Each frame says itself whether it has screen content.
const CHOSEN_BY_FRAMES: u32 = 2;
/// Primaries, transfer and matrix of sRGB.
const SRGB: [u32; 3] = [1, 13, 0];

/// What is between the frame's size and superresolution in a header that is not reduced.
fn tools(bits: &mut Reader<'_>) -> Option<()> {
    bits.skip(4)?;
    let has_order_hint = bits.flag()?;
    if has_order_hint {
        bits.skip(2)?;
    }
    let screen_content = if bits.flag()? { CHOSEN_BY_FRAMES } else { bits.bits(1)? };
    if screen_content > 0 && !bits.flag()? {
        bits.skip(1)?;
    }
    if has_order_hint {
        bits.skip(3)?;
    }
    Some(())
}

/// The third byte of `av1C`, without the tier.
fn colour(bits: &mut Reader<'_>, profile: u32) -> Option<u8> {
    let high = bits.flag()?;
    let twelve = profile == 2 && high && bits.flag()?;
    let monochrome = profile != 1 && bits.flag()?;
    let description = if bits.flag()? { Some([bits.bits(8)?, bits.bits(8)?, bits.bits(8)?]) } else { None };
    let (horizontal, vertical) = if monochrome {
        bits.skip(1)?;
        (true, true)
    } else if description == Some(SRGB) {
        (false, false)
    } else {
        bits.skip(1)?;
        match profile {
            0 => (true, true),
            1 => (false, false),
            _ if twelve => {
                let horizontal = bits.flag()?;
                (horizontal, horizontal && bits.flag()?)
            }
            _ => (true, false),
        }
    };
    let position = if horizontal && vertical && !monochrome { bits.bits(2)? } else { 0 };
    let flags = [high, twelve, monochrome, horizontal, vertical];
    let packed = flags.iter().fold(0, |byte, flag| byte << 1 | u8::from(*flag)) << 2;
    Some(packed | u8::try_from(position).ok()?)
}
