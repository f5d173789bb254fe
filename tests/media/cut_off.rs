//! Files that were cut off.

use std::io::Cursor;

use rillcast::media::{Clip, Container, repair};
use rillcast::rtp::codec::{Codec, MediaKind};

use crate::ffmpeg::{Folder, apply, clip, complaints, probe, save, write};

/// Numbers that look random, and are the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

/// Mends what is there, as it is done on a disk; the frames that it says there are.
fn mend(container: Container, bytes: &mut Vec<u8>) -> u64 {
    let mut repair = repair(container, &mut Cursor::new(&bytes[..])).unwrap();
    bytes.truncate(usize::try_from(repair.length).unwrap());
    if repair.frames > 0 {
        apply(bytes, &mut repair.output);
    }
    repair.frames
}

/// Cut off at many places, some with zeros or rubbish behind: all that was there before the last cut is there.
fn check(container: Container, codec: Codec, kind: MediaKind) {
    let folder = Folder::new(&format!("cut-{}-{}", codec.name(), container.extension()));
    let first = clip(&folder, codec);
    let second = (kind == MediaKind::Video).then(|| clip(&folder, Codec::Opus));
    let joint = container != Container::Ivf;
    let clips: Vec<&Clip> = [&first].into_iter().chain(second.as_ref().filter(|_| joint)).collect();
    let written = write(&folder, container, &clips);
    let mut random = Random(7);
    for round in 0..12 {
        let cut = written.cuts[0].0 + random.below(written.unfinished.len() - written.cuts[0].0);
        let least = written.cuts.iter().rev().find(|(length, _)| *length <= cut).map_or(0, |(_, frames)| *frames);
        let mut bytes = written.unfinished[..cut].to_vec();
        match round % 3 {
            0 => {}
            1 => bytes.extend_from_slice(&[0; 5_000]),
            _ => bytes.extend((0..5_000).map(|_| u8::try_from(random.below(256)).unwrap())),
        }
        if round % 3 == 0 {
            // As it is: what a player gets that takes the .part file.
            let (frames, ..) = probe(&save(&folder, container, "cut", &bytes), kind);
            assert!(frames >= least, "{container:?} {codec:?} {cut}: {frames} of {least}");
        }
        let said = mend(container, &mut bytes);
        let path = save(&folder, container, "mended", &bytes);
        assert_eq!(complaints(&path), "", "{container:?} {codec:?} {cut}");
        let (frames, _, duration) = probe(&path, kind);
        assert!(frames as u64 == said && frames >= least, "{container:?} {codec:?} {cut}: {frames} {said} {least}");
        let expected = first.frames[frames - 1].time as f64 / f64::from(codec.clock_rate());
        assert!((duration - expected).abs() < 0.1, "{container:?} {codec:?} {cut}: {duration} of {expected}");
        let again = mend(container, &mut bytes.clone());
        assert_eq!(again, said, "what is whole stays whole");
    }
    let mut whole = written.bytes.clone();
    mend(container, &mut whole);
    assert_eq!(whole, written.bytes, "{container:?} {codec:?}: a finished file stays as it is");
}

#[test]
fn ivf() {
    for codec in [Codec::Vp8, Codec::Vp9, Codec::Av1] {
        check(Container::Ivf, codec, MediaKind::Video);
    }
}

#[test]
fn ogg() {
    check(Container::Ogg, Codec::Opus, MediaKind::Audio);
}

#[test]
fn mp4() {
    for codec in [Codec::H264, Codec::Vp9] {
        check(Container::Mp4, codec, MediaKind::Video);
    }
    check(Container::Mp4, Codec::Opus, MediaKind::Audio);
}

#[test]
fn webm() {
    for codec in [Codec::Vp8, Codec::Av1] {
        check(Container::WebM, codec, MediaKind::Video);
    }
    check(Container::WebM, Codec::Opus, MediaKind::Audio);
}

#[test]
fn what_is_too_short_or_something_else_has_nothing_to_keep() {
    let folder = Folder::new("short");
    let video = clip(&folder, Codec::Vp8);
    let written = write(&folder, Container::WebM, &[&video]);
    for container in [Container::Ivf, Container::Ogg, Container::Mp4, Container::WebM] {
        for length in [0, 1, 40, 200, 300] {
            assert_eq!(mend(container, &mut written.unfinished[..length].to_vec()), 0, "{container:?} {length}");
            assert_eq!(mend(container, &mut vec![0x55; length]), 0, "{container:?} {length}");
        }
    }
}

/// Whatever a file has become: no panic, no endless loop, nothing larger than the file.
#[test]
fn damaged_files() {
    let folder = Folder::new("damaged");
    let (video, audio) = (clip(&folder, Codec::H264), clip(&folder, Codec::Opus));
    let vp8 = clip(&folder, Codec::Vp8);
    let mut random = Random(11);
    for (container, clips) in [
        (Container::Mp4, vec![&video, &audio]),
        (Container::WebM, vec![&vp8, &audio]),
        (Container::Ivf, vec![&vp8]),
        (Container::Ogg, vec![&audio]),
    ] {
        let written = write(&folder, container, &clips);
        for _ in 0..200 {
            let mut bytes = written.bytes.clone();
            for _ in 0..=random.below(8) {
                let at = random.below(bytes.len());
                let at = if random.below(2) == 0 { at } else { at % 1_000 };
                bytes[at] = u8::try_from(random.below(256)).unwrap();
            }
            let repair = repair(container, &mut Cursor::new(&bytes[..])).unwrap();
            assert!(repair.length <= bytes.len() as u64);
            assert!(repair.output.append.len() < 100_000);
        }
    }
}
