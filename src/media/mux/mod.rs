//! Containers as they grow: what is to be appended to a file and what is to be written over, frame by frame, so that
//! the file can be played at any moment, and whoever writes it decides when and where.

mod ivf;
mod mp4;
mod ogg;
mod read;
mod repair;
mod wav;
mod webm;

use std::time::Duration;

use bytes::Bytes;

use super::describe::{Description, describe};
use super::opus_ticks;
use crate::rtp::codec::{Codec, MediaKind};

pub use read::{Reader, TrackSeen};
pub use repair::{Repair, repair};

/// A container.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Container {
    /// One track of VP8, VP9 or AV1.
    Ivf,
    /// One track of Opus (RFC 7845).
    Ogg,
    /// One track of G.711.
    Wav,
    /// H264, H265, VP9, AV1 and Opus (ISO/IEC 14496-12): fragments while it grows, one index at the end.
    Mp4,
    /// VP8, VP9, AV1 and Opus.
    WebM,
}

impl Container {
    const ALL: [Self; 5] = [Self::Ivf, Self::Ogg, Self::Wav, Self::Mp4, Self::WebM];

    /// Whether a track of the codec has a place in it.
    #[must_use]
    pub fn holds(self, codec: Codec) -> bool {
        match self {
            Self::Ivf => matches!(codec, Codec::Vp8 | Codec::Vp9 | Codec::Av1),
            Self::Ogg => codec == Codec::Opus,
            Self::Wav => matches!(codec, Codec::Pcmu | Codec::Pcma),
            Self::Mp4 => matches!(codec, Codec::H264 | Codec::H265 | Codec::Vp9 | Codec::Av1 | Codec::Opus),
            Self::WebM => matches!(codec, Codec::Vp8 | Codec::Vp9 | Codec::Av1 | Codec::Opus),
        }
    }

    /// What a file's name ends with.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Ivf => "ivf",
            Self::Ogg => "ogg",
            Self::Wav => "wav",
            Self::Mp4 => "mp4",
            Self::WebM => "webm",
        }
    }

    /// From what a file's name ends with.
    #[must_use]
    pub fn from_extension(extension: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|container| container.extension() == extension)
    }
}

/// A track, before its first frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrackSetup {
    /// What it is encoded with.
    pub codec: Codec,
    /// Of sound; 1 for video.
    pub channels: u8,
    /// The first frame: of video a key frame, which says what its decoder must know.
    pub first: Bytes,
}

/// A frame of a track.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sample {
    /// Of which track.
    pub kind: MediaKind,
    /// Since the file's beginning, in units of the codec's RTP clock. When it is shown, which for B-frames is not the
    /// order in which they come.
    pub time: u64,
    /// Decoding can begin here.
    pub is_key: bool,
    /// As [`super::Frame`] has it.
    pub data: Bytes,
}

/// What is to be done with the file: first append, then write over.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Output {
    /// At its end.
    pub append: Vec<u8>,
    /// At these offsets.
    pub patches: Vec<(u64, Vec<u8>)>,
}

/// Why a frame, or a track, has no place in a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MuxError {
    /// The container has no place for the codec, or for so many tracks.
    #[error("the container cannot hold these tracks")]
    Tracks,
    /// The first frame does not say what its decoder must know.
    #[error("the first frame says nothing of its size")]
    Description,
    /// The frame is empty, too large, or none of this codec.
    #[error("a frame that cannot be written")]
    Frame,
}

/// Writes one file.
pub struct Muxer {
    file: File,
    extents: Vec<(MediaKind, Extent)>,
    /// Bytes of the file so far.
    length: u64,
}

enum File {
    Ivf(ivf::Ivf),
    Ogg(Box<ogg::Ogg>),
    Wav(wav::Wav),
    Mp4(Box<mp4::Mp4>),
    WebM(Box<webm::WebM>),
}

/// A track of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Track {
    codec: Codec,
    channels: u8,
    /// Of sound there is none.
    description: Option<Description>,
}

impl Muxer {
    /// Begins a file.
    ///
    /// # Errors
    /// [`MuxError::Tracks`], [`MuxError::Description`]
    pub fn new(container: Container, tracks: &[TrackSetup], output: &mut Output) -> Result<Self, MuxError> {
        let kinds = |kind| tracks.iter().filter(|track| track.codec.kind() == kind).count();
        let most = if matches!(container, Container::Mp4 | Container::WebM) { 2 } else { 1 };
        let fits = (1..=most).contains(&tracks.len()) && kinds(MediaKind::Audio) < 2 && kinds(MediaKind::Video) < 2;
        if !fits || !tracks.iter().all(|track| container.holds(track.codec)) {
            return Err(MuxError::Tracks);
        }
        let extents = tracks.iter().map(|track| (track.codec.kind(), Extent::new(track.codec))).collect();
        let tracks = tracks.iter().map(Track::new).collect::<Result<Vec<_>, _>>()?;
        let before = output.append.len();
        let file = match container {
            Container::Ivf => File::Ivf(ivf::Ivf::new(&tracks[0], output)?),
            Container::Ogg => File::Ogg(Box::new(ogg::Ogg::new(&tracks[0], output)?)),
            Container::Wav => File::Wav(wav::Wav::new(&tracks[0], output)),
            Container::Mp4 => File::Mp4(Box::new(mp4::Mp4::new(&tracks, output)?)),
            Container::WebM => File::WebM(Box::new(webm::WebM::new(&tracks, output))),
        };
        let length = (output.append.len() - before) as u64;
        Ok(Self { file, extents, length })
    }

    /// The next frame. Of each track they come in decoding order; of a track that there is not they are refused.
    ///
    /// # Errors
    /// [`MuxError::Frame`]; the file is as before then.
    pub fn write(&mut self, sample: &Sample, output: &mut Output) -> Result<(), MuxError> {
        let extent = self.extents.iter_mut().find(|(kind, _)| *kind == sample.kind).map(|(_, extent)| extent);
        let extent = extent.ok_or(MuxError::Tracks)?;
        if sample.data.is_empty() || u32::try_from(sample.data.len()).is_err() {
            return Err(MuxError::Frame);
        }
        let before = output.append.len();
        match &mut self.file {
            File::Ivf(file) => file.write(sample, output)?,
            File::Ogg(file) => file.write(sample, output)?,
            File::Wav(file) => file.write(sample, output),
            File::Mp4(file) => file.write(sample)?,
            File::WebM(file) => file.write(self.length, sample, output)?,
        }
        extent.add(sample);
        self.length += (output.append.len() - before) as u64;
        Ok(())
    }

    /// After this what was written so far can be played as it is.
    pub fn cut(&mut self, output: &mut Output) {
        let before = output.append.len();
        let duration = self.duration();
        match &mut self.file {
            File::Ivf(file) => file.cut(output),
            File::Ogg(file) => file.cut(output),
            File::Wav(file) => file.cut(output),
            File::Mp4(file) => file.cut(self.length, output),
            File::WebM(file) => file.cut(self.length, duration, output),
        }
        self.length += (output.append.len() - before) as u64;
    }

    /// Nothing follows: index, sizes and durations.
    pub fn finish(mut self, output: &mut Output) {
        // Its last page is to say that it is the last.
        if !matches!(self.file, File::Ogg(_)) {
            self.cut(output);
        }
        let duration = self.duration();
        match self.file {
            File::Ivf(_) | File::Wav(_) => {}
            File::Ogg(file) => file.finish(output),
            File::Mp4(file) => file.finish(self.length, output),
            File::WebM(file) => file.finish(self.length, duration, output),
        }
    }

    /// Of what was written.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.extents.iter().map(|(_, extent)| extent.end()).max().unwrap_or_default()
    }
}

impl Track {
    fn new(setup: &TrackSetup) -> Result<Self, MuxError> {
        let TrackSetup { codec, channels, first } = setup;
        let description = match codec.kind() {
            MediaKind::Audio => None,
            MediaKind::Video => Some(describe(*codec, first).ok_or(MuxError::Description)?),
        };
        Ok(Self { codec: *codec, channels: *channels, description })
    }

    fn size(&self) -> (u16, u16) {
        self.description.as_ref().map_or((0, 0), |description| (description.width, description.height))
    }
}

/// How far a track reaches.
#[derive(Clone, Copy, Debug)]
struct Extent {
    codec: Codec,
    last: u64,
    /// Of the frame that is last.
    length: u64,
}

impl Extent {
    fn new(codec: Codec) -> Self {
        Self { codec, last: 0, length: 0 }
    }

    fn add(&mut self, sample: &Sample) {
        let length = match self.codec {
            Codec::Opus => opus_ticks(&sample.data).map(u64::from),
            Codec::Pcmu | Codec::Pcma => Some(sample.data.len() as u64),
            // Until the next one comes, as the one before.
            _ => sample.time.checked_sub(self.last).filter(|length| *length > 0),
        };
        self.length = length.unwrap_or(self.length);
        self.last = self.last.max(sample.time);
    }

    fn end(&self) -> Duration {
        time(self.last + self.length, self.codec.clock_rate())
    }
}

/// So many units of a clock rate.
pub(super) fn time(ticks: u64, rate: u32) -> Duration {
    let nanoseconds = u128::from(ticks) * 1_000_000_000 / u128::from(rate);
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

/// In units of a clock rate, to the nearest one.
pub(super) fn ticks(time: Duration, rate: u32) -> u64 {
    let ticks = (time.as_nanos() * u128::from(rate) + 500_000_000) / 1_000_000_000;
    u64::try_from(ticks).unwrap_or(u64::MAX)
}

/// What a frame of AV1 is in a container that has delimiters of its own: without the one in front.
fn without_delimiter(codec: Codec, data: &[u8]) -> &[u8] {
    if codec == Codec::Av1 { data.strip_prefix(&[0x12, 0]).unwrap_or(data) } else { data }
}

#[cfg(test)]
mod tests;
