//! Opus in Ogg. A decoder plays packet after packet, so time that has none is filled with packets that say so: a table
//! of contents without a frame, for which a decoder conceals (RFC 7845 §4.1).

use super::super::OggWriter;
use super::super::opus_ticks;
use super::{MuxError, Output, Sample, Track};

pub(super) struct Ogg {
    writer: OggWriter<Vec<u8>>,
    /// The time that the packets so far have come to.
    reached: u64,
}

impl Ogg {
    pub fn new(track: &Track, output: &mut Output) -> Result<Self, MuxError> {
        let mut file = Self { writer: writer(track.channels)?, reached: 0 };
        file.hand_over(output);
        Ok(file)
    }

    pub fn write(&mut self, sample: &Sample, output: &mut Output) -> Result<(), MuxError> {
        let ticks = opus_ticks(&sample.data).ok_or(MuxError::Frame)?;
        self.fill(&sample.data, sample.time)?;
        self.writer.write(&sample.data, u64::from(ticks)).map_err(|_| MuxError::Frame)?;
        self.reached += u64::from(ticks);
        self.hand_over(output);
        Ok(())
    }

    /// Comes to the time, as near as half a frame of this packet's kind.
    fn fill(&mut self, packet: &[u8], time: u64) -> Result<(), MuxError> {
        // One frame, of no bytes: mode, bandwidth, length and channels as in the packet.
        let silence = [packet[0] & 0xfc];
        let ticks = u64::from(opus_ticks(&silence).ok_or(MuxError::Frame)?);
        while self.reached + ticks / 2 < time {
            self.writer.write(&silence, ticks).map_err(|_| MuxError::Frame)?;
            self.reached += ticks;
        }
        Ok(())
    }

    pub fn cut(&mut self, output: &mut Output) {
        // Into memory it cannot fail.
        let _ = self.writer.cut();
        self.hand_over(output);
    }

    pub fn finish(self, output: &mut Output) {
        if let Ok(rest) = self.writer.finish() {
            output.append.extend_from_slice(&rest);
        }
    }

    fn hand_over(&mut self, output: &mut Output) {
        output.append.append(self.writer.out());
    }
}

fn writer(channels: u8) -> Result<OggWriter<Vec<u8>>, MuxError> {
    OggWriter::new(Vec::new(), channels).map_err(|_| MuxError::Tracks)
}
