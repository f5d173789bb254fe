//! The blocks of our own `WebM` files, cluster by cluster.

use std::collections::VecDeque;
use std::io::{self, Read, Seek};

use bytes::Bytes;

use super::super::repair::Source;
use super::super::{Sample, TrackSeen};
use super::ebml::{head, id};
use super::mend::{Children, HEAD, big_endian, cluster};
use crate::rtp::codec::{Codec, MediaKind};

pub struct Clusters {
    /// Numbers of tracks.
    tracks: Vec<(u64, Codec)>,
}

impl Clusters {
    /// Goes to the first cluster.
    pub fn open(source: &mut Source<'_, impl Read + Seek>) -> io::Result<Option<(Self, Vec<TrackSeen>)>> {
        let Some((id::EBML, Some(size), length)) = head(&source.peek(HEAD)?) else { return Ok(None) };
        let Some(at) = size.checked_add(length as u64) else { return Ok(None) };
        source.go_to(at.min(source.length))?;
        let Some((id::SEGMENT, _, length)) = head(&source.peek(HEAD)?) else { return Ok(None) };
        source.go_to(source.at + length as u64)?;
        loop {
            let Some((id, Some(size), length)) = head(&source.peek(HEAD)?) else { return Ok(None) };
            source.go_to(source.at + length as u64)?;
            let Some(body) = source.take(size)? else { return Ok(None) };
            if id == id::TRACKS {
                let entries = Children(&body).filter(|(id, _)| *id == id::TRACK_ENTRY);
                let seen: Option<Vec<_>> = entries.map(|(_, entry)| track(entry)).collect();
                return Ok(seen.filter(|seen| !seen.is_empty()).map(|seen| {
                    let tracks = seen.iter().map(|(number, track)| (*number, track.codec)).collect();
                    (Self { tracks }, seen.into_iter().map(|(_, track)| track).collect())
                }));
            }
        }
    }

    pub fn read(&self, source: &mut Source<'_, impl Read + Seek>, out: &mut VecDeque<Sample>) -> io::Result<bool> {
        let Some((id::CLUSTER, Some(size), length)) = head(&source.peek(HEAD)?) else { return Ok(false) };
        source.go_to(source.at + length as u64)?;
        let Some(body) = source.take(size)? else { return Ok(false) };
        let found = self.blocks(&Bytes::from(body));
        let is_good = found.is_some();
        out.extend(found.into_iter().flatten());
        Ok(is_good)
    }

    /// All of a cluster, or nothing where it is damaged.
    fn blocks(&self, body: &Bytes) -> Option<Vec<Sample>> {
        let (base, children) = cluster(body)?;
        let mut found = Vec::new();
        for (_, block) in children.filter(|(id, _)| *id == id::SIMPLE_BLOCK) {
            let [number, high, low, flags, data @ ..] = block else { return None };
            let (_, codec) = self.tracks.iter().find(|(known, _)| *known == u64::from(number & 0x7f))?;
            let time = base.checked_add(u64::try_from(i16::from_be_bytes([*high, *low])).ok()?)?;
            found.push(Sample {
                kind: codec.kind(),
                time: time.checked_mul(u64::from(codec.clock_rate()) / 1000)?,
                is_key: flags & 0x80 != 0,
                data: body.slice_ref(data),
            });
        }
        Some(found)
    }
}

fn track(entry: &[u8]) -> Option<(u64, TrackSeen)> {
    let body = |wanted| Children(entry).find(|(id, _)| *id == wanted).map(|(_, body)| body);
    let codec = match body(id::CODEC_ID)? {
        b"V_VP8" => Codec::Vp8,
        b"V_VP9" => Codec::Vp9,
        b"V_AV1" => Codec::Av1,
        b"A_OPUS" => Codec::Opus,
        _ => return None,
    };
    let channels = match codec.kind() {
        MediaKind::Video => 1,
        // `OpusHead` (RFC 7845 §5.1).
        MediaKind::Audio => body(id::CODEC_PRIVATE)?.get(9).copied().filter(|count| (1..=2).contains(count))?,
    };
    Some((big_endian(body(id::TRACK_NUMBER)?), TrackSeen { codec, channels }))
}
