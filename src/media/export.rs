//! Recordings into one file, or a part of one, without transcoding. Inputs are read and the output is written as it
//! goes: in memory is about a second.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::time::Duration;

use super::{Container, MuxError, Muxer, Output, Reader, Sample, TrackSetup};
use crate::limits::EXPORT_WAITING_BYTES;
use crate::rtp::codec::{Codec, MediaKind};

/// Why nothing was exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The operating system refused to read.
    #[error("cannot be read: {0}")]
    Read(io::Error),
    /// It refused to write.
    #[error("cannot be written: {0}")]
    Write(io::Error),
    /// The container has no place for it.
    #[error("{} cannot be in a .{} file", .0.name(), .1.extension())]
    Codec(Codec, Container),
    /// Two pictures, or two sounds.
    #[error("more than one track of a kind")]
    Tracks,
    /// All of it is over by then.
    #[error("nothing to write, because the recording {} at {:.3} s", ends(*.is_cut_off), .at.as_secs_f64())]
    Over {
        /// Since its beginning.
        at: Duration,
        /// It may be longer than can be read.
        is_cut_off: bool,
    },
    /// Somebody wanted it no longer.
    #[error("stopped")]
    Stopped,
    /// In what was asked for.
    #[error("there is no frame to begin with")]
    Empty,
    /// The muxer refused.
    #[error(transparent)]
    Mux(#[from] MuxError),
}

fn ends(is_cut_off: bool) -> &'static str {
    if is_cut_off { "is cut off or damaged" } else { "ends" }
}

/// From when to when, since the beginning of the input.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Window {
    /// Begins at the last key frame at or before it; sound alone with the first packet at or behind it.
    pub from: Option<Duration>,
    /// Ends with the last frame before it.
    pub to: Option<Duration>,
}

/// Where the output begins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Start {
    /// Since the beginning of the input.
    pub at: Duration,
    /// The first picture, where there is one.
    picture: Option<Sample>,
}

/// What came of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Exported {
    /// Frames of the picture.
    pub pictures: u64,
    /// Packets of sound.
    pub sounds: u64,
    /// Frames that the container could not take.
    pub left_out: u64,
    /// How long it is.
    pub duration: Duration,
    /// Bytes.
    pub size: u64,
    /// At least one of the inputs ends before its last byte: it was cut off, or is damaged there.
    pub is_cut_off: bool,
}

/// Whether all tracks of the inputs have a place in the container.
///
/// # Errors
/// [`ExportError::Codec`], [`ExportError::Tracks`]
pub fn check<R: Read + Seek>(inputs: &[Reader<R>], container: Container) -> Result<(), ExportError> {
    let codecs = || inputs.iter().flat_map(Reader::tracks).map(|track| track.codec);
    for kind in [MediaKind::Video, MediaKind::Audio] {
        if codecs().filter(|codec| codec.kind() == kind).count() > 1 {
            return Err(ExportError::Tracks);
        }
    }
    codecs().find(|codec| !container.holds(*codec)).map_or(Ok(()), |codec| Err(ExportError::Codec(codec, container)))
}

/// Looks for where the output begins: the input that has the picture is read as far as that.
///
/// # Errors
/// [`ExportError::Read`], [`ExportError::Empty`]
pub fn find_start<R: Read + Seek>(mut picture: Option<Reader<R>>, window: Window) -> Result<Start, ExportError> {
    let from = window.from.unwrap_or_default();
    let Some(reader) = &mut picture else { return Ok(Start { at: from, picture: None }) };
    let codec = codec_of(reader, MediaKind::Video).ok_or(ExportError::Empty)?;
    let mut found = None;
    while let Some(sample) = reader.read_sample().map_err(ExportError::Read)? {
        if sample.kind != MediaKind::Video || !sample.is_key {
            continue;
        }
        let is_later = super::mux::time(sample.time, codec.clock_rate()) > from;
        if is_later && found.is_some() {
            break;
        }
        found = Some((sample, is_later));
        if is_later {
            break;
        }
    }
    let (sample, is_later) = found.ok_or(ExportError::Empty)?;
    // Where the picture begins later than the sound, that is no reason to drop the sound before it.
    let at = if window.from.is_none() || is_later {
        Duration::ZERO
    } else {
        super::mux::time(sample.time, codec.clock_rate())
    };
    Ok(Start { at, picture: Some(sample) })
}

fn codec_of<R: Read + Seek>(reader: &Reader<R>, kind: MediaKind) -> Option<Codec> {
    reader.tracks().iter().map(|track| track.codec).find(|codec| codec.kind() == kind)
}

/// Writes the output, which is empty so far. `go_on` is told which share is done, from 0 to 1, and says whether to.
///
/// # Errors
/// [`ExportError`]; what is in the output then is of no use.
pub fn export<R: Read + Seek, W: Write + Seek>(
    inputs: Vec<Reader<R>>,
    container: Container,
    window: Window,
    start: &Start,
    out: &mut W,
    mut go_on: impl FnMut(f64) -> bool,
) -> Result<Exported, ExportError> {
    check(&inputs, container)?;
    let first = start.picture.as_ref().map(|sample| sample.data.clone()).unwrap_or_default();
    let mut lines = inputs.into_iter().map(Line::new).collect::<Result<Vec<_>, _>>()?;
    lines.retain(|line| line.next.is_some());
    let mut setups = Vec::new();
    for track in lines.iter().flat_map(|line| line.reader.tracks()) {
        setups.push(TrackSetup { codec: track.codec, channels: track.channels, first: first.clone() });
    }
    if setups.is_empty() {
        return Err(ExportError::Empty);
    }
    setups.sort_by_key(|setup| setup.codec.kind() == MediaKind::Audio);
    let mut file = File { out, output: Output::default() };
    let mut muxer = Muxer::new(container, &setups, &mut file.output)?;
    let mut exported = Exported::default();
    let (mut has_picture, mut next_cut, mut waiting) = (false, Duration::from_secs(1), 0);
    let mut last = Duration::ZERO;
    while let Some(line) = lines.iter_mut().filter(|line| line.next.is_some()).min_by_key(|line| line.time()) {
        let (time, rate) = (line.time(), line.rate());
        let Some(mut sample) = line.advance()? else { break };
        last = last.max(time);
        let is_picture = sample.kind == MediaKind::Video;
        if let Some(to) = window.to.filter(|to| time >= *to) {
            // Behind it may come what is in front of it: of the other track, or shown out of order.
            if time >= to.saturating_add(OVERLAP) {
                line.next = None;
            }
            continue;
        }
        // The first picture is the one that the start is: what is in front of it cannot be decoded.
        has_picture |= is_picture && start.picture.as_ref().is_some_and(|first| first.time == sample.time);
        if time < start.at || is_picture && !has_picture {
            continue;
        }
        let begin = super::mux::ticks(start.at, rate);
        sample.time = sample.time.saturating_sub(begin);
        let since = time.saturating_sub(start.at);
        if since >= next_cut || waiting > EXPORT_WAITING_BYTES {
            muxer.cut(&mut file.output);
            file.flush()?;
            next_cut = since + Duration::from_secs(1);
            waiting = 0;
            if !go_on(done(&lines)) {
                return Err(ExportError::Stopped);
            }
        }
        waiting += sample.data.len();
        match muxer.write(&sample, &mut file.output) {
            Ok(()) if is_picture => exported.pictures += 1,
            Ok(()) => exported.sounds += 1,
            Err(_) => exported.left_out += 1,
        }
    }
    for line in &mut lines {
        exported.is_cut_off |= line.is_cut_off()?;
    }
    exported.duration = muxer.duration();
    let is_empty = exported.pictures + exported.sounds == 0;
    let at = if is_empty { last } else { last.max(start.at.saturating_add(exported.duration)) };
    // What would be left of it is the picture that was there last, which nobody asked for.
    if window.from.is_some_and(|from| from > at) {
        return Err(ExportError::Over { at, is_cut_off: exported.is_cut_off });
    }
    if is_empty {
        return Err(ExportError::Empty);
    }
    muxer.finish(&mut file.output);
    file.flush()?;
    exported.size = file.out.seek(SeekFrom::End(0)).map_err(ExportError::Write)?;
    Ok(exported)
}

/// Tracks of one file stand this close to each other.
const OVERLAP: Duration = Duration::from_secs(3);

#[expect(clippy::cast_precision_loss, reason = "a share")]
fn done<R: Read + Seek>(lines: &[Line<R>]) -> f64 {
    let sum = |pick: fn((u64, u64)) -> u64| lines.iter().map(|line| pick(line.reader.progress())).sum::<u64>() as f64;
    sum(|(read, _)| read) / sum(|(_, all)| all).max(1.0)
}

/// An input, and what comes next of it.
struct Line<R> {
    reader: Reader<R>,
    next: Option<Sample>,
    has_ended: bool,
}

impl<R: Read + Seek> Line<R> {
    fn new(mut reader: Reader<R>) -> Result<Self, ExportError> {
        let next = reader.read_sample().map_err(ExportError::Read)?;
        Ok(Self { has_ended: next.is_none(), reader, next })
    }

    fn rate(&self) -> u32 {
        let kind = self.next.as_ref().map_or(MediaKind::Video, |sample| sample.kind);
        codec_of(&self.reader, kind).map_or(90_000, Codec::clock_rate)
    }

    fn time(&self) -> Duration {
        self.next.as_ref().map_or(Duration::MAX, |sample| super::mux::time(sample.time, self.rate()))
    }

    fn advance(&mut self) -> Result<Option<Sample>, ExportError> {
        let next = self.reader.read_sample().map_err(ExportError::Read)?;
        self.has_ended = next.is_none();
        Ok(std::mem::replace(&mut self.next, next))
    }

    /// What is not read to its end says nothing.
    fn is_cut_off(&mut self) -> Result<bool, ExportError> {
        Ok(self.has_ended && !self.reader.ends_well().map_err(ExportError::Read)?)
    }
}

struct File<'a, W> {
    out: &'a mut W,
    output: Output,
}

impl<W: Write + Seek> File<'_, W> {
    fn flush(&mut self) -> Result<(), ExportError> {
        let mut write = || {
            self.out.seek(SeekFrom::End(0))?;
            self.out.write_all(&self.output.append)?;
            self.output.append.clear();
            for (at, patch) in self.output.patches.drain(..) {
                self.out.seek(SeekFrom::Start(at))?;
                self.out.write_all(&patch)?;
            }
            self.out.flush()
        };
        write().map_err(ExportError::Write)
    }
}
