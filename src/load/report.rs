//! The result of a run.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::load::board::Counts;
use crate::load::full::Full;
use crate::load::histogram::{Histogram, Percentiles};
use crate::load::observe::{Second, Window};
use crate::load::plan::Plan;
use crate::load::process::Machine;
use crate::load::subscriber::Outcome;

/// Beyond these the generator may have been what was measured.
const MOST_BUSY: f64 = 0.9;
const MOST_LAG_MS: f64 = 50.0;
const MOST_PUBLISHER_LAG_MS: f64 = 10.0;

/// Everything that a run found out.
#[derive(Clone, Serialize, Debug)]
pub struct Report {
    /// The version of the generator.
    pub version: &'static str,
    /// As it was asked for.
    pub plan: Plan,
    /// Where it took place.
    pub machine: Machine,
    /// Who joined, and how fast.
    pub joins: Joins,
    /// What came, from the first packet to the last.
    pub delivery: Delivery,
    /// What full subscribers saw, where there were any.
    pub full: Option<Full>,
    /// What was measured while all had joined and none was to leave (but by churn).
    pub window: Steady,
    /// The server, where its process is known.
    pub server: Option<Server>,
    /// This program.
    pub generator: Generator,
    /// What went wrong, and how often.
    pub errors: BTreeMap<String, u64>,
    /// A row for each second.
    pub seconds: Vec<Second>,
}

/// Joins, in ms from the beginning of the request on.
#[derive(Clone, Default, Serialize, Debug)]
pub struct Joins {
    /// Publishers that were asked for, and those that connected.
    pub publishers: (u64, u64),
    /// Subscribers that were asked for.
    pub asked: u64,
    /// Refused by HTTP, or not answered.
    pub refused: u64,
    /// Whose handshake was done.
    pub connected: u64,
    /// That had a whole key frame.
    pub playing: u64,
    /// That ended by themselves.
    pub ended: u64,
    /// To the answer.
    pub answered_ms: Percentiles,
    /// To the end of the handshake.
    pub connected_ms: Percentiles,
    /// To the first packet of media.
    pub first_packet_ms: Percentiles,
    /// To the last packet of the first key frame.
    pub key_frame_ms: Percentiles,
    /// For plots: seconds since the beginning of the run, and ms to the first key frame.
    pub points: Vec<(f64, f64)>,
}

/// Packets.
#[derive(Clone, Default, Serialize, Debug)]
pub struct Delivery {
    /// That arrived, each once.
    pub packets: u64,
    /// That should have.
    pub expected: u64,
    /// That never arrived. Those dropped to simulate loss count unless they were sent again.
    pub lost: u64,
    /// Of the expected ones.
    pub lost_share: f64,
    /// What else was counted.
    pub counts: Counts,
    /// What publishers sent, and what was asked of them.
    pub published: Counts,
}

/// The measured window.
#[derive(Clone, Default, Serialize, Debug)]
pub struct Steady {
    /// Its length in seconds.
    pub seconds: f64,
    /// Packets that arrived in it.
    pub packets: u64,
    /// Per second.
    pub packets_per_second: f64,
    /// UDP payload.
    pub mbits_per_second: f64,
    /// From sending to arrival at the socket, by the sample.
    pub latency_ms: Percentiles,
    /// What was counted in it.
    pub counts: Counts,
}

/// The server's process in the window.
#[derive(Clone, Default, Serialize, Debug)]
pub struct Server {
    /// User and system time for each packet that arrived, in µs.
    pub us_per_packet: Option<f64>,
    /// User and system time, in cores.
    pub cores: f64,
    /// Resident memory in kB with publishers alone, and at the end of the window.
    pub resident_kb: (u64, u64),
    /// What each subscriber added.
    pub kb_per_subscriber: Option<f64>,
    /// Time that the kernel spent in interrupts on the whole machine, in cores: with two processes on one machine the
    /// work of the loopback device is in here where it does not run on account of who sends.
    pub interrupts_cores: Option<f64>,
}

/// This program in the window.
#[derive(Clone, Default, Serialize, Debug)]
pub struct Generator {
    /// In cores.
    pub cores: f64,
    /// The busiest receiving thread's share of a core.
    pub busiest_thread: f64,
    /// Datagrams that its own sockets dropped because it was late, in the whole run. They are among the lost ones.
    pub overflows: u64,
    /// From a datagram's arrival to its being read.
    pub receive_lag_ms: Percentiles,
    /// From when a packet was to be published to when it was.
    pub publish_lag_ms: Percentiles,
    /// Why the figures may be the generator's rather than the server's.
    pub bottleneck: Vec<String>,
}

/// What a report is made of.
pub struct Findings {
    /// When the run began.
    pub start: Instant,
    /// What became of all subscribers.
    pub outcomes: Vec<Outcome>,
    /// What full subscribers saw.
    pub full: Option<Full>,
    /// Subscribers that were asked for and refused; publishers that were asked for and connected.
    pub refused: u64,
    /// See [`Joins::publishers`].
    pub publishers: (u64, u64),
    /// See [`Joins::asked`].
    pub asked: u64,
    /// What receivers counted in the whole run.
    pub counts: Counts,
    /// What the publishers' thread counted.
    pub sent: Counts,
    /// The window.
    pub window: Window,
    /// The server's memory before the first subscriber, and at the end of the window.
    pub resident: Option<(u64, u64)>,
    /// Subscribers at that time.
    pub present: u64,
    /// What went wrong.
    pub errors: BTreeMap<String, u64>,
    /// Rows.
    pub seconds: Vec<Second>,
}

impl Report {
    /// Puts it together.
    #[must_use]
    pub fn new(plan: Plan, findings: Findings) -> Self {
        let joins = Joins::new(&findings);
        let generator = Generator::new(&findings);
        let server = Server::new(&findings);
        let window = Steady::new(&findings.window);
        let total = |count: fn(&Outcome) -> u64| findings.outcomes.iter().map(count).sum::<u64>();
        let by_full = findings.full.as_ref().map_or((0, 0), |full| {
            // Padding is a packet too; numbers of audio are not looked at.
            (full.video.packets + full.audio_packets, full.video.lost)
        });
        let lost = total(|outcome| outcome.lost) + by_full.1;
        let expected = total(|outcome| outcome.expected) + by_full.0 + by_full.1;
        let delivery = Delivery {
            packets: findings.counts.packets,
            expected,
            lost,
            lost_share: share(lost, expected),
            counts: findings.counts,
            published: findings.sent,
        };
        Self {
            version: env!("CARGO_PKG_VERSION"),
            plan,
            machine: Machine::this(),
            joins,
            delivery,
            full: findings.full,
            window,
            server,
            generator,
            errors: findings.errors,
            seconds: findings.seconds,
        }
    }

    /// What would make the run a failure: nobody connected, or not all that were to.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        let Joins { asked, playing, publishers, .. } = self.joins;
        let errors: Vec<_> = self.errors.iter().map(|(what, count)| format!("{count} × {what}")).collect();
        let why = if errors.is_empty() { "no error was seen".to_owned() } else { errors.join("; ") };
        if publishers.1 < publishers.0 {
            return Some(format!("{} of {} publishers connected: {why}", publishers.1, publishers.0));
        }
        (playing < asked).then(|| format!("{playing} of {asked} subscribers got a picture: {why}"))
    }
}

impl Joins {
    fn new(findings: &Findings) -> Self {
        let all = &findings.outcomes;
        let of = |time: fn(&Outcome) -> Option<Duration>| {
            let mut histogram = Histogram::default();
            all.iter().filter_map(time).for_each(|time| histogram.record(micros(time)));
            histogram.milliseconds()
        };
        let point = |outcome: &Outcome| {
            let at = outcome.began.saturating_duration_since(findings.start).as_secs_f64();
            Some((at, outcome.times.key_frame?.as_secs_f64() * 1_000.0))
        };
        Self {
            publishers: findings.publishers,
            asked: findings.asked,
            refused: findings.refused,
            connected: findings.counts.connected,
            playing: findings.counts.playing,
            ended: findings.counts.ended,
            answered_ms: of(|outcome| outcome.times.answered),
            connected_ms: of(|outcome| outcome.times.connected),
            first_packet_ms: of(|outcome| outcome.times.first_packet),
            key_frame_ms: of(|outcome| outcome.times.key_frame),
            points: all.iter().filter_map(point).collect(),
        }
    }
}

impl Steady {
    fn new(window: &Window) -> Self {
        let seconds = window.length.as_secs_f64();
        Self {
            seconds,
            packets: window.counts.packets,
            packets_per_second: per(window.counts.packets, seconds),
            mbits_per_second: per(window.counts.bytes * 8, seconds * 1e6),
            latency_ms: window.latency.milliseconds(),
            counts: window.counts,
        }
    }
}

impl Server {
    fn new(findings: &Findings) -> Option<Self> {
        let window = &findings.window;
        let (cpu, seconds) = (window.server_cpu?, window.length.as_secs_f64());
        let packets = Some(window.counts.packets).filter(|packets| *packets > 0);
        let resident = findings.resident.unwrap_or_default();
        let grown = resident.1.saturating_sub(resident.0);
        Some(Self {
            us_per_packet: packets.map(|packets| cpu.as_secs_f64() * 1e6 / per(packets, 1.0)),
            cores: cpu.as_secs_f64() / seconds,
            resident_kb: resident,
            kb_per_subscriber: (findings.present > 0).then(|| per(grown, per(findings.present, 1.0))),
            interrupts_cores: window.machine.map(|(_, interrupts)| interrupts.as_secs_f64() / seconds),
        })
    }
}

impl Generator {
    fn new(findings: &Findings) -> Self {
        let window = &findings.window;
        let seconds = window.length.as_secs_f64().max(f64::MIN_POSITIVE);
        let mut generator = Self {
            cores: window.own_cpu.as_secs_f64() / seconds,
            busiest_thread: window.busiest.as_secs_f64() / seconds,
            overflows: findings.counts.overflows,
            receive_lag_ms: window.lag.milliseconds(),
            publish_lag_ms: window.publisher_lag.milliseconds(),
            bottleneck: Vec::new(),
        };
        generator.bottleneck = generator.judge(findings);
        generator
    }

    fn judge(&self, findings: &Findings) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.overflows > 0 {
            reasons.push(format!("its sockets dropped {} datagrams that it did not read in time", self.overflows));
        }
        if findings.counts.send_failures + findings.sent.send_failures > 0 {
            let count = findings.counts.send_failures + findings.sent.send_failures;
            reasons.push(format!("it could not send {count} datagrams"));
        }
        if self.busiest_thread > MOST_BUSY {
            reasons.push(format!("a receiving thread was busy {:.0} % of the time", self.busiest_thread * 100.0));
        }
        if self.receive_lag_ms.p99 > MOST_LAG_MS {
            reasons.push(format!("it read datagrams {:.0} ms late (p99)", self.receive_lag_ms.p99));
        }
        if self.publish_lag_ms.p99 > MOST_PUBLISHER_LAG_MS {
            reasons.push(format!("it published {:.0} ms late (p99)", self.publish_lag_ms.p99));
        }
        reasons
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown to people")]
fn per(count: u64, by: f64) -> f64 {
    if by > 0.0 { count as f64 / by } else { 0.0 }
}

#[expect(clippy::cast_precision_loss, reason = "shown to people")]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
