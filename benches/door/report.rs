//! What came of the attacks, as tables in Markdown, and what should not have.

use std::collections::BTreeMap;

use crate::attack::Seen;
use crate::guests::Served;
use crate::media::{Joined, SUBSCRIBERS};
use crate::{FREED_BUT_MB, Scenario};

pub struct Findings {
    /// What attackers had seen when the measured time began, and when it ended.
    pub window: (Seen, Seen),
    pub seconds: f64,
    /// Of the server, and of the attackers and guests.
    pub cores: (f64, f64),
    pub served: Served,
    pub joined: Vec<Result<Joined, String>>,
    /// Before, at most, after; in MB.
    pub memory: [f64; 3],
    pub descriptors: [u64; 3],
    /// Why the server ended connections, or let nobody in.
    pub cuts: Vec<(String, f64)>,
    /// Lines in the server's log, at its default level.
    pub logged: usize,
    /// Packets that arrived in the room, packets that were lost, the 99th percentile of the latency in ms.
    pub media: (u64, u64, f64),
    /// What attackers saw from the beginning to the end.
    pub all: Seen,
}

/// From the server's metrics.
pub fn cuts(metrics: &BTreeMap<String, f64>) -> Vec<(String, f64)> {
    let reason = |name: &str| {
        Some(name.strip_prefix("rillcast_connections_cut_total{reason=\"")?.trim_end_matches("\"}").to_owned())
    };
    metrics
        .iter()
        .filter(|(_, count)| **count > 0.0)
        .filter_map(|(name, count)| Some((reason(name)?, *count)))
        .collect()
}

#[derive(Default)]
pub struct Report {
    attacks: Vec<Vec<String>>,
    guests: Vec<Vec<String>>,
    resources: Vec<Vec<String>>,
    pub failures: Vec<String>,
}

impl Report {
    pub fn add(&mut self, scenario: &Scenario, findings: &Findings) {
        let problems = problems(scenario, findings);
        self.failures.extend(problems.iter().map(|problem| format!("{}: {problem}", scenario.name)));
        for problem in &problems {
            eprintln!("  FAILED: {problem}");
        }
        let Findings { window: (from, to), seconds, served, .. } = findings;
        let answers = to.answers.iter().map(|(what, count)| {
            let count = count - from.answers.get(what).copied().unwrap_or(0);
            format!("{what} × {} ({:.0}/s)", grouped(count), count as f64 / seconds)
        });
        let mut lives = findings.all.lives.clone();
        lives.sort_by(f64::total_cmp);
        let life =
            lives.get(lives.len() / 2).map_or_else(String::new, |life| format!(", half of them after {life:.1} s"));
        let cuts = findings.cuts.iter().map(|(reason, count)| format!("`{reason}` × {count}"));
        self.attacks.push(vec![
            scenario.what.to_owned(),
            joined_or(answers, "none"),
            format!("{}, {} open", grouped(findings.all.connected), grouped(to.open)),
            format!("{}{life}", grouped(findings.all.cut)),
            joined_or(cuts, "none"),
        ]);
        let joins = findings.joined.iter().map(|joined| match joined {
            Ok(joined) => format!("{:.0} / {:.0}", joined.answered_ms, joined.key_frame_ms),
            Err(_) => "failed".to_owned(),
        });
        self.guests.push(vec![
            scenario.name.to_owned(),
            format!("{} of {}", served.times.len(), served.times.len() + served.failures.len()),
            format!("{:.1} / {:.1} / {:.1}", served.percentile(0.5), served.percentile(0.99), served.percentile(1.0)),
            joined_or(joins, "none"),
            format!("{} of {}", findings.media.1, grouped(findings.media.0)),
            format!("{:.1}", findings.media.2),
        ]);
        let [before, most, after] = findings.memory;
        let [open, most_open, left] = findings.descriptors;
        self.resources.push(vec![
            scenario.name.to_owned(),
            format!("{:.2} / {:.2}", findings.cores.0, findings.cores.1),
            format!("{before:.1} / {most:.1} / {after:.1}"),
            format!("{open} / {} / {left}", grouped(most_open)),
            findings.logged.to_string(),
        ]);
    }

    pub fn print(&self) {
        println!("\nThe attacks, as the attackers saw them; the last column is the server's own count.\n");
        table(
            &["attack", "answers in the measured time", "connections", "ended by the server", "reasons"],
            &self.attacks,
        );
        println!(
            "\nWho may come in: 20 clients, a new connection each second; a live room of 1 publisher and {SUBSCRIBERS} \
             subscribers; three players that join.\n"
        );
        let heads =
            ["attack", "served", "ms p50 / p99 / max", "joins: ms to answer / picture", "packets lost", "p99 ms"];
        table(&heads, &self.guests);
        println!("\nThe server's process.\n");
        let heads = [
            "attack",
            "cores: server / attackers",
            "MB before / most / after",
            "descriptors before / most / after",
            "lines logged",
        ];
        table(&heads, &self.resources);
        for failure in &self.failures {
            println!("\nFAILED {failure}");
        }
    }
}

fn problems(scenario: &Scenario, findings: &Findings) -> Vec<String> {
    let mut problems = Vec::new();
    let served = &findings.served;
    if let Some(first) = served.failures.first() {
        problems.push(format!("{} guests were not served: {first}", served.failures.len()));
    }
    let slowest = served.percentile(1.0);
    if slowest.is_nan() || slowest > scenario.promised {
        problems.push(format!("a guest waited {slowest:.0} ms"));
    }
    for joined in &findings.joined {
        match joined {
            Err(problem) => problems.push(format!("a player got nothing: {problem}")),
            Ok(Joined { packets, lost, .. }) if *packets == 0 || *lost > 0 => {
                problems.push(format!("a player got {packets} packets and lost {lost}"));
            }
            Ok(_) => {}
        }
    }
    if findings.media.1 > 0 {
        problems.push(format!("{} packets of the room were lost", findings.media.1));
    }
    let refused = |seen: &Seen| seen.answers.get("429").copied().unwrap_or(0);
    let refused = (refused(&findings.window.1) - refused(&findings.window.0)) as f64 / findings.seconds;
    if refused < scenario.least_refused {
        problems.push(format!("{refused:.0} refusals a second are no attack"));
    }
    let wrong = |what: &str| what.ends_with(": 200") || what.ends_with(": nothing");
    problems.extend(findings.all.answers.keys().filter(|what| wrong(what)).map(|what| format!("{what} was taken")));
    let [before, most, after] = findings.memory;
    if most - before > scenario.most_memory {
        problems.push(format!("{:.0} MB more memory", most - before));
    }
    if after > before + FREED_BUT_MB {
        problems.push(format!("{:.0} MB were not given back", after - before));
    }
    let [open, _, left] = findings.descriptors;
    if left > open {
        problems.push(format!("{left} descriptors are open, {open} were before"));
    }
    problems
}

fn table(heads: &[&str], rows: &[Vec<String>]) {
    println!("| {} |\n|{}", heads.join(" | "), " --- |".repeat(heads.len()));
    for row in rows {
        println!("| {} |", row.join(" | "));
    }
}

fn joined_or(parts: impl Iterator<Item = String>, none: &str) -> String {
    let parts: Vec<String> = parts.collect();
    if parts.is_empty() { none.to_owned() } else { parts.join(", ") }
}

/// With its thousands apart.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
