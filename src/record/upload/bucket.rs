//! A bucket as target: small files in one request, others in pieces, of which a journal says what has arrived.

use std::time::{Duration, SystemTime};

use axum::body::Bytes;
use http::Method;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::multipart::{MultipartStore as _, PartId};
use object_store::path::Path;
use object_store::signer::{SignedUrlOptions, Signer as _};
use object_store::{BackoffConfig, Error, ObjectStoreExt as _, PutPayload, RetryConfig};
use tokio::task::spawn_blocking;

use crate::fetch;
use crate::limits;
use crate::record::folder::Folder;
use crate::record::name::RecordName;
use crate::record::upload::BucketConfig;
use crate::record::upload::client::Connector;
use crate::record::upload::error::UploadError;
use crate::record::upload::journal::Journal;
use crate::record::upload::source::Source;
use crate::record::upload::stats::Stats;

pub(super) struct Bucket {
    s3: AmazonS3,
    /// The same for who is sent there, and the address that it has for them.
    public: Option<(AmazonS3, String)>,
    /// Where it is, with the bucket and the prefix.
    place: String,
    prefix: String,
    /// Journals are in here.
    folder: Folder,
}

impl Bucket {
    pub fn new(config: &BucketConfig, folder: Folder) -> Result<Self, String> {
        let BucketConfig { endpoint, bucket, prefix, path_style, presigned, .. } = config;
        let base = self::base(endpoint, config)?;
        let s3 = client(config, &base)?;
        let public = presigned.as_ref().map(|public| {
            let base = self::base(public, config)?;
            client(config, &base).map(|s3| (s3, base))
        });
        let bucket = if *path_style { format!("/{bucket}") } else { String::new() };
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Ok(Self { s3, public: public.transpose()?, place: format!("{base}{bucket}/{prefix}"), prefix, folder })
    }

    /// As people write it.
    pub fn url(&self, name: &RecordName) -> String {
        format!("{}{name}", self.place)
    }

    /// A URL by which whoever has it gets a recording without us, for so long; `None` where that is not wanted. With
    /// `to_keep` browsers store it rather than show it.
    pub async fn presign(
        &self,
        method: Method,
        name: &RecordName,
        to_keep: bool,
        time: Duration,
    ) -> Result<Option<String>, UploadError> {
        let Some((s3, _)) = &self.public else { return Ok(None) };
        let mut query = vec![("response-content-type", name.container().media_type().to_owned())];
        if to_keep {
            query.push(("response-content-disposition", format!("attachment; filename=\"{name}\"")));
        }
        let options = SignedUrlOptions::default().with_query(query);
        let url = s3.signed_url_opts(method, &self.path(name), time, &options).await?;
        Ok(Some(url.into()))
    }

    /// Where such URLs lead.
    pub fn origin(&self) -> Option<&str> {
        self.public.as_ref().map(|(_, origin)| origin.as_str())
    }

    /// How many bytes it has of it.
    pub async fn size(&self, name: &RecordName) -> Result<Option<u64>, UploadError> {
        match self.s3.head(&self.path(name)).await {
            Err(Error::NotFound { .. }) => Ok(None),
            object => Ok(Some(object?.size)),
        }
    }

    pub async fn read(&self, name: &RecordName, at: u64, length: u64) -> Result<Bytes, UploadError> {
        Ok(self.s3.get_range(&self.path(name), at..at + length).await?)
    }

    pub async fn put(&self, name: &RecordName, source: &Source, stats: &Stats) -> Result<(), UploadError> {
        if source.size <= limits::UPLOAD_PIECE_BYTES {
            let bytes = source.read(0, source.size).await?;
            self.s3.put(&self.path(name), PutPayload::from_bytes(bytes)).await?;
            stats.sent(source.size);
            return Ok(());
        }
        let sent = self.put_pieces(name, source, stats).await;
        if matches!(sent, Err(UploadError::Missing(_))) {
            // The store has forgotten what was sent, or completed it without our hearing of it: the next try sees.
            self.forget(name).await;
        }
        sent
    }

    pub async fn put_sheet(&self, name: &RecordName, bytes: Bytes) -> Result<(), UploadError> {
        let path = Path::from(format!("{}{name}.json", self.prefix));
        self.s3.put(&path, PutPayload::from_bytes(bytes)).await?;
        Ok(())
    }

    /// How far it had come.
    pub async fn forget(&self, name: &RecordName) {
        let (folder, name) = (self.folder.clone(), name.clone());
        let _ = spawn_blocking(move || Journal::remove(folder.path(), &name)).await;
    }

    async fn put_pieces(&self, name: &RecordName, source: &Source, stats: &Stats) -> Result<(), UploadError> {
        let path = self.path(name);
        let mut journal = self.begin(name, source).await?;
        let pieces = source.size.div_ceil(journal.piece);
        for number in journal.parts.len() as u64..pieces {
            let from = number * journal.piece;
            let bytes = source.read(from, journal.piece.min(source.size - from)).await?;
            let length = bytes.len() as u64;
            let index = usize::try_from(number).unwrap_or(usize::MAX);
            let part = self.s3.put_part(&path, &journal.id, index, bytes.into()).await?;
            stats.sent(length);
            journal.parts.push(part.content_id);
            journal = self.note(name, journal).await?;
        }
        let parts = journal.parts.into_iter().map(|content_id| PartId { content_id }).collect();
        self.s3.complete_multipart(&path, &journal.id, parts).await?;
        Ok(())
    }

    /// What was begun before, where it fits; otherwise from the beginning.
    async fn begin(&self, name: &RecordName, source: &Source) -> Result<Journal, UploadError> {
        let since = source.modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
        let (size, modified) = (source.size, u64::try_from(since).unwrap_or(u64::MAX));
        let url = self.url(name);
        let (folder, of, at) = (self.folder.clone(), name.clone(), url.clone());
        let fits = move |journal: &Journal| {
            (&journal.url, journal.size, journal.modified) == (&at, size, modified) && journal.piece > 0
        };
        let found = spawn_blocking(move || Journal::read(folder.path(), &of, fits)).await;
        if let Some(journal) = found.map_err(std::io::Error::from)? {
            return Ok(journal);
        }
        let id = self.s3.create_multipart(&self.path(name)).await?;
        let piece = size.div_ceil(limits::UPLOAD_PIECES).max(limits::UPLOAD_PIECE_BYTES);
        self.note(name, Journal { url, id, size, modified, piece, parts: Vec::new() }).await
    }

    async fn note(&self, name: &RecordName, journal: Journal) -> Result<Journal, UploadError> {
        let (folder, name) = (self.folder.clone(), name.clone());
        let written = spawn_blocking(move || journal.write(folder.path(), &name).map(|()| journal));
        Ok(written.await.map_err(std::io::Error::from)??)
    }

    fn path(&self, name: &RecordName) -> Path {
        Path::from(format!("{}{name}", self.prefix))
    }
}

/// Where the bucket is asked for.
fn base(endpoint: &str, config: &BucketConfig) -> Result<String, String> {
    if config.path_style {
        return Ok(endpoint.to_owned());
    }
    let (scheme, host) = endpoint.split_once("://").ok_or("the endpoint has no scheme")?;
    Ok(format!("{scheme}://{}.{host}", config.bucket))
}

fn client(config: &BucketConfig, base: &str) -> Result<AmazonS3, String> {
    let retry = RetryConfig {
        backoff: BackoffConfig { init_backoff: Duration::from_millis(100), ..BackoffConfig::default() },
        max_retries: limits::UPLOAD_REQUEST_RETRIES,
        retry_timeout: limits::UPLOAD_REQUEST_TIME,
    };
    let root = config.root.as_deref();
    let tls = fetch::trusting(root)
        .map_err(|problem| format!("{}: {problem}", root.map(|path| path.display().to_string()).unwrap_or_default()))?;
    AmazonS3Builder::new()
        .with_region(&config.region)
        .with_bucket_name(&config.bucket)
        .with_endpoint(base)
        .with_virtual_hosted_style_request(!config.path_style)
        .with_allow_http(base.starts_with("http://"))
        .with_access_key_id(config.access_key.expose())
        .with_secret_access_key(config.secret_key.expose())
        .with_retry(retry)
        .with_http_connector(Connector::new(tls))
        .build()
        .map_err(|error| error.to_string())
}
