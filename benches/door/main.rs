//! The door under attack: a server of its own with a room that is live, attackers, guests who may come in, and players
//! that join meanwhile. `cargo bench --bench door` runs all of them, `-- flood idle` those whose names begin so.
//!
//! It fails where a guest is not served within 100 ms, a packet of the room is lost, a player gets no media, memory
//! grows beyond its bound, or anything is left open afterwards.
#![allow(clippy::disallowed_methods, reason = "times are measured")]
#![allow(clippy::cast_precision_loss, reason = "figures for people to read")]

mod attack;
mod guests;
mod heads;
mod http;
mod media;
mod report;
mod target;

use std::time::{Duration, Instant};

use attack::{Attack, Kind};
use guests::Guests;
use media::Room;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use report::{Findings, Report};
use target::{Target, Watch};

/// Until everything that an attack has opened is closed again.
const FREED: Duration = Duration::from_secs(40);
/// What may be kept of it, in MB: tables that have grown, and what lies among other things.
pub const FREED_BUT_MB: f64 = 15.0;

/// One attack.
pub struct Scenario {
    /// As it is chosen.
    pub name: &'static str,
    /// For the table.
    pub what: &'static str,
    kind: Kind,
    attackers: u32,
    variables: &'static [(&'static str, &'static str)],
    /// Seconds until it is measured how fast the attack is, and how long that is measured.
    warm: u64,
    measured: u64,
    /// Refusals that there have to be in each second.
    pub least_refused: f64,
    /// What the server may need for it, in MB, beyond what it had before.
    pub most_memory: f64,
    /// Within how many ms each guest is served.
    pub promised: f64,
}

/// A request a second, and enough at once for the room's sessions, which all come from one address.
const LIMITED: &[(&str, &str)] = &[("RATE_LIMIT_RPS", "1"), ("RATE_LIMIT_BURST", "40")];

const NORMAL: Scenario = Scenario {
    name: "",
    what: "",
    kind: Kind::Silent,
    attackers: 2_000,
    variables: &[],
    warm: 0,
    measured: 25,
    least_refused: 0.0,
    most_memory: 100.0,
    promised: 100.0,
};

const SCENARIOS: [Scenario; 10] = [
    Scenario { name: "nobody", what: "nobody, for comparison", attackers: 0, measured: 15, ..NORMAL },
    Scenario {
        name: "flood",
        what: "11,000 requests a second from 1,000 addresses that may ask 1,000",
        kind: Kind::Flood(Some(11_000)),
        attackers: 1_000,
        variables: LIMITED,
        // Until all have used what they may ask at once.
        warm: 6,
        measured: 20,
        least_refused: 9_900.0,
        ..NORMAL
    },
    Scenario {
        name: "unpaced-flood",
        what: "the same 1,000 addresses, as fast as they get answers",
        kind: Kind::Flood(None),
        attackers: 1_000,
        variables: LIMITED,
        warm: 4,
        measured: 15,
        // The server has no more cores than the attackers and the guests: all that is promised is an answer.
        promised: 10_000.0,
        ..NORMAL
    },
    Scenario {
        name: "storm",
        what: "a connection for each request, as fast as it goes, from 100 addresses",
        kind: Kind::Storm,
        attackers: 100,
        variables: LIMITED,
        warm: 2,
        measured: 15,
        ..NORMAL
    },
    Scenario {
        name: "trickle",
        what: "2,000 connections, a byte of a head each second",
        kind: Kind::Trickle,
        ..NORMAL
    },
    Scenario {
        name: "heads",
        what: "heads that are too large, 50 at a time",
        kind: Kind::Heads,
        attackers: 50,
        measured: 15,
        ..NORMAL
    },
    Scenario { name: "silent", what: "2,000 connections that say nothing", kind: Kind::Silent, ..NORMAL },
    Scenario {
        name: "unread",
        what: "1,000 connections, 100 requests each, no answer is read",
        kind: Kind::Unread,
        attackers: 1_000,
        measured: 30,
        ..NORMAL
    },
    Scenario {
        name: "idle",
        what: "15,000 connections that ask each 8 s, 8,192 may be there",
        kind: Kind::Idle,
        attackers: 15_000,
        most_memory: 400.0,
        ..NORMAL
    },
    Scenario {
        name: "roomy-idle",
        what: "the same with `MAX_CONNECTIONS=16000`",
        kind: Kind::Idle,
        attackers: 15_000,
        variables: &[("MAX_CONNECTIONS", "16000")],
        most_memory: 600.0,
        ..NORMAL
    },
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if !arguments.iter().any(|argument| argument == "--bench") {
        // As `cargo test --benches` does: that the parts still fit is what it can find out.
        println!("Not asked for: `cargo bench --bench door`, or `make bench-door`.");
        return;
    }
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
    let wanted: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let chosen = |scenario: &&Scenario| wanted.is_empty() || wanted.iter().any(|name| scenario.name.starts_with(*name));
    let mut report = Report::default();
    for scenario in SCENARIOS.iter().filter(chosen) {
        eprintln!("{}: {}", scenario.name, scenario.what);
        report.add(scenario, &run(scenario));
    }
    report.print();
    if !report.failures.is_empty() {
        std::process::exit(1);
    }
}

fn run(scenario: &Scenario) -> Findings {
    let target = Target::start(scenario.variables);
    let room = Room::open(&target);
    let before = (target.memory(), target.descriptors());
    let watch = Watch::start(&target);
    let guests = Guests::start(target.address);
    let attack = Attack::start(scenario.kind, target.address, scenario.attackers);
    std::thread::sleep(Duration::from_secs(scenario.warm));

    let (from, cpu, own) = (attack.seen(), target.cpu(), target::cpu(std::process::id()));
    let began = Instant::now();
    let deadline = began + Duration::from_secs(scenario.measured);
    let joined = (0..3).map(|_| media::join(&target)).collect();
    std::thread::sleep(deadline.saturating_duration_since(Instant::now()));
    let seconds = began.elapsed().as_secs_f64();
    let (to, cpu, own) = (attack.seen(), target.cpu() - cpu, target::cpu(std::process::id()) - own);

    let served = guests.stop();
    let (most_memory, most_descriptors) = watch.stop();
    let all = attack.stop();
    let deadline = Instant::now() + FREED;
    let is_freed = || target.descriptors() <= before.1 && target.memory() < before.0 + FREED_BUT_MB;
    while !is_freed() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(200));
    }
    let after = (target.memory(), target.descriptors());
    let metrics = target.metrics();
    Findings {
        window: (from, to),
        seconds,
        cores: (cpu / seconds, own / seconds),
        served,
        joined,
        memory: [before.0, most_memory, after.0],
        descriptors: [before.1, most_descriptors, after.1],
        cuts: report::cuts(&metrics),
        logged: target.logged(),
        media: room.close(),
        all,
    }
}
