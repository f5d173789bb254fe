//! The file that is sent, as it was when it was opened.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::SystemTime;

use axum::body::Bytes;
use tokio::task::spawn_blocking;

use crate::record::folder::{Folder, Kind};
use crate::record::name::RecordName;
use crate::record::upload::error::UploadError;

pub(super) struct Source {
    file: Arc<File>,
    /// Bytes.
    pub size: u64,
    /// When it was written last.
    pub modified: SystemTime,
}

impl Source {
    pub async fn open(folder: &Folder, name: &RecordName) -> Result<Self, UploadError> {
        let (folder, name) = (folder.clone(), name.clone());
        let (file, metadata) = spawn_blocking(move || folder.open(&name)).await.map_err(io::Error::from)??;
        Ok(Self { file: Arc::new(file), size: metadata.len(), modified: metadata.modified()? })
    }

    pub async fn read(&self, at: u64, length: u64) -> Result<Bytes, UploadError> {
        let file = self.file.clone();
        let read = spawn_blocking(move || {
            let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
            file.read_exact_at(&mut bytes, at)?;
            Ok::<_, io::Error>(Bytes::from(bytes))
        });
        Ok(read.await.map_err(io::Error::from)??)
    }

    /// Whether the folder still has this very file.
    pub async fn is_current(&self, folder: &Folder, name: &RecordName) -> Result<bool, UploadError> {
        let (folder, name) = (folder.clone(), name.clone());
        let seen = spawn_blocking(move || folder.look(&name)).await.map_err(io::Error::from)?;
        let same = (Kind::File, self.size, self.modified);
        Ok(seen.is_some_and(|seen| (seen.kind, seen.size, seen.modified) == same))
    }
}
