//! What is counted of recording, for the metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::record::write::error::Failure;

/// Counters that only grow, but for the first.
#[derive(Default)]
pub struct Stats {
    running: AtomicU64,
    frames: AtomicU64,
    lost: AtomicU64,
    dropped: AtomicU64,
    bytes: AtomicU64,
    files: AtomicU64,
    recovered: AtomicU64,
    failures: [AtomicU64; Failure::ALL.len()],
}

/// What they say at a moment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Figures {
    /// Publications that are being recorded.
    pub running: u64,
    /// Frames that were written.
    pub frames: u64,
    /// Places where frames were lost on the way from the publisher, or in a history that the writer was too slow for.
    pub lost: u64,
    /// Frames that had no file, because none could be written.
    pub dropped: u64,
    /// Bytes that were written.
    pub bytes: u64,
    /// Files that were finished.
    pub files: u64,
    /// Files that were mended.
    pub recovered: u64,
    /// How often recording failed, and why.
    pub failures: Vec<(&'static str, u64)>,
}

impl Stats {
    pub(super) fn begin(&self) {
        self.running.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn end(&self) {
        self.running.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn frame(&self) {
        self.frames.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn lose(&self, places: u64) {
        self.lost.fetch_add(places, Ordering::Relaxed);
    }

    pub(super) fn drop_frame(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn write(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn finish(&self) {
        self.files.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn recover(&self) {
        self.recovered.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn fail(&self, failure: Failure) {
        if let Some(count) = Failure::ALL.iter().position(|known| *known == failure).map(|at| &self.failures[at]) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What they say now.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let failures = Failure::ALL.iter().zip(&self.failures);
        Figures {
            running: read(&self.running),
            frames: read(&self.frames),
            lost: read(&self.lost),
            dropped: read(&self.dropped),
            bytes: read(&self.bytes),
            files: read(&self.files),
            recovered: read(&self.recovered),
            failures: failures.map(|(failure, count)| (failure.name(), read(count))).collect(),
        }
    }
}
