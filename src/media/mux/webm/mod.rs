//! `WebM`: clusters as they come, each whole; an index at the end, and in front the place for where it is.

mod ebml;
mod mend;
mod read;

use std::time::Duration;

use bytes::Bytes;

use super::{MuxError, Output, Sample, Track, without_delimiter};
use crate::rtp::codec::{Codec, MediaKind};
use ebml::{id, put, put_head, put_master, put_number};

pub(super) use mend::mend;
pub(super) use read::Clusters;

/// Left free for the list of what is where: three entries are 68 bytes.
const SEEK_BYTES: usize = 96;
/// Milliseconds that a cluster has at most: blocks have 15 bits for theirs.
const CLUSTER_TIME: u64 = 30_000;

pub(super) struct WebM {
    tracks: Vec<(MediaKind, Codec)>,
    layout: Layout,
    cues: Vec<Cue>,
    cluster: Vec<Block>,
}

/// Where things are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Layout {
    /// The size of the segment, eight bytes; behind it the segment begins.
    size_at: u64,
    seek_at: u64,
    info_at: u64,
    /// The number, not its element.
    duration_at: u64,
    tracks_at: u64,
    /// Where clusters begin.
    end: u64,
}

/// Where one can begin to play.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Cue {
    /// Milliseconds.
    time: u64,
    track: u64,
    /// Of the cluster, from the beginning of the file.
    at: u64,
}

struct Block {
    track: u8,
    /// Milliseconds.
    time: u64,
    kind: MediaKind,
    is_key: bool,
    data: Bytes,
}

impl WebM {
    pub fn new(tracks: &[Track], output: &mut Output) -> Self {
        let base = output.append.len();
        let layout = put_front(tracks, &mut output.append, base);
        let tracks = tracks.iter().map(|track| (track.codec.kind(), track.codec)).collect();
        Self { tracks, layout, cues: Vec::new(), cluster: Vec::new() }
    }

    /// `at` is where the file ends so far.
    pub fn write(&mut self, at: u64, sample: &Sample, output: &mut Output) -> Result<(), MuxError> {
        let index = self.tracks.iter().position(|(kind, _)| *kind == sample.kind).ok_or(MuxError::Tracks)?;
        let codec = self.tracks[index].1;
        let data = without_delimiter(codec, &sample.data);
        if data.is_empty() {
            return Err(MuxError::Frame);
        }
        let rate = u64::from(codec.clock_rate());
        let time = (sample.time.saturating_mul(1000) + rate / 2) / rate;
        let begins = sample.kind == MediaKind::Video && sample.is_key;
        let far = |block: &Block| block.time.abs_diff(time) > CLUSTER_TIME;
        if !self.cluster.is_empty() && (begins || self.cluster.first().is_some_and(far)) {
            self.end_cluster(at, output);
        }
        let track = u8::try_from(index + 1).map_err(|_| MuxError::Tracks)?;
        let data = sample.data.slice_ref(data);
        self.cluster.push(Block { track, time, kind: sample.kind, is_key: sample.is_key, data });
        Ok(())
    }

    pub fn cut(&mut self, at: u64, duration: Duration, output: &mut Output) {
        self.end_cluster(at, output);
        output.patches.push((self.layout.duration_at, milliseconds(duration)));
    }

    pub fn finish(self, at: u64, duration: Duration, output: &mut Output) {
        self.layout.finish(&self.cues, at, duration, output);
    }

    fn end_cluster(&mut self, at: u64, output: &mut Output) {
        let Some(base) = self.cluster.iter().map(|block| block.time).min() else { return };
        let has_video = self.tracks.iter().any(|(kind, _)| *kind == MediaKind::Video);
        let wanted = if has_video { MediaKind::Video } else { MediaKind::Audio };
        if let Some(block) = self.cluster.iter().find(|block| block.kind == wanted && block.is_key) {
            self.cues.push(Cue { time: block.time, track: u64::from(block.track), at });
        }
        let mut body = Vec::new();
        put_number(&mut body, id::TIMESTAMP, base);
        for block in self.cluster.drain(..) {
            put_head(&mut body, id::SIMPLE_BLOCK, 4 + block.data.len());
            // Within CLUSTER_TIME of each other.
            let time = i16::try_from(block.time - base).unwrap_or(i16::MAX);
            body.push(0x80 | block.track);
            body.extend_from_slice(&time.to_be_bytes());
            body.push(if block.is_key { 0x80 } else { 0 });
            body.extend_from_slice(&block.data);
        }
        put_master(&mut output.append, id::CLUSTER, |out| {
            // Who mends a file that was cut off knows by it which clusters are whole.
            put(out, id::CRC_32, &crc32fast::hash(&body).to_le_bytes());
            out.extend_from_slice(&body);
        });
    }
}

/// How long the index is that begins so; `None` where it is none.
pub(super) fn index_size(bytes: &[u8]) -> Option<u64> {
    let (id, size, head) = ebml::head(bytes)?;
    size.filter(|_| id == id::CUES).map(|size| size + head as u64)
}

impl Layout {
    /// The index at the end of the file, which is `at`, and in front where it is.
    fn finish(&self, cues: &[Cue], at: u64, duration: Duration, output: &mut Output) {
        let begin = self.size_at + 8;
        let before = output.append.len();
        put_master(&mut output.append, id::CUES, |out| {
            for cue in cues {
                put_master(out, id::CUE_POINT, |out| {
                    put_number(out, id::CUE_TIME, cue.time);
                    put_master(out, id::CUE_TRACK_POSITIONS, |out| {
                        put_number(out, id::CUE_TRACK, cue.track);
                        put_number(out, id::CUE_CLUSTER_POSITION, cue.at - begin);
                    });
                });
            }
        });
        let end = at + (output.append.len() - before) as u64;
        let mut seek = Vec::new();
        put_master(&mut seek, id::SEEK_HEAD, |out| {
            for (id, at) in [(id::INFO, self.info_at), (id::TRACKS, self.tracks_at), (id::CUES, at)] {
                put_master(out, id::SEEK, |out| {
                    put(out, id::SEEK_ID, &id.to_be_bytes());
                    put(out, id::SEEK_POSITION, &(at - begin).to_be_bytes());
                });
            }
        });
        put_void(&mut seek, SEEK_BYTES);
        output.patches.push((self.seek_at, seek));
        output.patches.push((self.duration_at, milliseconds(duration)));
        output.patches.push((self.size_at, ebml::size_in_eight(end - begin).to_vec()));
    }
}

/// As the element has it: a number of 64 bits with a point.
#[expect(clippy::cast_precision_loss, reason = "exact below 2^53 milliseconds")]
fn milliseconds(duration: Duration) -> Vec<u8> {
    (duration.as_micros() as f64 / 1e3).to_be_bytes().to_vec()
}

/// Fills up to so many bytes.
fn put_void(out: &mut Vec<u8>, length: usize) {
    let rest = length - out.len() - 2;
    put_head(out, id::VOID, rest);
    out.resize(length, 0);
}

fn put_front(tracks: &[Track], out: &mut Vec<u8>, base: usize) -> Layout {
    let at = |out: &Vec<u8>| (out.len() - base) as u64;
    let mut layout = Layout::default();
    put_master(out, id::EBML, |out| {
        put_number(out, id::EBML_VERSION, 1);
        put_number(out, id::EBML_READ_VERSION, 1);
        put_number(out, id::EBML_MAX_ID, 4);
        put_number(out, id::EBML_MAX_SIZE, 8);
        put(out, id::DOC_TYPE, b"webm");
        put_number(out, id::DOC_TYPE_VERSION, 4);
        put_number(out, id::DOC_TYPE_READ_VERSION, 2);
    });
    out.extend_from_slice(&id::SEGMENT.to_be_bytes());
    layout.size_at = at(out);
    out.extend_from_slice(&ebml::UNKNOWN);
    layout.seek_at = at(out);
    let mut free = Vec::new();
    put_void(&mut free, SEEK_BYTES);
    out.extend_from_slice(&free);
    layout.info_at = at(out);
    put_master(out, id::INFO, |out| {
        // Milliseconds.
        put_number(out, id::TIMESTAMP_SCALE, 1_000_000);
        put(out, id::MUXING_APP, b"rillcast");
        put(out, id::WRITING_APP, b"rillcast");
        put(out, id::DURATION, &[0; 8]);
    });
    layout.duration_at = at(out) - 8;
    layout.tracks_at = at(out);
    put_master(out, id::TRACKS, |out| {
        for (number, track) in (1..).zip(tracks) {
            put_master(out, id::TRACK_ENTRY, |out| put_track(out, number, track));
        }
    });
    layout.end = at(out);
    layout
}

fn put_track(out: &mut Vec<u8>, number: u64, track: &Track) {
    let name = match track.codec {
        Codec::Vp8 => "V_VP8",
        Codec::Vp9 => "V_VP9",
        Codec::Av1 => "V_AV1",
        _ => "A_OPUS",
    };
    put_number(out, id::TRACK_NUMBER, number);
    put_number(out, id::TRACK_UID, number);
    put_number(out, id::TRACK_TYPE, if track.codec.kind() == MediaKind::Video { 1 } else { 2 });
    put_number(out, id::FLAG_LACING, 0);
    put(out, id::CODEC_ID, name.as_bytes());
    let Some(description) = &track.description else {
        let mut head = b"OpusHead\x01".to_vec();
        head.push(track.channels);
        // Nothing to be skipped: the times are those of the packets.
        head.extend_from_slice(&[0, 0]);
        head.extend_from_slice(&48_000_u32.to_le_bytes());
        head.extend_from_slice(&[0, 0, 0]);
        put(out, id::CODEC_PRIVATE, &head);
        // What a decoder needs before it sounds right, in ns (RFC 7845 §4.6).
        put_number(out, id::SEEK_PRE_ROLL, 80_000_000);
        return put_master(out, id::AUDIO, |out| {
            put(out, id::SAMPLING_FREQUENCY, &48_000_f64.to_be_bytes());
            put_number(out, id::CHANNELS, u64::from(track.channels));
        });
    };
    if track.codec == Codec::Av1 {
        put(out, id::CODEC_PRIVATE, &description.configuration);
    }
    put_master(out, id::VIDEO, |out| {
        put_number(out, id::PIXEL_WIDTH, u64::from(description.width));
        put_number(out, id::PIXEL_HEIGHT, u64::from(description.height));
    });
}
