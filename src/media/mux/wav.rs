//! G.711 in RIFF WAVE: samples without times, so time that has none is filled with silence.

use super::{Output, Sample, Track};
use crate::rtp::codec::Codec;

pub(super) struct Wav {
    silence: u8,
    /// Bytes of sound, each a sample.
    reached: u64,
}

pub(super) const HEADER: u64 = 58;
const RATE: u32 = 8_000;
/// So far a packet may be off before silence is put in front of it: a millisecond.
const SLACK: u64 = 8;

impl Wav {
    pub fn new(track: &Track, output: &mut Output) -> Self {
        let (tag, silence): (u16, u8) = if track.codec == Codec::Pcma { (6, 0xd5) } else { (7, 0xff) };
        let out = &mut output.append;
        out.extend_from_slice(b"RIFF\0\0\0\0WAVEfmt ");
        out.extend_from_slice(&18_u32.to_le_bytes());
        out.extend_from_slice(&tag.to_le_bytes());
        // One channel of 8 bits; nothing behind.
        out.extend_from_slice(&1_u16.to_le_bytes());
        out.extend_from_slice(&RATE.to_le_bytes());
        out.extend_from_slice(&RATE.to_le_bytes());
        for number in [1_u16, 8, 0] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(b"fact\x04\0\0\0\0\0\0\0data\0\0\0\0");
        Self { silence, reached: 0 }
    }

    pub fn write(&mut self, sample: &Sample, output: &mut Output) {
        if sample.time > self.reached + SLACK {
            let missing = sample.time - self.reached;
            output.append.extend((0..missing).map(|_| self.silence));
            self.reached = sample.time;
        }
        output.append.extend_from_slice(&sample.data);
        self.reached += sample.data.len() as u64;
    }

    pub fn cut(&self, output: &mut Output) {
        output.patches.extend(sizes(self.reached));
    }
}

/// Whether a file that begins so is one of these.
pub(super) fn is_header(bytes: &[u8]) -> bool {
    bytes.starts_with(b"RIFF") && bytes.get(8..16) == Some(b"WAVEfmt ") && bytes.get(50..54) == Some(b"data")
}

/// Where the header says how much there is.
pub(super) fn sizes(sound: u64) -> [(u64, Vec<u8>); 3] {
    let bytes = |size: u64| u32::try_from(size).unwrap_or(u32::MAX).to_le_bytes().to_vec();
    [(4, bytes(HEADER - 8 + sound)), (46, bytes(sound)), (HEADER - 4, bytes(sound))]
}
