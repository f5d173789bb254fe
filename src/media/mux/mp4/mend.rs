//! An MP4 file that was cut off: its fragments up to the last whole one, with an index over them.

use std::io::{self, Read, Seek};
use std::time::Duration;

use super::super::repair::{Repair, Source};
use super::super::{Output, time};
use super::boxes::{Boxes, Numbers};
use super::fragment::{SAMPLE, SIGN, is_key};
use super::index::{Entry, Line};
use super::{FREE, FREE_AT, finish};
use crate::rtp::codec::MediaKind;

/// Of a box: its size and its kind.
const HEAD: u64 = 8;

pub fn mend(source: &mut Source<'_, impl Read + Seek>) -> io::Result<Option<Repair>> {
    if !source.peek(HEAD)?.ends_with(b"ftyp") {
        return Ok(None);
    }
    // Free still, or the head of one large box: what is in it is the same.
    source.go_to(FREE_AT + FREE.len() as u64)?;
    let Some(mut lines) = next(source, b"moov")?.and_then(|movie| tracks(&movie)) else { return Ok(None) };
    let mut good = source.at;
    for fragment in fragments(source)? {
        if add(&mut lines, &fragment).is_none() {
            break;
        }
        good = fragment.end;
    }
    let main = lines.iter().find(|line| line.kind == MediaKind::Video).or(lines.first());
    let frames = main.map_or(0, Line::count);
    let duration = lines.iter().map(|line| time(line.end(), line.rate)).max().unwrap_or(Duration::ZERO);
    let mut output = Output::default();
    finish(&lines, good, &mut output);
    Ok(Some(Repair { length: good, output, duration, frames }))
}

/// The body of the next box, where it is of this kind and whole.
pub(super) fn next(source: &mut Source<'_, impl Read + Seek>, wanted: &[u8; 4]) -> io::Result<Option<Vec<u8>>> {
    let Some(size) = size_of(source, wanted)? else { return Ok(None) };
    source.take(size)
}

/// Where a fragment is.
struct Fragment {
    begin: u64,
    head: Vec<u8>,
    media_at: u64,
    media_size: u64,
    end: u64,
    sum: u32,
}

/// The fragments that are there. Of the last ones the media are read too: what is in the file by its length need not
/// have reached the disk.
fn fragments(source: &mut Source<'_, impl Read + Seek>) -> io::Result<Vec<Fragment>> {
    let mut found = Vec::new();
    while let Some(fragment) = fragment(source)? {
        found.push(fragment);
    }
    while let Some(last) = found.last() {
        source.go_to(last.begin)?;
        let bytes = source.take(last.media_at + last.media_size - last.begin)?;
        if bytes.is_some_and(|bytes| crc32fast::hash(&bytes) == last.sum) {
            break;
        }
        found.pop();
    }
    Ok(found)
}

fn fragment(source: &mut Source<'_, impl Read + Seek>) -> io::Result<Option<Fragment>> {
    let begin = source.at;
    let Some(head) = next(source, b"moof")? else { return Ok(None) };
    let Some(media_size) = size_of(source, b"mdat")?.filter(|size| *size <= source.length.saturating_sub(source.at))
    else {
        return Ok(None);
    };
    let media_at = source.at;
    source.go_to(media_at + media_size)?;
    let Some(sum) = next(source, b"free")?.filter(|body| body.len() == 8 && body.starts_with(SIGN)) else {
        return Ok(None);
    };
    let sum = u32::from_be_bytes([sum[4], sum[5], sum[6], sum[7]]);
    Ok(Some(Fragment { begin, head, media_at, media_size, end: source.at, sum }))
}

pub(super) fn size_of(source: &mut Source<'_, impl Read + Seek>, wanted: &[u8; 4]) -> io::Result<Option<u64>> {
    let Some(head) = source.take(HEAD)? else { return Ok(None) };
    let mut numbers = Numbers(&head);
    let size = numbers.u32().map(u64::from).and_then(|size| size.checked_sub(HEAD));
    Ok(size.filter(|_| numbers.0 == wanted))
}

/// The tracks of a movie that is in front of fragments.
pub(super) fn tracks(movie: &[u8]) -> Option<Vec<Line>> {
    let lines = Boxes(movie).filter(|(kind, _)| *kind == b"trak").map(|(_, track)| line(track));
    lines.collect::<Option<Vec<_>>>().filter(|lines| !lines.is_empty())
}

/// A track, as [`super::index::put_movie`] writes it.
fn line(track: &[u8]) -> Option<Line> {
    let mut header = Numbers(Boxes(track).body(b"tkhd")?);
    header.skip(20)?;
    let id = header.u32()?;
    header.skip(64)?;
    let mut pixels = || header.u32().and_then(|size| u16::try_from(size >> 16).ok());
    let size = (pixels()?, pixels()?);
    let media = || Boxes(track).body(b"mdia").map(Boxes);
    let mut header = Numbers(media()?.body(b"mdhd")?);
    header.skip(20)?;
    let rate = header.u32().filter(|rate| *rate > 0)?;
    let kind = match media()?.body(b"hdlr")?.get(8..12)? {
        b"vide" => MediaKind::Video,
        b"soun" => MediaKind::Audio,
        _ => return None,
    };
    let samples = Boxes(Boxes(media()?.body(b"minf")?).body(b"stbl")?);
    let entry = samples.body(b"stsd")?.get(8..)?.to_vec();
    Some(Line::new(id, kind, rate, size, entry, 0))
}

/// Takes in a fragment, all of it or nothing; `None` where it is none of ours.
fn add(lines: &mut [Line], fragment: &Fragment) -> Option<()> {
    let mut runs = Vec::new();
    let (mut at, end) = (fragment.media_at, fragment.media_at + fragment.media_size);
    for (_, track) in Boxes(&fragment.head).filter(|(kind, _)| *kind == b"traf") {
        let mut numbers = Numbers(Boxes(track).body(b"tfhd")?);
        numbers.skip(4)?;
        let id = numbers.u32()?;
        let place = lines.iter().position(|line| line.id == id)?;
        let mut numbers = Numbers(Boxes(track).body(b"tfdt")?);
        numbers.skip(4)?;
        let decode = numbers.u64()?;
        if lines[place].last_decode().is_some_and(|last| decode <= last) {
            return None;
        }
        let entries = samples(Boxes(track).body(b"trun")?, decode)?;
        let bytes: u64 = entries.iter().map(|entry| u64::from(entry.size)).sum();
        runs.push((place, at, entries));
        at += bytes;
    }
    if at != end || runs.is_empty() {
        return None;
    }
    for (place, at, entries) in runs {
        lines[place].add(at, &entries);
    }
    Some(())
}

pub(super) fn samples(run: &[u8], mut decode: u64) -> Option<Vec<Entry>> {
    let mut numbers = Numbers(run);
    numbers.skip(4)?;
    let count = usize::try_from(numbers.u32()?).ok()?;
    numbers.skip(4)?;
    if count == 0 || numbers.0.len() != count.checked_mul(SAMPLE)? {
        return None;
    }
    let mut entries = Vec::with_capacity(count);
    for _ in 0..count {
        let (length, size, flags, offset) = (numbers.u32()?, numbers.u32()?, numbers.u32()?, numbers.u32()?);
        entries.push(Entry { decode, length, size, offset: offset.cast_signed(), is_key: is_key(flags) });
        decode = decode.checked_add(u64::from(length))?;
    }
    Some(entries)
}
