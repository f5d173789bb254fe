//! Recordings: files in one folder. [`name::RecordName`] says how they are called, [`library::Library`] which there
//! are. It may block, so whoever asks it waits on a thread of its own, with a deadline. [`tap::Tap`] is what a
//! recording hears of a room, [`take::Take`] makes frames and files of it, [`write::Writer`] writes them, and
//! [`recorder::Recorder`] says who is recorded.

pub mod folder;
pub mod library;
pub mod link;
pub mod mend;
pub mod name;
pub mod recorder;
pub mod retention;
pub mod sheet;
pub mod stats;
pub mod take;
pub mod tap;
#[cfg(feature = "upload")]
pub mod upload;
pub mod write;

use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::record::recorder::RecordRule;
use crate::record::retention::Rules;
use crate::record::take::Cutting;

/// What the operator sets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordConfig {
    /// Whether there are recordings at all.
    pub enabled: bool,
    /// Where they are.
    pub folder: PathBuf,
    /// What is to go.
    pub retention: Rules,
    /// Rooms are recorded of which no rule says otherwise.
    pub every_room: bool,
    /// What is said of single rooms, the first one first.
    pub rooms: Vec<RecordRule>,
    /// How a publication becomes files.
    pub cutting: Cutting,
    /// Bytes that are to stay free on the disk.
    pub reserve: u64,
}

impl Default for RecordConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            folder: DEFAULT_FOLDER.into(),
            retention: Rules::default(),
            every_room: true,
            rooms: Vec::new(),
            cutting: Cutting::default(),
            reserve: DEFAULT_RESERVE,
        }
    }
}

/// The folder where nothing else is said, below the one that the server was started in.
pub const DEFAULT_FOLDER: &str = "records";
/// A disk that is quite full is slow, and the system's own.
pub const DEFAULT_RESERVE: u64 = 500_000_000;

/// Why recordings could not be had.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// There is no such recording.
    #[error("there is no such recording")]
    NotFound,
    /// It is being recorded or uploaded.
    #[error("the recording is in use")]
    InUse,
    /// It is marked to be kept.
    #[error("the recording is to be kept")]
    Kept,
    /// What is beside it is no sheet of ours.
    #[error("what is beside the recording cannot be read")]
    Unreadable,
    /// What is known of it may not grow further.
    #[error("the recording has as many markers as it may")]
    Full,
    /// The index is damaged, or another version's.
    #[error("the index is damaged, or another version's")]
    Damaged,
    /// The index.
    #[error("the index of recordings: {0}")]
    Index(#[from] rusqlite::Error),
    /// As many ask as may.
    #[error("as many ask for recordings as may")]
    Busy,
    /// The disk did not answer in time.
    #[error("the recordings were not read in time")]
    Late,
    /// The folder cannot be read, or not written.
    #[error("the folder of recordings: {0}")]
    Folder(#[from] io::Error),
}

/// A time of RFC 3339, or a day of it: that begins at midnight, UTC.
#[must_use]
pub fn parse_time(text: &str) -> Option<SystemTime> {
    let day = (text.len() == "2026-01-31".len()).then(|| format!("{text}T00:00:00Z"));
    let time = OffsetDateTime::parse(day.as_deref().unwrap_or(text), &Rfc3339).ok()?;
    (time.unix_timestamp() >= 0).then(|| SystemTime::from(time))
}

/// The end of a day.
#[must_use]
pub fn day(text: &str) -> Option<SystemTime> {
    (text.len() == "2026-01-31".len()).then(|| parse_time(text)).flatten().map(|start| start + Duration::from_hours(24))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::rfc3339;

    #[test]
    fn times_and_days() {
        for (text, time) in [
            ("2026-01-31", Some("2026-01-31T00:00:00Z")),
            ("2026-01-31T12:00:00Z", Some("2026-01-31T12:00:00Z")),
            ("2026-01-31T12:00:00.5+02:00", Some("2026-01-31T10:00:00.5Z")),
            ("2026-02-30", None),
            ("1969-12-31", None),
            ("2026-1-1", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(parse_time(text).map(rfc3339).as_deref(), time, "{text}");
        }
    }
}
