//! What of a large file has arrived: beside the index, so that the next start goes on from there. Where it is lost the
//! file is sent from its beginning.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::record::folder::make_folder;
use crate::record::name::RecordName;

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Journal {
    /// Where it goes.
    pub url: String,
    /// As the store calls the upload.
    pub id: String,
    /// Of the file: bytes,
    pub size: u64,
    /// and when it was written last, nanoseconds since 1970.
    pub modified: u64,
    /// Bytes of a piece.
    pub piece: u64,
    /// What the store has said of each piece.
    pub parts: Vec<String>,
}

impl Journal {
    /// What there is of this file at this place.
    pub fn read(folder: &Path, name: &RecordName, fits: impl FnOnce(&Self) -> bool) -> Option<Self> {
        let bytes = fs::read(path(folder, name)).ok()?;
        serde_json::from_slice(&bytes).ok().filter(fits)
    }

    pub fn write(&self, folder: &Path, name: &RecordName) -> io::Result<()> {
        let path = path(folder, name);
        make_folder(path.parent().expect("it is in a folder"))?;
        let new = path.with_extension("new");
        fs::write(&new, serde_json::to_vec(self)?)?;
        fs::rename(new, path)
    }

    pub fn remove(folder: &Path, name: &RecordName) {
        // One that stays fits no other file.
        let _ = fs::remove_file(path(folder, name));
    }
}

fn path(folder: &Path, name: &RecordName) -> PathBuf {
    folder.join(".library").join("uploads").join(format!("{name}.json"))
}
