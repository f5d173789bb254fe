//! Recordings: files in one folder. [`name::RecordName`] says how they are called, [`library::Library`] which there
//! are. It may block, so whoever asks it waits on a thread of its own, with a deadline. [`tap::Tap`] is what a
//! recording hears of a room.

pub mod folder;
pub mod library;
pub mod name;
pub mod tap;

use std::io;
use std::path::PathBuf;

/// What the operator sets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordConfig {
    /// Whether there are recordings at all.
    pub enabled: bool,
    /// Where they are.
    pub folder: PathBuf,
}

impl Default for RecordConfig {
    fn default() -> Self {
        Self { enabled: false, folder: DEFAULT_FOLDER.into() }
    }
}

/// The folder where nothing else is said, below the one that the server was started in.
pub const DEFAULT_FOLDER: &str = "records";

/// Why recordings could not be had.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// There is no such recording.
    #[error("there is no such recording")]
    NotFound,
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
