//! Files that were finished.

use rillcast::media::{Clip, Container};
use rillcast::rtp::codec::{Codec, MediaKind};

use crate::ffmpeg::{FRAMES, Folder, SECONDS, clip, complaints, probe, write};

fn check(codec: Codec) {
    let folder = Folder::new(codec.name());
    let (video, audio) = (clip(&folder, codec), clip(&folder, Codec::Opus));
    assert_eq!(video.frames.len(), FRAMES);
    for container in [Container::Ivf, Container::Mp4, Container::WebM].into_iter().filter(|one| one.holds(codec)) {
        let both: &[&Clip] = if container == Container::Ivf { &[&video] } else { &[&video, &audio] };
        for clips in [&both[..1], both] {
            let written = write(&folder, container, clips);
            assert_eq!(complaints(&written.path), "", "{container:?}");
            let (frames, start, duration) = probe(&written.path, MediaKind::Video);
            assert_eq!(frames, FRAMES, "{container:?}");
            let longest = f64::from(SECONDS);
            assert!(start.abs() < 0.001 && (duration - longest).abs() <= 0.04, "{container:?} {start} {duration}");
            if clips.len() > 1 {
                let (frames, start, _) = probe(&written.path, MediaKind::Audio);
                assert_eq!(frames, audio.frames.len(), "{container:?}");
                assert!(start.abs() < 0.001, "{container:?} {start}");
            }
        }
    }
}

#[test]
fn vp8() {
    check(Codec::Vp8);
}

#[test]
fn vp9() {
    check(Codec::Vp9);
}

#[test]
fn av1() {
    check(Codec::Av1);
}

#[test]
fn h264() {
    check(Codec::H264);
}

#[test]
fn h265() {
    check(Codec::H265);
}

#[test]
fn opus() {
    let folder = Folder::new("opus");
    let audio = clip(&folder, Codec::Opus);
    for container in [Container::Ogg, Container::Mp4, Container::WebM] {
        let written = write(&folder, container, &[&audio]);
        assert_eq!(complaints(&written.path), "", "{container:?}");
        let (frames, start, duration) = probe(&written.path, MediaKind::Audio);
        assert_eq!(frames, audio.frames.len(), "{container:?}");
        let longest = f64::from(SECONDS);
        assert!(start.abs() < 0.01 && (duration - longest).abs() <= 0.03, "{container:?} {start} {duration}");
    }
}
