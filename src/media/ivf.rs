//! IVF: a header of 32 bytes, then frames with a header of 12 bytes each, all little-endian.

use std::io::{self, Seek, SeekFrom, Write};

use bytes::Bytes;

use super::bits::{is_key_frame, obus};
use super::{Clip, Frame, MediaError, duration_of};
use crate::rtp::codec::Codec;

const FILE_HEADER: usize = 32;
const FRAME_HEADER: usize = 12;

fn broken(what: &'static str) -> MediaError {
    MediaError::Broken { format: "IVF", what }
}

/// Reads a whole file.
pub(super) fn read(content: &Bytes) -> Result<Clip, MediaError> {
    let header: &[u8; FILE_HEADER] = content.first_chunk().ok_or(broken("the header is cut off"))?;
    let codec = codec_of(header)
        .ok_or_else(|| MediaError::UnknownCodec(String::from_utf8_lossy(&header[8..12]).into_owned()))?;
    let (rate, scale) = (u32_at(header, 16), u32_at(header, 20));
    if rate == 0 || scale == 0 {
        return Err(broken("a time base of zero"));
    }
    let clock = u128::from(codec.clock_rate()) * u128::from(scale);
    let ticks = |pts: u64| u64::try_from(u128::from(pts) * clock / u128::from(rate)).unwrap_or(u64::MAX);

    let mut frames: Vec<Frame> = Vec::new();
    let mut at = usize::from(u16::from_le_bytes([header[6], header[7]])).max(FILE_HEADER);
    let mut first = None;
    while at + FRAME_HEADER <= content.len() {
        let size = usize::try_from(u32_at(content, at)).unwrap_or(usize::MAX);
        let pts = u64::from(u32_at(content, at + 4)) | u64::from(u32_at(content, at + 8)) << 32;
        let end = (at + FRAME_HEADER).saturating_add(size);
        if end > content.len() {
            return Err(broken("the last frame is cut off"));
        }
        let data = content.slice(at + FRAME_HEADER..end);
        at = end;
        if data.is_empty() {
            continue;
        }
        if codec == Codec::Av1 && obus(&data).is_none() {
            return Err(broken("the sizes of the units of an AV1 frame do not add up"));
        }
        let time = ticks(pts.saturating_sub(*first.get_or_insert(pts)));
        if frames.last().is_some_and(|last| last.time > time) {
            return Err(broken("the times of the frames go back"));
        }
        frames.push(Frame { key: is_key_frame(codec, &data), data, time });
    }
    if frames.is_empty() {
        return Err(broken("no frames"));
    }
    let duration = duration_of(&frames, codec.clock_rate());
    Ok(Clip { codec, fmtp: None, frames, duration })
}

/// What a file's header says that its frames are.
pub(super) fn codec_of(header: &[u8]) -> Option<Codec> {
    match header.get(8..12)? {
        b"VP80" => Some(Codec::Vp8),
        b"VP90" => Some(Codec::Vp9),
        b"AV01" => Some(Codec::Av1),
        _ => None,
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// The head of a file of this codec, and of pictures of this width and height; `None` where it has no place in one.
pub(super) fn header(codec: Codec, (width, height): (u16, u16)) -> Option<[u8; FILE_HEADER]> {
    let four_cc = match codec {
        Codec::Vp8 => b"VP80",
        Codec::Vp9 => b"VP90",
        Codec::Av1 => b"AV01",
        _ => return None,
    };
    let mut header = [0; FILE_HEADER];
    header[..4].copy_from_slice(b"DKIF");
    header[6] = 32;
    header[8..12].copy_from_slice(four_cc);
    header[12..14].copy_from_slice(&width.to_le_bytes());
    header[14..16].copy_from_slice(&height.to_le_bytes());
    header[16..20].copy_from_slice(&codec.clock_rate().to_le_bytes());
    header[20..24].copy_from_slice(&1_u32.to_le_bytes());
    Some(header)
}

/// Writes frames with times in units of 1/90000 s. The header's length is set by [`IvfWriter::finish`], in the same
/// units: FFmpeg writes and reads it so, where others count frames.
#[derive(Debug)]
pub struct IvfWriter<W> {
    out: W,
    frames: u64,
    last: u64,
}

impl<W: Write + Seek> IvfWriter<W> {
    /// Begins a file. A size of zero by zero is allowed: players take it from the frames.
    ///
    /// # Errors
    ///
    /// Where writing fails, and for codecs that IVF cannot hold.
    pub fn new(mut out: W, codec: Codec, size: (u16, u16)) -> io::Result<Self> {
        let header = header(codec, size);
        out.write_all(&header.ok_or(io::Error::new(io::ErrorKind::InvalidInput, "IVF holds VP8, VP9 and AV1"))?)?;
        Ok(Self { out, frames: 0, last: 0 })
    }

    /// Appends a frame.
    ///
    /// # Errors
    ///
    /// Where writing fails.
    pub fn write(&mut self, frame: &[u8], time: u64) -> io::Result<()> {
        let size = u32::try_from(frame.len()).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        self.out.write_all(&size.to_le_bytes())?;
        self.out.write_all(&time.to_le_bytes())?;
        self.out.write_all(frame)?;
        self.frames += 1;
        self.last = self.last.max(time);
        Ok(())
    }

    /// Sets the length in the header, and hands back the file.
    ///
    /// # Errors
    ///
    /// Where writing fails.
    pub fn finish(mut self) -> io::Result<W> {
        let usual = self.last.checked_div(self.frames.saturating_sub(1)).unwrap_or(0);
        let length = u32::try_from(self.last + usual).unwrap_or(u32::MAX);
        self.out.seek(SeekFrom::Start(24))?;
        self.out.write_all(&length.to_le_bytes())?;
        self.out.seek(SeekFrom::End(0))?;
        self.out.flush()?;
        Ok(self.out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn file(frames: &[(&[u8], u64)]) -> Vec<u8> {
        let mut writer = IvfWriter::new(Cursor::new(Vec::new()), Codec::Vp8, (64, 48)).unwrap();
        for (frame, time) in frames {
            writer.write(frame, *time).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn what_is_written_is_read() {
        let written = file(&[(&[0x10, 2, 3], 0), (&[0x11], 3_000), (&[0x11, 7], 6_000)]);
        assert_eq!(u32_at(&written, 24), 9_000);
        let clip = read(&Bytes::from(written)).unwrap();
        assert_eq!((clip.codec, clip.duration), (Codec::Vp8, 9_000));
        let seen: Vec<_> = clip.frames.iter().map(|frame| (frame.data.to_vec(), frame.time, frame.key)).collect();
        assert_eq!(seen, [(vec![0x10, 2, 3], 0, true), (vec![0x11], 3_000, false), (vec![0x11, 7], 6_000, false)]);
    }

    #[test]
    fn broken_files() {
        let good = file(&[(&[0x10, 2, 3], 0)]);
        let mut zero = good.clone();
        zero[16..20].fill(0);
        let mut huge = good.clone();
        huge[32..36].fill(0xff);
        let mut other = good.clone();
        other[8..12].copy_from_slice(b"MJPG");
        let back = file(&[(&[0x10], 500), (&[0x11], 900), (&[0x11], 800)]);
        for bad in [&good[..20], &good[..32], &good[..46], &zero, &huge, &other, &back] {
            assert!(read(&Bytes::copy_from_slice(bad)).is_err());
        }
    }
}
