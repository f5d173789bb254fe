//! H.265: the sequence parameter set (ITU-T H.265 §7.3.2.2.1), and `hvcC` (ISO/IEC 14496-15 §8.3.3).

use super::Description;
use super::reader::{Reader, unescaped};

const VPS: u8 = 32;
const SPS: u8 = 33;
const PPS: u8 = 34;

/// Profile, tier, level and their flags: as they stand in the parameter set, they stand in `hvcC`.
const PROFILE_BYTES: usize = 12;

pub(super) fn h265(units: &[&[u8]]) -> Option<Description> {
    let of = |kind: u8| {
        let is_of = move |unit: &&[u8]| unit.first().is_some_and(|head| head >> 1 & 0x3f == kind);
        units.iter().copied().filter(is_of).take(16).collect::<Vec<_>>()
    };
    let (video, sets, pictures) = (of(VPS), of(SPS), of(PPS));
    let sps = unescaped(sets.first()?.get(2..)?);
    let sequence = Sequence::read(&sps)?;
    if video.is_empty() || pictures.is_empty() {
        return None;
    }
    let mut configuration = vec![1];
    configuration.extend_from_slice(sps.get(1..=PROFILE_BYTES)?);
    // No segmentation, parallelism unknown, chroma and depths, frame rate unknown.
    configuration.extend_from_slice(&[0xf0, 0, 0xfc, 0xfc | sequence.chroma]);
    configuration.extend_from_slice(&[0xf8 | sequence.depths[0], 0xf8 | sequence.depths[1], 0, 0]);
    configuration.push(sequence.layers << 3 | u8::from(sequence.nested) << 2 | 3);
    configuration.push(3);
    for (kind, units) in [(VPS, video), (SPS, sets), (PPS, pictures)] {
        configuration.push(0x80 | kind);
        configuration.extend_from_slice(&u16::try_from(units.len()).ok()?.to_be_bytes());
        for unit in units {
            configuration.extend_from_slice(&u16::try_from(unit.len()).ok()?.to_be_bytes());
            configuration.extend_from_slice(unit);
        }
    }
    Some(Description { width: sequence.width, height: sequence.height, configuration })
}

struct Sequence {
    width: u16,
    height: u16,
    chroma: u8,
    /// Above 8.
    depths: [u8; 2],
    layers: u8,
    nested: bool,
}

impl Sequence {
    fn read(sps: &[u8]) -> Option<Self> {
        let mut bits = Reader::new(sps);
        bits.skip(4)?;
        let more_layers = bits.bits(3)?;
        let nested = bits.flag()?;
        bits.skip(8 * u32::try_from(PROFILE_BYTES).ok()?)?;
        let mut present = Vec::new();
        for _ in 0..more_layers {
            present.push((bits.flag()?, bits.flag()?));
        }
        if more_layers > 0 {
            bits.skip(2 * (8 - more_layers))?;
        }
        for (profile, level) in present {
            bits.skip(if profile { 88 } else { 0 } + if level { 8 } else { 0 })?;
        }
        bits.golomb()?;
        let chroma = bits.golomb()?;
        let planes = chroma == 3 && bits.flag()?;
        let (width, height) = (bits.golomb()?, bits.golomb()?);
        let (unit_x, unit_y) = match (planes, chroma) {
            (false, 1) => (2, 2),
            (false, 2) => (2, 1),
            _ => (1, 1),
        };
        let (mut cut_x, mut cut_y) = (0, 0);
        if bits.flag()? {
            cut_x = bits.golomb()?.checked_add(bits.golomb()?)?.checked_mul(unit_x)?;
            cut_y = bits.golomb()?.checked_add(bits.golomb()?)?.checked_mul(unit_y)?;
        }
        let small = |value: u32| u8::try_from(value).ok().filter(|value| *value < 8);
        let depths = [small(bits.golomb()?)?, small(bits.golomb()?)?];
        Some(Self {
            width: width.checked_sub(cut_x)?.try_into().ok()?,
            height: height.checked_sub(cut_y)?.try_into().ok()?,
            chroma: small(chroma).filter(|chroma| *chroma < 4)?,
            depths,
            layers: small(more_layers + 1)?,
            nested,
        })
    }
}
