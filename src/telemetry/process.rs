//! The process as the kernel sees it, under the names that every Prometheus client uses.

use std::fs;
use std::time::{Duration, SystemTime};

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage};

use crate::telemetry::families::Families;

/// Bytes of a page: all that we run on have this size.
const PAGE: u64 = 4096;

/// Adds what the kernel tells; what it does not tell is left out.
pub fn add(families: &mut Families, started: SystemTime) {
    let plain = |value: f64| [(Vec::new(), value)];
    if let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) {
        let time = usage.user_time() + usage.system_time();
        #[allow(clippy::cast_precision_loss, reason = "exact up to 2^53")]
        let seconds = time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
        families.seconds_total("process_cpu_seconds_total", "CPU time of all threads.", plain(seconds));
    }
    if let Some((virtual_bytes, resident)) = memory() {
        families.gauge("process_virtual_memory_bytes", "Address space.", plain(virtual_bytes));
        families.gauge("process_resident_memory_bytes", "Memory in use.", plain(resident));
    }
    if let Ok(entries) = fs::read_dir("/proc/self/fd") {
        #[allow(clippy::cast_precision_loss, reason = "a few thousand")]
        families.gauge("process_open_fds", "Open file descriptors.", plain(entries.count() as f64));
    }
    if let Ok((soft, _)) = getrlimit(Resource::RLIMIT_NOFILE) {
        #[allow(clippy::cast_precision_loss, reason = "exact up to 2^53")]
        families.gauge("process_max_fds", "File descriptors that may be open.", plain(soft as f64));
    }
    let since = started.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let help = "When the server began, in seconds since 1970.";
    families.gauge("process_start_time_seconds", help, plain(since.as_secs_f64()));
}

/// Bytes of address space, and of it in memory (proc(5), `statm`).
#[allow(clippy::cast_precision_loss, reason = "exact up to 2^53")]
fn memory() -> Option<(f64, f64)> {
    let text = fs::read_to_string("/proc/self/statm").ok()?;
    let mut pages = text.split(' ').map_while(|field| field.parse::<u64>().ok());
    Some(((pages.next()? * PAGE) as f64, (pages.next()? * PAGE) as f64))
}
