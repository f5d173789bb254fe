//! `[record]`

use std::path::PathBuf;
use std::time::Duration;

use crate::config::error::ConfigError;
use crate::config::key::{Key, Section};
use crate::config::parse::{decimal, number, switch};
use crate::config::source::{Source, Values as _};
use crate::record::retention::Rules;
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
const KEEP_DAYS: Key = Key::new(
    "record.keep_days",
    "RECORD_KEEP_DAYS",
    "0",
    "recordings are deleted so many days after their end, unless they are marked to be kept; 0: never",
)
.expects("a number of days, fractions allowed")
.number();
const MAX_TOTAL: Key = Key::new(
    "record.max_total_gb",
    "RECORD_MAX_TOTAL_GB",
    "0",
    "most that all recordings may have together, in GB: the oldest are deleted; 0: no limit",
)
.expects("a number of GB, fractions allowed")
.number();
const MAX_PER_ROOM: Key = Key::new(
    "record.max_per_room",
    "RECORD_MAX_PER_ROOM",
    "0",
    "most recordings of one room: the oldest are deleted; 0: no limit",
)
.expects("a number")
.number();
const UPLOADED_ONLY: Key = Key::new(
    "record.delete_uploaded_only",
    "RECORD_DELETE_UPLOADED_ONLY",
    "false",
    "true: these rules delete only what was uploaded",
)
.switch();

/// `[record]`
pub const RECORD: Section = Section {
    about: "Recordings, and which of them go by themselves: docs/recordings.md has more.",
    keys: &[&ENABLED, &DIR, &KEEP_DAYS, &MAX_TOTAL, &MAX_PER_ROOM, &UPLOADED_ONLY],
};

/// Reads the section.
///
/// # Errors
/// The first value that does not parse.
pub fn read(source: &Source<'_>) -> Result<RecordConfig, ConfigError> {
    let path = |text: &str| (!text.contains('\0')).then(|| PathBuf::from(text));
    let retention = Rules {
        age: Some(source.value(&KEEP_DAYS, days)?).filter(|age| !age.is_zero()),
        total: Some(source.value(&MAX_TOTAL, |text| scaled(text, 1e9))?).filter(|total| *total > 0),
        per_room: Some(source.value(&MAX_PER_ROOM, number)?).filter(|most| *most > 0),
        uploaded_only: source.value(&UPLOADED_ONLY, switch)?,
    };
    Ok(RecordConfig { enabled: source.value(&ENABLED, switch)?, folder: source.value(&DIR, path)?, retention })
}

fn days(text: &str) -> Option<Duration> {
    scaled(text, 86_400_000.0).map(Duration::from_millis)
}

/// So many of the smaller unit.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is checked before")]
fn scaled(text: &str, factor: f64) -> Option<u64> {
    let value = decimal(text)? * factor;
    (value < 1e18).then_some(value as u64)
}
