//! `moov`: what there is. Without samples, in front of fragments; with all of them, at the end.

use super::boxes::{put, put_full, put_list, put_u16, put_u32, put_u64};
use crate::rtp::codec::MediaKind;

/// Units of the movie's own times in a second.
const MOVIE_RATE: u64 = 1_000;

/// A sample.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// When it is decoded, in units of the track's rate.
    pub decode: u64,
    /// Until the next one.
    pub length: u32,
    /// Bytes.
    pub size: u32,
    /// From when it is decoded to when it is shown.
    pub offset: i32,
    /// Decoding can begin here.
    pub is_key: bool,
}

/// A track, and its samples.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    pub id: u32,
    pub kind: MediaKind,
    pub rate: u32,
    pub size: (u16, u16),
    /// The sample entry.
    pub entry: Vec<u8>,
    /// How long the last sample is taken to be.
    pub tail: u32,
    decodes: Vec<u64>,
    sizes: Vec<u32>,
    offsets: Vec<i32>,
    /// Numbers of samples, from 1.
    keys: Vec<u32>,
    /// Where each run of samples is, and how many it has.
    chunks: Vec<(u64, u32)>,
}

/// For what the movie is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Samples are in the fragments behind it.
    Fragmented,
    /// Samples are listed in it.
    Whole,
}

impl Line {
    pub fn new(id: u32, kind: MediaKind, rate: u32, size: (u16, u16), entry: Vec<u8>, tail: u32) -> Self {
        let (decodes, sizes, offsets, keys, chunks) = (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { id, kind, rate, size, entry, tail, decodes, sizes, offsets, keys, chunks }
    }

    /// Takes in samples that stand one behind the other from `at` on.
    pub fn add(&mut self, at: u64, entries: &[Entry]) {
        let Some(last) = entries.last() else { return };
        self.tail = last.length;
        self.chunks.push((at, u32::try_from(entries.len()).unwrap_or(u32::MAX)));
        for entry in entries {
            self.decodes.push(entry.decode);
            self.sizes.push(entry.size);
            self.offsets.push(entry.offset);
            if entry.is_key {
                self.keys.push(u32::try_from(self.sizes.len()).unwrap_or(u32::MAX));
            }
        }
    }

    pub fn count(&self) -> u64 {
        self.sizes.len() as u64
    }

    pub fn last_decode(&self) -> Option<u64> {
        self.decodes.last().copied()
    }

    /// When its last sample ends, in units of its rate.
    pub fn end(&self) -> u64 {
        self.last_decode().map_or(0, |last| last + u64::from(self.tail))
    }

    fn begin(&self) -> u64 {
        self.decodes.first().copied().unwrap_or(0)
    }

    fn in_movie(&self, ticks: u64) -> u64 {
        (ticks * MOVIE_RATE + u64::from(self.rate) / 2) / u64::from(self.rate)
    }
}

/// Appends `moov`.
pub fn put_movie(out: &mut Vec<u8>, lines: &[Line], kind: Kind) {
    let end = lines.iter().map(|line| line.in_movie(line.end())).max().unwrap_or(0);
    put(out, b"moov", |out| {
        put_full(out, b"mvhd", 1, 0, |out| {
            put_u64(out, 0);
            put_u64(out, 0);
            put_u32(out, u32::try_from(MOVIE_RATE).unwrap_or(1));
            put_u64(out, end);
            put_u32(out, 0x0001_0000);
            put_u16(out, 0x0100);
            out.extend_from_slice(&[0; 10]);
            put_matrix(out);
            out.extend_from_slice(&[0; 24]);
            put_u32(out, lines.iter().map(|line| line.id).max().unwrap_or(0) + 1);
        });
        for line in lines {
            put(out, b"trak", |out| put_track(out, line, kind));
        }
        if kind == Kind::Fragmented {
            put(out, b"mvex", |out| {
                for line in lines {
                    put_full(out, b"trex", 0, 0, |out| [line.id, 1, 0, 0, 0].into_iter().for_each(|n| put_u32(out, n)));
                }
            });
        }
    });
}

fn put_track(out: &mut Vec<u8>, line: &Line, kind: Kind) {
    // Enabled, in the movie, in a preview.
    put_full(out, b"tkhd", 1, 7, |out| {
        put_u64(out, 0);
        put_u64(out, 0);
        put_u32(out, line.id);
        put_u32(out, 0);
        put_u64(out, line.in_movie(line.end()));
        out.extend_from_slice(&[0; 8]);
        put_u16(out, 0);
        put_u16(out, 0);
        put_u16(out, if line.kind == MediaKind::Audio { 0x0100 } else { 0 });
        put_u16(out, 0);
        put_matrix(out);
        put_u32(out, u32::from(line.size.0) << 16);
        put_u32(out, u32::from(line.size.1) << 16);
    });
    if line.begin() > 0 {
        put(out, b"edts", |out| put_edits(out, line));
    }
    put(out, b"mdia", |out| {
        put_full(out, b"mdhd", 1, 0, |out| {
            put_u64(out, 0);
            put_u64(out, 0);
            put_u32(out, line.rate);
            put_u64(out, line.end() - line.begin());
            // Language "und".
            put_u16(out, 0x55c4);
            put_u16(out, 0);
        });
        let (handler, name) = match line.kind {
            MediaKind::Video => (b"vide", b"video\0"),
            MediaKind::Audio => (b"soun", b"sound\0"),
        };
        put_full(out, b"hdlr", 0, 0, |out| {
            put_u32(out, 0);
            out.extend_from_slice(handler);
            out.extend_from_slice(&[0; 12]);
            out.extend_from_slice(name);
        });
        put(out, b"minf", |out| {
            match line.kind {
                MediaKind::Video => put_full(out, b"vmhd", 0, 1, |out| out.extend_from_slice(&[0; 8])),
                MediaKind::Audio => put_full(out, b"smhd", 0, 0, |out| out.extend_from_slice(&[0; 4])),
            }
            put(out, b"dinf", |out| {
                put_full(out, b"dref", 0, 0, |out| {
                    put_u32(out, 1);
                    put_full(out, b"url ", 0, 1, |_| {});
                });
            });
            put(out, b"stbl", |out| put_samples(out, line, kind));
        });
    });
}

/// A track that begins later than the movie: nothing, then all of it.
fn put_edits(out: &mut Vec<u8>, line: &Line) {
    put_full(out, b"elst", 1, 0, |out| {
        let begin = line.in_movie(line.begin());
        let edits = [(begin, -1_i64), (line.in_movie(line.end()) - begin, 0)];
        put_list(out, &edits, |out, (length, from)| {
            put_u64(out, *length);
            out.extend_from_slice(&from.to_be_bytes());
            put_u32(out, 0x0001_0000);
        });
    });
}

fn put_samples(out: &mut Vec<u8>, line: &Line, kind: Kind) {
    put_full(out, b"stsd", 0, 0, |out| {
        put_u32(out, 1);
        out.extend_from_slice(&line.entry);
    });
    // In front of fragments there is none.
    let line = &match kind {
        Kind::Whole => line.clone(),
        Kind::Fragmented => Line::new(line.id, line.kind, line.rate, line.size, Vec::new(), line.tail),
    };
    let lengths = line.decodes.windows(2).map(|pair| u32::try_from(pair[1] - pair[0]).unwrap_or(u32::MAX));
    let lengths = runs(lengths.chain(line.last_decode().map(|_| line.tail)));
    put_full(out, b"stts", 0, 0, |out| {
        put_list(out, &lengths, |out, (count, length)| {
            put_u32(out, *count);
            put_u32(out, *length);
        });
    });
    if line.offsets.iter().any(|offset| *offset != 0) {
        put_full(out, b"ctts", 1, 0, |out| {
            put_list(out, &runs(line.offsets.iter().copied()), |out, (count, offset)| {
                put_u32(out, *count);
                out.extend_from_slice(&offset.to_be_bytes());
            });
        });
    }
    if line.kind == MediaKind::Video && kind == Kind::Whole {
        put_full(out, b"stss", 0, 0, |out| put_list(out, &line.keys, |out, key| put_u32(out, *key)));
    }
    put_full(out, b"stsc", 0, 0, |out| {
        let mut first = 1;
        let chunks: Vec<(u32, u32)> = runs(line.chunks.iter().map(|(_, count)| *count))
            .into_iter()
            .map(|(chunks, count)| {
                let from = first;
                first += chunks;
                (from, count)
            })
            .collect();
        put_list(out, &chunks, |out, (from, count)| [*from, *count, 1].into_iter().for_each(|n| put_u32(out, n)));
    });
    put_full(out, b"stsz", 0, 0, |out| {
        put_u32(out, 0);
        put_list(out, &line.sizes, |out, size| put_u32(out, *size));
    });
    put_full(out, b"co64", 0, 0, |out| put_list(out, &line.chunks, |out, (at, _)| put_u64(out, *at)));
}

/// Equal values that follow each other: how many, and which.
fn runs<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<(u32, T)> {
    let mut runs: Vec<(u32, T)> = Vec::new();
    for value in values {
        match runs.last_mut() {
            Some((count, last)) if *last == value => *count += 1,
            _ => runs.push((1, value)),
        }
    }
    runs
}

/// Nothing is turned.
fn put_matrix(out: &mut Vec<u8>) {
    for number in [0x0001_0000, 0, 0, 0, 0x0001_0000, 0, 0, 0, 0x4000_0000] {
        put_u32(out, number);
    }
}
