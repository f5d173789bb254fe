//! The server that is attacked: a process of its own, and what the kernel and its metrics say of it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::http;

/// Kernel clock ticks per second in `/proc`.
const TICKS: f64 = 100.0;
/// Between two looks at memory and descriptors.
const LOOK: Duration = Duration::from_millis(100);

pub struct Target {
    child: Child,
    log: PathBuf,
    pub address: SocketAddr,
}

impl Target {
    /// With these variables in its environment.
    pub fn start(variables: &[(&str, &str)]) -> Self {
        let binary = std::env::var("RILLCAST_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_rillcast").to_owned());
        let mut command = Command::new(binary);
        command.arg("serve").stdin(Stdio::null()).stdout(Stdio::piped());
        let log = std::env::temp_dir().join(format!("rillcast-door-{}.log", std::process::id()));
        command.stderr(File::create(&log).expect("there is room for a log"));
        command.env("HTTP_ADDR", "127.0.0.1:0").env("MEDIA_UDP_PORT", "0").env("MEDIA_PUBLIC_IPS", "127.0.0.1");
        command.env("MEDIA_WORKERS", "2").env_remove("LOG").envs(variables.iter().copied());
        let mut child = command.spawn().expect("the server starts");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines().map_while(Result::ok);
        let told = lines.find_map(|line| {
            let rest = line.split_once("http://")?.1.to_owned();
            rest.split(['/', ' ']).next()?.parse().ok()
        });
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, log, address: told.expect("the server says where it listens") }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Lines that it has logged.
    pub fn logged(&self) -> usize {
        std::fs::read_to_string(&self.log).map_or(0, |log| log.lines().count())
    }

    /// Resident memory in MB.
    pub fn memory(&self) -> f64 {
        resident(self.pid()) as f64 / 1024.0
    }

    /// Open descriptors.
    pub fn descriptors(&self) -> u64 {
        descriptors(self.pid())
    }

    /// Time on a core since it began, in seconds.
    pub fn cpu(&self) -> f64 {
        cpu(self.pid())
    }

    /// Its metrics, by name with labels.
    pub fn metrics(&self) -> BTreeMap<String, f64> {
        let from = [127, 8, 0, 1].into();
        let answer = http::ask(self.address, from, "GET", "/metrics", Duration::from_secs(10)).expect("metrics");
        let samples = answer.body.lines().filter(|line| !line.starts_with('#'));
        samples
            .filter_map(|line| {
                line.rsplit_once(' ').and_then(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
            })
            .collect()
    }

    /// The sum of a family's samples that have `label` in them.
    pub fn metric(&self, family: &str, label: &str) -> f64 {
        let samples = self.metrics();
        samples
            .iter()
            .filter(|(name, _)| name.starts_with(family) && name.contains(label))
            .map(|(_, value)| value)
            .sum()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.log);
    }
}

/// User and system time of a process in seconds.
pub fn cpu(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let fields = stat.rsplit(") ").next().expect("the name is in parentheses").split(' ');
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS
}

/// In kB.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kb| kb.parse().ok()).unwrap_or(0)
}

fn descriptors(pid: u32) -> u64 {
    std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, |entries| entries.count() as u64)
}

/// Looks at the server again and again, for the most that it had at a time.
pub struct Watch {
    most: Arc<(AtomicU64, AtomicU64)>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Watch {
    pub fn start(target: &Target) -> Self {
        let (most, stop) = (Arc::new((AtomicU64::new(0), AtomicU64::new(0))), Arc::new(AtomicBool::new(false)));
        let (seen, stopped, pid) = (most.clone(), stop.clone(), target.pid());
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                seen.0.fetch_max(resident(pid), Ordering::Relaxed);
                seen.1.fetch_max(descriptors(pid), Ordering::Relaxed);
                std::thread::sleep(LOOK);
            }
        });
        Self { most, stop, thread }
    }

    /// Most resident memory in MB, most descriptors.
    pub fn stop(self) -> (f64, u64) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("it only looks");
        (self.most.0.load(Ordering::Relaxed) as f64 / 1024.0, self.most.1.load(Ordering::Relaxed))
    }
}
