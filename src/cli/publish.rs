//! `rillcast publish`: media files, or the built-in clip, to a WHIP endpoint.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _, stderr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::cli::Failure;
use crate::cli::offerer::{after, block_on, coming_back, failure_of, retrying, seconds};
use crate::cli::serve::stop_signal;
use crate::client::{ClientError, LinkOptions, Progress, Publisher, RemoteReport, Source};
use crate::media::Clip;

/// How often the line in a terminal changes, and how often a line is written elsewhere.
const LINE_INTERVAL: Duration = Duration::from_secs(1);
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Publish media files by WHIP
///
/// Sends one video and/or one audio file as they are, in real time: IVF (VP8, VP9, AV1), Annex B H.264 or H.265 (.h264,
/// .264, .h265, .265; without B-frames), Ogg Opus. Key frame requests are not answered, because a file has its key
/// frames where it has them. Exit code 0 when it ended as asked, 1 when it failed or lost the connection.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// At most one file with video and one with audio, then the WHIP endpoint, for example
    /// http://localhost:8080/whip/demo
    #[arg(value_name = "FILE... URL", required = true)]
    files_and_url: Vec<String>,

    /// The built-in clip instead of files
    #[arg(long)]
    demo: bool,

    /// Begin again at the end
    #[arg(long = "loop")]
    looping: bool,

    /// Bearer token
    #[arg(long, env = "RILLCAST_TOKEN", hide_env_values = true)]
    token: Option<String>,

    /// End after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    duration: Option<Duration>,

    /// Keep trying for so many seconds while the server is not there or says when to ask again
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "0")]
    wait: Duration,

    /// Come back when the server ends the session or the connection is lost, as the pages do; files begin again then
    #[arg(long)]
    reconnect: bool,

    /// Frames per second of an Annex B file, which does not say it itself
    #[arg(long, value_name = "RATE", default_value = "30")]
    fps: f64,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let (files, url) = args.split()?;
    let source = source_of(args, files)?;
    block_on(publish(args, url, &source))
}

impl Args {
    /// The files, and the endpoint behind them.
    fn split(&self) -> Result<(&[String], &str), Failure> {
        let (url, files) = self.files_and_url.split_last().expect("clap requires one");
        match (self.demo, files.is_empty()) {
            (true, false) => Err(Failure::Usage("--demo takes no files".to_owned())),
            (false, true) => Err(Failure::Usage("a file is missing, or the endpoint behind it".to_owned())),
            _ => Ok((files, url)),
        }
    }
}

fn source_of(args: &Args, files: &[String]) -> Result<Source, Failure> {
    if args.demo {
        return Ok(Source::demo());
    }
    let open = |path: &String| {
        Clip::open(Path::new(path), args.fps).map_err(|error| Failure::Usage(format!("{path}: {error}")))
    };
    let clips = files.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    Source::new(clips, args.looping).ok_or_else(|| Failure::Usage("at most one video and one audio file".to_owned()))
}

async fn publish(args: &Args, url: &str, source: &Source) -> Result<(), Failure> {
    let stop = stop_signal().map_err(Failure::failed)?;
    tokio::pin!(stop);
    let options = LinkOptions { token: args.token.clone(), ..LinkOptions::default() };
    let mut publisher = tokio::select! {
        () = &mut stop => return Ok(()),
        publisher = retrying(args.wait, || source.connect(url, &options)) => publisher?,
    };
    for clip in source.clips() {
        eprintln!("publishing {} ({:.1} s) to {}", clip.codec.name(), clip.seconds(), url);
    }
    loop {
        let result = send(&mut publisher, source, args.duration, &mut stop).await;
        let closed = publisher.close().await;
        match result {
            Ok(()) => return closed.map_err(|error| failure_of(&error)),
            Err(error) if !args.reconnect => return Err(failure_of(&error)),
            Err(error) => eprintln!("{error}; coming back"),
        }
        publisher = tokio::select! {
            () = &mut stop => return Ok(()),
            publisher = coming_back(|| source.connect(url, &options)) => publisher?,
        };
    }
}

/// Sends until the end, the time is over, or a signal comes; tells how it goes.
pub(super) async fn send(
    publisher: &mut Publisher,
    source: &Source,
    duration: Option<Duration>,
    stop: impl Future<Output = ()>,
) -> Result<(), ClientError> {
    let progress = Arc::new(Progress::default());
    let mut meter = Meter::new();
    let mut tick = tokio::time::interval(if meter.terminal { LINE_INTERVAL } else { LOG_INTERVAL });
    tick.tick().await;
    let limit = after(duration);
    tokio::pin!(limit, stop);
    let tracks = source.start(publisher);
    let mut playing = Box::pin(tracks.play(publisher.state(), Arc::clone(&progress)));
    let result = loop {
        tokio::select! {
            result = &mut playing => break result,
            () = &mut limit => break Ok(()),
            () = &mut stop => break Ok(()),
            _ = tick.tick() => meter.show(&progress, publisher.remote_report().await),
        }
    };
    drop(playing);
    meter.finish();
    result
}

/// The line that tells how it goes.
struct Meter {
    terminal: bool,
    last: Instant,
    bytes: u64,
}

impl Meter {
    fn new() -> Self {
        Self { terminal: stderr().is_terminal(), last: Instant::now(), bytes: 0 }
    }

    fn show(&mut self, progress: &Progress, remote: RemoteReport) {
        let bytes = progress.bytes.load(Ordering::Relaxed);
        let elapsed = self.last.elapsed().as_secs_f64();
        let line = line_of(progress.frames.load(Ordering::Relaxed), bytes - self.bytes, elapsed, remote);
        (self.last, self.bytes) = (Instant::now(), bytes);
        if self.terminal {
            eprint!("\r\x1b[K{line}");
            // A line that is not shown is not worth ending for.
            let _ = stderr().flush();
        } else {
            eprintln!("{line}");
        }
    }

    fn finish(&self) {
        if self.terminal {
            eprintln!();
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown to people")]
fn line_of(frames: u64, bytes: u64, seconds: f64, remote: RemoteReport) -> String {
    let mut line = format!("{frames} frames, {:.0} kbit/s", bytes as f64 * 8.0 / 1000.0 / seconds.max(0.001));
    if let Some(round_trip) = remote.round_trip {
        let _ = write!(line, ", round trip {:.1} ms", round_trip * 1000.0);
    }
    if let Some(lost) = remote.fraction_lost {
        let _ = write!(line, ", {:.1} % lost", lost * 100.0);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn files_and_address() {
        let parse = |line: &str| Line::try_parse_from(line.split(' ')).map(|line| line.args);
        let args = parse("x a.ivf b.ogg http://h/whip/r --loop --duration 2.5").unwrap();
        assert_eq!(args.split().unwrap(), (&["a.ivf".to_owned(), "b.ogg".to_owned()][..], "http://h/whip/r"));
        assert_eq!((args.looping, args.duration), (true, Some(Duration::from_millis(2_500))));
        assert_eq!(parse("x --demo http://h/whip/r").unwrap().split().unwrap(), (&[][..], "http://h/whip/r"));
        for bad in ["x http://h/whip/r", "x --demo a.ivf http://h/whip/r"] {
            assert!(matches!(parse(bad).unwrap().split(), Err(Failure::Usage(_))), "{bad}");
        }
        for bad in ["x", "x --demo", "x a.ivf http://h --duration x"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_line() {
        let remote = RemoteReport { round_trip: Some(0.012), fraction_lost: Some(0.015) };
        assert_eq!(line_of(30, 125_000, 1.0, remote), "30 frames, 1000 kbit/s, round trip 12.0 ms, 1.5 % lost");
        assert_eq!(line_of(0, 0, 0.0, RemoteReport::default()), "0 frames, 0 kbit/s");
    }
}
