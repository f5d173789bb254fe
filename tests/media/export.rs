//! `rillcast export`: the same pictures and packets in another file, and parts of them.

use std::collections::BTreeSet;
use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use rillcast::media::export::{Window, export, find_start};
use rillcast::media::{Container, Reader};
use rillcast::rtp::codec::{Codec, MediaKind};

use crate::ffmpeg::{FRAMES, Folder, clip, complaints, probe, write};

fn run(folder: &Folder, words: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rillcast"));
    command.arg("export").args(words.split(' ')).current_dir(&folder.0).env_clear().stdin(Stdio::null());
    command.output().unwrap()
}

fn good(folder: &Folder, words: &str) -> String {
    let output = run(folder, words);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{words}: {said}");
    said
}

/// Hashes of the pictures as they decode.
fn pictures(path: &Path) -> Vec<String> {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-i"]).arg(path).args([
        "-map",
        "0:v",
        "-fps_mode",
        "passthrough",
        "-f",
        "framemd5",
        "-",
    ]);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.rsplit(',').next()).map(|hash| hash.trim().to_owned()).collect()
}

/// Writes a recording as the server does; says how many packets of sound it has, and the names of its files.
fn recording(folder: &Folder, codec: Codec) -> (usize, &'static str) {
    let (video, audio) = (clip(folder, codec), clip(folder, Codec::Opus));
    if Container::Ivf.holds(codec) {
        fs::rename(write(folder, Container::Ivf, &[&video]).path, folder.0.join("r_video_1.ivf")).unwrap();
        fs::rename(write(folder, Container::Ogg, &[&audio]).path, folder.0.join("r_audio_1.ogg")).unwrap();
        return (audio.frames.len(), "r_video_1.ivf");
    }
    fs::rename(write(folder, Container::Mp4, &[&video, &audio]).path, folder.0.join("r_av_1.mp4")).unwrap();
    (audio.frames.len(), "r_av_1.mp4")
}

/// All of it, through each container that holds it and back; then the middle.
fn check(codec: Codec) {
    let folder = Folder::new(&format!("export-{}", codec.name()));
    let (sounds, name) = recording(&folder, codec);
    let wanted = pictures(&folder.0.join(name));
    assert_eq!(wanted.len(), FRAMES);
    for ending in ["webm", "mp4"] {
        if !Container::from_extension(ending).unwrap().holds(codec) {
            assert_eq!(run(&folder, &format!("{name} -o no.{ending}")).status.code(), Some(2));
            assert!(!folder.0.join(format!("no.{ending}")).exists());
            continue;
        }
        good(&folder, &format!("{name} -o one.{ending}"));
        let said = good(&folder, &format!("one.{ending} -o again.{ending}"));
        assert!(!said.contains("damaged"), "{said}");
        for whole in ["one", "again"].map(|stem| folder.0.join(format!("{stem}.{ending}"))) {
            assert_eq!(complaints(&whole), "", "{}", whole.display());
            assert!(pictures(&whole) == wanted, "{}", whole.display());
            let (packets, start, _) = probe(&whole, MediaKind::Audio);
            assert_eq!(packets, sounds, "{}", whole.display());
            assert!(
                start.abs() < 0.02 && probe(&whole, MediaKind::Video).1.abs() < 0.02,
                "{} {start}",
                whole.display()
            );
        }
        // Key frames are at 0, 1, 2 and 3 seconds.
        let said = good(&folder, &format!("one.{ending} --from 0:01.5 --to 3.2 -o part.{ending}"));
        assert!(said.contains("begins at 1.000 s"), "{said}");
        let part = folder.0.join(format!("part.{ending}"));
        assert_eq!(complaints(&part), "");
        assert!(pictures(&part) == wanted[25..80], "{ending}: {}", pictures(&part).len());
        let (packets, start, _) = probe(&part, MediaKind::Audio);
        assert!(packets.abs_diff(110) <= 1 && start.abs() < 0.04, "{packets} {start}");
        assert!(probe(&part, MediaKind::Video).1.abs() < 0.002);
    }
    for (from, to) in [("webm", "mp4"), ("mp4", "webm")] {
        if [from, to].iter().all(|ending| Container::from_extension(ending).unwrap().holds(codec)) {
            good(&folder, &format!("one.{from} -o crossed.{to}"));
            let crossed = folder.0.join(format!("crossed.{to}"));
            assert_eq!(complaints(&crossed), "");
            assert!(pictures(&crossed) == wanted, "{from} to {to}");
            assert_eq!(probe(&crossed, MediaKind::Audio).0, sounds, "{from} to {to}");
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
fn what_is_refused() {
    let folder = Folder::new("export-refused");
    let (_, name) = recording(&folder, Codec::Vp8);
    fs::write(folder.0.join("text.ivf"), "no media").unwrap();
    fs::write(folder.0.join("there.webm"), "mine").unwrap();
    let whole = fs::read(folder.0.join(name)).unwrap();
    fs::write(folder.0.join("cut_video_1.ivf"), &whole[..whole.len() - 5]).unwrap();
    let table = [
        ("text.ivf -o a.webm", 1, "is no IVF"),
        ("none.ivf -o a.webm", 1, "none.ivf: No such file"),
        ("r_video_1.ivf -o a.mp4", 2, "VP8 cannot be in a .mp4"),
        ("r_video_1.ivf -o a.avi", 2, "ends with .webm or .mp4"),
        ("r_video_1.ivf r_video_1.ivf -o a.webm", 2, "more than one track"),
        ("r_video_1.ivf -o there.webm", 2, "--force"),
        ("there.webm --force -o there.webm", 2, "is an input too"),
        ("r_video_1.ivf --from 3 --to 2 -o a.webm", 2, "not later"),
        ("r_video_1.ivf --from 4:10 -o a.webm", 1, "the recording ends at 4."),
        ("cut_video_1.ivf --from 4:10 -o a.webm", 1, "the recording is cut off or damaged at 3."),
        ("r_audio_1.ogg --from 4:10 --to 5:00 -o a.webm", 1, "the recording ends at 4."),
        ("r_video_1.ivf -o none/a.webm", 1, "none/a.webm: No such file"),
    ];
    let before = fs::read_dir(&folder.0).unwrap().count();
    for (words, code, why) in table {
        let output = run(&folder, words);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(code) && said.contains(why), "{words}: {said}");
    }
    assert_eq!(fs::read(folder.0.join("there.webm")).unwrap(), b"mine");
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), before, "nothing is left behind");
    good(&folder, &format!("{name} --no-sound --force -o there.webm"));
    assert_eq!(probe(&folder.0.join("there.webm"), MediaKind::Audio).0, 0);
}

/// An IVF file that shows this one's frames so many times, one round after the other.
fn repeated(ivf: &[u8], rounds: u64) -> Vec<u8> {
    let (header, first) = ivf.split_at(32);
    let mut frames = Vec::new();
    let mut rest = first;
    while let Some((head, body)) = rest.split_at_checked(12) {
        let length = u32::from_le_bytes(head[..4].try_into().unwrap()) as usize;
        frames.push((u64::from_le_bytes(head[4..].try_into().unwrap()), &body[..length]));
        rest = &body[length..];
    }
    let round = 2 * frames[frames.len() - 1].0 - frames[frames.len() - 2].0;
    let mut long = header.to_vec();
    for number in 0..rounds {
        for (at, frame) in &frames {
            long.extend(u32::try_from(frame.len()).unwrap().to_le_bytes());
            long.extend((at + number * round).to_le_bytes());
            long.extend(*frame);
        }
    }
    long
}

/// Who stops it finds nothing half written.
#[test]
fn a_signal_leaves_nothing_behind() {
    let folder = Folder::new("export-stopped");
    let (_, name) = recording(&folder, Codec::Vp8);
    // Its frames again and again, each later than the one before: enough to be in the middle of it for a second.
    let one = fs::read(folder.0.join(name)).unwrap();
    fs::write(folder.0.join(name), repeated(&one, 1_500)).unwrap();
    let files = || fs::read_dir(&folder.0).unwrap().map(|entry| entry.unwrap().file_name()).collect::<BTreeSet<_>>();
    let before = files();
    let mut command = Command::new(env!("CARGO_BIN_EXE_rillcast"));
    command.args(["export", name, "-o", "long.webm"]).current_dir(&folder.0).stdin(Stdio::null());
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    while files() == before {
        thread::sleep(Duration::from_millis(1));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && said.contains("stopped"), "{said}");
    assert_eq!(files(), before);
}

#[test]
fn unfinished_files() {
    let folder = Folder::new("export-part");
    let (video, audio) = (clip(&folder, Codec::Vp9), clip(&folder, Codec::Opus));
    let ivf = write(&folder, Container::Ivf, &[&video]).bytes;
    fs::write(folder.0.join("r_video_1.ivf.part"), &ivf[..ivf.len() - 5]).unwrap();
    let said = good(&folder, "r_video_1.ivf.part -o one.webm");
    assert!(said.contains("cut off"), "{said}");
    assert_eq!(
        (complaints(&folder.0.join("one.webm")).as_str(), probe(&folder.0.join("one.webm"), MediaKind::Video).0),
        ("", 99)
    );
    for container in [Container::WebM, Container::Mp4] {
        let written = write(&folder, container, &[&video, &audio]);
        let (length, frames) = written.cuts[2];
        fs::write(folder.0.join("r_av_1.part"), &written.unfinished[..length]).unwrap();
        let said = good(&folder, "r_av_1.part --force -o two.mp4");
        assert!(!said.contains("damaged"), "it reaches as far as it was flushed: {said}");
        let two = folder.0.join("two.mp4");
        assert_eq!((complaints(&two).as_str(), probe(&two, MediaKind::Video).0), ("", frames), "{container:?}");
        // A byte of the third second has changed on the disk.
        let mut bytes = written.bytes.clone();
        bytes[length - 100] ^= 0xff;
        fs::write(folder.0.join("r_av_2.part"), &bytes).unwrap();
        let said = good(&folder, "r_av_2.part --force -o two.mp4");
        assert!(said.contains("damaged"), "{container:?}: {said}");
        assert_eq!(complaints(&two), "", "{container:?}");
    }
}

/// Whatever is in a file: an answer, and no more frames than there were.
#[test]
fn damage() {
    let folder = Folder::new("export-damage");
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random as usize
    };
    for (codec, containers) in [
        (Codec::Vp9, &[Container::Ivf, Container::Mp4, Container::WebM][..]),
        (Codec::H264, &[Container::Mp4]),
        (Codec::Opus, &[Container::Ogg]),
    ] {
        let media = clip(&folder, codec);
        for container in containers {
            let whole = write(&folder, *container, &[&media]).bytes;
            for turn in 0..150 {
                let mut bytes = whole.clone();
                // The front of the file as often as all of it.
                let reach = if turn % 2 == 0 { 700.min(bytes.len()) } else { bytes.len() };
                for _ in 0..=next() % 8 {
                    bytes[next() % reach] = next() as u8;
                }
                bytes.truncate(if turn % 3 == 0 { next() % bytes.len() } else { bytes.len() });
                let open = || Reader::open(Cursor::new(bytes.clone())).unwrap();
                let Some(reader) = open() else { continue };
                let has_picture = reader.tracks().iter().any(|track| track.codec.kind() == MediaKind::Video);
                let Ok(start) = find_start(open().filter(|_| has_picture), Window::default()) else { continue };
                let mut out = Cursor::new(Vec::new());
                let window = Window::default();
                if let Ok(done) = export(vec![reader], Container::Mp4, window, &start, &mut out, |_| true) {
                    let most = media.frames.len() as u64;
                    assert!(done.pictures + done.sounds <= most, "{container:?} {done:?}");
                    assert_eq!(done.size, out.get_ref().len() as u64);
                }
            }
        }
    }
}
