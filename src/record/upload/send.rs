//! One recording to the store: in pieces, and then read back and compared, byte by byte. What the store says of content
//! (its ETag) differs from product to product and with encryption; what it gives back does not.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::SystemTime;

use axum::body::Bytes;
use object_store::multipart::{MultipartStore as _, PartId};
use object_store::path::Path;
use object_store::{Error, ObjectStoreExt as _, PutPayload};
use tokio::task::spawn_blocking;

use crate::limits;
use crate::record::RecordError;
use crate::record::folder::{Folder, Kind};
use crate::record::name::RecordName;
use crate::record::sheet::Sheet;
use crate::record::upload::error::UploadError;
use crate::record::upload::journal::Journal;
use crate::record::upload::stats::Stats;
use crate::record::upload::store::Store;

pub(super) struct Sender {
    pub store: Store,
    pub folder: Folder,
}

impl Sender {
    /// Sends what is not there yet. What returns was compared with what the store has: size and time of the file.
    pub async fn send(&self, name: &RecordName, stats: &Stats) -> Result<(u64, SystemTime), UploadError> {
        let (file, metadata) = self.open(name).await?;
        let (size, modified) = (metadata.len(), metadata.modified()?);
        let path = self.store.path(name);
        // It may have arrived before the server ended.
        if !self.is_there(&path, &file, size).await? {
            if size <= limits::UPLOAD_PIECE_BYTES {
                let bytes = read(&file, 0, size).await?;
                self.store.s3.put(&path, PutPayload::from_bytes(bytes)).await?;
                stats.sent(size);
            } else {
                self.send_pieces(name, &file, (size, modified), stats).await?;
            }
            if !self.is_there(&path, &file, size).await? {
                self.forget(name).await;
                return Err(UploadError::Differs);
            }
        }
        self.forget(name).await;
        let (folder, name) = (self.folder.clone(), name.clone());
        let seen = spawn_blocking(move || folder.look(&name)).await.map_err(io::Error::from)?;
        let seen = seen.filter(|seen| (seen.kind, seen.size, seen.modified) == (Kind::File, size, modified));
        seen.map(|_| (size, modified)).ok_or(UploadError::Changed)
    }

    /// What is known of it, beside it.
    pub async fn send_sheet(&self, name: &RecordName, sheet: &Sheet) -> Result<(), UploadError> {
        let bytes = serde_json::to_vec_pretty(sheet).map_err(io::Error::from)?;
        self.store.s3.put(&self.store.sheet_path(name), bytes.into()).await?;
        Ok(())
    }

    async fn send_pieces(
        &self,
        name: &RecordName,
        file: &Arc<File>,
        (size, modified): (u64, SystemTime),
        stats: &Stats,
    ) -> Result<(), UploadError> {
        let path = self.store.path(name);
        let mut journal = self.begin(name, size, modified).await?;
        let pieces = size.div_ceil(journal.piece);
        let sent = async {
            for number in journal.parts.len() as u64..pieces {
                let from = number * journal.piece;
                let bytes = read(file, from, journal.piece.min(size - from)).await?;
                let length = bytes.len() as u64;
                let index = usize::try_from(number).unwrap_or(usize::MAX);
                let part = self.store.s3.put_part(&path, &journal.id, index, bytes.into()).await?;
                stats.sent(length);
                journal.parts.push(part.content_id);
                journal = self.note(name, journal.clone()).await?;
            }
            let parts = journal.parts.iter().map(|part| PartId { content_id: part.clone() }).collect();
            self.store.s3.complete_multipart(&path, &journal.id, parts).await?;
            Ok(())
        };
        let sent = sent.await;
        if matches!(sent, Err(UploadError::Missing(_))) {
            // The store has forgotten what was sent, or completed it without our hearing of it: the next try sees.
            self.forget(name).await;
        }
        sent
    }

    /// What was begun before, where it fits; otherwise from the beginning.
    async fn begin(&self, name: &RecordName, size: u64, modified: SystemTime) -> Result<Journal, UploadError> {
        let since = modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
        let modified = u64::try_from(since).unwrap_or(u64::MAX);
        let url = self.store.url(name);
        let (folder, of, at) = (self.folder.clone(), name.clone(), url.clone());
        let fits = move |journal: &Journal| {
            (&journal.url, journal.size, journal.modified) == (&at, size, modified) && journal.piece > 0
        };
        let found = spawn_blocking(move || Journal::read(folder.path(), &of, fits)).await.map_err(io::Error::from)?;
        if let Some(journal) = found {
            return Ok(journal);
        }
        let id = self.store.s3.create_multipart(&self.store.path(name)).await?;
        let piece = size.div_ceil(limits::UPLOAD_PIECES).max(limits::UPLOAD_PIECE_BYTES);
        self.note(name, Journal { url, id, size, modified, piece, parts: Vec::new() }).await
    }

    async fn note(&self, name: &RecordName, journal: Journal) -> Result<Journal, UploadError> {
        let (folder, name) = (self.folder.clone(), name.clone());
        let written = spawn_blocking(move || journal.write(folder.path(), &name).map(|()| journal));
        Ok(written.await.map_err(io::Error::from)??)
    }

    async fn forget(&self, name: &RecordName) {
        let (folder, name) = (self.folder.clone(), name.clone());
        let _ = spawn_blocking(move || Journal::remove(folder.path(), &name)).await;
    }

    /// Whether the store has this file, all of it and nothing else.
    async fn is_there(&self, path: &Path, file: &Arc<File>, size: u64) -> Result<bool, UploadError> {
        match self.store.s3.head(path).await {
            Err(Error::NotFound { .. }) => return Ok(false),
            Err(error) => return Err(error.into()),
            Ok(object) if object.size != size => return Ok(false),
            Ok(_) => {}
        }
        let mut at = 0;
        while at < size {
            let length = limits::UPLOAD_PIECE_BYTES.min(size - at);
            let theirs = self.store.s3.get_range(path, at..at + length).await?;
            if theirs != read(file, at, length).await? {
                return Ok(false);
            }
            at += length;
        }
        Ok(true)
    }

    async fn open(&self, name: &RecordName) -> Result<(Arc<File>, Metadata), UploadError> {
        let (folder, name) = (self.folder.clone(), name.clone());
        let opened = spawn_blocking(move || folder.open(&name)).await.map_err(io::Error::from)?;
        let (file, metadata) = opened.map_err(|error: RecordError| UploadError::from(error))?;
        Ok((Arc::new(file), metadata))
    }
}

async fn read(file: &Arc<File>, at: u64, length: u64) -> Result<Bytes, UploadError> {
    let file = file.clone();
    let read = spawn_blocking(move || {
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        file.read_exact_at(&mut bytes, at)?;
        Ok::<_, io::Error>(Bytes::from(bytes))
    });
    Ok(read.await.map_err(io::Error::from)??)
}
