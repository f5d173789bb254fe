//! One track of a room, as subscribers see it: whatever publisher or layer feeds it, its packets stand in one
//! timeline and one history.

use std::collections::VecDeque;
use std::time::Instant;

use crate::limits;
use crate::rtp::codec::{Codec, MediaKind};
use crate::rtp::payload::{self, PayloadInfo};
use crate::rtp::sequence::{SequenceExtender, TimestampExtender};
use crate::sfu::burst::ticks;
use crate::sfu::drop::DropReason;
use crate::sfu::history::{Facts, History, Inserted};
use crate::sfu::level::level;
use crate::sfu::meter::Meter;
use crate::sfu::parameter_sets::ParameterSets;
use crate::sfu::pictures::Pictures;
use crate::sfu::select::Select;
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
pub struct Stream {
    codec: Codec,
    layers: Vec<Layer>,
    select: Select,
    timeline: Timeline,
    history: History,
    held: VecDeque<Held>,
    late: Vec<u64>,
    /// See [`Stream::ready`].
    ready: u64,
    pictures: Pictures,
    parameter_sets: ParameterSets,
    /// Source timestamp of the newest key frame: only its first packet begins it.
    keyframe_timestamp: Option<i64>,
    /// Highest timestamp of the timeline, and when its packet came.
    last: Option<(i64, Instant)>,
    b_frames: bool,
}

impl Stream {
    /// A stream that has no publisher yet.
    #[must_use]
    pub fn new(codec: Codec) -> Self {
        Self {
            codec,
            layers: Vec::new(),
            select: Select::default(),
            timeline: Timeline::default(),
            history: History::default(),
            held: VecDeque::new(),
            late: Vec::new(),
            ready: 0,
            pictures: Pictures::default(),
            parameter_sets: ParameterSets::default(),
            keyframe_timestamp: None,
            last: None,
            b_frames: false,
        }
    }

    /// A publisher's track feeds the stream from now on, from its first key frame.
    pub fn attach(&mut self, now: Instant, track: &PublishTrack) {
        self.detach();
        self.codec = track.format.codec;
        let layer = || Layer {
            sequences: SequenceExtender::default(),
            timestamps: TimestampExtender::default(),
            meter: Meter::new(now),
            report: None,
        };
        self.layers.extend((0..track.rids.len().clamp(1, limits::LAYERS_PER_TRACK)).map(|_| layer()));
        if track.rids.is_empty() && self.codec == Codec::H264 {
            self.parameter_sets.handle_fmtp(&track.format.fmtp);
        }
    }

    /// The publisher is gone.
    pub fn detach(&mut self) {
        self.layers.clear();
        self.select = Select::default();
        self.timeline.end();
        self.history.forget_keyframes();
        self.held.clear();
        self.parameter_sets.clear();
        self.keyframe_timestamp = None;
        self.b_frames = false;
    }

    /// The codec that feeds it.
    #[must_use]
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// A publisher feeds it.
    #[must_use]
    pub fn is_attached(&self) -> bool {
        !self.layers.is_empty()
    }

    /// The packets.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Packets that filled a hole since the last [`Stream::flushed`].
    #[must_use]
    pub fn late(&self) -> &[u64] {
        &self.late
    }

    /// Everything that came is about to leave: makes packets one length, with at most so many bytes of padding.
    pub fn make_ready(&mut self, padding: usize) {
        let from = self.ready.max(self.history.oldest());
        level(&mut self.history, from, padding);
        self.ready = self.history.end();
    }

    /// Packets before this number may leave. Those behind wait for their padding: it is part of what an index of SRTP
    /// stands for, so it must not change once a packet has left.
    #[must_use]
    pub fn ready(&self) -> u64 {
        self.ready
    }

    /// What is not ready yet is whole and ends with the last packet of a frame, or a hole was filled in what has left:
    /// nothing is gained by waiting for more.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let is_there = |number| self.history.get(number).is_some();
        let newest = self.history.end().checked_sub(1).filter(|newest| *newest >= self.ready);
        let ends = newest.and_then(|newest| self.history.get(newest)).is_some_and(|(entry, _)| entry.marker);
        (ends && (self.ready.max(self.history.oldest())..self.history.end()).all(is_there))
            || self.late.iter().any(|number| *number < self.ready)
    }

    /// Pictures come out of presentation order.
    #[must_use]
    pub fn b_frames(&self) -> bool {
        self.b_frames
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

    /// Where the live edge is in the timeline by the packets that came; `None` before the first.
    #[must_use]
    pub fn live_edge(&self, now: Instant) -> Option<i64> {
        let (timestamp, arrival) = self.last?;
        Some(timestamp + ticks(now.saturating_duration_since(arrival), self.codec.clock_rate()))
    }

    /// Notes a sender report for a layer.
    pub fn handle_report(&mut self, layer: usize, ntp: u64, timestamp: u32) {
        if let Some(layer) = self.layers.get_mut(layer)
            && let Some(timestamp) = layer.timestamps.peek(timestamp)
        {
            layer.report = Some(Report { ntp, timestamp });
        }
    }

    /// The last report of the layer that is forwarded: the publisher's NTP time and the timestamp in the timeline.
    #[must_use]
    pub fn report(&self) -> Option<(u64, i64)> {
        let report = self.select.current().and_then(|layer| self.layers.get(layer))?.report?;
        Some((report.ntp, self.timeline.timestamp(report.timestamp)))
    }

    /// Everything in the history has been offered to everyone.
    pub fn flushed(&mut self, now: Instant) {
        self.late.clear();
        self.history.trim(now, self.codec.kind() == MediaKind::Video);
    }

    /// A layer's source begins anew: another encoder, other numbers. It is forwarded again from its next key frame.
    pub fn restart(&mut self, layer: usize) {
        let Some(source) = self.layers.get_mut(layer) else { return };
        source.sequences = SequenceExtender::default();
        source.timestamps = TimestampExtender::default();
        source.report = None;
        self.held.retain(|held| held.layer != layer);
        if self.select.current() == Some(layer) {
            self.select.lose();
            self.timeline.end();
        }
    }

    /// Takes one packet.
    ///
    /// # Errors
    /// Why it is not forwarded.
    pub fn handle(&mut self, now: Instant, layer: usize, media: &Media<'_>) -> Result<Placed, DropReason> {
        if media.payload.len() > limits::PACKET_BYTES {
            return Err(DropReason::RtpMalformed);
        }
        let source = self.layers.get(layer).ok_or(DropReason::UnknownTrack)?;
        let jump = TIMESTAMP_JUMP_SECONDS * i64::from(self.codec.clock_rate());
        if source.timestamps.distance(media.timestamp).is_some_and(|distance| distance.abs() > jump) {
            self.restart(layer);
        }
        let source = &mut self.layers[layer];
        let sequence = source.sequences.extend(media.sequence);
        let timestamp = source.timestamps.extend(media.timestamp);
        source.meter.add(now, media.payload.len());
        let info = payload::inspect(self.codec, media.payload);
        let running = self.select.current() == Some(layer) && self.timeline.is_running();
        if running {
            return self.place(now, sequence, timestamp, media, &info);
        }
        if !self.select.may_begin(layer) {
            return Err(DropReason::LayerNotChosen);
        }
        let starts = info.keyframe_start || (self.codec.kind() == MediaKind::Audio && info.frame_start);
        if !starts {
            self.hold(layer, sequence, timestamp, media);
            return Err(DropReason::NoKeyframeYet);
        }
        self.begin(now, layer, sequence, timestamp);
        let placed = self.place(now, sequence, timestamp, media, &info)?;
        self.release(now, layer, sequence);
        Ok(placed)
    }

    fn begin(&mut self, now: Instant, layer: usize, sequence: u64, source_timestamp: i64) {
        let rate = self.codec.clock_rate();
        let timestamp = match self.last {
            // At least ten milliseconds behind what went before, so that it is another frame.
            Some((last, arrival)) => {
                last + ticks(now.saturating_duration_since(arrival), rate).max(i64::from(rate / 100))
            }
            None => source_timestamp,
        };
        self.timeline.begin(sequence, source_timestamp, self.history.end().max(1), timestamp);
        if self.select.current() != Some(layer) && self.layers.len() > 1 {
            self.parameter_sets.clear();
        }
        self.select.begin(layer);
        self.pictures.begin();
        self.keyframe_timestamp = None;
    }

    fn hold(&mut self, layer: usize, sequence: u64, timestamp: i64, media: &Media<'_>) {
        if media.payload.is_empty() || self.codec.kind() == MediaKind::Audio {
            return;
        }
        if self.held.len() == limits::HELD_PACKETS {
            self.held.pop_front();
        }
        self.held.push_back(Held { layer, sequence, timestamp, marker: media.marker, payload: media.payload.into() });
    }

    /// Places what was held back behind the first packet of the key frame.
    fn release(&mut self, now: Instant, layer: usize, first: u64) {
        for held in std::mem::take(&mut self.held) {
            if held.layer == layer && held.sequence > first {
                let media =
                    Media { sequence: 0, timestamp: 0, marker: held.marker, payload: &held.payload, audio_level: None };
                let info = payload::inspect(self.codec, &held.payload);
                // A duplicate among them is no news.
                let _ = self.place(now, held.sequence, held.timestamp, &media, &info);
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
        if self.codec == Codec::H264 && info.parameter_sets {
            self.parameter_sets.handle(media.payload);
        }
        let repeated = begins && info.idr && !info.parameter_sets && self.repeat_parameter_sets(sequence, facts);
        let number = self.timeline.map(sequence).ok_or(DropReason::TooLate)?;
        let (codec, pictures) = (self.codec, &mut self.pictures);
        let facts = Facts { keyframe_start: begins && !repeated, ..facts };
        let inserted = self.history.insert(number, facts, |out| {
            let start = out.len();
            out.extend_from_slice(media.payload);
            pictures.rewrite(codec, info, &mut out[start..]);
        });
        self.note(now, number, timestamp, inserted)?;
        Ok(if begins { Placed::Keyframe } else { Placed::Packet })
    }

    /// Puts the last SPS and PPS in front of an IDR picture that comes without. False where none are known, or it
    /// is too late.
    fn repeat_parameter_sets(&mut self, sequence: u64, facts: Facts) -> bool {
        let Some(aggregate) = self.parameter_sets.aggregate() else { return false };
        let Some(number) = self.timeline.insert_before(sequence) else { return false };
        let facts = Facts { keyframe_start: true, marker: false, ..facts };
        self.history.insert(number, facts, |out| out.extend_from_slice(aggregate)) == Inserted::Newest
    }

    fn note(&mut self, now: Instant, number: u64, timestamp: i64, inserted: Inserted) -> Result<(), DropReason> {
        match inserted {
            Inserted::Newest => {
                self.b_frames |=
                    self.last.is_some_and(|(last, _)| timestamp < last) && self.codec.kind() == MediaKind::Video;
                if self.last.is_none_or(|(last, _)| timestamp > last) {
                    self.last = Some((timestamp, now));
                }
                Ok(())
            }
            Inserted::Late => {
                self.late.push(number);
                Ok(())
            }
            Inserted::Duplicate => Err(DropReason::Duplicate),
            Inserted::TooOld | Inserted::TooFarAhead => Err(DropReason::TooLate),
        }
    }
}
