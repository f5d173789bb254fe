//! IVF. Its header has the length in units of the time base, as FFmpeg reads it, where others count frames.

use super::super::ivf::header;
use super::{MuxError, Output, Sample, Track};

pub(super) struct Ivf {
    frames: u64,
    last: u64,
}

/// Where the length stands.
pub(super) const LENGTH_AT: u64 = 24;

impl Ivf {
    pub fn new(track: &Track, output: &mut Output) -> Result<Self, MuxError> {
        output.append.extend_from_slice(&header(track.codec, track.size()).ok_or(MuxError::Tracks)?);
        Ok(Self { frames: 0, last: 0 })
    }

    pub fn write(&mut self, sample: &Sample, output: &mut Output) -> Result<(), MuxError> {
        let size = u32::try_from(sample.data.len()).map_err(|_| MuxError::Frame)?;
        // Readers take times that go back for damage.
        self.last = self.last.max(sample.time);
        output.append.extend_from_slice(&size.to_le_bytes());
        output.append.extend_from_slice(&self.last.to_le_bytes());
        output.append.extend_from_slice(&sample.data);
        self.frames += 1;
        Ok(())
    }

    pub fn cut(&self, output: &mut Output) {
        output.patches.push((LENGTH_AT, length(self.frames, self.last).to_le_bytes().to_vec()));
    }
}

/// The last frame takes as long as the others.
pub(super) fn length(frames: u64, last: u64) -> u32 {
    let usual = last.checked_div(frames.saturating_sub(1)).unwrap_or(0);
    u32::try_from(last + usual).unwrap_or(u32::MAX)
}
