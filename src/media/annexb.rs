//! Annex B byte streams of H.264 and H.265: units behind start codes, and where a new picture begins.

use bytes::Bytes;

use super::bits::is_key_frame;
use super::{Clip, Frame, MediaError};
use crate::rtp::codec::Codec;

/// The units between the start codes (00 00 01, or 00 00 00 01), without them and without trailing zeros; never
/// empty.
pub fn nal_units(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut starts = start_codes(data).peekable();
    std::iter::from_fn(move || {
        let start = starts.next()? + 3;
        let end = starts.peek().copied().unwrap_or(data.len());
        let unit = &data[start..end];
        let zeros = unit.iter().rev().take_while(|byte| **byte == 0).count();
        Some(&unit[..unit.len() - zeros])
    })
    .filter(|unit| !unit.is_empty())
}

fn start_codes(data: &[u8]) -> impl Iterator<Item = usize> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let found = data.get(at..)?.windows(3).position(|window| window == [0, 0, 1])? + at;
        at = found + 3;
        Some(found)
    })
}

/// Reads a whole stream. There are no times in it: each picture takes one frame's interval, so a stream with
/// B-frames, whose pictures are not shown in the order in which they stand, is shown out of order.
pub(super) fn read(content: &[u8], codec: Codec, frames_per_second: f64) -> Result<Clip, MediaError> {
    let broken = |what| MediaError::Broken { format: "Annex B", what };
    if !(frames_per_second.is_finite() && (0.1..=1000.0).contains(&frames_per_second)) {
        return Err(broken("a frame rate outside 0.1 to 1000"));
    }
    let interval = f64::from(codec.clock_rate()) / frames_per_second;
    let time = |index: usize| {
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let time = (index as f64 * interval).round() as u64;
        time
    };

    let mut frames: Vec<Frame> = Vec::new();
    let mut unit_of_frame = Vec::new();
    let mut has_picture = false;
    let mut fmtp = None;
    let mut end_frame = |data: &mut Vec<u8>| {
        let data = Bytes::from(std::mem::take(data));
        frames.push(Frame { key: is_key_frame(codec, &data), data, time: time(frames.len()) });
    };
    for unit in nal_units(content) {
        let role = role_of(codec, unit);
        if has_picture && role != Role::More {
            end_frame(&mut unit_of_frame);
            has_picture = false;
        }
        has_picture |= role != Role::Before;
        if codec == Codec::H264 && unit[0] & 0x1f == 7 && fmtp.is_none() {
            fmtp = unit.get(1..4).map(h264_fmtp);
        }
        unit_of_frame.extend_from_slice(&[0, 0, 0, 1]);
        unit_of_frame.extend_from_slice(unit);
    }
    if has_picture {
        end_frame(&mut unit_of_frame);
    }
    if frames.is_empty() {
        return Err(broken("no pictures"));
    }
    let duration = time(frames.len());
    Ok(Clip { codec, fmtp, frames, duration })
}

/// What a unit means for the borders between access units (H.264 §7.4.1.2.3, H.265 §7.4.2.4.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Role {
    /// The first slice of a picture.
    Picture,
    /// Another slice of the same picture, or something that stands behind the picture.
    More,
    /// Parameter sets, delimiters, messages: they stand before the picture they belong to.
    Before,
}

fn role_of(codec: Codec, unit: &[u8]) -> Role {
    if codec == Codec::H264 {
        // A slice header begins with `first_mb_in_slice`: one set bit means zero.
        let first = unit.get(1).is_some_and(|byte| byte & 0x80 != 0);
        return match unit[0] & 0x1f {
            1 | 2 | 5 if first => Role::Picture,
            6..=9 | 14..=18 => Role::Before,
            _ => Role::More,
        };
    }
    // A slice segment header begins with `first_slice_segment_in_pic_flag`.
    let first = unit.get(2).is_some_and(|byte| byte & 0x80 != 0);
    match (unit[0] >> 1) & 0x3f {
        0..=31 if first => Role::Picture,
        32..=35 | 39 | 41..=44 | 48..=55 => Role::Before,
        _ => Role::More,
    }
}

/// RFC 6184 §8.1: the three bytes behind the header of the sequence parameter set.
fn h264_fmtp(profile: &[u8]) -> String {
    let [profile, constraints, level] = [profile[0], profile[1], profile[2]];
    format!("level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={profile:02x}{constraints:02x}{level:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_between_start_codes() {
        let stream = [9, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 2, 0, 0, 0, 0, 1, 0, 0, 1, 0x65];
        let units: Vec<_> = nal_units(&stream).collect();
        assert_eq!(units, [&[0x67, 1][..], &[0x68, 2], &[0x65]]);
        assert_eq!(nal_units(&[0, 0, 0, 0]).count(), 0);
    }

    #[test]
    fn h264_pictures() {
        // Delimiter, SPS, PPS, two slices of one picture; SEI, picture; picture.
        let units: [&[u8]; 8] = [
            &[9, 0xf0],
            &[0x67, 0x42, 0xe0, 0x1f, 1],
            &[0x68, 1],
            &[0x65, 0x80],
            &[0x65, 0x40],
            &[6, 5],
            &[0x41, 0x80],
            &[0x41, 0x9a],
        ];
        let stream: Vec<u8> = units.iter().flat_map(|unit| [&[0, 0, 1], *unit].concat()).collect();
        let clip = read(&stream, Codec::H264, 25.0).unwrap();
        let seen: Vec<_> =
            clip.frames.iter().map(|frame| (nal_units(&frame.data).count(), frame.time, frame.key)).collect();
        assert_eq!(seen, [(5, 0, true), (2, 3_600, false), (1, 7_200, false)]);
        assert_eq!(clip.duration, 10_800);
        assert!(clip.fmtp.unwrap().ends_with("profile-level-id=42e01f"));
    }

    #[test]
    fn h265_pictures() {
        let units: [&[u8]; 6] =
            [&[0x40, 1, 1], &[0x42, 1, 1], &[0x44, 1, 1], &[0x26, 1, 0x80], &[0x26, 1, 0x20], &[0x02, 1, 0x80]];
        let stream: Vec<u8> = units.iter().flat_map(|unit| [&[0, 0, 0, 1], *unit].concat()).collect();
        let clip = read(&stream, Codec::H265, 29.97).unwrap();
        let seen: Vec<_> =
            clip.frames.iter().map(|frame| (nal_units(&frame.data).count(), frame.time, frame.key)).collect();
        assert_eq!(seen, [(5, 0, true), (1, 3_003, false)]);
    }

    #[test]
    fn nothing_to_show() {
        for (stream, rate) in [(&[0, 0, 1, 0x67, 1][..], 30.0), (&[], 30.0), (&[0, 0, 1, 0x65, 0x80], 0.0)] {
            assert!(read(stream, Codec::H264, rate).is_err());
        }
    }
}
