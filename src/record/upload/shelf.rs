//! Another folder as target: a second disk, or one of another machine. A file is copied under a hidden name, flushed,
//! and gets its own when it is whole; the next try goes on where the last one ended, because all of it is compared
//! anyway.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::Bytes;
use tokio::task::spawn_blocking;

use crate::limits;
use crate::record::folder::{FILE_MODE, Folder};
use crate::record::name::RecordName;
use crate::record::upload::error::UploadError;
use crate::record::upload::source::Source;
use crate::record::upload::stats::Stats;

pub(super) struct Shelf {
    folder: Folder,
}

impl Shelf {
    /// The folder has to be there: where a disk is not mounted, nothing is written to the place where it should be.
    pub fn new(path: &Path, from: &Folder) -> Result<Self, String> {
        let told = |path: &Path, error: io::Error| format!("{}: {error}", path.display());
        let real = fs::canonicalize(path).map_err(|error| told(path, error))?;
        if !real.is_dir() {
            return Err(format!("{}: it is no folder", path.display()));
        }
        if real == fs::canonicalize(from.path()).map_err(|error| told(from.path(), error))? {
            return Err(format!("{}: recordings are there already", path.display()));
        }
        Ok(Self { folder: Folder::new(path) })
    }

    /// What is in it.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    pub fn url(&self, name: &RecordName) -> String {
        self.path(name).display().to_string()
    }

    /// How many bytes it has of it.
    pub async fn size(&self, name: &RecordName) -> Result<Option<u64>, UploadError> {
        let path = self.path(name);
        self.ask(move || match fs::symlink_metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            metadata => Ok(Some(metadata?).filter(fs::Metadata::is_file).map(|metadata| metadata.len())),
        })
        .await
    }

    pub async fn read(&self, name: &RecordName, at: u64, length: u64) -> Result<Bytes, UploadError> {
        let path = self.path(name);
        self.ask(move || {
            let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
            File::open(path)?.read_exact_at(&mut bytes, at)?;
            Ok(Bytes::from(bytes))
        })
        .await
    }

    pub async fn put(&self, name: &RecordName, source: &Source, stats: &Stats) -> Result<(), UploadError> {
        let arriving = self.arriving(name);
        let path = arriving.clone();
        let (file, mut at) = self.ask(move || open(&path)).await?;
        if at > source.size {
            at = 0;
        }
        at -= at % limits::UPLOAD_PIECE_BYTES;
        while at < source.size {
            let bytes = source.read(at, limits::UPLOAD_PIECE_BYTES.min(source.size - at)).await?;
            let (file, length) = (file.clone(), bytes.len() as u64);
            self.ask(move || file.write_all_at(&bytes, at)).await?;
            stats.sent(length);
            at += length;
        }
        let (size, path) = (source.size, self.path(name));
        self.ask(move || {
            file.set_len(size)?;
            file.sync_all()?;
            finish(&arriving, &path)
        })
        .await
    }

    pub async fn put_sheet(&self, name: &RecordName, bytes: Bytes) -> Result<(), UploadError> {
        let path = self.folder.path().join(format!("{name}.json"));
        let arriving = self.folder.path().join(format!(".{name}.json.arriving"));
        self.ask(move || {
            let mut file = create(&arriving)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            finish(&arriving, &path)
        })
        .await
    }

    /// How far it had come.
    pub async fn forget(&self, name: &RecordName) {
        let path = self.arriving(name);
        let _ = self.ask(move || fs::remove_file(path)).await;
    }

    /// On a thread that may wait for the disk. What is wrong there is told as the target's fault, not the file's.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, UploadError> {
        spawn_blocking(question).await.unwrap_or_else(|error| Err(error.into())).map_err(UploadError::Folder)
    }

    fn path(&self, name: &RecordName) -> PathBuf {
        self.folder.path().join(name.as_str())
    }

    fn arriving(&self, name: &RecordName) -> PathBuf {
        self.folder.path().join(format!(".{name}.arriving"))
    }
}

/// What has arrived so far, and how much that is.
fn open(path: &Path) -> io::Result<(Arc<File>, u64)> {
    let file = writing().truncate(false).open(path)?;
    let size = file.metadata()?.len();
    Ok((Arc::new(file), size))
}

fn create(path: &Path) -> io::Result<File> {
    writing().truncate(true).open(path)
}

/// A link that somebody left there is not written through.
fn writing() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).mode(FILE_MODE).custom_flags(libc::O_NOFOLLOW);
    options
}

/// It is whole: it gets its name, for good.
fn finish(arriving: &Path, path: &Path) -> io::Result<()> {
    fs::rename(arriving, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
