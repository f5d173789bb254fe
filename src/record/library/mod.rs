//! The recordings that there are. Its methods wait on threads that may block: so many at a time, so long, and no
//! longer.

#[cfg(test)]
pub(crate) mod testing;

use std::fs::{File, Metadata};
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::limits;
use crate::record::folder::{Entry, Folder};
use crate::record::name::RecordName;
use crate::record::{RecordConfig, RecordError};

/// All recordings of the server.
pub struct Library {
    /// Nothing where recording is off.
    folder: Option<Folder>,
    reads: Arc<Semaphore>,
    downloads: Arc<Semaphore>,
}

/// A recording that somebody reads.
pub struct Download {
    /// From its beginning.
    pub file: File,
    /// How large it is, and since when.
    pub metadata: Metadata,
    /// As long as it is held, it counts.
    pub place: OwnedSemaphorePermit,
}

impl Library {
    /// What the configuration names; the folder is made where it is not there.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn open(config: &RecordConfig) -> Result<Self, RecordError> {
        let folder = config.enabled.then(|| Folder::new(&config.folder));
        folder.as_ref().map_or(Ok(()), Folder::create)?;
        Ok(Self {
            folder,
            reads: Arc::new(Semaphore::new(limits::RECORD_READS)),
            downloads: Arc::new(Semaphore::new(limits::RECORD_DOWNLOADS)),
        })
    }

    /// Of a server that records nothing.
    #[must_use]
    pub fn off() -> Self {
        Self::open(&RecordConfig { enabled: false, ..RecordConfig::default() }).expect("no folder is made")
    }

    /// Whether the server has recordings.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.folder.is_some()
    }

    /// The recordings, newest first; none where recording is off.
    ///
    /// # Errors
    /// [`RecordError`]
    pub async fn list(&self) -> Result<Vec<Entry>, RecordError> {
        let Some(folder) = self.folder.clone() else { return Ok(Vec::new()) };
        self.read(move || folder.list()).await
    }

    /// One of them, to be read.
    ///
    /// # Errors
    /// [`RecordError`]
    pub async fn download(&self, name: &RecordName) -> Result<Download, RecordError> {
        let folder = self.folder.clone().ok_or(RecordError::NotFound)?;
        let place = self.downloads.clone().try_acquire_owned().map_err(|_| RecordError::Busy)?;
        let name = name.clone();
        let (file, metadata) = self.read(move || folder.open(&name)).await?;
        Ok(Download { file, metadata, place })
    }

    /// Asks the disk, and waits for as long as may be. The thread keeps its place until the disk has answered: a dead
    /// one costs [`limits::RECORD_READS`] threads and no more.
    async fn read<T: Send + 'static>(
        &self,
        question: impl FnOnce() -> Result<T, RecordError> + Send + 'static,
    ) -> Result<T, RecordError> {
        let answer = async {
            let place = self.reads.clone().acquire_owned().await.map_err(|_| RecordError::Busy)?;
            let asked = tokio::task::spawn_blocking(move || {
                let _place = place;
                question()
            });
            asked.await.unwrap_or(Err(RecordError::Late))
        };
        timeout(limits::RECORD_TIME, answer).await.unwrap_or(Err(RecordError::Late))
    }
}
