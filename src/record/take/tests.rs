use bytes::Bytes;

use super::*;
use crate::media::Container;
use crate::record::tap::Packet;

/// A publisher of 25 pictures a second and 50 packets of sound, whose timestamps begin far apart.
struct Bench {
    take: Take,
    start: Instant,
    numbers: ByKind<u64>,
    wishes: usize,
    steps: Vec<Step>,
}

const VIDEO: i64 = 900_000;
const AUDIO: i64 = 4_800_000;

impl Bench {
    fn new(format: Format, codecs: &[Codec]) -> Self {
        let cutting = Cutting { format, ..Cutting::default() };
        let mut bench = Self {
            take: Take::new(cutting),
            start: Instant::now() + Duration::from_hours(1),
            numbers: ByKind::default(),
            wishes: 0,
            steps: Vec::new(),
        };
        for codec in codecs {
            bench.tell(0, Tapped::Track { kind: codec.kind(), codec: *codec });
        }
        bench
    }

    fn at(&self, time: i64) -> Instant {
        self.start + Duration::from_millis(time.unsigned_abs())
    }

    fn tell(&mut self, time: i64, told: Tapped) {
        let now = self.at(time);
        self.take.handle(now, told);
        self.wishes += usize::from(self.take.poll_wish(now));
        self.steps.extend(std::iter::from_fn(|| self.take.poll()));
    }

    fn packet(&mut self, kind: MediaKind, time: i64, timestamp: i64, payload: Bytes) {
        let number = self.numbers.get_mut(kind);
        *number += 1;
        let (number, arrival) = (*number, self.at(time));
        let packet = Packet { number, timestamp, arrival, marker: true, keyframe_start: false, payload };
        self.tell(time, Tapped::Packet { kind, packet });
    }

    fn sound(&mut self, time: i64) {
        self.packet(MediaKind::Audio, time, AUDIO + time * 48, Bytes::from_static(&[0xfc, 1, 2]));
    }

    fn picture(&mut self, time: i64, key: Option<u16>) {
        self.packet(MediaKind::Video, time, VIDEO + time * 90, vp8(key));
    }

    /// All of it, in milliseconds; key frames of that width each second, where `width` says one for the time.
    fn play(&mut self, times: std::ops::Range<i64>, sound: bool, width: impl Fn(i64) -> Option<u16>) {
        for time in times.step_by(20) {
            if sound {
                self.sound(time);
            }
            if time % 40 == 0
                && let Some(width) = width(time)
            {
                self.picture(time, (time % 1000 == 0).then_some(width));
            }
        }
    }

    fn finish(&mut self) {
        self.take.finish(self.at(1_000_000));
        self.steps.extend(std::iter::from_fn(|| self.take.poll()));
    }

    /// Of each file: its name, when it began, and of each track how many frames and the times of the first and the
    /// last, in milliseconds.
    fn files(&self) -> Vec<String> {
        let mut files: Vec<(String, ByKind<Vec<u64>>, bool)> = Vec::new();
        for step in &self.steps {
            match step {
                Step::Open(opening) => {
                    assert_eq!(opening.file as usize, files.len() + 1);
                    let Planned { container, tracks } = opening.planned;
                    let count = if tracks == Tracks::Both { 2 } else { 1 };
                    assert_eq!(opening.tracks.len(), count);
                    let began = opening.began.saturating_duration_since(self.start).as_millis();
                    let name = format!("{}.{}@{began}", tracks.label(), container.extension());
                    files.push((name, ByKind::default(), false));
                }
                Step::Sample { file, sample } => {
                    let (name, times, closed) = &mut files[*file as usize - 1];
                    assert!(!*closed, "{name}");
                    let rate = if sample.kind == MediaKind::Audio { 48 } else { 90 };
                    let times = times.get_mut(sample.kind);
                    assert!(times.last().is_none_or(|last| *last < sample.time / rate), "{name}: {sample:?}");
                    times.push(sample.time / rate);
                }
                Step::Gap { .. } => {}
                Step::Close { file } => files[*file as usize - 1].2 = true,
            }
        }
        let told = |times: &[u64]| match times {
            [] => String::new(),
            times => format!(" {}x{}-{}", times.len(), times[0], times[times.len() - 1]),
        };
        let row = |(name, times, closed): &(String, ByKind<Vec<u64>>, bool)| {
            assert!(closed, "{name}");
            format!("{name}{}{}", told(&times.video), told(&times.audio))
        };
        files.iter().map(row).collect()
    }
}

/// A VP8 payload that is a frame, with the size that a key frame has in its head (RFC 6386 §9.1).
fn vp8(key: Option<u16>) -> Bytes {
    match key {
        Some(width) => {
            let [low, high] = width.to_le_bytes();
            vec![0x10, 0x10, 0, 0, 0x9d, 0x01, 0x2a, low, high, 180, 0, 7].into()
        }
        None => Bytes::from_static(&[0x10, 0x11, 0, 0, 7]),
    }
}

#[test]
fn a_file_for_each_track_or_one_for_both() {
    for (format, files) in [
        (Format::Tracks, vec!["video.ivf@0 75x0-2960", "audio.ogg@0 150x0-2980"]),
        (Format::WebM, vec!["av.webm@0 75x0-2960 150x0-2980"]),
        (Format::Mp4, vec!["av.webm@0 75x0-2960 150x0-2980"]),
    ] {
        let mut bench = Bench::new(format, &[Codec::Vp8, Codec::Opus]);
        bench.play(0..3_000, true, |_| Some(320));
        bench.finish();
        assert_eq!(bench.files(), files);
        assert_eq!(bench.take.counts(MediaKind::Video), Counts { frames: 75, lost: 0 });
        assert_eq!(bench.wishes, 1, "at its beginning");
    }
}

#[test]
fn it_begins_with_a_key_frame() {
    let mut bench = Bench::new(Format::WebM, &[Codec::Vp8, Codec::Opus]);
    bench.play(480..3_000, true, |_| Some(320));
    bench.finish();
    assert_eq!(bench.files(), ["av.webm@1000 50x0-1960 100x0-1980"]);
}

#[test]
fn a_new_size_is_a_new_file_and_nothing_is_lost_between() {
    for format in [Format::WebM, Format::Tracks] {
        let mut bench = Bench::new(format, &[Codec::Vp8, Codec::Opus]);
        bench.play(0..4_000, true, |time| Some(if time < 2_000 { 320 } else { 640 }));
        bench.finish();
        let files = bench.files();
        if format == Format::WebM {
            assert_eq!(files, ["av.webm@0 50x0-1960 100x0-1980", "av.webm@2000 50x0-1960 100x0-1980"]);
        } else {
            assert_eq!(files[2], "video.ivf@2000 50x0-1960");
            assert_eq!((files.len(), files[3].as_str()), (4, "audio.ogg@2000 100x0-1980"));
        }
    }
}

#[test]
fn long_and_large_ones_are_cut_at_key_frames_without_losing_a_frame() {
    let length = Cutting { length: Some(Duration::from_millis(2_500)), ..Cutting::default() };
    // 75 pictures of three bytes, sound of 150 times three, and what key frames have more.
    let bytes = Cutting { bytes: Some(660), ..Cutting::default() };
    for (cutting, format) in [(length, Format::WebM), (bytes, Format::WebM), (length, Format::Tracks)] {
        let mut bench = Bench::new(format, &[Codec::Vp8, Codec::Opus]);
        bench.take.cutting = Cutting { format, ..cutting };
        bench.play(0..9_000, true, |_| Some(320));
        bench.finish();
        let files = bench.files();
        let video: usize = files.iter().filter(|file| file.contains("75x0-2960")).count();
        let audio: usize = files.iter().filter(|file| file.contains("150x0-2980")).count();
        assert_eq!((video, audio), (3, 3), "{files:?}");
        assert!(bench.wishes > 1, "it asks for a key frame when it is time");
    }
}

#[test]
fn sound_alone_and_a_camera_that_comes_late() {
    for (format, first, second) in [
        (Format::WebM, "audio.webm@0", "av.webm@5000 25x0-960 50x0-980"),
        (Format::Tracks, "audio.ogg@0", "video.ivf@5000 25x0-960"),
    ] {
        let mut bench = Bench::new(format, &[Codec::Vp8, Codec::Opus]);
        bench.play(0..6_000, true, |time| (time >= 5_000).then_some(320));
        bench.finish();
        let files = bench.files();
        // The camera is waited for a while.
        assert_eq!(files[0], format!("{first} 100x0-1980").replace("@0", "@3000"));
        assert_eq!(files[1], second);
    }
    let mut bench = Bench::new(Format::Tracks, &[Codec::Opus]);
    bench.play(0..1_000, true, |_| None);
    bench.finish();
    assert_eq!(bench.files(), ["audio.ogg@0 50x0-980"]);
}

#[test]
fn a_microphone_that_comes_late_has_its_place_from_the_next_key_frame_on() {
    let mut bench = Bench::new(Format::WebM, &[Codec::Vp8, Codec::Opus]);
    bench.play(0..2_500, false, |_| Some(320));
    bench.play(2_500..4_000, true, |_| Some(320));
    bench.finish();
    assert_eq!(bench.files(), ["video.webm@0 50x0-1960", "av.webm@2000 50x0-1960 75x500-1980"]);
    let mut bench = Bench::new(Format::Tracks, &[Codec::Vp8, Codec::Opus]);
    bench.play(0..2_500, false, |_| Some(320));
    bench.play(2_500..4_000, true, |_| Some(320));
    bench.finish();
    assert_eq!(bench.files(), ["video.ivf@0 100x0-3960", "audio.ogg@0 75x2500-3980"]);
}

#[test]
fn reports_put_the_tracks_in_step() {
    let mut bench = Bench::new(Format::WebM, &[Codec::Vp8, Codec::Opus]);
    let ntp = |milliseconds: u64| 0xe000_0000_0000_0000 + (milliseconds << 32) / 1000;
    bench.play(0..1_000, true, |_| Some(320));
    // The sound of a moment comes 100 ms before its picture.
    bench.tell(1_000, Tapped::Report { kind: MediaKind::Video, ntp: ntp(900), timestamp: VIDEO + 90_000 });
    bench.tell(1_000, Tapped::Report { kind: MediaKind::Audio, ntp: ntp(1_000), timestamp: AUDIO + 48_000 });
    bench.play(1_000..2_000, true, |_| Some(320));
    bench.finish();
    let files = bench.files();
    assert_eq!(files, ["av.webm@0 50x0-1960 100x0-2080"], "no time comes twice");
}

#[test]
fn what_is_lost_is_noted_where_it_was() {
    let mut bench = Bench::new(Format::WebM, &[Codec::Vp8, Codec::Opus]);
    bench.play(0..1_000, true, |_| Some(320));
    let asked = bench.wishes;
    bench.tell(1_000, Tapped::Gap { kind: MediaKind::Video, packets: 3 });
    bench.tell(1_000, Tapped::Gap { kind: MediaKind::Audio, packets: 2 });
    bench.play(1_120..2_200, true, |_| Some(320));
    bench.finish();
    assert_eq!(bench.take.counts(MediaKind::Video).lost, 1);
    assert!(bench.wishes > asked, "a key frame would help");
    let gaps: Vec<_> = bench.steps.iter().filter(|step| matches!(step, Step::Gap { .. })).collect();
    let millis = Duration::from_millis;
    assert_eq!(gaps.len(), 2);
    assert!(gaps.contains(&&Step::Gap { file: 1, at: millis(960), length: millis(160) }), "{gaps:?}");
    assert!(gaps.contains(&&Step::Gap { file: 1, at: millis(980), length: millis(140) }), "{gaps:?}");
}

#[test]
fn files_that_failed_get_nothing_more() {
    let mut bench = Bench::new(Format::WebM, &[Codec::Vp8, Codec::Opus]);
    bench.play(0..1_500, true, |_| Some(320));
    let before = bench.steps.len();
    bench.take.cut();
    bench.play(1_500..3_000, true, |_| Some(320));
    bench.finish();
    let opened = bench.steps[before..].iter().find_map(|step| match step {
        Step::Open(opening) => Some((opening.file, opening.planned.container)),
        _ => None,
    });
    assert_eq!(opened, Some((2, Container::WebM)));
    let of_the_first = |step: &Step| matches!(step, Step::Sample { file: 1, .. } | Step::Close { file: 1 });
    assert!(!bench.steps[before..].iter().any(of_the_first));
}

#[test]
fn the_end_of_the_publisher_closes_the_files() {
    let mut bench = Bench::new(Format::Tracks, &[Codec::Vp8, Codec::Opus]);
    bench.play(0..1_000, true, |_| Some(320));
    bench.tell(1_000, Tapped::Ended);
    assert_eq!(bench.files(), ["video.ivf@0 25x0-960", "audio.ogg@0 50x0-980"]);
}
