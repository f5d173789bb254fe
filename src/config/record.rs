//! `[record]`

use std::path::PathBuf;
use std::time::Duration;

use crate::config::error::ConfigError;
use crate::config::key::{Key, Section};
use crate::config::parse::{decimal, number, one_of, switch};
use crate::config::source::{Source, Table, Values as _};
use crate::config::upload;
use crate::record::recorder::RecordRule;
use crate::record::retention::Rules;
use crate::record::take::Cutting;
use crate::record::take::format::Format;
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
const ROOMS: Key = Key::new(
    "record.rooms",
    "RECORD_ROOMS",
    "all",
    "all: every room is recorded; some: those whose [[rooms]] table says record = true, and those that are asked for",
)
.expects("all or some");
const FORMAT: Key = Key::new(
    "record.format",
    "RECORD_FORMAT",
    "tracks",
    "tracks: a file each (IVF, Ogg, WAV; H264 and H265 in MP4 with their sound); mp4 or webm: one file for both",
)
.expects("tracks, mp4 or webm");
const MAX_MINUTES: Key = Key::new(
    "record.max_minutes",
    "RECORD_MAX_MINUTES",
    "0",
    "a file that is so long ends at the next key frame, and another one goes on; 0: no limit",
)
.expects("a number of minutes, fractions allowed")
.number();
const MAX_MB: Key = Key::new("record.max_mb", "RECORD_MAX_MB", "0", "the same for its size, in MB; 0: no limit")
    .expects("a number of MB, fractions allowed")
    .number();
const RESERVE: Key = Key::new(
    "record.reserve_mb",
    "RECORD_RESERVE_MB",
    "500",
    "MB that stay free on the disk: with less, nothing is recorded until there is more; 0: the disk is filled",
)
.expects("a number of MB, fractions allowed")
.number();
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
    "",
    "true: these rules delete only what was uploaded; empty: true where recordings are uploaded",
)
.expects("true, false or nothing")
.sample("true");

const ROOM_RECORD: Key = Key::new("record", "", "", "whether it is recorded").switch().sample("true");
const ROOM_FORMAT: Key =
    Key::new("record_format", "", "", "as record.format").expects("tracks, mp4 or webm").sample("webm");

/// What a `[[rooms]]` table may say of its recordings.
pub const ROOM_KEYS: &[&Key] = &[&ROOM_RECORD, &ROOM_FORMAT];

/// `[record]`
pub const RECORD: Section = Section {
    about: "Recordings, and which of them go by themselves: docs/recordings.md has more.",
    keys: &[
        &ENABLED,
        &DIR,
        &ROOMS,
        &FORMAT,
        &MAX_MINUTES,
        &MAX_MB,
        &RESERVE,
        &KEEP_DAYS,
        &MAX_TOTAL,
        &MAX_PER_ROOM,
        &UPLOADED_ONLY,
    ],
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
        uploaded_only: source.optional(&UPLOADED_ONLY, switch)?.map_or_else(|| upload::is_enabled(source), Ok)?,
    };
    let cutting = Cutting {
        format: source.value(&FORMAT, Format::parse)?,
        length: Some(source.value(&MAX_MINUTES, minutes)?).filter(|length| !length.is_zero()),
        bytes: Some(source.value(&MAX_MB, megabytes)?).filter(|bytes| *bytes > 0),
    };
    let mut rooms = source.tables(&super::session::ROOMS).map(|table| room(&table)).collect::<Result<Vec<_>, _>>()?;
    // As for the rules of sessions: what is said of a room by its name comes first.
    rooms.sort_by_key(|rule| !rule.pattern.is_exact());
    Ok(RecordConfig {
        enabled: source.value(&ENABLED, switch)?,
        folder: source.value(&DIR, path)?,
        retention,
        every_room: source.value(&ROOMS, |text| one_of(text, &[("all", true), ("some", false)]))?,
        rooms,
        cutting,
        reserve: source.value(&RESERVE, megabytes)?,
    })
}

fn room(table: &Table<'_>) -> Result<RecordRule, ConfigError> {
    Ok(RecordRule {
        pattern: super::session::pattern(table)?,
        record: table.optional(&ROOM_RECORD, switch)?,
        format: table.optional(&ROOM_FORMAT, Format::parse)?,
    })
}

fn minutes(text: &str) -> Option<Duration> {
    scaled(text, 60_000.0).map(Duration::from_millis)
}

fn megabytes(text: &str) -> Option<u64> {
    scaled(text, 1e6)
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
