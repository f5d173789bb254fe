//! How a run goes on, for whoever watches: three lines that are drawn anew in a terminal, a line at
//! times elsewhere.

use std::io::{self, Write};

use crate::load::observe::Second;

/// Cells of the bar.
const BAR: u32 = 20;
/// Where nothing can be drawn anew: a line after so many seconds.
const QUIET: u32 = 5;

/// Shows each second of a run.
pub struct Progress<W> {
    out: W,
    terminal: bool,
    drawn: bool,
    since_line: u32,
    phase: &'static str,
}

impl<W: Write> Progress<W> {
    /// Writes to `out`. `terminal`: it can go up a line and erase one.
    pub fn new(out: W, terminal: bool) -> Self {
        Self { out, terminal, drawn: false, since_line: QUIET, phase: "" }
    }

    /// Shows a second.
    ///
    /// # Errors
    /// What writing says.
    pub fn show(&mut self, second: &Second) -> io::Result<()> {
        if self.terminal {
            // Each line fits 80 columns: one that wraps could not be drawn anew.
            let up = if std::mem::replace(&mut self.drawn, true) { "\x1b[2A\r" } else { "" };
            let (media, spent) = (media(second), spent(second));
            write!(self.out, "{up}\x1b[K{}\n\r\x1b[K{media}\n\r\x1b[K{spent}", head(second))?;
            return self.out.flush();
        }
        self.since_line += 1;
        if self.since_line >= QUIET || self.phase != second.phase {
            (self.since_line, self.phase) = (0, second.phase);
            let Second { at, phase, playing, missing, .. } = second;
            writeln!(
                self.out,
                "{at:>5.0} s  {phase}: {playing} playing, {missing} missing, {} · {}",
                media(second),
                spent(second)
            )?;
        }
        Ok(())
    }

    /// Nothing more is shown.
    ///
    /// # Errors
    /// What writing says.
    pub fn finish(&mut self) -> io::Result<()> {
        if self.drawn { writeln!(self.out) } else { Ok(()) }
    }
}

/// What goes on, and how far it is.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of the bar")]
fn head(second: &Second) -> String {
    let done = ((second.through * f64::from(BAR)) as usize).min(BAR as usize);
    let bar = "█".repeat(done) + &"░".repeat(BAR as usize - done);
    let Second { at, phase, playing, missing, .. } = second;
    format!("{phase:<16} {bar} {at:>4.0} s · {playing} playing · {missing} missing")
}

/// What arrives, and how late.
fn media(second: &Second) -> String {
    let Second { latency, packets, mbits, .. } = second;
    let latency = match latency.count {
        0 => String::new(),
        _ => format!(" · latency p50 {:.1} p99 {:.1} ms", latency.p50, latency.p99),
    };
    format!("{packets:.0} packets/s · {mbits:.0} Mbit/s{latency}")
}

/// What it costs.
fn spent(second: &Second) -> String {
    let server = second.server_cpu.zip(second.server_mb);
    let server = server.map_or(String::new(), |(cpu, memory)| format!("server {cpu:.2} cores {memory:.0} MB · "));
    format!("{server}generator {:.2} cores", second.own_cpu)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(terminal: bool, phases: &[&'static str]) -> String {
        let mut out = Vec::new();
        let mut progress = Progress::new(&mut out, terminal);
        for phase in phases {
            let second = Second { phase, through: 0.5, packets: 7.0, server_cpu: Some(0.5), ..Second::default() };
            progress.show(&second).unwrap();
        }
        progress.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_terminal_is_drawn_anew() {
        let text = shown(true, &["joining"; 3]);
        assert_eq!(text.matches("\x1b[2A").count(), 2);
        assert_eq!(text.matches('\n').count(), 7);
        assert!(text.contains(&("█".repeat(10) + &"░".repeat(10))));
    }

    #[test]
    fn elsewhere_a_line_comes_each_five_seconds_and_for_each_phase() {
        let text = shown(false, &["joining"; 11]);
        assert_eq!(text.lines().count(), 3, "{text}");
        assert_eq!(shown(false, &["joining", "calm", "measured"]).lines().count(), 3);
        assert!(!text.contains('\x1b'));
    }
}
