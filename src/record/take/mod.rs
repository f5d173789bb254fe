//! A publication becomes files: frames of both tracks in step, cut into segments. A segment is one or two files with a
//! common beginning, which is a key frame where there is a picture. A new one begins where the picture's size changes,
//! where sound or picture come late, and where the last one is as long or large as it may be; no frame is lost there.

pub mod assemble;
pub mod format;
pub mod sync;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::limits;
use crate::media::{Sample, TrackSetup, frame_size};
use crate::record::take::assemble::{Assembled, Assembler, Unit};
use crate::record::take::format::{Format, Planned, Tracks};
use crate::record::take::sync::{Sync, ticks};
use crate::record::tap::Tapped;
use crate::rtp::codec::{Codec, MediaKind};
use crate::sfu::streams::ByKind;

/// How a publication is cut into files.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Cutting {
    /// Which files.
    pub format: Format,
    /// A segment is no longer than this, and one group of pictures.
    pub length: Option<Duration>,
    /// A segment has no more bytes of media than this, and one group of pictures.
    pub bytes: Option<u64>,
}

/// See the module. It takes what a [`crate::record::tap::Tap`] tells, and gives steps for who writes.
pub struct Take {
    cutting: Cutting,
    tracks: ByKind<Option<Track>>,
    sync: Sync,
    segment: Option<Segment>,
    /// The time of the first sound that no segment had; `None` where one has.
    unheard: Option<i64>,
    /// A key frame would help, and when one was asked for last.
    needs_key: bool,
    asked: Option<Instant>,
    files: u32,
    steps: VecDeque<Step>,
}

/// What is to be done with files. Each has a number of its own.
#[derive(Clone, PartialEq, Debug)]
pub enum Step {
    /// A file begins.
    Open(Box<Opening>),
    /// It goes on.
    Sample {
        /// Which file.
        file: u32,
        /// A frame of it.
        sample: Sample,
    },
    /// Media is missing in it.
    Gap {
        /// Which file.
        file: u32,
        /// Since its beginning.
        at: Duration,
        /// How much.
        length: Duration,
    },
    /// Nothing more comes for it.
    Close {
        /// Which file.
        file: u32,
    },
}

/// How a file begins.
#[derive(Clone, PartialEq, Debug)]
pub struct Opening {
    /// Its number.
    pub file: u32,
    /// What it is.
    pub planned: Planned,
    /// What is in it.
    pub tracks: Vec<TrackSetup>,
    /// The moment of its beginning.
    pub began: Instant,
}

/// Frames of a track, counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// That were given to files.
    pub frames: u64,
    /// Places where frames are missing.
    pub lost: u64,
}

struct Track {
    codec: Codec,
    assembler: Assembler,
    /// Each with its time, and whether frames are missing before it.
    waiting: VecDeque<(i64, Unit, bool)>,
    /// The highest time that it has come to, and when its last frame came.
    reached: Option<(i64, Instant)>,
    /// Frames are missing before what comes next.
    torn: bool,
    /// Frames are missing before what is written next, and the time of what was written last.
    gap: bool,
    last: Option<i64>,
    counts: Counts,
}

struct Segment {
    /// The time of its beginning.
    origin: i64,
    /// Of its picture, where it has one.
    size: Option<(u16, u16)>,
    bytes: u64,
    /// Each with its number, once it is open.
    files: Vec<(Planned, Option<u32>)>,
}

impl Take {
    /// Of one publication.
    #[must_use]
    pub fn new(cutting: Cutting) -> Self {
        Self {
            cutting,
            tracks: ByKind::default(),
            sync: Sync::default(),
            segment: None,
            unheard: None,
            needs_key: false,
            asked: None,
            files: 0,
            steps: VecDeque::new(),
        }
    }

    /// The next step.
    pub fn poll(&mut self) -> Option<Step> {
        self.steps.pop_front()
    }

    /// Whether to ask for a key frame now.
    pub fn poll_wish(&mut self, now: Instant) -> bool {
        let lately = |asked: Instant| now.saturating_duration_since(asked) < limits::TAKE_WISH_INTERVAL;
        let asks = self.needs_key && !self.asked.is_some_and(lately);
        if asks {
            self.asked = Some(now);
        }
        asks
    }

    /// The codecs that the publisher sends.
    pub fn codecs(&self) -> impl Iterator<Item = Codec> {
        [&self.tracks.video, &self.tracks.audio].into_iter().flatten().map(|track| track.codec)
    }

    /// What became of a track.
    #[must_use]
    pub fn counts(&self, kind: MediaKind) -> Counts {
        self.tracks.get(kind).as_ref().map(|track| track.counts).unwrap_or_default()
    }

    /// Takes in what was told.
    pub fn handle(&mut self, now: Instant, told: Tapped) {
        match told {
            Tapped::Track { kind, codec } => {
                self.needs_key |= kind == MediaKind::Video;
                *self.tracks.get_mut(kind) = Some(Track::new(codec));
            }
            Tapped::Packet { kind, packet } => {
                if self.sync.leaps(kind, packet.timestamp, packet.arrival) {
                    self.finish_frame(kind);
                }
                let Some(track) = self.tracks.get_mut(kind) else { return };
                self.sync.handle_packet(kind, track.codec.clock_rate(), packet.timestamp, packet.arrival);
                track.assembler.handle(&packet);
                self.collect(kind);
            }
            Tapped::Gap { kind, .. } => {
                let Some(track) = self.tracks.get_mut(kind) else { return };
                track.assembler.handle_gap();
                self.collect(kind);
            }
            Tapped::Report { kind, ntp, timestamp } => self.sync.handle_report(kind, ntp, timestamp),
            Tapped::Ended => return self.finish(now),
        }
        self.release(now, false);
    }

    /// Time has passed.
    pub fn handle_time(&mut self, now: Instant) {
        self.release(now, false);
    }

    /// Its files have failed: they get nothing more, and new ones begin where they can.
    pub fn cut(&mut self) {
        self.steps.clear();
        (self.segment, self.unheard) = (None, None);
        self.needs_key |= self.tracks.video.is_some();
    }

    /// Nothing follows.
    pub fn finish(&mut self, now: Instant) {
        self.finish_frame(MediaKind::Audio);
        self.finish_frame(MediaKind::Video);
        self.release(now, true);
        self.close();
        self.needs_key = false;
    }

    fn finish_frame(&mut self, kind: MediaKind) {
        if let Some(track) = self.tracks.get_mut(kind) {
            track.assembler.finish();
            self.collect(kind);
        }
    }

    /// Takes what the track's packets have become.
    fn collect(&mut self, kind: MediaKind) {
        let Some(track) = self.tracks.get_mut(kind) else { return };
        while let Some(assembled) = track.assembler.poll() {
            match assembled {
                Assembled::Lost => {
                    track.counts.lost += 1;
                    track.torn = true;
                    self.needs_key |= kind == MediaKind::Video;
                }
                Assembled::Frame(unit) => {
                    let Some(time) = self.sync.time(kind, unit.timestamp) else { continue };
                    let highest = track.reached.map_or(time, |(reached, _)| reached.max(time));
                    track.reached = Some((highest, unit.arrival));
                    let torn = std::mem::take(&mut track.torn);
                    track.waiting.push_back((time, unit, torn));
                }
            }
        }
    }

    fn release(&mut self, now: Instant, all: bool) {
        while let Some(kind) = self.next(now, all) {
            let Some(track) = self.tracks.get_mut(kind) else { return };
            let Some((time, unit, torn)) = track.waiting.pop_front() else { return };
            track.gap |= torn;
            match kind {
                MediaKind::Audio => self.place_audio(time, unit),
                MediaKind::Video => self.place_video(time, unit),
            }
        }
    }

    /// The track whose frame is next: the earlier one, where it is known which that is or nobody waits any longer; of
    /// two at the same time the picture, because it may begin a file.
    fn next(&self, now: Instant, all: bool) -> Option<MediaKind> {
        let head = |kind| {
            let track: &Option<Track> = self.tracks.get(kind);
            track.as_ref().and_then(|track| track.waiting.front().map(|(time, unit, _)| (*time, unit.arrival, track)))
        };
        match (head(MediaKind::Audio), head(MediaKind::Video)) {
            (None, None) => None,
            (Some((audio, ..)), Some((video, ..))) if audio < video => Some(MediaKind::Audio),
            (Some(_), Some(_)) => Some(MediaKind::Video),
            (Some((time, arrival, track)), None) | (None, Some((time, arrival, track))) => {
                let (kind, other) = match track.codec.kind() {
                    MediaKind::Audio => (MediaKind::Audio, &self.tracks.video),
                    MediaKind::Video => (MediaKind::Video, &self.tracks.audio),
                };
                let waited = now.saturating_duration_since(arrival) >= limits::TAKE_PATIENCE
                    || track.waiting.len() > limits::TAKE_WAITING;
                let is_next = all || waited || other.as_ref().is_none_or(|other| other.has_passed(time, now));
                is_next.then_some(kind)
            }
        }
    }

    fn place_video(&mut self, time: i64, unit: Unit) {
        let Some(codec) = self.tracks.video.as_ref().map(|track| track.codec) else { return };
        let size = if unit.is_key { frame_size(codec, &unit.data) } else { None };
        if size.is_some() {
            self.needs_key = false;
            let speaks = self.tracks.audio.as_ref().is_some_and(|audio| audio.is_near(time));
            let goes_on = self.segment.as_ref().is_some_and(|segment| {
                segment.size == size && !self.is_full(segment, time) && (!speaks || segment.has(MediaKind::Audio))
            });
            if !goes_on {
                let audio = self.tracks.audio.as_ref().map(|track| track.codec);
                self.begin(time, size, ByKind { audio, video: Some(codec) }, speaks);
            }
        }
        match &self.segment {
            Some(segment) if segment.has(MediaKind::Video) => {
                self.needs_key |= self.is_full(segment, time);
                self.write(MediaKind::Video, time, unit);
            }
            // Nothing decodes before a key frame.
            _ => self.needs_key = true,
        }
    }

    fn place_audio(&mut self, time: i64, unit: Unit) {
        let Some(codec) = self.tracks.audio.as_ref().map(|track| track.codec) else { return };
        let alone = ByKind { audio: Some(codec), video: None };
        match &self.segment {
            Some(segment) if !segment.has(MediaKind::Audio) => {
                // It is in the next segment, which begins with the next key frame.
                self.needs_key = true;
                return;
            }
            Some(segment) if !segment.has(MediaKind::Video) && self.is_full(segment, time) => {
                self.begin(time, None, alone, true);
            }
            Some(_) => {}
            None => {
                let since = *self.unheard.get_or_insert(time);
                if self.tracks.video.is_some() && time - since < nanoseconds(limits::TAKE_CAMERA_PATIENCE) {
                    return;
                }
                self.begin(time, None, alone, true);
            }
        }
        self.write(MediaKind::Audio, time, unit);
    }

    fn is_full(&self, segment: &Segment, time: i64) -> bool {
        self.cutting.length.is_some_and(|length| time - segment.origin >= nanoseconds(length))
            || self.cutting.bytes.is_some_and(|bytes| segment.bytes >= bytes)
    }

    fn begin(&mut self, origin: i64, size: Option<(u16, u16)>, codecs: ByKind<Option<Codec>>, speaks: bool) {
        self.close();
        let format = self.cutting.format;
        let mut planned = format.files(codecs);
        // A file with a silent track makes players wait for its sound.
        if !speaks && planned.iter().any(|file| file.tracks == Tracks::Both) {
            planned = format.files(ByKind { audio: None, ..codecs });
        }
        let files = planned.into_iter().map(|file| (file, None)).collect();
        self.segment = Some(Segment { origin, size, bytes: 0, files });
        self.unheard = None;
    }

    fn write(&mut self, kind: MediaKind, time: i64, unit: Unit) {
        let Self { tracks, segment: Some(segment), steps, .. } = self else { return };
        let ByKind { audio, video } = tracks;
        let codec = |kind| match kind {
            MediaKind::Audio => audio.as_ref().map(|track| track.codec),
            MediaKind::Video => video.as_ref().map(|track| track.codec),
        };
        let Some((planned, number)) = segment.files.iter_mut().find(|(planned, _)| planned.tracks.has(kind)) else {
            return;
        };
        let file = *number.get_or_insert_with(|| {
            self.files += 1;
            let setup = |kind| {
                let codec = codec(kind)?;
                let first = if unit_is_of(kind, planned.tracks) { unit.data.clone() } else { bytes::Bytes::new() };
                Some(TrackSetup { codec, channels: channels(codec), first })
            };
            let kinds = [MediaKind::Video, MediaKind::Audio].into_iter().filter(|kind| planned.tracks.has(*kind));
            let tracks = kinds.filter_map(setup).collect();
            let began = self.sync.moment(segment.origin).unwrap_or(unit.arrival);
            steps.push_back(Step::Open(Box::new(Opening { file: self.files, planned: *planned, tracks, began })));
            self.files
        });
        let Some(track) = (match kind {
            MediaKind::Audio => audio.as_mut(),
            MediaKind::Video => video.as_mut(),
        }) else {
            return;
        };
        let since = |time: i64| u64::try_from(time - segment.origin).unwrap_or(0);
        if std::mem::take(&mut track.gap)
            && let Some(last) = track.last.filter(|last| *last >= segment.origin && *last < time)
        {
            let (at, length) = (Duration::from_nanos(since(last)), Duration::from_nanos(since(time) - since(last)));
            steps.push_back(Step::Gap { file, at, length });
        }
        track.last = Some(time);
        track.counts.frames += 1;
        segment.bytes += unit.data.len() as u64;
        let rate = i64::from(track.codec.clock_rate());
        let time = u64::try_from(ticks(time - segment.origin, rate)).unwrap_or(0);
        let sample = Sample { kind, time, is_key: unit.is_key, data: unit.data };
        steps.push_back(Step::Sample { file, sample });
    }

    fn close(&mut self) {
        let files = self.segment.take().map(|segment| segment.files).unwrap_or_default();
        self.steps.extend(files.into_iter().filter_map(|(_, file)| file).map(|file| Step::Close { file }));
    }
}

/// The first frame of a file says what its track is like. Of both tracks the picture comes first.
fn unit_is_of(kind: MediaKind, tracks: Tracks) -> bool {
    tracks != Tracks::Both || kind == MediaKind::Video
}

/// As SDP says it: Opus is always offered with two (RFC 7587 §7).
fn channels(codec: Codec) -> u8 {
    if codec == Codec::Opus { 2 } else { 1 }
}

impl Segment {
    fn has(&self, kind: MediaKind) -> bool {
        self.files.iter().any(|(planned, _)| planned.tracks.has(kind))
    }
}

impl Track {
    fn new(codec: Codec) -> Self {
        Self {
            codec,
            assembler: Assembler::new(codec),
            waiting: VecDeque::new(),
            reached: None,
            torn: false,
            gap: false,
            last: None,
            counts: Counts::default(),
        }
    }

    /// Nothing of it is before this time any more, as far as that can be known.
    fn has_passed(&self, time: i64, now: Instant) -> bool {
        self.reached.is_some_and(|(reached, arrival)| {
            reached >= time || now.saturating_duration_since(arrival) >= limits::TAKE_SILENCE
        })
    }

    /// It says something at about this time.
    fn is_near(&self, time: i64) -> bool {
        self.reached.is_some_and(|(reached, _)| time - reached < nanoseconds(limits::TAKE_SILENCE))
    }
}

fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}
