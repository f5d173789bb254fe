//! `rillcast export`: recordings into one file, or a part of one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::cli::serve::stop_signal;
use crate::cli::{Failure, print};
use crate::media::export::{self, ExportError, Window};
use crate::media::{Container, Reader};
use crate::rtp::codec::MediaKind;

/// Put a recording into one WebM or MP4 file, or cut it
///
/// Nothing is transcoded. Reads what the server recorded: IVF and Ogg of one beginning, WebM or MP4; unfinished files
/// (.part) too. The sound that lies beside an IVF file is taken along.
#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
pub struct Args {
    /// One recording, or its picture and its sound
    #[arg(value_name = "INPUT", required = true, num_args = 1..=2)]
    inputs: Vec<PathBuf>,

    /// Write to this file, which ends with .webm or .mp4
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    /// Begin at the last key frame at or before this time (seconds, m:ss or h:mm:ss)
    #[arg(long, value_name = "TIME", value_parser = clock)]
    from: Option<Duration>,

    /// End before this time
    #[arg(long, value_name = "TIME", value_parser = clock)]
    to: Option<Duration>,

    /// Do not take along the sound that lies beside an IVF file
    #[arg(long)]
    no_sound: bool,

    /// Write over a file that is there
    #[arg(long)]
    force: bool,
}

/// Seconds, minutes and seconds, or hours, minutes and seconds.
fn clock(text: &str) -> Result<Duration, String> {
    let wrong = || "expected seconds, m:ss or h:mm:ss, such as 90, 1:30 or 0:01:30.5".to_owned();
    let (whole, seconds) = text.rsplit_once(':').map_or((None, text), |(whole, seconds)| (Some(whole), seconds));
    let is_number = seconds.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let seconds: f64 = seconds.parse().ok().filter(|_| is_number).ok_or_else(wrong)?;
    let mut minutes = 0_u32;
    if let Some(whole) = whole {
        if seconds >= 60.0 || whole.matches(':').count() > 1 {
            return Err(wrong());
        }
        for part in whole.split(':') {
            let part: u32 = part.parse().ok().filter(|part| *part < 10_000).ok_or_else(wrong)?;
            minutes = minutes * 60 + part;
        }
    }
    let seconds = Duration::try_from_secs_f64(seconds).ok().filter(|time| time.as_secs() < 1 << 32);
    Ok(seconds.ok_or_else(wrong)? + Duration::from_secs(60 * u64::from(minutes)))
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let container = output_kind(&args.output)?;
    let window = Window { from: args.from, to: args.to };
    if args.to.is_some_and(|to| to <= args.from.unwrap_or_default()) {
        return Err(Failure::usage("--to is not later than --from"));
    }
    let mut paths = args.inputs.clone();
    if let [only] = &paths[..]
        && !args.no_sound
        && let Some(sound) = sound_beside(only)
    {
        eprintln!("with the sound of {}", sound.display());
        paths.push(sound);
    }
    check_output(args, &paths)?;
    let mut readers = Vec::new();
    for path in &paths {
        readers.push(open(path)?);
    }
    export::check(&readers, container).map_err(|error| match error {
        ExportError::Codec(_, Container::Mp4) => Failure::usage(format!("{error}; try .webm")),
        ExportError::Codec(..) => Failure::usage(format!("{error}; try .mp4")),
        error => Failure::usage(error),
    })?;
    let has_picture =
        |reader: &Reader<File>| reader.tracks().iter().any(|track| track.codec.kind() == MediaKind::Video);
    let picture = readers.iter().position(has_picture).map(|at| open(&paths[at])).transpose()?;
    let start = export::find_start(picture, window).map_err(Failure::failed)?;

    let stopped = on_signal()?;
    let unfinished = Unfinished::new(&args.output)?;
    let shows = std::io::stderr().is_terminal();
    let go_on = |share: f64| {
        if shows {
            eprint!("\r{}", bar(share));
            let _ = std::io::stderr().flush();
        }
        !stopped.load(Ordering::Relaxed)
    };
    let mut out = unfinished.file.try_clone().map_err(Failure::failed)?;
    let exported = export::export(readers, container, window, &start, &mut out, go_on);
    if shows {
        eprint!("\r{}\r", " ".repeat(bar(1.0).len()));
    }
    let exported = exported.map_err(|error| Failure::failed(format!("{}: {error}", args.output.display())))?;
    unfinished.finish(&args.output, args.force)?;
    if args.from.is_some() {
        eprintln!("begins at {:.3} s", start.at.as_secs_f64());
    }
    if exported.is_cut_off {
        eprintln!("an input was cut off or is damaged: what is in front of that was taken");
    }
    if exported.left_out > 0 {
        eprintln!("{} frames could not be written and were left out", exported.left_out);
    }
    print(format_args!(
        "{}: {} frames, {} packets of sound, {:.3} s, {} bytes\n",
        args.output.display(),
        exported.pictures,
        exported.sounds,
        exported.duration.as_secs_f64(),
        exported.size
    ))
}

/// As a line of text.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to its width")]
fn bar(share: f64) -> String {
    const WIDTH: usize = 40;
    let share = share.clamp(0.0, 1.0);
    let done = (share * 40.0) as usize;
    format!("[{}{}] {:3.0} %", "#".repeat(done), "-".repeat(WIDTH - done), share * 100.0)
}

/// True once somebody wants the program to end: what it has written is to go first.
fn on_signal() -> Result<Arc<AtomicBool>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::failed)?;
    let stop = runtime.block_on(async { stop_signal() }).map_err(Failure::failed)?;
    let stopped = Arc::new(AtomicBool::new(false));
    let tell = stopped.clone();
    thread::spawn(move || {
        runtime.block_on(stop);
        tell.store(true, Ordering::Relaxed);
    });
    Ok(stopped)
}

fn output_kind(path: &Path) -> Result<Container, Failure> {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or("").to_ascii_lowercase();
    Container::from_extension(&ending)
        .filter(|container| matches!(container, Container::WebM | Container::Mp4))
        .ok_or_else(|| Failure::usage(format!("{}: the output ends with .webm or .mp4", path.display())))
}

fn check_output(args: &Args, inputs: &[PathBuf]) -> Result<(), Failure> {
    let Ok(output) = fs::canonicalize(&args.output) else { return Ok(()) };
    if inputs.iter().any(|input| fs::canonicalize(input).is_ok_and(|input| input == output)) {
        return Err(Failure::usage(format!("{}: is an input too", args.output.display())));
    }
    if !args.force {
        return Err(Failure::usage(format!("{}: is there already (--force writes over it)", args.output.display())));
    }
    Ok(())
}

fn open(path: &Path) -> Result<Reader<File>, Failure> {
    let failed = |error| Failure::failed(format!("{}: {error}", path.display()));
    let reader = File::open(path).and_then(Reader::open).map_err(failed)?;
    let what = "is no IVF, Ogg Opus, WebM or MP4 file of this program";
    reader.ok_or_else(|| Failure::failed(format!("{}: {what}", path.display())))
}

/// The sound of the same beginning as this picture, finished or not.
fn sound_beside(picture: &Path) -> Option<PathBuf> {
    let name = picture.file_name()?.to_str()?;
    let stem = name.strip_suffix(".part").unwrap_or(name).strip_suffix(".ivf")?;
    let (room, time) = stem.rsplit_once("_video_")?;
    let sound = |ending| picture.with_file_name(format!("{room}_audio_{time}.ogg{ending}"));
    ["", ".part"].into_iter().map(sound).find(|path| path.is_file())
}

/// What is written beside its place, and is gone if it does not come there.
struct Unfinished {
    path: PathBuf,
    file: File,
    is_done: bool,
}

impl Unfinished {
    fn new(output: &Path) -> Result<Self, Failure> {
        let name = output.file_name().unwrap_or_default().to_string_lossy();
        let path = output.with_file_name(format!(".{name}.{}", std::process::id()));
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        let file = file.map_err(|error| Failure::failed(format!("{}: {error}", output.display())))?;
        Ok(Self { path, file, is_done: false })
    }

    fn finish(mut self, output: &Path, force: bool) -> Result<(), Failure> {
        let name = || if force { fs::rename(&self.path, output) } else { self.name_new(output) };
        let finished = self.file.sync_all().and_then(|()| name());
        finished.map_err(|error| Failure::failed(format!("{}: {error}", output.display())))?;
        self.is_done = force;
        Ok(())
    }

    /// Where nobody has put a file of that name meanwhile.
    fn name_new(&self, output: &Path) -> io::Result<()> {
        fs::hard_link(&self.path, output).or_else(|error| match error.kind() {
            ErrorKind::AlreadyExists => Err(error),
            // A file system without links.
            _ => fs::rename(&self.path, output),
        })
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.is_done {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_of_one_length() {
        for (share, done) in [(0.0, 0), (0.5, 20), (0.999, 39), (1.0, 40), (2.0, 40)] {
            assert_eq!(bar(share).matches('#').count(), done, "{share}");
            assert_eq!(bar(share).matches(['#', '-']).count(), 40, "{share}");
        }
    }

    #[test]
    fn times() {
        let table = [
            ("90", Some(90_000)),
            ("2.5", Some(2_500)),
            ("1:30", Some(90_000)),
            ("1:00:00.25", Some(3_600_250)),
            ("1:60", None),
            ("1:2:3:4", None),
            ("-1", None),
            ("inf", None),
            ("1e300", None),
            (":5", None),
            ("", None),
        ];
        for (text, wanted) in table {
            assert_eq!(clock(text).ok(), wanted.map(Duration::from_millis), "{text}");
        }
    }
}
