//! `[record]`

use std::path::PathBuf;

use crate::config::error::ConfigError;
use crate::config::key::{Key, Section};
use crate::config::parse::switch;
use crate::config::source::{Source, Values as _};
use crate::record::{DEFAULT_FOLDER, RecordConfig};

const ENABLED: Key =
    Key::new("record.enabled", "RECORD_ENABLED", "false", "true: rooms are recorded, and recordings are served")
        .switch()
        .restart();
const DIR: Key = Key::new(
    "record.dir",
    "RECORD_DIR",
    DEFAULT_FOLDER,
    "the folder of the recordings; it is made where it is not there",
)
.expects("a path")
.restart();

/// `[record]`
pub const RECORD: Section = Section { about: "Recordings.", keys: &[&ENABLED, &DIR] };

/// Reads the section.
///
/// # Errors
/// The first value that does not parse.
pub fn read(source: &Source<'_>) -> Result<RecordConfig, ConfigError> {
    let path = |text: &str| (!text.contains('\0')).then(|| PathBuf::from(text));
    Ok(RecordConfig { enabled: source.value(&ENABLED, switch)?, folder: source.value(&DIR, path)? })
}
