//! H.264: the sequence parameter set (ITU-T H.264 §7.3.2.1.1), and `avcC` (ISO/IEC 14496-15 §5.3.3).

use super::Description;
use super::reader::{Reader, unescaped};

const SPS: u8 = 7;
const PPS: u8 = 8;

pub(super) fn h264(units: &[&[u8]]) -> Option<Description> {
    let of = |kind: u8| units.iter().copied().filter(move |unit| unit.first().is_some_and(|head| head & 0x1f == kind));
    let sets: Vec<&[u8]> = of(SPS).take(31).collect();
    let pictures: Vec<&[u8]> = of(PPS).take(255).collect();
    let sps = *sets.first()?;
    let sequence = Sequence::read(&unescaped(sps.get(1..)?))?;
    if pictures.is_empty() {
        return None;
    }
    let mut configuration = vec![1, *sps.get(1)?, *sps.get(2)?, *sps.get(3)?, 0xff, 0xe0 | count(&sets)?];
    put(&mut configuration, &sets)?;
    configuration.push(count(&pictures)?);
    put(&mut configuration, &pictures)?;
    if let Some([chroma, luma_depth, chroma_depth]) = sequence.high {
        configuration.extend_from_slice(&[0xfc | chroma, 0xf8 | luma_depth, 0xf8 | chroma_depth, 0]);
    }
    Some(Description { width: sequence.width, height: sequence.height, configuration })
}

fn count(units: &[&[u8]]) -> Option<u8> {
    units.len().try_into().ok()
}

fn put(out: &mut Vec<u8>, units: &[&[u8]]) -> Option<()> {
    for unit in units {
        out.extend_from_slice(&u16::try_from(unit.len()).ok()?.to_be_bytes());
        out.extend_from_slice(unit);
    }
    Some(())
}

struct Sequence {
    width: u16,
    height: u16,
    /// Chroma format and the depths above 8, for the profiles that have them.
    high: Option<[u8; 3]>,
}

impl Sequence {
    fn read(sps: &[u8]) -> Option<Self> {
        let mut bits = Reader::new(sps);
        let profile = bits.bits(8)?;
        bits.skip(16)?;
        bits.golomb()?;
        let is_high = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135].contains(&profile);
        let (mut chroma, mut planes, mut high) = (1, false, None);
        if is_high {
            chroma = bits.golomb()?;
            planes = chroma == 3 && bits.flag()?;
            let (luma, chroma_depth) = (bits.golomb()?, bits.golomb()?);
            bits.skip(1)?;
            if bits.flag()? {
                scaling_lists(&mut bits, if chroma == 3 { 12 } else { 8 })?;
            }
            let small = |value: u32| u8::try_from(value).ok().filter(|value| *value < 8);
            high = Some([small(chroma)?, small(luma)?, small(chroma_depth)?]);
        }
        bits.golomb()?;
        match bits.golomb()? {
            0 => drop(bits.golomb()?),
            1 => {
                bits.skip(1)?;
                bits.skip_signed_golomb()?;
                bits.skip_signed_golomb()?;
                for _ in 0..bits.golomb()?.min(255) {
                    bits.skip_signed_golomb()?;
                }
            }
            _ => {}
        }
        bits.golomb()?;
        bits.skip(1)?;
        let columns = bits.golomb()?.checked_add(1)?;
        let rows = bits.golomb()?.checked_add(1)?;
        let frames_only = bits.flag()?;
        if !frames_only {
            bits.skip(1)?;
        }
        bits.skip(1)?;
        let fields = if frames_only { 1 } else { 2 };
        let (unit_x, unit_y) = match (planes, chroma) {
            (false, 1) => (2, 2 * fields),
            (false, 2) => (2, fields),
            _ => (1, fields),
        };
        let (mut cut_x, mut cut_y) = (0, 0);
        if bits.flag()? {
            cut_x = bits.golomb()?.checked_add(bits.golomb()?)?.checked_mul(unit_x)?;
            cut_y = bits.golomb()?.checked_add(bits.golomb()?)?.checked_mul(unit_y)?;
        }
        let width = columns.checked_mul(16)?.checked_sub(cut_x)?;
        let height = rows.checked_mul(16 * fields)?.checked_sub(cut_y)?;
        Some(Self { width: width.try_into().ok()?, height: height.try_into().ok()?, high })
    }
}

/// §7.3.2.1.1.1, of which nothing is wanted.
fn scaling_lists(bits: &mut Reader<'_>, lists: u32) -> Option<()> {
    for list in 0..lists {
        if !bits.flag()? {
            continue;
        }
        let (mut last, mut next) = (8_i64, 8_i64);
        for _ in 0..if list < 6 { 16 } else { 64 } {
            if next != 0 {
                let code = i64::from(bits.golomb()?);
                let delta = if code % 2 == 1 { (code + 1) / 2 } else { -(code / 2) };
                next = (last + delta + 256).rem_euclid(256);
            }
            last = if next == 0 { last } else { next };
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_parameter_sets() {
        // Baseline 640x360 with cropping; High 1920x1080 with cropping.
        let table: [(&[u8], (u16, u16), bool); 2] = [
            (&[0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x50], (640, 360), false),
            (&[0x67, 0x64, 0x00, 0x28, 0xac, 0xd9, 0x40, 0x78, 0x02, 0x27, 0xe5, 0x84], (1920, 1080), true),
        ];
        for (sps, size, high) in table {
            let units: [&[u8]; 2] = [sps, &[0x68, 0xce]];
            let description = h264(&units);
            let Some(description) = description else { panic!("{sps:x?}") };
            assert_eq!((description.width, description.height), size, "{sps:x?}");
            assert_eq!(description.configuration.len(), 11 + sps.len() + 2 + if high { 4 } else { 0 });
            for cut in 1..4 {
                assert_eq!(h264(&[&sps[..cut], &[0x68, 0xce]]), None);
            }
        }
        assert_eq!(h264(&[table[0].0]), None, "no picture parameter set");
    }
}
