//! `rillcast load`

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::ValueEnum;
use clap::builder::RangedI64ValueParser;

use crate::cli::serve::stop_signal;
use crate::cli::{Failure, print};
use crate::limits::{LOAD_FULL, LOAD_ROOMS, LOAD_SUBSCRIBERS, LOAD_THREADS};
use crate::load::plan::{Feedback, Media, Pacing, Plan};
use crate::load::progress::Progress;
use crate::load::text::Text;
use crate::load::{LoadError, html, run as run_load};
use crate::rtp::codec::Codec;

/// Measure a WHIP/WHEP server under load
///
/// Publishes synthetic streams, plays each of them by many light subscribers, and reports what arrived, how late, how
/// fast sessions joined, and what the server spent on it. Sends to this machine only, unless you say that the other one
/// is yours. docs/load.md says what each figure means. Exit code 0 when all joined, 1 when not, 2 for wrong flags.
#[expect(clippy::struct_excessive_bools, reason = "independent switches")]
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The server, for example http://127.0.0.1:8080
    #[arg(value_name = "URL")]
    url: String,

    /// Rooms, each with one publisher
    #[arg(long, value_name = "COUNT", default_value = "1", value_parser = between(1, LOAD_ROOMS))]
    rooms: u32,

    /// Subscribers, spread evenly over the rooms
    #[arg(long, value_name = "COUNT", default_value = "10", value_parser = between(0, LOAD_SUBSCRIBERS))]
    subs: u32,

    /// Full subscribers beside them: whole peer connections that check every packet
    #[arg(long, value_name = "COUNT", default_value = "0", value_parser = between(0, LOAD_FULL))]
    full: u32,

    /// The room's name; several rooms are numbered behind it
    #[arg(long, value_name = "NAME", default_value = "load")]
    room: String,

    /// How long to measure
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "10s")]
    duration: Duration,

    /// From the first subscriber to the last [default: so that 100 join in a second]
    #[arg(long, value_name = "TIME", value_parser = time)]
    ramp: Option<Duration>,

    /// How long publishers are alone before the first subscriber comes: the server's memory is compared with this time
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "2s")]
    settle: Duration,

    /// What is published
    #[arg(long, default_value = "h264")]
    codec: VideoCodec,

    /// Bits of video per second and publisher; k and M are understood
    #[arg(long, value_name = "BITS", value_parser = bits, default_value = "2.5M")]
    bitrate: u32,

    /// Frames per second
    #[arg(long, value_name = "COUNT", default_value = "30", value_parser = between(1, 240))]
    fps: u32,

    /// From one key frame to the next
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "2s")]
    gop: Duration,

    /// Width and height, for the report: nothing is encoded
    #[arg(long, value_name = "WIDTHxHEIGHT", value_parser = size, default_value = "1280x720")]
    size: (u16, u16),

    /// How the packets of a frame leave
    #[arg(long, default_value = "browser")]
    pacing: Pacing,

    /// Publish Opus beside the video, 50 packets per second
    #[arg(long)]
    audio: bool,

    /// Play what somebody else publishes
    #[arg(long)]
    no_publish: bool,

    /// Share of the packets that subscribers drop on arrival, so that they ask for them again
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0")]
    loss: f64,

    /// Subscribers that leave, and others that join, per second
    #[arg(long, value_name = "RATE", value_parser = rate, default_value = "0")]
    churn: f64,

    /// What light subscribers send
    #[arg(long, default_value = "basic")]
    feedback: Feedback,

    /// A packet that takes longer is late
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "100ms")]
    late: Duration,

    /// Receiving threads
    #[arg(long, value_name = "COUNT", default_value = "1", value_parser = threads())]
    threads: u8,

    /// How often receiving threads look for packets once all have joined; 0: at each packet
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "2ms")]
    drain: Duration,

    /// Let the kernel keep trains of datagrams together (UDP_GRO): cheaper than any real network is for the server
    #[arg(long)]
    gro: bool,

    /// The server's process, on this machine: reports its CPU time and memory
    #[arg(long, value_name = "PID")]
    server_pid: Option<u32>,

    /// Where to publish; {room} stands for the room's name
    #[arg(long, value_name = "PATH", default_value = "/whip/{room}")]
    whip_path: String,

    /// Where to play
    #[arg(long, value_name = "PATH", default_value = "/whep/{room}")]
    whep_path: String,

    /// Bearer token
    #[arg(long, env = "RILLCAST_TOKEN", hide_env_values = true)]
    token: Option<String>,

    /// Write the report as JSON to a file, or to the standard output instead of the text (-)
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Write the report as one HTML page with plots
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    /// The target is another machine, and you may load it
    #[arg(long)]
    i_own_this_server: bool,
}

#[derive(Clone, Copy, ValueEnum, Debug)]
enum VideoCodec {
    H264,
    Vp8,
    Vp9,
    Av1,
}

impl Args {
    fn plan(&self) -> Plan {
        let codec = match self.codec {
            VideoCodec::H264 => Codec::H264,
            VideoCodec::Vp8 => Codec::Vp8,
            VideoCodec::Vp9 => Codec::Vp9,
            VideoCodec::Av1 => Codec::Av1,
        };
        let media = Media {
            codec,
            bitrate: self.bitrate,
            fps: self.fps,
            gop: self.gop,
            size: self.size,
            pacing: self.pacing,
            audio: self.audio,
        };
        Plan {
            url: self.url.clone(),
            whip_path: self.whip_path.clone(),
            whep_path: self.whep_path.clone(),
            token: self.token.clone(),
            rooms: self.rooms,
            room: self.room.clone(),
            publish: !self.no_publish,
            subscribers: self.subs,
            full: self.full,
            settle: self.settle,
            ramp: self.ramp.unwrap_or(Duration::from_millis(10) * self.subs),
            duration: self.duration,
            media,
            loss: self.loss,
            churn: self.churn,
            feedback: self.feedback,
            late: self.late,
            threads: self.threads,
            drain: self.drain,
            gro: self.gro,
            server_pid: self.server_pid,
            not_loopback: self.i_own_this_server,
        }
    }
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let stop = stop_flag()?;
    let stderr = std::io::stderr();
    let mut progress = Progress::new(&stderr, stderr.is_terminal());
    // A progress that cannot be shown stops nothing.
    let result = run_load(&args.plan(), &stop, &mut |second| drop(progress.show(second)));
    drop(progress.finish());
    let report = result.map_err(|error| match error {
        LoadError::Plan(_) => Failure::usage(error),
        LoadError::Failed(_) => Failure::failed(error),
    })?;
    let write = |path: &Path, text: String| {
        std::fs::write(path, text).map_err(|error| Failure::failed(format!("{}: {error}", path.display())))
    };
    if let Some(path) = &args.html {
        write(path, html::page(&report).map_err(Failure::failed)?)?;
    }
    let json = || serde_json::to_string_pretty(&report).map_err(Failure::failed);
    match &args.json {
        Some(path) if path.as_os_str() == "-" => print(format_args!("{}\n", json()?))?,
        other => {
            if let Some(path) = other {
                write(path, json()?)?;
            }
            print(Text(&report))?;
        }
    }
    report.failure().map_or(Ok(()), |why| Err(Failure::Failed(why)))
}

/// Set by the first signal to stop.
fn stop_flag() -> Result<Arc<AtomicBool>, Failure> {
    let flag = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&flag);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::failed)?;
    let signal = runtime.block_on(async { stop_signal() }).map_err(Failure::failed)?;
    // It ends with the process.
    std::thread::spawn(move || {
        runtime.block_on(signal);
        set.store(true, Ordering::Relaxed);
    });
    Ok(flag)
}

fn between(least: u32, most: u32) -> RangedI64ValueParser<u32> {
    RangedI64ValueParser::new().range(i64::from(least)..=i64::from(most))
}

fn threads() -> RangedI64ValueParser<u8> {
    RangedI64ValueParser::new().range(1..=i64::from(LOAD_THREADS))
}

/// A time: `2s`, `1.5` (seconds), `100ms`, `3m`.
fn time(text: &str) -> Result<Duration, String> {
    let (number, unit) = [("ms", 0.001), ("s", 1.0), ("m", 60.0)]
        .into_iter()
        .find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?, unit)))
        .unwrap_or((text, 1.0));
    let seconds: Option<f64> = number.parse().ok();
    let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds * unit).ok());
    duration.ok_or_else(|| "expected a time, such as 10s, 2.5s or 100ms".to_owned())
}

/// A bit rate from 50 kbit/s to 200 Mbit/s.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked")]
fn bits(text: &str) -> Result<u32, String> {
    let (number, unit) = [("k", 1e3), ("M", 1e6)]
        .into_iter()
        .find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?, unit)))
        .unwrap_or((text, 1.0));
    let bits = number.parse::<f64>().ok().map(|number| number * unit);
    let bits = bits.filter(|bits| (50e3..=200e6).contains(bits));
    bits.map(|bits| bits as u32).ok_or_else(|| "expected a bit rate from 50k to 200M, such as 2.5M".to_owned())
}

fn size(text: &str) -> Result<(u16, u16), String> {
    let parse = || text.split_once('x').and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    parse().ok_or_else(|| "expected WIDTHxHEIGHT, such as 1280x720".to_owned())
}

/// A share from 0 to 1; `1%` is understood.
fn share(text: &str) -> Result<f64, String> {
    let (number, unit) = text.strip_suffix('%').map_or((text, 1.0), |number| (number, 0.01));
    let share = number.parse::<f64>().ok().map(|number| number * unit).filter(|share| (0.0..1.0).contains(share));
    share.ok_or_else(|| "expected a share below 1, such as 0.01 or 1%".to_owned())
}

/// A rate per second; `10/s` is understood.
fn rate(text: &str) -> Result<f64, String> {
    let rate = text.strip_suffix("/s").unwrap_or(text).parse::<f64>().ok();
    let rate = rate.filter(|rate| (0.0..=1_000.0).contains(rate));
    rate.ok_or_else(|| "expected a rate per second, such as 10 or 10/s".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        for (text, milliseconds) in [("10s", 10_000), ("2.5", 2_500), ("100ms", 100), ("2m", 120_000), ("0", 0)] {
            assert_eq!(time(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for (text, expected) in [("2.5M", 2_500_000), ("300k", 300_000), ("64000", 64_000)] {
            assert_eq!(bits(text), Ok(expected), "{text}");
        }
        for (text, expected) in [("0.01", 0.01), ("5%", 0.05), ("0", 0.0)] {
            assert!((share(text).unwrap() - expected).abs() < 1e-9, "{text}");
        }
        assert_eq!((rate("10/s"), rate("2.5")), (Ok(10.0), Ok(2.5)));
        assert_eq!(size("640x360"), Ok((640, 360)));
        for text in ["", "x", "-1", "1k", "nan", "inf"] {
            assert!(time(text).is_err() && bits(text).is_err() && share(text).is_err(), "{text}");
            assert!(rate(text).is_err() && size(text).is_err(), "{text}");
        }
    }
}
