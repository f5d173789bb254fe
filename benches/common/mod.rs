//! What the benchmarks share: the CPU time of a thread, and a table.
//!
//! All figures are CPU time (user and system), never wall clock: what is asked is how many subscribers a core serves,
//! and the machine may be shared.
#![allow(dead_code, reason = "each benchmark takes its part")]
#![allow(clippy::cast_precision_loss, reason = "figures for people to read")]

pub mod client;
pub mod drain;
pub mod media;
pub mod peers;
pub mod sink;
pub mod stage;
pub mod worker;

use std::hint::black_box;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// How much is measured: everything for `cargo bench`, one short round for `cargo test --benches`, so that a benchmark
/// which no longer runs is found there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    Full,
    Smoke,
}

impl Effort {
    /// Cargo gives `--bench` to what it runs as a benchmark.
    pub fn from_arguments() -> Self {
        if std::env::args().any(|argument| argument == "--bench") {
            return Self::Full;
        }
        println!("One short round: its figures say nothing.");
        Self::Smoke
    }

    /// `full`, or the least that still does something.
    pub fn of<T>(self, full: T, smoke: T) -> T {
        match self {
            Self::Full => full,
            Self::Smoke => smoke,
        }
    }

    /// CPU time of one sample.
    fn sample(self) -> Duration {
        self.of(Duration::from_millis(100), Duration::ZERO)
    }

    fn samples(self) -> usize {
        self.of(7, 1)
    }
}

/// Counts the CPU time of the calling thread.
pub struct Stopwatch(Duration);

impl Stopwatch {
    pub fn start() -> Self {
        Self(thread_cpu())
    }

    /// CPU time since the start.
    pub fn elapsed(&self) -> Duration {
        thread_cpu().saturating_sub(self.0)
    }
}

fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("every thread has a CPU clock");
    time.into()
}

/// Nanoseconds of CPU time for one of the `count` things that `work` says it did: the median of some samples, each long
/// enough for the clock.
pub fn nanoseconds_each(effort: Effort, mut work: impl FnMut() -> u64) -> f64 {
    let mut warm = 0;
    let watch = Stopwatch::start();
    while warm == 0 || watch.elapsed() < effort.sample() / 2 {
        warm += work();
    }
    let samples = (0..effort.samples()).map(|_| {
        let watch = Stopwatch::start();
        let mut count = 0;
        loop {
            count += black_box(work());
            let used = watch.elapsed();
            if used >= effort.sample() {
                return per(used, count);
            }
        }
    });
    median(samples.collect())
}

/// Nanoseconds of `time` for each of `count`.
pub fn per(time: Duration, count: u64) -> f64 {
    time.as_nanos() as f64 / count.max(1) as f64
}

pub fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

/// The straight line through these points with the least squares of error: where it begins, and how it rises.
pub fn line_through(points: &[(f64, f64)]) -> (f64, f64) {
    let count = points.len() as f64;
    let (sum_x, sum_y) = points.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
    let (mean_x, mean_y) = (sum_x / count, sum_y / count);
    let covariance: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let variance: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    let slope = covariance / variance;
    (mean_y - slope * mean_x, slope)
}

/// Rows under a heading, in the columns of a Markdown table.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(heading: &[&str]) -> Self {
        Self { rows: vec![heading.iter().map(|&cell| cell.to_owned()).collect()] }
    }

    pub fn row(&mut self, name: impl Into<String>, figures: &[f64]) {
        let figures = figures.iter().map(|figure| grouped(*figure));
        self.rows.push(std::iter::once(name.into()).chain(figures).collect());
    }

    pub fn print(&self, title: &str) {
        let width = |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.rows[0].len()).map(width).collect();
        println!("\n{title}\n");
        for (number, row) in self.rows.iter().enumerate() {
            let cells = row.iter().zip(&widths).enumerate();
            let cells = cells.map(|(column, (cell, &width))| match column {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            });
            println!("| {} |", cells.collect::<Vec<_>>().join(" | "));
            if number == 0 {
                let rules = widths.iter().enumerate().map(|(column, &width)| match column {
                    0 => "-".repeat(width),
                    _ => format!("{}:", "-".repeat(width - 1)),
                });
                println!("| {} |", rules.collect::<Vec<_>>().join(" | "));
            }
        }
    }
}

/// A whole number with its thousands apart; nothing for a zero, which is no figure.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "figures are small and positive")]
fn grouped(figure: f64) -> String {
    let digits = (figure.round().max(0.0) as u64).to_string();
    if digits == "0" {
        return String::new();
    }
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
