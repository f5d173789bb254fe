//! A file that was cut off, at any byte: how much of it is good, and what makes it whole.

use std::io::{self, Read, Seek, SeekFrom};
use std::time::Duration;

use super::super::is_key_frame;
use super::super::ivf::codec_of;
use super::super::ogg::{self, PageSeen};
use super::ivf::{LENGTH_AT, length};
use super::{Container, Output, mp4, time, wav, webm};
use crate::rtp::codec::Codec;

/// What makes a file whole.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Repair {
    /// So many bytes of it are good; the rest is to be cut off first.
    pub length: u64,
    /// Then this.
    pub output: Output,
    /// Of its media.
    pub duration: Duration,
    /// How many there are of video, or of sound where there is no video. Without one there is nothing to play.
    pub frames: u64,
}

/// Looks at a file that [`super::Muxer`] began. It is read once, in pieces, however large it is.
///
/// # Errors
/// The system's. A file of another kind has no frame.
pub fn repair(container: Container, input: &mut (impl Read + Seek)) -> io::Result<Repair> {
    let length = input.seek(SeekFrom::End(0))?;
    input.rewind()?;
    let mut source = Source { input, at: 0, length };
    Ok(match container {
        Container::Ivf => ivf(&mut source)?,
        Container::Ogg => ogg(&mut source)?,
        Container::Wav => wav(&mut source)?,
        Container::Mp4 => mp4::mend(&mut source)?,
        Container::WebM => webm::mend(&mut source)?,
    }
    .unwrap_or_default())
}

/// A file that is read from its beginning to its end.
pub(super) struct Source<'a, R> {
    input: &'a mut R,
    /// Where reading goes on.
    pub at: u64,
    /// Of all of it.
    pub length: u64,
}

/// No frame and no index is larger.
const MOST: u64 = 64 << 20;

impl<'a, R: Read + Seek> Source<'a, R> {
    /// Goes on where somebody stopped.
    pub fn resume(input: &'a mut R, at: u64, length: u64) -> Self {
        Self { input, at, length }
    }

    /// The next bytes; `None` where there are not as many.
    pub fn take(&mut self, count: u64) -> io::Result<Option<Vec<u8>>> {
        if count > MOST || count > self.length.saturating_sub(self.at) {
            return Ok(None);
        }
        let mut bytes = vec![0; usize::try_from(count).unwrap_or(0)];
        self.input.read_exact(&mut bytes)?;
        self.at += count;
        Ok(Some(bytes))
    }

    /// The next bytes, as many as there are up to this, and without going on.
    pub fn peek(&mut self, most: u64) -> io::Result<Vec<u8>> {
        let bytes = self.take(most.min(self.length.saturating_sub(self.at)))?.unwrap_or_default();
        self.go_to(self.at - bytes.len() as u64)?;
        Ok(bytes)
    }

    pub fn go_to(&mut self, at: u64) -> io::Result<()> {
        self.at = self.input.seek(SeekFrom::Start(at))?;
        Ok(())
    }
}

/// No frame of a recording is larger.
pub(super) const FRAME_MOST: usize = crate::limits::TAKE_FRAME_BYTES;
/// Between two frames there is no day: who mutes for a night is heard again.
pub(super) const JUMP: u64 = 90_000 * 3_600 * 24;

fn ivf(source: &mut Source<'_, impl Read + Seek>) -> io::Result<Option<Repair>> {
    let Some(header) = source.take(32)? else { return Ok(None) };
    let Some(codec) = codec_of(&header) else { return Ok(None) };
    // Of the last two: where it ends, how many there are, its time.
    let (mut good, mut before) = ((source.at, 0, 0), (source.at, 0, 0));
    while let Some(head) = source.take(12)? {
        let size = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let at = head[4..].iter().rev().fold(0_u64, |time, byte| time << 8 | u64::from(*byte));
        let (_, frames, last) = good;
        // Nothing of this format says whether a frame is whole. Where rubbish follows, or zeros that stand for what
        // has not reached the disk, the frame before has probably some too.
        if size == 0 || size > FRAME_MOST || at < last || at - last > JUMP {
            good = before;
            break;
        }
        let Some(frame) = source.take(size as u64)? else { break };
        let is_frame = match codec {
            Codec::Vp9 => frame[0] >> 6 == 2,
            Codec::Av1 => frame.starts_with(&[0x12, 0]),
            _ => frames > 0 || is_key_frame(codec, &frame),
        };
        if !is_frame {
            good = before;
            break;
        }
        (before, good) = (good, (source.at, frames + 1, at));
    }
    let (good, frames, last) = good;
    let units = length(frames, last);
    let output = Output { append: Vec::new(), patches: vec![(LENGTH_AT, units.to_le_bytes().to_vec())] };
    Ok(Some(Repair { length: good, output, duration: time(u64::from(units), codec.clock_rate()), frames }))
}

fn ogg(source: &mut Source<'_, impl Read + Seek>) -> io::Result<Option<Repair>> {
    let mut last: Option<(u64, PageSeen)> = None;
    let mut frames = 0;
    loop {
        let at = source.at;
        let bytes = source.peek(ogg::PAGE_MOST)?;
        let Some(page) = ogg::look(&bytes) else { break };
        // The two pages in front are headers.
        if page.sequence > 1 {
            frames += page.packets;
        }
        source.go_to(at + page.header.len() as u64 + page.body.len() as u64)?;
        last = Some((at, page));
    }
    let Some((at, page)) = last.filter(|_| frames > 0) else { return Ok(None) };
    // The last page says that it is; its checksum with it.
    let output = Output { append: Vec::new(), patches: vec![(at, page.as_last())] };
    Ok(Some(Repair { length: source.at, output, duration: time(page.position(), 48_000), frames }))
}

fn wav(source: &mut Source<'_, impl Read + Seek>) -> io::Result<Option<Repair>> {
    let Some(header) = source.take(wav::HEADER)? else { return Ok(None) };
    if !wav::is_header(&header) {
        return Ok(None);
    }
    let sound = source.length - wav::HEADER;
    let output = Output { append: Vec::new(), patches: wav::sizes(sound).into() };
    // A packet of 20 ms.
    Ok(Some(Repair { length: source.length, output, duration: time(sound, 8_000), frames: sound / 160 }))
}
