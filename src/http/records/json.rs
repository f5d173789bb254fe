//! How recordings are written, and what is asked of them.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::http::error::ApiError;
use crate::limits;
use crate::notify::rfc3339;
use crate::record::library::{Change, Recording};
use crate::record::sheet::{Gap, Marker, Sheet, State, Upload};

/// A recording as the list has it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RecordJson {
    name: String,
    /// Bytes.
    size: u64,
    /// When it was written last.
    mod_time: String,
    /// Where its file is,
    url: String,
    /// and whether it can be had there: not where it was uploaded and deleted, and this server cannot fetch it.
    pub available: bool,
    room: String,
    state: &'static str,
    start: String,
    /// `None` while it is recorded.
    end: Option<String>,
    /// Milliseconds.
    duration: Option<u64>,
    title: String,
    tags: Vec<String>,
    keep: bool,
    codecs: Vec<String>,
    markers: Vec<Marker>,
    gaps: Vec<Gap>,
    /// For the administrator: who published, and where it went.
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upload: Option<Upload>,
}

impl RecordJson {
    /// What an administrator sees of it, or everybody else.
    pub fn new(recording: Recording, admin: bool) -> Self {
        let start = rfc3339(recording.start());
        let Recording { name, size, modified, state, sheet, .. } = recording;
        let Sheet { title, tags, markers, keep, end, duration, codecs, gaps, client, upload, .. } = sheet;
        let written = rfc3339(modified);
        Self {
            size,
            url: format!("/records/{name}"),
            available: state != State::Deleted,
            room: name.room().to_string(),
            name: name.to_string(),
            state: state.name(),
            start,
            end: (state != State::Recording).then(|| end.map_or_else(|| written.clone(), rfc3339)),
            mod_time: written,
            duration,
            title,
            tags,
            keep,
            codecs,
            markers,
            gaps,
            client: client.filter(|_| admin),
            upload: upload.filter(|_| admin),
        }
    }
}

/// What is to change.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeOrder {
    title: Option<String>,
    tags: Option<Vec<String>>,
    keep: Option<bool>,
}

impl ChangeOrder {
    /// Within its limits.
    pub fn check(self) -> Result<Change, ApiError> {
        let title = self.title.map(|title| text("title", &title, limits::RECORD_TITLE_BYTES)).transpose()?;
        let tags = self.tags.map(|tags| {
            if tags.len() > limits::RECORD_TAGS {
                return Err(ApiError::InvalidRequest(format!("a recording has {} tags at most", limits::RECORD_TAGS)));
            }
            let mut kept = Vec::with_capacity(tags.len());
            for tag in tags {
                let tag = text("a tag", &tag, limits::RECORD_TAG_BYTES)?;
                if !tag.is_empty() && !kept.contains(&tag) {
                    kept.push(tag);
                }
            }
            Ok(kept)
        });
        Ok(Change { title, tags: tags.transpose()?, keep: self.keep })
    }
}

/// A place to mark.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MarkerOrder {
    /// Milliseconds from the beginning; of what is being recorded, now.
    pub at: Option<u64>,
    text: String,
}

impl MarkerOrder {
    pub fn text(&self) -> Result<String, ApiError> {
        text("text", &self.text, limits::RECORD_MARKER_BYTES)
    }
}

/// A link.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LinkOrder {
    /// How long it is to hold.
    pub seconds: Option<u64>,
}

#[derive(Serialize)]
pub(super) struct LinkJson {
    url: String,
    expires: String,
}

impl LinkJson {
    pub fn new(url: String, expires: SystemTime) -> Self {
        Self { url, expires: rfc3339(expires) }
    }
}

/// One line of text.
fn text(what: &str, text: &str, most: usize) -> Result<String, ApiError> {
    let text = text.trim();
    if text.len() > most || text.chars().any(char::is_control) {
        return Err(ApiError::InvalidRequest(format!("{what} is one line of {most} bytes at most")));
    }
    Ok(text.to_owned())
}
