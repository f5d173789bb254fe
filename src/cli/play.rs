//! `rillcast play`: receives from a WHEP endpoint, tells what came, and writes it where asked.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::cli::offerer::{after, block_on, coming_back, failure_of, retrying, seconds};
use crate::cli::serve::stop_signal;
use crate::cli::{Failure, print};
use crate::client::media::{AssembledFrame, Assembler, Reception, Sink};
use crate::client::{FeedbackSnapshot, LinkOptions, Player, PlayerEvent, PlayerOptions};
use crate::rtp::codec::{Codec, MediaKind};

/// How often a key frame is asked for while one is needed.
const KEYFRAME_INTERVAL: Duration = Duration::from_millis(500);

/// Play a room by WHEP
///
/// Receives without showing anything, and reports what came: packets, losses, frames, and how long the first picture
/// took. Exit code 0 when it ended as asked, 1 when nothing came or the connection was lost.
#[expect(clippy::struct_excessive_bools, reason = "independent switches")]
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The WHEP endpoint, for example http://localhost:8080/whep/demo
    #[arg(value_name = "URL")]
    url: String,

    /// Bearer token
    #[arg(long, env = "RILLCAST_TOKEN", hide_env_values = true)]
    token: Option<String>,

    /// End after so many seconds [default: when interrupted]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    duration: Option<Duration>,

    /// Keep trying for so many seconds while the server is not there or says when to ask again
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "0")]
    wait: Duration,

    /// Write what comes, from the first key frame on, to PREFIX.ivf, PREFIX.h264, PREFIX.h265 and PREFIX.ogg
    #[arg(long, value_name = "PREFIX")]
    out: Option<PathBuf>,

    /// Come back when the server ends the session or the connection is lost, as the pages do; figures of tracks are
    /// then those of the last session
    #[arg(long)]
    reconnect: bool,

    /// Print one report as JSON at the end, and nothing else
    #[arg(long)]
    json: bool,

    /// Ask for no packet again (NACK)
    #[arg(long)]
    no_nack: bool,

    /// Ask for no key frames (PLI)
    #[arg(long)]
    no_pli: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    block_on(play(args))
}

/// What came.
#[derive(Serialize, Debug, Default)]
struct Report {
    url: String,
    /// From the offer to the end.
    seconds: f64,
    /// From the offer on, in milliseconds.
    answered_ms: Option<f64>,
    connected_ms: Option<f64>,
    first_packet_ms: Option<f64>,
    first_key_frame_ms: Option<f64>,
    video: Option<TrackReport>,
    audio: Option<TrackReport>,
    /// Packets dropped by this program, because it could not keep up.
    overflowed: u64,
    rtcp_sent: FeedbackSnapshot,
    rtcp_received: FeedbackSnapshot,
    files: Vec<PathBuf>,
    /// From the last packet of a session to the first one of the next, in milliseconds.
    gaps_ms: Vec<f64>,
    /// The server ended it, or the connection was lost.
    disconnected: bool,
}

#[derive(Serialize, Debug)]
struct TrackReport {
    codec: &'static str,
    kbit_per_second: f64,
    #[serde(flatten)]
    reception: Reception,
}

/// One track as it is received.
#[derive(Default)]
struct Track {
    assembler: Assembler,
    codec: Option<Codec>,
    sink: Option<Sink>,
}

async fn play(args: &Args) -> Result<(), Failure> {
    let stop = stop_signal().map_err(Failure::failed)?;
    tokio::pin!(stop);
    let link = LinkOptions { token: args.token.clone(), nack: !args.no_nack, ..LinkOptions::default() };
    let options = PlayerOptions { link, ..PlayerOptions::default() };
    let mut player = tokio::select! {
        () = &mut stop => return Ok(()),
        player = retrying(args.wait, || Player::connect(&args.url, &options)) => player?,
    };
    let mut receiver = Receiver::new(args);
    let limit = after(args.duration);
    tokio::pin!(limit);
    let mut tick = tokio::time::interval(KEYFRAME_INTERVAL);
    let disconnected = loop {
        tokio::select! {
            event = player.next() => match event {
                Some(PlayerEvent::Connected) => receiver.say("connected"),
                Some(PlayerEvent::Rtp { kind, codec, packet, arrival }) => {
                    receiver.take(kind, codec, &packet, arrival)?;
                }
                Some(PlayerEvent::Ended) | None if !args.reconnect => break true,
                Some(PlayerEvent::Ended) | None => {
                    receiver.lost();
                    player = tokio::select! {
                        player = coming_back(|| Player::connect(&args.url, &options)) => player?,
                        () = &mut limit => break true,
                        () = &mut stop => break true,
                    };
                }
            },
            _ = tick.tick() => if !args.no_pli && receiver.needs_key_frame() {
                player.request_key_frame().await.map_err(|error| failure_of(&error))?;
            },
            () = &mut limit => break false,
            () = &mut stop => break false,
        }
    };
    let mut report = receiver.report(args, &player)?;
    report.disconnected = disconnected;
    // The server may have ended the session already.
    let _ = player.close().await;
    report.print(args.json)?;
    report.outcome()
}

struct Receiver {
    video: Track,
    audio: Track,
    first_key_frame: Option<Instant>,
    damage_before: u64,
    frames: Vec<AssembledFrame>,
    last_arrival: Option<Instant>,
    /// When the last packet of the session before came, while none of this one has.
    gap_since: Option<Instant>,
    gaps: Vec<Duration>,
    quiet: bool,
}

impl Receiver {
    fn new(args: &Args) -> Self {
        let track = || Track { sink: args.out.as_deref().map(Sink::new), ..Track::default() };
        Self {
            video: track(),
            audio: track(),
            first_key_frame: None,
            damage_before: 0,
            frames: Vec::new(),
            last_arrival: None,
            gap_since: None,
            gaps: Vec::new(),
            quiet: args.json,
        }
    }

    fn take(
        &mut self,
        kind: MediaKind,
        codec: Option<Codec>,
        packet: &rtp::Packet,
        arrival: Instant,
    ) -> Result<(), Failure> {
        // A payload type that the answer does not have is not media.
        let Some(codec) = codec else { return Ok(()) };
        if let Some(since) = self.gap_since.take() {
            self.gaps.push(arrival.saturating_duration_since(since));
        }
        self.last_arrival = Some(arrival);
        let track = if kind == MediaKind::Video { &mut self.video } else { &mut self.audio };
        let is_new = track.codec != Some(codec);
        track.codec = Some(codec);
        track.assembler.push(codec, packet, arrival, &mut self.frames);
        for frame in self.frames.drain(..) {
            if frame.key && kind == MediaKind::Video {
                self.first_key_frame.get_or_insert(frame.arrival);
            }
            if let Some(sink) = &mut track.sink {
                sink.write(&frame).map_err(Failure::failed)?;
            }
        }
        if is_new {
            self.say(&format!("receiving {}", codec.name()));
        }
        Ok(())
    }

    /// The session has ended, and another one follows: its packets are counted anew.
    fn lost(&mut self) {
        self.say("lost the connection, coming back");
        self.gap_since = self.gap_since.or(self.last_arrival);
        self.damage_before = 0;
        for track in [&mut self.video, &mut self.audio] {
            track.assembler = Assembler::default();
        }
    }

    /// There is video, but no key frame yet, or something was lost for good since the last time.
    fn needs_key_frame(&mut self) -> bool {
        let reception = self.video.assembler.reception();
        let damage = reception.lost + reception.broken_frames;
        let is_worse = damage > std::mem::replace(&mut self.damage_before, damage);
        reception.packets > 0 && (is_worse || reception.key_frames == 0)
    }

    fn report(self, args: &Args, player: &Player) -> Result<Report, Failure> {
        let milestones = player.milestones();
        let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
        let seconds = player.start().elapsed().as_secs_f64();
        let media_seconds = seconds - milestones.first_packet.map_or(0.0, |time| time.as_secs_f64());
        let mut report = Report {
            url: args.url.clone(),
            seconds,
            answered_ms: milestones.answered.map(milliseconds),
            connected_ms: milestones.connected.map(milliseconds),
            first_packet_ms: milestones.first_packet.map(milliseconds),
            first_key_frame_ms: self
                .first_key_frame
                .map(|at| milliseconds(at.saturating_duration_since(player.start()))),
            overflowed: player.dropped(),
            rtcp_sent: player.feedback_sent(),
            rtcp_received: player.feedback(),
            gaps_ms: self.gaps.iter().copied().map(milliseconds).collect(),
            ..Report::default()
        };
        for (track, place) in [(self.video, &mut report.video), (self.audio, &mut report.audio)] {
            *place = track.codec.map(|codec| TrackReport::new(codec, track.assembler.reception(), media_seconds));
            let file = track.sink.map_or(Ok(None), Sink::finish).map_err(Failure::failed)?;
            report.files.extend(file);
        }
        Ok(report)
    }

    fn say(&self, what: &str) {
        if !self.quiet {
            eprintln!("{what}");
        }
    }
}

impl TrackReport {
    #[expect(clippy::cast_precision_loss, reason = "shown to people")]
    fn new(codec: Codec, reception: Reception, seconds: f64) -> Self {
        let kbit_per_second = reception.bytes as f64 * 8.0 / 1000.0 / seconds.max(0.001);
        Self { codec: codec.name(), kbit_per_second, reception }
    }
}

impl Report {
    fn print(&self, json: bool) -> Result<(), Failure> {
        if json {
            let json = serde_json::to_string(self).map_err(Failure::failed)?;
            return print(format_args!("{json}\n"));
        }
        let time = |time: Option<f64>| time.map_or_else(|| "-".to_owned(), |time| format!("{time:.0} ms"));
        println!(
            "answer {}, connected {}, first packet {}, first picture {}",
            time(self.answered_ms),
            time(self.connected_ms),
            time(self.first_packet_ms),
            time(self.first_key_frame_ms)
        );
        for track in [&self.video, &self.audio].into_iter().flatten() {
            let TrackReport { codec, kbit_per_second, reception: counted } = track;
            println!(
                "{codec}: {} packets, {} bytes, {kbit_per_second:.0} kbit/s, {} lost, {} frames ({} key, {} broken)",
                counted.packets, counted.bytes, counted.lost, counted.frames, counted.key_frames, counted.broken_frames
            );
        }
        for file in &self.files {
            println!("wrote {}", file.display());
        }
        Ok(())
    }

    fn outcome(&self) -> Result<(), Failure> {
        if self.video.is_none() && self.audio.is_none() {
            return Err(Failure::Failed("nothing was received".to_owned()));
        }
        if self.disconnected {
            return Err(Failure::Failed("the server ended the session, or the connection was lost".to_owned()));
        }
        Ok(())
    }
}
