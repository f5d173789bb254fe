//! Our own files, frame by frame: as they were finished, or as far as they reach where they were cut off. In memory is
//! never more than one frame, page, cluster or fragment.

use std::collections::VecDeque;
use std::io::{self, Read, Seek, SeekFrom};

use bytes::Bytes;

use super::super::ivf::codec_of;
use super::super::{is_key_frame, ogg, opus_ticks};
use super::repair::{FRAME_MOST, JUMP, Source};
use super::{Container, Sample, mp4, webm};
use crate::rtp::codec::{Codec, MediaKind};

/// No recording lasts a century, and sums with such times stay numbers.
const TIME_MOST: u64 = 1 << 48;

/// A track of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TrackSeen {
    /// What it is encoded with.
    pub codec: Codec,
    /// Of sound; 1 for video.
    pub channels: u8,
}

/// Reads one file.
pub struct Reader<R> {
    input: R,
    at: u64,
    length: u64,
    container: Container,
    tracks: Vec<TrackSeen>,
    form: Form,
    ready: VecDeque<Sample>,
}

enum Form {
    Ivf(Ivf),
    Ogg(Ogg),
    Mp4(mp4::Fragments),
    WebM(webm::Clusters),
}

impl<R: Read + Seek> Reader<R> {
    /// Looks at a file's beginning; `None` where it is none that [`super::Muxer`] begins, or WAV.
    ///
    /// # Errors
    /// The system's.
    pub fn open(mut input: R) -> io::Result<Option<Self>> {
        let length = input.seek(SeekFrom::End(0))?;
        input.rewind()?;
        let mut source = Source::resume(&mut input, 0, length);
        let head = source.peek(8)?;
        let opened = if head.starts_with(b"DKIF") {
            Ivf::open(&mut source)?.map(|(form, track)| (Container::Ivf, Form::Ivf(form), vec![track]))
        } else if head.starts_with(b"OggS") {
            Ogg::open(&mut source)?.map(|(form, track)| (Container::Ogg, Form::Ogg(form), vec![track]))
        } else if head.ends_with(b"ftyp") {
            mp4::Fragments::open(&mut source)?.map(|(form, tracks)| (Container::Mp4, Form::Mp4(form), tracks))
        } else {
            webm::Clusters::open(&mut source)?.map(|(form, tracks)| (Container::WebM, Form::WebM(form), tracks))
        };
        let at = source.at;
        Ok(opened.map(|(container, form, tracks)| Self {
            input,
            at,
            length,
            container,
            tracks,
            form,
            ready: VecDeque::new(),
        }))
    }

    /// Which it is.
    pub fn container(&self) -> Container {
        self.container
    }

    /// What is in it: one of a kind at most.
    pub fn tracks(&self) -> &[TrackSeen] {
        &self.tracks
    }

    /// Bytes that were read, and that there are.
    pub fn progress(&self) -> (u64, u64) {
        (self.at, self.length)
    }

    /// At the end: nothing is behind the last frame but the index of a finished file. Otherwise what is there was cut
    /// off, or is damaged.
    ///
    /// # Errors
    /// The system's.
    pub fn ends_well(&mut self) -> io::Result<bool> {
        if self.at == self.length {
            return Ok(true);
        }
        let mut source = Source::resume(&mut self.input, self.at, self.length);
        source.go_to(self.at)?;
        let head = source.peek(12)?;
        let index = match self.container {
            Container::Mp4 => mp4::index_size(&head),
            Container::WebM => webm::index_size(&head),
            _ => None,
        };
        Ok(index.is_some_and(|size| self.at.checked_add(size) == Some(self.length)))
    }

    /// The next frame; `None` at the end, or where the rest is not whole.
    ///
    /// # Errors
    /// The system's.
    pub fn read_sample(&mut self) -> io::Result<Option<Sample>> {
        while self.ready.is_empty() {
            let mut source = Source::resume(&mut self.input, self.at, self.length);
            source.go_to(self.at)?;
            let is_more = match &mut self.form {
                Form::Ivf(form) => form.read(&mut source, &mut self.ready)?,
                Form::Ogg(form) => form.read(&mut source, &mut self.ready)?,
                Form::Mp4(form) => form.read(&mut source, &mut self.ready)?,
                Form::WebM(form) => form.read(&mut source, &mut self.ready)?,
            };
            if !is_more {
                return Ok(None);
            }
            self.at = source.at;
        }
        Ok(self.ready.pop_front().filter(|sample| sample.time < TIME_MOST))
    }
}

struct Ivf {
    codec: Codec,
    /// Units of the file's times in a second, as a fraction.
    rate: (u32, u32),
    last: u64,
}

impl Ivf {
    fn open(source: &mut Source<'_, impl Read + Seek>) -> io::Result<Option<(Self, TrackSeen)>> {
        let Some(header) = source.take(32)? else { return Ok(None) };
        let Some(codec) = codec_of(&header) else { return Ok(None) };
        let number = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let rate = (number(16), number(20));
        let is_sound = rate.0 > 0 && rate.1 > 0;
        Ok(is_sound.then_some((Self { codec, rate, last: 0 }, TrackSeen { codec, channels: 1 })))
    }

    fn read(&mut self, source: &mut Source<'_, impl Read + Seek>, out: &mut VecDeque<Sample>) -> io::Result<bool> {
        let Some(head) = source.take(12)? else { return Ok(false) };
        let size = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let units = head[4..].iter().rev().fold(0_u64, |time, byte| time << 8 | u64::from(*byte));
        let scaled = u128::from(units) * u128::from(self.rate.1) * u128::from(self.codec.clock_rate());
        let Ok(time) = u64::try_from(scaled / u128::from(self.rate.0)) else { return Ok(false) };
        // Rubbish, or zeros that stand for what has not reached the disk.
        if size == 0 || size > FRAME_MOST || time < self.last || time - self.last > JUMP {
            return Ok(false);
        }
        let Some(data) = source.take(size as u64)? else { return Ok(false) };
        let is_key = is_key_frame(self.codec, &data);
        let is_frame = match self.codec {
            Codec::Vp9 => data[0] >> 6 == 2,
            Codec::Av1 => data.starts_with(&[0x12, 0]),
            _ => true,
        };
        if !is_frame {
            return Ok(false);
        }
        self.last = time;
        out.push_back(Sample { kind: MediaKind::Video, time, is_key, data: data.into() });
        Ok(true)
    }
}

#[derive(Default)]
struct Ogg {
    open: Vec<u8>,
    time: u64,
}

impl Ogg {
    fn open(source: &mut Source<'_, impl Read + Seek>) -> io::Result<Option<(Self, TrackSeen)>> {
        let Some(head) = page(source)?.filter(|page| page.body.starts_with(b"OpusHead")) else { return Ok(None) };
        let channels = head.body.get(9).copied().filter(|channels| (1..=2).contains(channels));
        let tags = page(source)?.is_some_and(|page| page.body.starts_with(b"OpusTags"));
        let track = channels.filter(|_| tags).map(|channels| TrackSeen { codec: Codec::Opus, channels });
        Ok(track.map(|track| (Self::default(), track)))
    }

    fn read(&mut self, source: &mut Source<'_, impl Read + Seek>, out: &mut VecDeque<Sample>) -> io::Result<bool> {
        let Some(page) = page(source)? else { return Ok(false) };
        for (piece, is_end) in page.pieces() {
            self.open.extend_from_slice(piece);
            if !is_end {
                continue;
            }
            let data = Bytes::from(std::mem::take(&mut self.open));
            let Some(ticks) = opus_ticks(&data) else { continue };
            // One byte fills time in which there was no sound.
            if data.len() > 1 {
                out.push_back(Sample { kind: MediaKind::Audio, time: self.time, is_key: true, data });
            }
            self.time += u64::from(ticks);
        }
        Ok(self.open.len() <= FRAME_MOST)
    }
}

fn page(source: &mut Source<'_, impl Read + Seek>) -> io::Result<Option<ogg::PageSeen>> {
    let Some(length) = ogg::page_length(&source.peek(ogg::PAGE_HEADER_MOST)?) else { return Ok(None) };
    Ok(source.take(length)?.and_then(|bytes| ogg::look(&bytes)))
}
