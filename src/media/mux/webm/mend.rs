//! A `WebM` file that was cut off: its clusters up to the last whole one, with an index.

use std::io::{self, Read, Seek};
use std::time::Duration;

use super::super::Output;
use super::super::repair::{Repair, Source};
use super::ebml::{head, id};
use super::{Cue, Layout, SEEK_BYTES};

/// Bytes that the head of an element has at most.
pub(super) const HEAD: u64 = 12;

pub fn mend(source: &mut Source<'_, impl Read + Seek>) -> io::Result<Option<Repair>> {
    let Some((layout, video)) = front(source)? else { return Ok(None) };
    let mut found = Found { video, ..Found::default() };
    source.go_to(layout.end)?;
    let mut good = layout.end;
    while let Some((id::CLUSTER, Some(size), length)) = head(&source.peek(HEAD)?) {
        source.go_to(good + length as u64)?;
        let Some(body) = source.take(size)? else { break };
        if found.cluster(good, &body).is_none() {
            break;
        }
        good = source.at;
    }
    let frames = if video.is_some() { found.video_frames } else { found.blocks };
    let duration = Duration::from_millis(found.last + found.usual);
    let mut output = Output::default();
    layout.finish(&found.cues, good, duration, &mut output);
    Ok(Some(Repair { length: good, output, duration, frames }))
}

/// Where things are in front of the clusters, and the number of the track with the picture.
fn front(source: &mut Source<'_, impl Read + Seek>) -> io::Result<Option<(Layout, Option<u64>)>> {
    let Some((id::EBML, Some(size), length)) = head(&source.peek(HEAD)?) else { return Ok(None) };
    source.go_to(length as u64 + size)?;
    let Some((id::SEGMENT, _, 12)) = head(&source.peek(HEAD)?) else { return Ok(None) };
    let size_at = source.at + 4;
    let mut layout = Layout { size_at, seek_at: size_at + 8, ..Layout::default() };
    let mut at = layout.seek_at + SEEK_BYTES as u64;
    let mut video = None;
    for wanted in [id::INFO, id::TRACKS] {
        source.go_to(at)?;
        let Some((id, Some(size), length)) = head(&source.peek(HEAD)?) else { return Ok(None) };
        if id != wanted {
            return Ok(None);
        }
        source.go_to(at + length as u64)?;
        let Some(body) = source.take(size)? else { return Ok(None) };
        if wanted == id::INFO {
            layout.info_at = at;
            layout.duration_at = source.at - 8;
        } else {
            layout.tracks_at = at;
            video = video_track(&body);
        }
        at = source.at;
    }
    layout.end = at;
    Ok(Some((layout, video)))
}

/// The number of the track entry that has a picture.
fn video_track(tracks: &[u8]) -> Option<u64> {
    let entries = Children(tracks).filter(|(id, _)| *id == id::TRACK_ENTRY);
    let number = |entry, wanted| Children(entry).find(|(id, _)| *id == wanted).map(|(_, body)| big_endian(body));
    entries
        .map(|(_, entry)| entry)
        .find(|entry| number(entry, id::TRACK_TYPE) == Some(1))
        .and_then(|entry| number(entry, id::TRACK_NUMBER))
}

/// The time of a cluster and what stands behind it, where its checksum holds.
pub fn cluster(body: &[u8]) -> Option<(u64, Children<'_>)> {
    let mut children = Children(body);
    let (id::CRC_32, sum) = children.next()? else { return None };
    if sum != crc32fast::hash(children.0).to_le_bytes() {
        return None;
    }
    let (id::TIMESTAMP, base) = children.next()? else { return None };
    Some((big_endian(base), children))
}

#[derive(Default)]
struct Found {
    video: Option<u64>,
    cues: Vec<Cue>,
    blocks: u64,
    video_frames: u64,
    /// The highest time, and what is between the two highest of one track, in milliseconds.
    last: u64,
    usual: u64,
    before: [u64; 3],
}

impl Found {
    /// Takes in a cluster; `None` where it is none.
    fn cluster(&mut self, at: u64, body: &[u8]) -> Option<()> {
        let (base, mut children) = cluster(body)?;
        let mut cue = None;
        let mut read = 0;
        for (id, block) in children.by_ref() {
            let [track, high, low, flags, _, ..] = *block else { return None };
            if id != id::SIMPLE_BLOCK || track & 0x80 == 0 {
                return None;
            }
            let number = u64::from(track & 0x7f);
            let time = base + u64::try_from(i16::from_be_bytes([high, low])).ok()?;
            let is_wanted = self.video.is_none_or(|video| video == number);
            if flags & 0x80 != 0 && is_wanted {
                cue.get_or_insert(Cue { time, track: number, at });
            }
            self.video_frames += u64::from(self.video == Some(number));
            let before = self.before.get_mut(usize::from(track & 0x7f))?;
            if time > *before {
                self.usual = time - *before;
                *before = time;
            }
            self.last = self.last.max(time);
            read += 1;
        }
        // What is left over is no element.
        if !children.0.is_empty() || read == 0 {
            return None;
        }
        self.blocks += read;
        self.cues.extend(cue);
        Some(())
    }
}

/// The elements in one: identifier and body. Behind the last one is what is none.
pub(super) struct Children<'a>(pub &'a [u8]);

impl<'a> Iterator for Children<'a> {
    type Item = (u32, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (id, size, length) = head(self.0)?;
        let body = self.0.get(length..)?.get(..usize::try_from(size?).ok()?)?;
        self.0 = &self.0[length + body.len()..];
        Some((id, body))
    }
}

pub(super) fn big_endian(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}
