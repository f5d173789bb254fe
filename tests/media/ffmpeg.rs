//! Clips that FFmpeg makes, and what it says of files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rillcast::media::{Clip, Container, Frame, Muxer, Output, Sample, TrackSetup};
use rillcast::rtp::codec::{Codec, MediaKind};

pub const SECONDS: u32 = 4;
pub const FRAMES: usize = 100;

/// A folder that goes with the test.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("rillcast-media-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Four seconds of a codec: 25 pictures a second of 320 by 180 with a key frame each second, or a tone.
pub fn clip(folder: &Folder, codec: Codec) -> Clip {
    let video = "-f lavfi -i testsrc2=size=320x180:rate=25:duration=4 -pix_fmt yuv420p -g 25";
    let audio = "-f lavfi -i sine=440:duration=4 -ac 2 -ar 48000";
    let (source, how, ending) = match codec {
        Codec::Vp8 => (video, "-c:v libvpx -deadline realtime -cpu-used 8 -b:v 300k", "ivf"),
        Codec::Vp9 => (video, "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 300k", "ivf"),
        Codec::Av1 => (video, "-c:v libaom-av1 -usage realtime -cpu-used 8 -b:v 300k", "ivf"),
        Codec::H264 => (video, "-c:v libx264 -preset ultrafast -bf 0", "h264"),
        Codec::H265 => (video, "-c:v libx265 -preset ultrafast -x265-params bframes=0:log-level=none", "h265"),
        Codec::Opus => (audio, "-c:a libopus -b:a 64k", "ogg"),
        Codec::Pcmu | Codec::Pcma => panic!("made by hand"),
    };
    let path = folder.0.join(format!("source.{ending}"));
    let words = format!("-v error -y {source} {how}");
    let made = Command::new("ffmpeg").args(words.split(' ')).arg(&path).stdin(Stdio::null()).status();
    assert!(made.expect("ffmpeg is installed").success(), "{codec:?}");
    Clip::open(&path, 25.0).unwrap()
}

/// A file as it was written, and where it was when it could be played: after each second.
pub struct Written {
    pub path: PathBuf,
    pub bytes: Vec<u8>,
    /// Length after each cut, and how many frames of the first track were in it.
    pub cuts: Vec<(usize, usize)>,
    /// Without the end.
    pub unfinished: Vec<u8>,
}

/// Applies what a muxer says.
pub fn apply(bytes: &mut Vec<u8>, output: &mut Output) {
    bytes.append(&mut output.append);
    for (at, patch) in output.patches.drain(..) {
        let at = usize::try_from(at).unwrap();
        bytes[at..at + patch.len()].copy_from_slice(&patch);
    }
}

/// Writes clips into a file, side by side, cut once a second.
pub fn write(folder: &Folder, container: Container, clips: &[&Clip]) -> Written {
    let setup = |clip: &&Clip| TrackSetup {
        codec: clip.codec,
        channels: if clip.codec == Codec::Opus { 2 } else { 1 },
        first: clip.frames[0].data.clone(),
    };
    let tracks: Vec<_> = clips.iter().map(setup).collect();
    let (mut output, mut bytes, mut cuts) = (Output::default(), Vec::new(), Vec::new());
    let mut muxer = Muxer::new(container, &tracks, &mut output).unwrap();
    let seconds = |codec: Codec, frame: &Frame| frame.time as f64 / f64::from(codec.clock_rate());
    let mut frames: Vec<(Codec, &Frame)> =
        clips.iter().flat_map(|clip| clip.frames.iter().map(|frame| (clip.codec, frame))).collect();
    frames.sort_by(|a, b| seconds(a.0, a.1).total_cmp(&seconds(b.0, b.1)));
    let (mut next, mut count) = (1.0, 0);
    for (codec, frame) in frames {
        if seconds(codec, frame) >= next {
            muxer.cut(&mut output);
            apply(&mut bytes, &mut output);
            cuts.push((bytes.len(), count));
            next += 1.0;
        }
        let Frame { data, time, key } = frame.clone();
        let sample = Sample { kind: codec.kind(), time, is_key: key, data };
        muxer.write(&sample, &mut output).unwrap();
        apply(&mut bytes, &mut output);
        count += usize::from(codec == clips[0].codec);
    }
    let unfinished = bytes.clone();
    muxer.finish(&mut output);
    apply(&mut bytes, &mut output);
    let path = save(folder, container, "whole", &bytes);
    Written { path, bytes, cuts, unfinished }
}

pub fn save(folder: &Folder, container: Container, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.0.join(format!("{name}.{}", container.extension()));
    fs::write(&path, bytes).unwrap();
    path
}

/// What FFmpeg complains of.
pub fn complaints(path: &Path) -> String {
    let out = Command::new("ffmpeg")
        .args(["-v", "error", "-xerror", "-i"])
        .arg(path)
        .args(["-f", "null", "-"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8_lossy(&out.stderr).into_owned()
}

/// Frames that decode of a kind, when the first begins, and how long the file says it is, in seconds.
pub fn probe(path: &Path, kind: MediaKind) -> (usize, f64, f64) {
    let stream = if kind == MediaKind::Video { "v:0" } else { "a:0" };
    let out = Command::new("ffprobe")
        .args(["-v", "error", "-count_frames", "-select_streams", stream, "-show_entries"])
        .arg("stream=nb_read_frames,start_time:format=duration")
        .args(["-of", "default=noprint_wrappers=1"])
        .arg(path)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
        line.and_then(|value| value.parse::<f64>().ok()).unwrap_or(f64::NAN)
    };
    (value("nb_read_frames") as usize, value("start_time"), value("duration"))
}
