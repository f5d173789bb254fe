//! Looks at the threads' boards and at the processes while a run goes on: a row for each second, and one window whose
//! figures are the result.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::load::board::{Counts, SharedBoard};
use crate::load::histogram::{Histogram, Percentiles};
use crate::load::process::{ProcessWatch, Usage, machine_ticks};

/// One second of a run.
#[derive(Clone, Default, Serialize, Debug)]
pub struct Second {
    /// Its end, since the beginning of the run.
    pub at: f64,
    /// What was going on.
    pub phase: &'static str,
    /// How far through it (0 to 1).
    #[serde(skip)]
    pub through: f64,
    /// Packets that arrived, per second.
    pub packets: f64,
    /// Megabits that arrived, per second.
    pub mbits: f64,
    /// Packets missing at its end.
    pub missing: u64,
    /// Subscribers that had their first key frame.
    pub playing: u64,
    /// In ms.
    pub latency: Percentiles,
    /// The server's, in cores.
    pub server_cpu: Option<f64>,
    /// The server's resident memory in MB.
    pub server_mb: Option<f64>,
    /// The generator's, in cores.
    pub own_cpu: f64,
}

/// What was measured in one stretch of time.
#[derive(Clone, Default, Debug)]
pub struct Window {
    /// How long it was.
    pub length: Duration,
    /// What receivers counted in it.
    pub counts: Counts,
    /// What the publishers' thread counted in it.
    pub sent: Counts,
    /// From sending to arrival, in µs.
    pub latency: Histogram,
    /// From arrival to reading, in µs.
    pub lag: Histogram,
    /// From due to sent, in µs.
    pub publisher_lag: Histogram,
    /// The server's CPU time.
    pub server_cpu: Option<Duration>,
    /// The generator's.
    pub own_cpu: Duration,
    /// The generator's busiest receiving thread's.
    pub busiest: Duration,
    /// Of all processes of the machine, and of interrupts.
    pub machine: Option<(Duration, Duration)>,
}

/// What was the case at one moment.
struct Moment {
    at: Instant,
    counts: Counts,
    sent: Counts,
    server: Option<Usage>,
    own: Usage,
    busiest: Vec<Duration>,
    machine: Option<(Duration, Duration)>,
}

/// Who looks.
pub struct Observer {
    start: Instant,
    receivers: Vec<SharedBoard>,
    senders: SharedBoard,
    server: Option<ProcessWatch>,
    own: Option<ProcessWatch>,
    /// Measurements of this second.
    latency: Histogram,
    /// Measurements of the window.
    window: Window,
    opened: Option<Moment>,
    last: Moment,
    seconds: Vec<Second>,
}

impl Observer {
    /// Begins to look.
    #[must_use]
    pub fn new(
        start: Instant,
        receivers: Vec<SharedBoard>,
        senders: SharedBoard,
        server: Option<ProcessWatch>,
    ) -> Self {
        let own = ProcessWatch::own();
        let nothing = Moment {
            at: start,
            counts: Counts::default(),
            sent: Counts::default(),
            server: None,
            own: Usage::default(),
            busiest: Vec::new(),
            machine: None,
        };
        let (latency, window) = (Histogram::default(), Window::default());
        let mut observer = Self {
            start,
            receivers,
            senders,
            server,
            own,
            latency,
            window,
            opened: None,
            last: nothing,
            seconds: Vec::new(),
        };
        observer.last = observer.moment();
        observer
    }

    /// What receivers have counted, all together.
    pub fn counts(&self) -> Counts {
        self.receivers.iter().map(|board| board.lock().counts).fold(Counts::default(), Counts::plus)
    }

    /// What the publishers' thread has counted.
    pub fn sent(&self) -> Counts {
        self.senders.lock().counts
    }

    /// The server's resident memory in kB.
    pub fn server_resident(&mut self) -> Option<u64> {
        self.server.as_mut()?.look().map(|usage| usage.resident)
    }

    /// Ends a second, if it has passed; returns its row.
    pub fn tick(&mut self, phase: &'static str, through: f64) -> Option<&Second> {
        if self.last.at.elapsed() < Duration::from_secs(1) {
            return None;
        }
        self.collect();
        let now = self.moment();
        let seconds = now.at.saturating_duration_since(self.last.at).as_secs_f64();
        let gone = now.counts.since(self.last.counts);
        let cores = |later: Duration, earlier: Duration| later.saturating_sub(earlier).as_secs_f64() / seconds;
        let server_cpu = now.server.zip(self.last.server).map(|(later, earlier)| cores(later.cpu, earlier.cpu));
        self.seconds.push(Second {
            at: now.at.saturating_duration_since(self.start).as_secs_f64(),
            phase,
            through,
            packets: ratio(gone.packets, seconds),
            mbits: ratio(gone.bytes * 8, seconds) / 1e6,
            missing: now.counts.missing,
            playing: now.counts.playing,
            latency: self.latency.milliseconds(),
            server_cpu,
            server_mb: now.server.map(|usage| ratio(usage.resident, 1_024.0)),
            own_cpu: cores(now.own.cpu, self.last.own.cpu),
        });
        self.latency.clear();
        self.last = now;
        self.seconds.last()
    }

    /// The window begins.
    pub fn open_window(&mut self) {
        self.collect();
        self.window = Window::default();
        self.opened = Some(self.moment());
    }

    /// The window ends.
    pub fn close_window(&mut self) -> Window {
        let now = self.moment();
        self.collect();
        let mut window = std::mem::take(&mut self.window);
        if let Some(opened) = self.opened.take() {
            window.length = now.at.saturating_duration_since(opened.at);
            window.counts = now.counts.since(opened.counts);
            window.sent = now.sent.since(opened.sent);
            window.server_cpu =
                now.server.zip(opened.server).map(|(later, earlier)| later.cpu.saturating_sub(earlier.cpu));
            window.own_cpu = now.own.cpu.saturating_sub(opened.own.cpu);
            let busy = now.busiest.iter().zip(&opened.busiest).map(|(later, earlier)| later.saturating_sub(*earlier));
            window.busiest = busy.max().unwrap_or_default();
            window.machine = now
                .machine
                .zip(opened.machine)
                .map(|(later, earlier)| (later.0.saturating_sub(earlier.0), later.1.saturating_sub(earlier.1)));
        }
        window
    }

    /// The rows so far.
    #[must_use]
    pub fn seconds(&self) -> &[Second] {
        &self.seconds
    }

    /// Takes what the threads have measured since the last time.
    fn collect(&mut self) {
        for board in &self.receivers {
            let mut latency = Histogram::default();
            board.take(&mut latency, &mut self.window.lag);
            self.latency.add(&latency);
            self.window.latency.add(&latency);
        }
        self.senders.take(&mut Histogram::default(), &mut self.window.publisher_lag);
    }

    fn moment(&mut self) -> Moment {
        let counts = self.counts();
        let own = self.own.as_mut().and_then(ProcessWatch::look).unwrap_or_default();
        let threads = self.own.iter().flat_map(|own| own.threads().values());
        let busiest = threads.filter(|thread| thread.name.starts_with("load-recv")).map(|thread| thread.cpu).collect();
        Moment {
            at: Instant::now(),
            counts,
            sent: self.sent(),
            server: self.server.as_mut().and_then(ProcessWatch::look),
            own,
            busiest,
            machine: machine_ticks(),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown to people")]
fn ratio(count: u64, by: f64) -> f64 {
    count as f64 / by
}
