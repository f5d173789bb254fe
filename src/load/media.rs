//! Video and audio that look like a browser's to everything but a decoder: descriptors, key frames, sizes, timestamps.

use std::collections::VecDeque;

use crate::load::plan::Media;
use crate::load::stamp::{STAMP_BYTES, Stamp};
use crate::rtp::codec::Codec;
use crate::rtp::sequence::low32;
use crate::sfu::random::Random;

/// Largest payload: what Chromium's packets carry when all its header extensions are there.
pub const PAYLOAD_BYTES: usize = 1_160;
/// A key frame is so many times as large as another one.
const KEY_FRAME_FACTOR: u64 = 6;
/// Sizes of frames vary by so many per cent in both directions.
const VARIATION: u64 = 15;
/// Smallest frame: a descriptor, some data, a stamp.
const FRAME_BYTES: u64 = 80;
/// Bytes of an Opus packet of 20 ms, 64 kbit/s.
const OPUS_BYTES: usize = 160;

/// Baseline, level 3.1.
const SPS: [u8; 13] = [0x67, 0x42, 0xe0, 0x1f, 0xda, 0x01, 0x40, 0x16, 0xe8, 0x06, 0xd0, 0xa1, 0x35];
const PPS: [u8; 4] = [0x68, 0xce, 0x06, 0xe2];

/// A packet that waits to be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Piece {
    /// The frame's, in units of the clock rate.
    pub timestamp: u32,
    /// The last one of its frame.
    pub last: bool,
    part: Part,
    key: bool,
    first: bool,
    picture: u16,
    size: u16,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    /// H264 alone: a packet of SPS and PPS in front of each key frame.
    ParameterSets,
    Slice,
    Audio,
}

/// Frames of one codec, at one rate.
pub struct Encoder {
    codec: Codec,
    fps: u32,
    gop: u32,
    /// Bytes of a frame that is no key frame.
    usual: u64,
    frame: u32,
    until_key: u32,
    first_timestamp: u32,
    random: Random,
    filler: Box<[u8]>,
}

impl Encoder {
    /// Frames as planned; `seed` decides on timestamps and on the sizes' variation.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a handful of frames, or hundreds")]
    pub fn new(media: &Media, seed: u64) -> Self {
        let gop = ((media.gop.as_secs_f64() * f64::from(media.fps)).round() as u32).max(1);
        let bytes = u64::from(media.bitrate) / 8 * u64::from(gop) / u64::from(media.fps);
        let mut random = Random(seed);
        // No zeros, so that no start code of H264 comes about.
        let filler = (0..2 * PAYLOAD_BYTES).map(|_| random.draw() as u8 | 1).collect();
        Self {
            codec: media.codec,
            fps: media.fps,
            gop,
            usual: bytes / (u64::from(gop) - 1 + KEY_FRAME_FACTOR),
            frame: 0,
            until_key: 0,
            first_timestamp: random.draw() as u32,
            random,
            filler,
        }
    }

    /// The next frame is to be a key frame, whatever was planned.
    pub fn request_key_frame(&mut self) {
        self.until_key = 0;
    }

    /// Appends the packets of the next frame.
    pub fn next_frame(&mut self, out: &mut VecDeque<Piece>) {
        let key = self.until_key == 0;
        self.until_key = if key { self.gop } else { self.until_key } - 1;
        let timestamp = self.timestamp();
        let size = self.size(key);
        let picture = (self.frame & 0x7fff) as u16;
        let piece = |part, first, last, size| Piece { timestamp, last, part, key, first, picture, size };
        if key && self.codec == Codec::H264 {
            out.push_back(piece(Part::ParameterSets, true, false, 0));
        }
        let count = size.div_ceil(PAYLOAD_BYTES);
        out.extend(split(size).enumerate().map(|(at, size)| piece(Part::Slice, at == 0, at + 1 == count, size)));
        self.frame = self.frame.wrapping_add(1);
    }

    /// The timestamp of the first frame.
    #[must_use]
    pub fn first_timestamp(&self) -> u32 {
        self.first_timestamp
    }

    /// The timestamp of the next frame.
    #[must_use]
    pub fn timestamp(&self) -> u32 {
        let ticks = u64::from(self.frame) * 90_000 / u64::from(self.fps);
        self.first_timestamp.wrapping_add(low32(ticks.cast_signed()))
    }

    fn size(&mut self, key: bool) -> usize {
        let planned = if key { KEY_FRAME_FACTOR * self.usual } else { self.usual };
        let per_cent = 100 - VARIATION + self.random.draw() % (2 * VARIATION + 1);
        usize::try_from((planned * per_cent / 100).max(FRAME_BYTES)).expect("a frame fits the memory")
    }

    /// Writes a packet's payload into `out`, the stamp at its end; returns its length.
    ///
    /// # Panics
    /// Where `out` is smaller than [`PAYLOAD_BYTES`].
    #[must_use]
    pub fn write(&self, piece: &Piece, stamp: Stamp, out: &mut [u8]) -> usize {
        let (head, descriptor) = head(self.codec, piece);
        let size = match piece.part {
            Part::ParameterSets => head.len() + STAMP_BYTES,
            Part::Slice => usize::from(piece.size),
            Part::Audio => OPUS_BYTES,
        };
        let out = &mut out[..size.max(head.len() + STAMP_BYTES)];
        let (front, rest) = out.split_at_mut(head.len());
        front.copy_from_slice(&head);
        let at = stamp.number as usize % PAYLOAD_BYTES;
        rest.copy_from_slice(&self.filler[at..at + rest.len()]);
        stamp.write(out, descriptor);
        out.len()
    }
}

/// A packet of audio.
#[must_use]
pub fn audio(timestamp: u32, first: bool) -> Piece {
    Piece { timestamp, last: first, part: Part::Audio, key: false, first, picture: 0, size: 0 }
}

/// A frame's bytes in payloads whose sizes differ by at most one, the shorter ones first, as Chromium does it.
fn split(bytes: usize) -> impl Iterator<Item = u16> {
    let count = bytes.div_ceil(PAYLOAD_BYTES);
    let (size, longer) = (bytes / count, bytes % count);
    let size = u16::try_from(size).expect("at most PAYLOAD_BYTES");
    (0..count).map(move |at| size + u16::from(at >= count - longer))
}

/// What a payload begins with, and how many bytes of it the server may rewrite.
fn head(codec: Codec, piece: &Piece) -> (Vec<u8>, usize) {
    let Piece { key, first, last, picture, part, .. } = *piece;
    let bit = |set: bool, bit: u8| if set { bit } else { 0 };
    let [high, low] = picture.to_be_bytes();
    let mut head = Vec::with_capacity(100);
    match (part, codec) {
        (Part::Audio, _) => head.push(0x78),
        (Part::ParameterSets, _) => {
            // STAP-A of SPS, PPS, and a SEI message that carries the stamp.
            head.push(0x78);
            let sei = [0x06, 0x05, 48, 0xda];
            let units: [(&[u8], usize); 3] = [(&SPS, 0), (&PPS, 0), (&sei, 15 + STAMP_BYTES)];
            for (unit, more) in units {
                let length = u16::try_from(unit.len() + more).expect("below 100");
                head.extend_from_slice(&length.to_be_bytes());
                head.extend_from_slice(unit);
            }
            head.extend_from_slice(&[0xc5; 15]);
        }
        (Part::Slice, Codec::H264) => {
            let kind = if key { 0x65 } else { 0x41 };
            // first_mb_in_slice 0, and the slice's type: I or P.
            let slice: &[u8] = if key { &[0x88] } else { &[0x9a] };
            if first && last {
                head.push(kind);
            } else {
                head.extend_from_slice(&[kind & 0x60 | 0x1c, kind & 0x1f | bit(first, 0x80) | bit(last, 0x40)]);
            }
            head.extend_from_slice(if first { slice } else { &[] });
        }
        (Part::Slice, Codec::Vp9) => {
            head.extend_from_slice(&[0x80 | bit(!key, 0x40) | bit(first, 8) | bit(last, 4), high | 0x80, low]);
            head.extend_from_slice(if !first {
                &[]
            } else if key {
                &[0x82, 0x49, 0x83, 0x42]
            } else {
                &[0x86]
            });
        }
        (Part::Slice, Codec::Av1) => {
            let count = if first && key { 0x28 } else { 0x10 };
            head.push(bit(!first, 0x80) | bit(!last, 0x40) | count);
            // A sequence header of two bytes in front of a key frame; then the frame's OBU.
            head.extend_from_slice(match (first, key) {
                (true, true) => &[2, 0x08, 0, 0x30, 0x10],
                (true, false) => &[0x30, 0x30],
                (false, _) => &[],
            });
        }
        (Part::Slice, _) => {
            head.extend_from_slice(&[0x80 | bit(first, 0x10), 0x80, high | 0x80, low]);
            let key_frame = [0x10, 0, 0, 0x9d, 0x01, 0x2a, 0, 5, 0xd0, 2];
            head.extend_from_slice(if !first {
                &[]
            } else if key {
                &key_frame
            } else {
                &[0x11, 0, 0]
            });
        }
    }
    let descriptor = match (part, codec) {
        (Part::Slice, Codec::Vp8) => 4,
        (Part::Slice, Codec::Vp9) => 3,
        _ => 0,
    };
    (head, descriptor)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::load::plan::Pacing;
    use crate::load::stamp::Found;
    use crate::rtp::payload::{inspect, rewrite_picture_id};

    fn media(codec: Codec) -> Media {
        let gop = Duration::from_secs(2);
        Media { codec, bitrate: 2_500_000, fps: 30, gop, size: (1280, 720), pacing: Pacing::Browser, audio: false }
    }

    const VIDEO: [Codec; 4] = [Codec::H264, Codec::Vp8, Codec::Vp9, Codec::Av1];

    #[test]
    fn ten_seconds_have_the_bit_rate_and_five_key_frames() {
        for codec in VIDEO {
            let mut encoder = Encoder::new(&media(codec), 1);
            let (mut pieces, mut bytes, mut keys) = (VecDeque::new(), 0, 0);
            for frame in 0..300_u32 {
                encoder.next_frame(&mut pieces);
                let mut ends = 0;
                let mut starts = 0;
                while let Some(piece) = pieces.pop_front() {
                    let mut payload = [0; PAYLOAD_BYTES];
                    let length = encoder.write(&piece, Stamp::new(1, frame, 2, 3), &mut payload);
                    bytes += length;
                    let info = inspect(codec, &payload[..length]);
                    starts += u32::from(info.frame_start);
                    keys += u32::from(info.keyframe_start && !info.parameter_sets);
                    ends += u32::from(piece.last);
                }
                let key = frame % 60 == 0;
                assert_eq!((starts, ends), (1 + u32::from(key && codec == Codec::H264), 1), "{codec:?} {frame}");
            }
            assert_eq!(keys, 5, "{codec:?}");
            assert!(bytes.abs_diff(3_125_000) < 3_125_000 / 50, "{codec:?}: {bytes}");
        }
    }

    #[test]
    fn the_stamp_survives_another_picture_id() {
        for codec in VIDEO {
            let mut encoder = Encoder::new(&media(codec), 7);
            let mut pieces = VecDeque::new();
            encoder.next_frame(&mut pieces);
            encoder.next_frame(&mut pieces);
            for piece in pieces {
                let mut payload = [0; PAYLOAD_BYTES];
                let length = encoder.write(&piece, Stamp::new(1, 2, 3, 4), &mut payload);
                rewrite_picture_id(codec, &mut payload[..length], 0x1234, 9);
                let Found::Whole(stamp) = Stamp::read(codec, &payload[..length]) else { panic!("{codec:?} {piece:?}") };
                assert_eq!((stamp.room, stamp.number, stamp.sent, stamp.run), (1, 2, 3, 4));
            }
        }
    }

    #[test]
    fn frames_are_cut_evenly_the_shorter_pieces_first() {
        for (bytes, expected) in [
            (80, vec![80]),
            (PAYLOAD_BYTES, vec![1_160]),
            (PAYLOAD_BYTES + 1, vec![580, 581]),
            (3_001, vec![1_000, 1_000, 1_001]),
        ] {
            assert_eq!(split(bytes).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn a_key_frame_that_is_asked_for_starts_the_count_anew() {
        let mut encoder = Encoder::new(&media(Codec::Vp8), 7);
        let mut keys = Vec::new();
        for frame in 0..100 {
            if frame == 10 {
                encoder.request_key_frame();
            }
            let mut pieces = VecDeque::new();
            encoder.next_frame(&mut pieces);
            keys.extend(pieces[0].key.then_some(frame));
        }
        assert_eq!(keys, [0, 10, 70]);
    }
}
