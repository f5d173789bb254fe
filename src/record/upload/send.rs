//! One recording to the target: sent, and then read back and compared, byte by byte. What a store says of content (its
//! ETag) differs from product to product and with encryption; what it gives back does not.

use std::io;

use crate::limits;
use crate::record::folder::Folder;
use crate::record::name::RecordName;
use crate::record::sheet::Sheet;
use crate::record::upload::error::UploadError;
use crate::record::upload::source::Source;
use crate::record::upload::stats::Stats;
use crate::record::upload::target::Target;

pub(super) struct Sender {
    pub target: Target,
    pub folder: Folder,
}

impl Sender {
    /// Sends what is not there yet. What returns was compared with what the target has.
    pub async fn send(&self, name: &RecordName, stats: &Stats) -> Result<Source, UploadError> {
        let source = Source::open(&self.folder, name).await?;
        // It may have arrived before the server ended.
        if !self.is_there(name, &source).await? {
            self.target.put(name, &source, stats).await?;
            if !self.is_there(name, &source).await? {
                self.target.forget(name).await;
                return Err(UploadError::Differs);
            }
        }
        self.target.forget(name).await;
        if source.is_current(&self.folder, name).await? { Ok(source) } else { Err(UploadError::Changed) }
    }

    /// What is known of it, beside it.
    pub async fn send_sheet(&self, name: &RecordName, sheet: &Sheet) -> Result<(), UploadError> {
        let bytes = serde_json::to_vec_pretty(sheet).map_err(io::Error::from)?;
        self.target.put_sheet(name, bytes.into()).await
    }

    /// Whether the target has this file, all of it and nothing else.
    async fn is_there(&self, name: &RecordName, source: &Source) -> Result<bool, UploadError> {
        if self.target.size(name).await? != Some(source.size) {
            return Ok(false);
        }
        let mut at = 0;
        while at < source.size {
            let length = limits::UPLOAD_PIECE_BYTES.min(source.size - at);
            if self.target.read(name, at, length).await? != source.read(at, length).await? {
                return Ok(false);
            }
            at += length;
        }
        Ok(true)
    }
}
