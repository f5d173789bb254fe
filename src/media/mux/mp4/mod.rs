//! MP4 that survives its writer: fragments while it grows, so that it can be played when it is cut off; and at the end
//! one index over all of them, with which it is an ordinary file that every player and editor seeks in. The fragments
//! stay where they are: a box of 16 bytes in front, left free until then, becomes the head of one large box of media
//! that has all of them in it.

mod boxes;
mod fragment;
mod index;
mod mend;
mod read;

use bytes::Bytes;

use super::{MuxError, Output, Sample, Track, without_delimiter};
use crate::media::{nal_units, opus_ticks};
use crate::rtp::codec::{Codec, MediaKind};
use boxes::{put, put_u16, put_u32};
use index::{Entry, Line};

pub(super) use mend::mend;
pub(super) use read::Fragments;

/// Where the free box is: behind `ftyp`.
const FREE_AT: u64 = 32;
const FREE: [u8; 16] = *b"\0\0\0\x10free\0\0\0\0\0\0\0\0";

pub(super) struct Mp4 {
    lines: Vec<Line>,
    codecs: Vec<Codec>,
    /// What is in no fragment yet, by track.
    waiting: Vec<Vec<Waiting>>,
    fragments: u32,
}

/// A frame that is in no fragment yet.
struct Waiting {
    entry: Entry,
    data: Bytes,
}

impl Mp4 {
    pub fn new(tracks: &[Track], output: &mut Output) -> Result<Self, MuxError> {
        let lines = (1..).zip(tracks).map(|(id, track)| line(id, track)).collect::<Result<Vec<_>, _>>()?;
        let out = &mut output.append;
        put(out, b"ftyp", |out| {
            out.extend_from_slice(b"isom\0\0\x02\0isomiso6mp41mp42");
        });
        out.extend_from_slice(&FREE);
        index::put_movie(out, &lines, index::Kind::Fragmented);
        let codecs = tracks.iter().map(|track| track.codec).collect();
        let waiting = tracks.iter().map(|_| Vec::new()).collect();
        Ok(Self { lines, codecs, waiting, fragments: 0 })
    }

    pub fn write(&mut self, sample: &Sample) -> Result<(), MuxError> {
        let at = self.lines.iter().position(|line| line.kind == sample.kind).ok_or(MuxError::Tracks)?;
        let data = stored(self.codecs[at], &sample.data)?;
        let size = u32::try_from(data.len()).map_err(|_| MuxError::Frame)?;
        let length = opus_ticks(&sample.data).filter(|_| sample.kind == MediaKind::Audio);
        let before = self.waiting[at].last().map(|waiting| waiting.entry.decode).or(self.lines[at].last_decode());
        // Decoding times only grow; those of B-frames, which come before their time, by as little as may be.
        let decode = before.map_or(sample.time, |before| sample.time.max(before + 1));
        let shown = i64::try_from(sample.time).unwrap_or(i64::MAX) - i64::try_from(decode).unwrap_or(i64::MAX);
        let offset = i32::try_from(shown).map_err(|_| MuxError::Frame)?;
        if let (Some(before), Some(last)) = (before, self.waiting[at].last_mut()) {
            last.entry.length = u32::try_from(decode - before).unwrap_or(u32::MAX);
        }
        let usual = self.waiting[at].last().map_or(self.lines[at].tail, |last| last.entry.length);
        let entry = Entry { decode, length: length.unwrap_or(usual), size, offset, is_key: sample.is_key };
        self.waiting[at].push(Waiting { entry, data });
        Ok(())
    }

    /// `at` is where the file ends so far.
    pub fn cut(&mut self, at: u64, output: &mut Output) {
        if self.waiting.iter().all(Vec::is_empty) {
            return;
        }
        self.fragments += 1;
        let entries: Vec<(u32, Vec<Entry>)> = self
            .lines
            .iter()
            .zip(&self.waiting)
            .map(|(line, waiting)| (line.id, waiting.iter().map(|waiting| waiting.entry).collect()))
            .collect();
        let before = output.append.len();
        fragment::put_head(&mut output.append, self.fragments, &entries);
        let mut media_at = at + (output.append.len() - before) as u64 + 8;
        put(&mut output.append, b"mdat", |out| {
            for ((line, waiting), (_, entries)) in self.lines.iter_mut().zip(&mut self.waiting).zip(&entries) {
                line.add(media_at, entries);
                for Waiting { data, .. } in waiting.drain(..) {
                    out.extend_from_slice(&data);
                    media_at += data.len() as u64;
                }
            }
        });
        fragment::put_sum(&mut output.append, before);
    }

    pub fn finish(self, at: u64, output: &mut Output) {
        finish(&self.lines, at, output);
    }
}

/// The index at the end of the file, which is `at`; and all before it is one box of media.
fn finish(lines: &[Line], at: u64, output: &mut Output) {
    index::put_movie(&mut output.append, lines, index::Kind::Whole);
    let mut head = b"\0\0\0\x01mdat".to_vec();
    head.extend_from_slice(&(at - FREE_AT).to_be_bytes());
    output.patches.push((FREE_AT, head));
}

/// How long the index is that begins so; `None` where it is none.
pub(super) fn index_size(bytes: &[u8]) -> Option<u64> {
    let (size, rest) = bytes.split_first_chunk()?;
    rest.starts_with(b"moov").then(|| u64::from(u32::from_be_bytes(*size)))
}

/// A frame as it stands in the file: NAL units with their lengths in front (ISO/IEC 14496-15 §5.3.2).
fn stored(codec: Codec, data: &Bytes) -> Result<Bytes, MuxError> {
    if !matches!(codec, Codec::H264 | Codec::H265) {
        let rest = without_delimiter(codec, data);
        return if rest.is_empty() { Err(MuxError::Frame) } else { Ok(data.slice_ref(rest)) };
    }
    let mut out = Vec::with_capacity(data.len());
    for unit in nal_units(data) {
        put_u32(&mut out, u32::try_from(unit.len()).map_err(|_| MuxError::Frame)?);
        out.extend_from_slice(unit);
    }
    if out.is_empty() { Err(MuxError::Frame) } else { Ok(out.into()) }
}

fn line(id: u32, track: &Track) -> Result<Line, MuxError> {
    let rate = track.codec.clock_rate();
    // Until two frames say how far they are apart.
    let tail = if track.codec.kind() == MediaKind::Video { rate / 30 } else { rate / 50 };
    let mut entry = Vec::new();
    put_entry(&mut entry, track)?;
    Ok(Line::new(id, track.codec.kind(), rate, track.size(), entry, tail))
}

/// The sample entry: what a decoder must know.
fn put_entry(out: &mut Vec<u8>, track: &Track) -> Result<(), MuxError> {
    let (kind, configuration) = match track.codec {
        Codec::H264 => (b"avc1", b"avcC"),
        Codec::H265 => (b"hvc1", b"hvcC"),
        Codec::Av1 => (b"av01", b"av1C"),
        Codec::Vp9 => (b"vp09", b"vpcC"),
        Codec::Opus => {
            put(out, b"Opus", |out| put_sound(out, track.channels));
            return Ok(());
        }
        Codec::Vp8 | Codec::Pcmu | Codec::Pcma => return Err(MuxError::Tracks),
    };
    let description = track.description.as_ref().ok_or(MuxError::Description)?;
    put(out, kind, |out| {
        out.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 1]);
        out.extend_from_slice(&[0; 16]);
        put_u16(out, description.width);
        put_u16(out, description.height);
        // 72 dots per inch, one frame, no name, 24 bits.
        put_u32(out, 0x0048_0000);
        put_u32(out, 0x0048_0000);
        put_u32(out, 0);
        put_u16(out, 1);
        out.extend_from_slice(&[0; 32]);
        put_u16(out, 0x18);
        put_u16(out, 0xffff);
        put(out, configuration, |out| out.extend_from_slice(&description.configuration));
    });
    Ok(())
}

/// "Encapsulation of Opus in ISO Base Media File Format" §4.3.
fn put_sound(out: &mut Vec<u8>, channels: u8) {
    out.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 1]);
    out.extend_from_slice(&[0; 8]);
    put_u16(out, u16::from(channels));
    put_u16(out, 16);
    put_u32(out, 0);
    put_u32(out, 48_000 << 16);
    put(out, b"dOps", |out| {
        out.extend_from_slice(&[0, channels]);
        // Nothing to be skipped: the times are those of the packets.
        put_u16(out, 0);
        put_u32(out, 48_000);
        out.extend_from_slice(&[0; 3]);
    });
}
