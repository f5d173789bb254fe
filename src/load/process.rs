//! What a process and the machine spend, by `/proc`.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use serde::Serialize;

/// Kernel clock ticks per second in `/proc` files; Linux has had 100 on all architectures for user space.
const TICK: Duration = Duration::from_millis(10);

/// One process, looked at again and again.
pub struct ProcessWatch {
    folder: String,
    /// CPU time of each thread that was ever seen: one that ends keeps what it had.
    threads: BTreeMap<u32, ThreadUse>,
}

/// One thread's CPU time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ThreadUse {
    /// As the thread calls itself.
    pub name: String,
    /// User and system.
    pub cpu: Duration,
}

/// What a process has used.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Usage {
    /// User and system, of all threads since its start.
    pub cpu: Duration,
    /// Resident memory in kB.
    pub resident: u64,
}

impl ProcessWatch {
    /// The process of this number; `None` where there is no such process, or it is not to be seen.
    #[must_use]
    pub fn new(pid: u32) -> Option<Self> {
        let mut watch = Self { folder: format!("/proc/{pid}"), threads: BTreeMap::new() };
        watch.look().map(|_| watch)
    }

    /// This process.
    #[must_use]
    pub fn own() -> Option<Self> {
        Self::new(std::process::id())
    }

    /// What it has used so far; `None` once it has gone.
    pub fn look(&mut self) -> Option<Usage> {
        let status = fs::read_to_string(format!("{}/status", self.folder)).ok()?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let resident = resident.split_whitespace().next()?.parse().ok()?;
        let cpu = self.look_at_threads().or_else(|| self.ticks())?;
        Some(Usage { cpu, resident })
    }

    /// The threads as of the last look.
    #[must_use]
    pub fn threads(&self) -> &BTreeMap<u32, ThreadUse> {
        &self.threads
    }

    /// The scheduler's own account, in nanoseconds.
    fn look_at_threads(&mut self) -> Option<Duration> {
        let mut any = false;
        for entry in fs::read_dir(format!("{}/task", self.folder)).ok()?.flatten() {
            let Some(number) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let read = |file: &str| fs::read_to_string(entry.path().join(file)).ok();
            let Some(spent) = read("schedstat").and_then(|text| text.split(' ').next()?.parse().ok()) else { continue };
            any = true;
            let name = read("comm").unwrap_or_default().trim_end().to_owned();
            self.threads.insert(number, ThreadUse { name, cpu: Duration::from_nanos(spent) });
        }
        any.then(|| self.threads.values().map(|thread| thread.cpu).sum())
    }

    /// `utime` and `stime`, where the scheduler keeps no account.
    fn ticks(&self) -> Option<Duration> {
        let stat = fs::read_to_string(format!("{}/stat", self.folder)).ok()?;
        // The name in parentheses may have spaces in it.
        let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
        let mut next = || fields.next()?.parse::<u32>().ok();
        Some(TICK * (next()? + next()?))
    }
}

/// Where a run took place.
#[derive(Clone, Default, Serialize, Debug)]
pub struct Machine {
    /// The processor's model.
    pub model: String,
    /// How many cores this process may use.
    pub cores: usize,
    /// The kernel's release.
    pub kernel: String,
    /// Memory in MB.
    pub memory_mb: u64,
}

impl Machine {
    /// This one.
    #[must_use]
    pub fn this() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let value = |text: &str, key: &str| {
            let line = text.lines().find(|line| line.starts_with(key));
            line.and_then(|line| line.split_once(':')).map_or(String::new(), |(_, value)| value.trim().to_owned())
        };
        let memory = value(&read("/proc/meminfo"), "MemTotal");
        let kilobytes: u64 = memory.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0);
        Self {
            model: value(&read("/proc/cpuinfo"), "model name"),
            cores: crate::net::cpu::cores(),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            memory_mb: kilobytes / 1_024,
        }
    }
}

/// CPU time of all processes of the machine since its start, and the part of it that interrupts took.
#[must_use]
pub fn machine_ticks() -> Option<(Duration, Duration)> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let fields: Vec<u32> = stat.lines().next()?.split_whitespace().skip(1).map_while(|n| n.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal
    let [user, nice, system, _, _, irq, soft, ..] = fields[..] else { return None };
    Some((TICK * (user + nice + system + irq + soft), TICK * (irq + soft)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_work_is_seen() {
        let mut watch = ProcessWatch::own().unwrap();
        let before = watch.look().unwrap();
        let mut sum = 0_u64;
        while watch.look().unwrap().cpu < before.cpu + Duration::from_millis(20) {
            sum = (0..100_000_u64).fold(sum, |sum, number| sum.rotate_left(3) ^ number);
        }
        assert!(before.resident > 1_000, "{} {sum}", before.resident);
        assert!(watch.ticks().is_some());
        assert!(watch.threads().values().any(|thread| thread.cpu > Duration::ZERO));
        assert!(ProcessWatch::new(u32::MAX).is_none());
    }

    #[test]
    fn the_machine_is_described() {
        let machine = Machine::this();
        assert!(machine.cores > 0 && machine.memory_mb > 0 && !machine.kernel.is_empty());
        let (all, interrupts) = machine_ticks().unwrap();
        assert!(all >= interrupts);
    }
}
