//! The samples of our own MP4 files, fragment by fragment: a finished file has them too, within its one box of media.

use std::collections::VecDeque;
use std::io::{self, Read, Seek};

use bytes::Bytes;

use super::super::repair::Source;
use super::super::{Sample, TrackSeen};
use super::boxes::{Boxes, Numbers};
use super::fragment::SIGN;
use super::mend::{next, samples, size_of, tracks};
use super::{FREE, FREE_AT};
use crate::media::{describe, is_key_frame, nal_units};
use crate::rtp::codec::{Codec, MediaKind};

pub struct Fragments {
    /// Numbers of tracks.
    tracks: Vec<(u32, Codec)>,
    /// Of the picture's last key frame that had them: its parameter sets, with start codes.
    sets: Vec<u8>,
}

impl Fragments {
    /// Goes to the first fragment.
    pub fn open(source: &mut Source<'_, impl Read + Seek>) -> io::Result<Option<(Self, Vec<TrackSeen>)>> {
        source.go_to(FREE_AT + FREE.len() as u64)?;
        if source.at > source.length {
            return Ok(None);
        }
        let Some(lines) = next(source, b"moov")?.and_then(|movie| tracks(&movie)) else { return Ok(None) };
        let seen: Option<Vec<_>> = lines.iter().map(|line| Some((line.id, track(&line.entry, line.rate)?))).collect();
        Ok(seen.map(|seen| {
            let tracks = seen.iter().map(|(id, track)| (*id, track.codec)).collect();
            (Self { tracks, sets: Vec::new() }, seen.into_iter().map(|(_, track)| track).collect())
        }))
    }

    pub fn read(&mut self, source: &mut Source<'_, impl Read + Seek>, out: &mut VecDeque<Sample>) -> io::Result<bool> {
        let begin = source.at;
        let Some(head) = next(source, b"moof")? else { return Ok(false) };
        let Some(size) = size_of(source, b"mdat")? else { return Ok(false) };
        let media_at = source.at - begin;
        source.go_to(begin)?;
        let Some(all) = source.take(media_at.saturating_add(size))?.map(Bytes::from) else { return Ok(false) };
        let sum = [SIGN.as_slice(), &crc32fast::hash(&all).to_be_bytes()].concat();
        if next(source, b"free")? != Some(sum) {
            return Ok(false);
        }
        let media = all.slice(usize::try_from(media_at).unwrap_or(all.len()).min(all.len())..);
        let found = self.samples(&head, &media);
        let is_good = found.is_some();
        out.extend(found.into_iter().flatten());
        Ok(is_good)
    }

    /// All of a fragment, as the tracks go side by side, or nothing where it is damaged.
    fn samples(&mut self, head: &[u8], media: &Bytes) -> Option<Vec<Sample>> {
        let mut found: Vec<(u128, Sample)> = Vec::new();
        let mut at = 0_usize;
        for (_, track) in Boxes(head).filter(|(kind, _)| *kind == b"traf") {
            let mut numbers = Numbers(Boxes(track).body(b"tfhd")?);
            numbers.skip(4)?;
            let id = numbers.u32()?;
            let codec = self.tracks.iter().find(|(known, _)| *known == id)?.1;
            let mut numbers = Numbers(Boxes(track).body(b"tfdt")?);
            numbers.skip(4)?;
            for entry in samples(Boxes(track).body(b"trun")?, numbers.u64()?)? {
                let end = at.checked_add(usize::try_from(entry.size).ok()?)?;
                if end > media.len() {
                    return None;
                }
                let data = match codec {
                    Codec::H264 | Codec::H265 => self.access_unit(codec, &media[at..end])?,
                    _ => media.slice(at..end),
                };
                at = end;
                let time = entry.decode.checked_add_signed(i64::from(entry.offset))?;
                let place = u128::from(entry.decode) * 1_000_000_000 / u128::from(codec.clock_rate());
                found.push((place, Sample { kind: codec.kind(), time, is_key: entry.is_key, data }));
            }
        }
        found.sort_by_key(|(place, _)| *place);
        Some(found.into_iter().map(|(_, sample)| sample).collect())
    }

    /// With start codes for lengths. A key frame that relies on the parameter sets of one before gets them, so that a
    /// file can begin with it.
    fn access_unit(&mut self, codec: Codec, mut stored: &[u8]) -> Option<Bytes> {
        let mut out = Vec::with_capacity(stored.len() + self.sets.len());
        while !stored.is_empty() {
            let (size, rest) = stored.split_first_chunk()?;
            let unit = rest.get(..usize::try_from(u32::from_be_bytes(*size)).ok()?)?;
            out.extend_from_slice(&[0, 0, 0, 1]);
            out.extend_from_slice(unit);
            stored = &rest[unit.len()..];
        }
        if is_key_frame(codec, &out) {
            if describe::describe(codec, &out).is_some() {
                self.sets.clear();
                for unit in nal_units(&out).filter(|unit| is_set(codec, unit[0])) {
                    self.sets.extend_from_slice(&[0, 0, 0, 1]);
                    self.sets.extend_from_slice(unit);
                }
            } else {
                out.splice(..0, self.sets.iter().copied());
            }
        }
        Some(out.into())
    }
}

/// From the first byte of a unit: H.264 §7.4.1, H.265 §7.4.2.2.
fn is_set(codec: Codec, first: u8) -> bool {
    if codec == Codec::H264 { matches!(first & 0x1f, 7 | 8) } else { matches!((first >> 1) & 0x3f, 32..=34) }
}

/// From the sample entry, with its head.
fn track(entry: &[u8], rate: u32) -> Option<TrackSeen> {
    let (kind, body) = Boxes(entry).next()?;
    let codec = match kind {
        b"avc1" => Codec::H264,
        b"hvc1" => Codec::H265,
        b"av01" => Codec::Av1,
        b"vp09" => Codec::Vp9,
        b"Opus" => Codec::Opus,
        _ => return None,
    };
    let channels = match codec.kind() {
        MediaKind::Video => 1,
        MediaKind::Audio => body.get(17).copied().filter(|count| (1..=2).contains(count))?,
    };
    (rate == codec.clock_rate()).then_some(TrackSeen { codec, channels })
}
