//! One track of a publisher on its way into the room: whatever publisher or layer feeds it, its packets get the numbers
//! and timestamps of one timeline, and stand in one [`Stream`].

use std::collections::VecDeque;
use std::time::Instant;

use crate::limits;
use crate::rtp::codec::{Codec, MediaKind};
use crate::rtp::payload::{self, PayloadInfo};
use crate::rtp::sequence::{SequenceExtender, TimestampExtender};
use crate::sfu::burst::ticks;
use crate::sfu::drop::DropReason;
use crate::sfu::history::{Facts, Inserted};
use crate::sfu::meter::Meter;
use crate::sfu::parameter_sets::ParameterSets;
use crate::sfu::pictures::Pictures;
use crate::sfu::select::Select;
use crate::sfu::stream::Stream;
use crate::sfu::timeline::Timeline;
use crate::sfu::track::PublishTrack;

/// A timestamp that is so many seconds from the one before, in either direction, is another encoder's.
const TIMESTAMP_JUMP_SECONDS: i64 = 30;

/// A media packet of one layer, unwrapped.
#[derive(Clone, Copy, Debug)]
pub struct Media<'a> {
    /// Sequence number of the media, not of a retransmission.
    pub sequence: u16,
    /// Timestamp.
    pub timestamp: u32,
    /// Marker bit.
    pub marker: bool,
    /// Payload without padding.
    pub payload: &'a [u8],
    /// Value of the audio level extension.
    pub audio_level: Option<u8>,
}

/// What came of a packet that was not dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Placed {
    /// It is in the history, ready to go out.
    Packet,
    /// Likewise, and it filled a hole.
    Late,
    /// Likewise, and a key frame begins with it.
    Keyframe,
    /// It was padding only, and left no trace.
    Skipped,
}

/// One encoding of the publisher's.
struct Layer {
    sequences: SequenceExtender,
    timestamps: TimestampExtender,
    meter: Meter,
    report: Option<Report>,
}

/// What a sender report said: the publisher's NTP time of a timestamp.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// 32.32 bits, the publisher's clock.
    pub ntp: u64,
    /// In the timeline of the publisher's layer, extended.
    timestamp: i64,
}

/// A packet that came before the first packet of its key frame.
struct Held {
    layer: usize,
    sequence: u64,
    timestamp: i64,
    marker: bool,
    payload: Box<[u8]>,
}

/// See the module.
#[derive(Default)]
pub struct Intake {
    layers: Vec<Layer>,
    select: Select,
    timeline: Timeline,
    held: VecDeque<Held>,
    pictures: Pictures,
    parameter_sets: ParameterSets,
    /// Source timestamp of the newest key frame: only its first packet begins it.
    keyframe_timestamp: Option<i64>,
}

impl Intake {
    /// A publisher's track feeds the stream from now on, from its first key frame.
    pub fn attach(&mut self, now: Instant, track: &PublishTrack, stream: &mut Stream) {
        self.detach(stream);
        stream.attach(track.format.codec);
        let layer = || Layer {
            sequences: SequenceExtender::default(),
            timestamps: TimestampExtender::default(),
            meter: Meter::new(now),
            report: None,
        };
        self.layers.extend((0..track.rids.len().clamp(1, limits::LAYERS_PER_TRACK)).map(|_| layer()));
        if track.rids.is_empty() && stream.codec() == Codec::H264 {
            self.parameter_sets.handle_fmtp(&track.format.fmtp);
        }
    }

    /// The publisher is gone.
    pub fn detach(&mut self, stream: &mut Stream) {
        self.layers.clear();
        self.select = Select::default();
        self.timeline.end();
        self.held.clear();
        self.parameter_sets.clear();
        self.keyframe_timestamp = None;
        stream.detach();
    }

    /// The layer whose key frame is waited for: the one to come, else the one that is forwarded, else the first.
    #[must_use]
    pub fn wanted_layer(&self) -> usize {
        self.select.wanted().or(self.select.current()).unwrap_or(0)
    }

    /// Bit rate of the layer that is forwarded.
    pub fn bitrate(&mut self, now: Instant) -> u64 {
        let layer = self.select.current().and_then(|layer| self.layers.get_mut(layer));
        layer.map_or(0, |layer| layer.meter.bitrate(now))
    }

    /// The layer that is forwarded, by its place among the track's rids.
    #[must_use]
    pub fn forwarded_layer(&self) -> Option<usize> {
        self.select.current()
    }

    /// The layers in the order of the track's rids: bit rate, and whether it is the one that is forwarded.
    pub fn layers(&mut self, now: Instant) -> impl Iterator<Item = (u64, bool)> {
        let current = self.select.current();
        self.layers.iter_mut().enumerate().map(move |(place, layer)| (layer.meter.bitrate(now), Some(place) == current))
    }

    /// Chooses the layer anew where it is time to. True when its key frame has to be asked for.
    pub fn evaluate(&mut self, now: Instant) -> bool {
        let layers = &mut self.layers;
        let count = layers.len();
        self.select.evaluate(now, |layer| layers[layer].meter.bitrate(now), count)
    }

    /// Packets come, but the first one of a key frame has not: without a request there is no picture before the
    /// next one.
    #[must_use]
    pub fn lacks_keyframe(&self) -> bool {
        !self.held.is_empty() && !self.timeline.is_running()
    }

    /// Notes a sender report for a layer.
    pub fn handle_report(&mut self, layer: usize, ntp: u64, timestamp: u32, stream: &mut Stream) {
        if let Some(layer) = self.layers.get_mut(layer)
            && let Some(timestamp) = layer.timestamps.peek(timestamp)
        {
            layer.report = Some(Report { ntp, timestamp });
            self.pass_report_on(stream);
        }
    }

    /// Tells the stream of the last report of the layer that is forwarded, in the terms of the timeline.
    fn pass_report_on(&self, stream: &mut Stream) {
        let layer = self.select.current().and_then(|layer| self.layers.get(layer));
        let report = layer.and_then(|layer| layer.report);
        stream.set_report(report.map(|report| (report.ntp, self.timeline.timestamp(report.timestamp))));
    }

    /// A layer's source begins anew: another encoder, other numbers. It is forwarded again from its next key frame.
    pub fn restart(&mut self, layer: usize, stream: &mut Stream) {
        let Some(source) = self.layers.get_mut(layer) else { return };
        source.sequences = SequenceExtender::default();
        source.timestamps = TimestampExtender::default();
        source.report = None;
        self.held.retain(|held| held.layer != layer);
        if self.select.current() == Some(layer) {
            self.select.lose();
            self.timeline.end();
            stream.set_report(None);
        }
    }

    /// Takes one packet.
    ///
    /// # Errors
    /// Why it is not forwarded.
    pub fn handle(
        &mut self,
        now: Instant,
        layer: usize,
        media: &Media<'_>,
        stream: &mut Stream,
    ) -> Result<Placed, DropReason> {
        if media.payload.len() > limits::PACKET_BYTES {
            return Err(DropReason::RtpMalformed);
        }
        let source = self.layers.get(layer).ok_or(DropReason::UnknownTrack)?;
        let jump = TIMESTAMP_JUMP_SECONDS * i64::from(stream.codec().clock_rate());
        if source.timestamps.distance(media.timestamp).is_some_and(|distance| distance.abs() > jump) {
            self.restart(layer, stream);
        }
        let source = &mut self.layers[layer];
        let sequence = source.sequences.extend(media.sequence);
        let timestamp = source.timestamps.extend(media.timestamp);
        source.meter.add(now, media.payload.len());
        let info = payload::inspect(stream.codec(), media.payload);
        let running = self.select.current() == Some(layer) && self.timeline.is_running();
        if running {
            return self.place(now, sequence, timestamp, media, &info, stream);
        }
        if !self.select.may_begin(layer) {
            return Err(DropReason::LayerNotChosen);
        }
        let audio = stream.codec().kind() == MediaKind::Audio;
        let starts = info.keyframe_start || (audio && info.frame_start);
        if !starts {
            if !audio {
                self.hold(layer, sequence, timestamp, media);
            }
            return Err(DropReason::NoKeyframeYet);
        }
        self.begin(now, layer, sequence, timestamp, stream);
        let placed = self.place(now, sequence, timestamp, media, &info, stream)?;
        self.release(now, layer, sequence, stream);
        Ok(placed)
    }

    fn begin(&mut self, now: Instant, layer: usize, sequence: u64, source_timestamp: i64, stream: &mut Stream) {
        let rate = stream.codec().clock_rate();
        let timestamp = match stream.last() {
            // At least ten milliseconds behind what went before, so that it is another frame.
            Some((last, arrival)) => {
                last + ticks(now.saturating_duration_since(arrival), rate).max(i64::from(rate / 100))
            }
            None => source_timestamp,
        };
        self.timeline.begin(sequence, source_timestamp, stream.end(), timestamp);
        if self.select.current() != Some(layer) && self.layers.len() > 1 {
            self.parameter_sets.clear();
        }
        self.select.begin(layer);
        self.pictures.begin();
        self.keyframe_timestamp = None;
        self.pass_report_on(stream);
    }

    fn hold(&mut self, layer: usize, sequence: u64, timestamp: i64, media: &Media<'_>) {
        if media.payload.is_empty() {
            return;
        }
        if self.held.len() == limits::HELD_PACKETS {
            self.held.pop_front();
        }
        self.held.push_back(Held { layer, sequence, timestamp, marker: media.marker, payload: media.payload.into() });
    }

    /// Places what was held back behind the first packet of the key frame.
    fn release(&mut self, now: Instant, layer: usize, first: u64, stream: &mut Stream) {
        for held in std::mem::take(&mut self.held) {
            if held.layer == layer && held.sequence > first {
                let media =
                    Media { sequence: 0, timestamp: 0, marker: held.marker, payload: &held.payload, audio_level: None };
                let info = payload::inspect(stream.codec(), &held.payload);
                // A duplicate among them is no news.
                let _ = self.place(now, held.sequence, held.timestamp, &media, &info, stream);
            }
        }
    }

    fn place(
        &mut self,
        now: Instant,
        sequence: u64,
        source_timestamp: i64,
        media: &Media<'_>,
        info: &PayloadInfo,
        stream: &mut Stream,
    ) -> Result<Placed, DropReason> {
        if media.payload.is_empty() && self.timeline.skip(sequence) {
            return Ok(Placed::Skipped);
        }
        let timestamp = self.timeline.timestamp(source_timestamp);
        let facts = Facts {
            timestamp,
            arrival: now,
            marker: media.marker && !media.payload.is_empty(),
            keyframe_start: false,
            audio_level: media.audio_level,
        };
        let begins = info.keyframe_start && self.keyframe_timestamp.is_none_or(|newest| newest < source_timestamp);
        if begins {
            self.keyframe_timestamp = Some(source_timestamp);
        }
        if stream.codec() == Codec::H264 && info.parameter_sets {
            self.parameter_sets.handle(media.payload);
        }
        let repeated =
            begins && info.idr && !info.parameter_sets && self.repeat_parameter_sets(sequence, facts, stream);
        let number = self.timeline.map(sequence).ok_or(DropReason::TooLate)?;
        let (codec, pictures) = (stream.codec(), &mut self.pictures);
        let facts = Facts { keyframe_start: begins && !repeated, ..facts };
        let inserted = stream.insert(number, facts, |out| {
            let start = out.len();
            out.extend_from_slice(media.payload);
            pictures.rewrite(codec, info, &mut out[start..]);
        });
        match inserted {
            Inserted::Newest | Inserted::Late if begins => Ok(Placed::Keyframe),
            Inserted::Newest => Ok(Placed::Packet),
            Inserted::Late => Ok(Placed::Late),
            Inserted::Duplicate => Err(DropReason::Duplicate),
            Inserted::TooOld | Inserted::TooFarAhead => Err(DropReason::TooLate),
        }
    }

    /// Puts the last SPS and PPS in front of an IDR picture that comes without. False where none are known, or it
    /// is too late.
    fn repeat_parameter_sets(&mut self, sequence: u64, facts: Facts, stream: &mut Stream) -> bool {
        let Some(aggregate) = self.parameter_sets.aggregate() else { return false };
        let Some(number) = self.timeline.insert_before(sequence) else { return false };
        let facts = Facts { keyframe_start: true, marker: false, ..facts };
        stream.insert(number, facts, |out| out.extend_from_slice(aggregate)) == Inserted::Newest
    }
}
