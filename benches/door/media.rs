//! A room that is live while the server is attacked, and players that join it then.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::target::Target;

pub const SUBSCRIBERS: u32 = 20;
/// From its start to all subscribers' playing.
const JOIN: Duration = Duration::from_secs(15);

/// `rillcast load`: one publisher and its subscribers.
pub struct Room {
    child: Child,
    report: PathBuf,
}

fn rillcast() -> Command {
    let binary = std::env::var("RILLCAST_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_rillcast").to_owned());
    let mut command = Command::new(binary);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

impl Room {
    /// Returns when all subscribers play. It goes on until it is interrupted.
    pub fn open(target: &Target) -> Self {
        let report = std::env::temp_dir().join(format!("rillcast-door-{}.json", target.pid()));
        let mut command = rillcast();
        command.args(["load", &target.url(), "--subs", &SUBSCRIBERS.to_string(), "--ramp", "1s", "--settle", "1s"]);
        command.args(["--duration", "10m", "--json"]).arg(&report);
        let child = command.spawn().expect("the generator starts");
        let deadline = Instant::now() + JOIN;
        while target.metric("live_subscribers", "") < f64::from(SUBSCRIBERS) {
            assert!(Instant::now() < deadline, "the room's subscribers do not come");
            std::thread::sleep(Duration::from_millis(200));
        }
        // The bursts of the joins.
        std::thread::sleep(Duration::from_secs(2));
        Self { child, report }
    }

    /// Interrupts it: packets that arrived, packets that were lost, and the 99th percentile of the latency in ms.
    pub fn close(mut self) -> (u64, u64, f64) {
        interrupt(&self.child);
        let status = self.child.wait().expect("it ends");
        let text = std::fs::read_to_string(&self.report).expect("it wrote a report");
        let _ = std::fs::remove_file(&self.report);
        let report: Value = serde_json::from_str(&text).expect("JSON");
        assert!(status.success(), "the room was not whole: {}", report["errors"]);
        let count = |name: &str| report["delivery"][name].as_u64().expect("a count");
        (count("packets"), count("lost"), report["window"]["latency_ms"]["p99"].as_f64().unwrap_or(f64::NAN))
    }
}

fn interrupt(child: &Child) {
    let _ = Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status();
}

/// A player that came during the attack.
pub struct Joined {
    pub answered_ms: f64,
    pub key_frame_ms: f64,
    pub packets: u64,
    pub lost: u64,
}

/// `rillcast play` for two seconds.
pub fn join(target: &Target) -> Result<Joined, String> {
    let mut command = rillcast();
    command.args(["play", "--json", "--duration", "2", &format!("{}/whep/load", target.url())]);
    let output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().map_err(|error| error.to_string())?;
    let report: Value = serde_json::from_slice(&output.stdout)
        .map_err(|_| String::from_utf8_lossy(&output.stderr).trim().to_owned())?;
    let number = |value: &Value| value.as_f64().ok_or_else(|| format!("no media came: {report}"));
    let video = &report["video"];
    Ok(Joined {
        answered_ms: number(&report["answered_ms"])?,
        key_frame_ms: number(&report["first_key_frame_ms"])?,
        packets: video["packets"].as_u64().unwrap_or(0),
        lost: video["lost"].as_u64().unwrap_or(0),
    })
}
