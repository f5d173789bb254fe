//! Cores: how many there are for us, and a thread's place on one.

use std::io;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// How many cores the process may use, at least one (containers may be given fewer than the machine has).
#[must_use]
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Keeps the calling thread on one core: the `index`th (modulo their number) of those that it may use now.
///
/// # Errors
/// Where the kernel refuses; the thread then runs where it likes.
pub fn pin(index: usize) -> io::Result<()> {
    let this_thread = Pid::from_raw(0);
    let allowed = sched_getaffinity(this_thread)?;
    let cores: Vec<usize> = (0..CpuSet::count()).filter(|core| allowed.is_set(*core).unwrap_or(false)).collect();
    let core = cores.get(index % cores.len().max(1)).ok_or(io::ErrorKind::NotFound)?;
    let mut only = CpuSet::new();
    only.set(*core)?;
    Ok(sched_setaffinity(this_thread, &only)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pinned_thread_may_use_one_core() {
        std::thread::spawn(|| {
            pin(cores() + 1).unwrap();
            let allowed = sched_getaffinity(Pid::from_raw(0)).unwrap();
            assert_eq!((0..CpuSet::count()).filter(|core| allowed.is_set(*core).unwrap()).count(), 1);
        })
        .join()
        .unwrap();
    }
}
