//! Where recordings go: a bucket, or another folder.

use axum::body::Bytes;

use crate::record::folder::Folder;
use crate::record::name::RecordName;
use crate::record::upload::TargetConfig;
use crate::record::upload::bucket::Bucket;
use crate::record::upload::error::UploadError;
use crate::record::upload::shelf::Shelf;
use crate::record::upload::source::Source;
use crate::record::upload::stats::Stats;

pub(super) enum Target {
    Bucket(Bucket),
    Shelf(Shelf),
}

impl Target {
    /// For recordings of this folder.
    pub fn new(config: &TargetConfig, folder: &Folder) -> Result<Self, String> {
        match config {
            TargetConfig::Bucket(config) => Bucket::new(config, folder.clone()).map(Self::Bucket),
            TargetConfig::Folder(path) => Shelf::new(path, folder).map(Self::Shelf),
        }
    }

    /// Where a recording is there, as people write it.
    pub fn url(&self, name: &RecordName) -> String {
        match self {
            Self::Bucket(bucket) => bucket.url(name),
            Self::Shelf(shelf) => shelf.url(name),
        }
    }

    /// How many bytes it has of a recording; `None` where it has none.
    pub async fn size(&self, name: &RecordName) -> Result<Option<u64>, UploadError> {
        match self {
            Self::Bucket(bucket) => bucket.size(name).await,
            Self::Shelf(shelf) => shelf.size(name).await,
        }
    }

    /// What it gives back.
    pub async fn read(&self, name: &RecordName, at: u64, length: u64) -> Result<Bytes, UploadError> {
        match self {
            Self::Bucket(bucket) => bucket.read(name, at, length).await,
            Self::Shelf(shelf) => shelf.read(name, at, length).await,
        }
    }

    /// Sends what has not arrived yet.
    pub async fn put(&self, name: &RecordName, source: &Source, stats: &Stats) -> Result<(), UploadError> {
        match self {
            Self::Bucket(bucket) => bucket.put(name, source, stats).await,
            Self::Shelf(shelf) => shelf.put(name, source, stats).await,
        }
    }

    /// What is known of it, beside it.
    pub async fn put_sheet(&self, name: &RecordName, bytes: Bytes) -> Result<(), UploadError> {
        match self {
            Self::Bucket(bucket) => bucket.put_sheet(name, bytes).await,
            Self::Shelf(shelf) => shelf.put_sheet(name, bytes).await,
        }
    }

    /// Next time it is sent from its beginning.
    pub async fn forget(&self, name: &RecordName) {
        match self {
            Self::Bucket(bucket) => bucket.forget(name).await,
            Self::Shelf(shelf) => shelf.forget(name).await,
        }
    }
}
