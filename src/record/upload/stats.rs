//! What is counted of uploads, for the metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::record::upload::error::UploadError;

#[derive(Default)]
pub(super) struct Stats {
    waiting: AtomicU64,
    files: AtomicU64,
    bytes: AtomicU64,
    failures: [AtomicU64; UploadError::REASONS.len()],
}

/// What they say at a moment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Figures {
    /// Recordings that could be sent now.
    pub waiting: u64,
    /// Recordings that were uploaded and verified.
    pub files: u64,
    /// Bytes that the store took; again where it was tried again.
    pub bytes: u64,
    /// How often an upload failed, and why.
    pub failures: Vec<(&'static str, u64)>,
}

impl Stats {
    pub fn wait(&self, recordings: usize) {
        self.waiting.store(recordings as u64, Ordering::Relaxed);
    }

    pub fn finish(&self) {
        self.files.fetch_add(1, Ordering::Relaxed);
    }

    pub fn sent(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub fn fail(&self, reason: &str) {
        let known = UploadError::REASONS.iter().position(|known| *known == reason);
        if let Some(count) = known.map(|at| &self.failures[at]) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub fn figures(&self) -> Figures {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let failures = UploadError::REASONS.iter().zip(&self.failures);
        Figures {
            waiting: read(&self.waiting),
            files: read(&self.files),
            bytes: read(&self.bytes),
            failures: failures.map(|(reason, count)| (*reason, read(count))).collect(),
        }
    }
}
