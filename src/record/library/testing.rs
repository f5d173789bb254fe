//! A folder of recordings for tests.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

/// A folder that goes with the test.
pub(crate) struct TestFolder {
    pub path: PathBuf,
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

impl TestFolder {
    pub fn new(name: &str) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("rillcast-{name}-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self { path }
    }

    /// A file that was written some time ago.
    pub fn file(&self, name: &str, content: &[u8], age: Duration) {
        let mut file = File::create(self.path.join(name)).unwrap();
        file.write_all(content).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
    }
}

impl Drop for TestFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}
