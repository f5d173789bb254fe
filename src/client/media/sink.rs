//! What a player received, into files: IVF, Annex B or Ogg, by codec.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::AssembledFrame;
use crate::media::{IvfWriter, OggWriter, opus_ticks};
use crate::rtp::codec::Codec;

/// Writes the frames of one track. The file is made when the first key frame comes, because only then its format is
/// known.
#[derive(Debug)]
pub struct Sink {
    prefix: PathBuf,
    file: Option<(Codec, Writer)>,
    first: u64,
    last: u64,
}

#[derive(Debug)]
enum Writer {
    Ivf(IvfWriter<BufWriter<File>>),
    AnnexB(BufWriter<File>),
    Ogg(OggWriter<BufWriter<File>>),
}

impl Sink {
    /// Writes to `prefix` with the ending of the codec's format: `.ivf`, `.h264`, `.h265`, `.ogg`.
    pub fn new(prefix: &Path) -> Self {
        Self { prefix: prefix.to_owned(), file: None, first: 0, last: 0 }
    }

    /// Appends a frame. What comes before the first key frame, and what has another codec than that one, is left out.
    ///
    /// # Errors
    ///
    /// Where writing fails.
    pub fn write(&mut self, frame: &AssembledFrame) -> io::Result<()> {
        if self.file.is_none() && frame.key {
            self.file = Some((frame.codec, self.create(frame)?));
            (self.first, self.last) = (frame.time, frame.time);
        }
        let Some((codec, writer)) = &mut self.file else { return Ok(()) };
        if *codec != frame.codec {
            return Ok(());
        }
        match writer {
            Writer::Ivf(out) => out.write(&frame.data, frame.time.saturating_sub(self.first))?,
            Writer::AnnexB(out) => out.write_all(&frame.data)?,
            Writer::Ogg(out) => {
                let own = u64::from(opus_ticks(&frame.data).unwrap_or(0));
                out.write(&frame.data, own + frame.time.saturating_sub(self.last))?;
                self.last = frame.time + own;
            }
        }
        Ok(())
    }

    /// Finishes the file, and says where it is; `None` where no key frame came.
    ///
    /// # Errors
    ///
    /// Where writing fails.
    pub fn finish(self) -> io::Result<Option<PathBuf>> {
        let Some((codec, writer)) = self.file else { return Ok(None) };
        match writer {
            Writer::Ivf(out) => drop(out.finish()?),
            Writer::AnnexB(mut out) => out.flush()?,
            Writer::Ogg(out) => drop(out.finish()?),
        }
        Ok(Some(path_of(&self.prefix, codec)))
    }

    fn create(&self, frame: &AssembledFrame) -> io::Result<Writer> {
        let file = BufWriter::new(File::create(path_of(&self.prefix, frame.codec))?);
        Ok(match frame.codec {
            Codec::H264 | Codec::H265 => Writer::AnnexB(file),
            Codec::Opus | Codec::Pcmu | Codec::Pcma => Writer::Ogg(OggWriter::new(file, 2)?),
            codec => Writer::Ivf(IvfWriter::new(file, codec, vp8_size(codec, &frame.data))?),
        })
    }
}

fn path_of(prefix: &Path, codec: Codec) -> PathBuf {
    let ending = match codec {
        Codec::Vp8 | Codec::Vp9 | Codec::Av1 => ".ivf",
        Codec::H264 => ".h264",
        Codec::H265 => ".h265",
        Codec::Opus | Codec::Pcmu | Codec::Pcma => ".ogg",
    };
    let mut path = prefix.as_os_str().to_owned();
    path.push(ending);
    path.into()
}

/// The size in a VP8 key frame (RFC 6386 §9.1); 0 by 0 for the others, whose players look into the frame.
fn vp8_size(codec: Codec, frame: &[u8]) -> (u16, u16) {
    match (codec, frame.get(6..10)) {
        (Codec::Vp8, Some(size)) => {
            (u16::from_le_bytes([size[0], size[1]]) & 0x3fff, u16::from_le_bytes([size[2], size[3]]) & 0x3fff)
        }
        _ => (0, 0),
    }
}
