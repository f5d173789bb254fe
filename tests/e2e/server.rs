//! A server process of one test.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::light::request;

pub struct Server {
    child: Child,
    pub base: String,
}

impl Server {
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// With more variables in its environment.
    pub fn with(variables: &[(&str, &str)]) -> Self {
        Self::logging(Stdio::inherit(), variables)
    }

    /// With its log somewhere else.
    pub fn logging(log: Stdio, variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rillcast"));
        command.arg("serve").stdout(Stdio::piped()).stderr(log);
        command.env("HTTP_ADDR", "127.0.0.1:0").env("MEDIA_UDP_PORT", "0").env("MEDIA_PUBLIC_IPS", "127.0.0.1");
        command.env("MEDIA_WORKERS", "1").env("LOG", std::env::var("LOG").unwrap_or("warn".to_owned()));
        command.envs(variables.iter().copied());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let base = lines.find_map(|line| {
            let line = line.unwrap();
            let start = line.find("http://")?;
            Some(line[start..].split_whitespace().next().unwrap().trim_end_matches('/').to_owned())
        });
        // Keep reading, so that the server never waits for us.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, base: base.expect("the server says where it listens") }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn rooms(&self) -> serde_json::Value {
        serde_json::from_str(&request("GET", &format!("{}/api/rooms", self.base), &[], "").body).unwrap()
    }

    /// Waits until the rooms are as wanted.
    pub fn wait_rooms(&self, what: &str, within: Duration, holds: impl Fn(&serde_json::Value) -> bool) {
        let deadline = Instant::now() + within;
        loop {
            let rooms = self.rooms();
            if holds(&rooms) {
                return;
            }
            assert!(Instant::now() < deadline, "{what}: {rooms}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Open file descriptors.
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap().count()
    }

    /// Resident memory in kB.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Time on a core since it began, in clock ticks.
    pub fn cpu_ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum()
    }

    /// A signal, by its name.
    pub fn signal(&self, name: &str) {
        Command::new("kill").args(["-s", name, &self.pid().to_string()]).status().unwrap();
    }

    /// SIGTERM, and the exit code.
    pub fn terminate(self) -> Option<i32> {
        self.signal("TERM");
        self.wait()
    }

    /// The exit code, when it has ended.
    pub fn wait(mut self) -> Option<i32> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "the server ends");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
