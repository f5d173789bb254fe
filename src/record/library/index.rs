//! The index: SQLite over what the folder has, so that ten thousand recordings are searched in milliseconds. It can be
//! made anew from the files at any time, and is, where it is damaged or another version's.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params, params_from_iter};
use tracing::warn;

use crate::record::RecordError;
use crate::record::folder::{FOLDER_MODE, NOTHING, Seen, make_folder};
use crate::record::library::query::Query;
use crate::record::library::{Page, Recording};
use crate::record::name::RecordName;
use crate::record::sheet::{Sheet, State};

/// Steps from an empty file to today's tables; the number of those done is the file's `user_version`. Never change one:
/// add another.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE recordings (
        name TEXT PRIMARY KEY,
        room TEXT NOT NULL,
        start INTEGER NOT NULL,    -- milliseconds since 1970
        modified INTEGER NOT NULL, -- nanoseconds since 1970
        size INTEGER NOT NULL,
        state TEXT NOT NULL,
        readable INTEGER NOT NULL,
        search TEXT NOT NULL,      -- in lower case
        sheet TEXT NOT NULL,
        stamp TEXT NOT NULL        -- of the files that this was made from
    );
    CREATE INDEX by_time ON recordings (modified DESC, name DESC);
    CREATE INDEX by_room ON recordings (room, modified DESC, name DESC);
"];

/// Characters that LIKE takes for others.
const ESCAPE: char = '\\';

pub(super) struct Index {
    db: Connection,
}

impl Index {
    /// In the folder; in memory where it cannot be kept there.
    pub fn open(folder: &Path) -> Result<Self, RecordError> {
        let file = folder.join("index.sqlite");
        let made = make_folder(folder).and_then(|()| {
            // One that an earlier version made, too.
            fs::set_permissions(folder, Permissions::from_mode(FOLDER_MODE))
        });
        let opened = made.map_err(RecordError::from).and_then(|()| Self::at(&file));
        if let Ok(index) = opened {
            return Ok(index);
        }
        // It holds nothing that the files do not.
        for beside in ["index.sqlite", "index.sqlite-wal", "index.sqlite-shm"] {
            let _ = fs::remove_file(folder.join(beside));
        }
        Self::at(&file).or_else(|error| {
            warn!(%error, "the index of recordings is kept in memory");
            Self::whole(Connection::open_in_memory()?)
        })
    }

    fn at(file: &Path) -> Result<Self, RecordError> {
        Self::whole(Connection::open(file)?)
    }

    fn whole(db: Connection) -> Result<Self, RecordError> {
        db.busy_timeout(Duration::from_secs(1))?;
        db.pragma_update(None, "journal_mode", "wal")?;
        // What a power cut takes is made anew.
        db.pragma_update(None, "synchronous", "off")?;
        let sound: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        let version: usize = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if sound != "ok" || version > MIGRATIONS.len() {
            return Err(RecordError::Damaged);
        }
        for (number, step) in MIGRATIONS.iter().enumerate().skip(version) {
            db.execute_batch(&format!("BEGIN; {step}; PRAGMA user_version = {}; COMMIT;", number + 1))?;
        }
        Ok(Self { db })
    }

    /// Which files it was made from.
    pub fn seen(&self) -> Result<Vec<(RecordName, Seen)>, RecordError> {
        let mut statement = self.db.prepare("SELECT name, stamp FROM recordings")?;
        let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
        let mut seen = Vec::new();
        for row in rows {
            let (name, stamp) = row?;
            // What cannot be read is like no file that there is, so its row is made anew or goes.
            seen.extend(RecordName::parse(&name).map(|name| (name, Seen::parse(&stamp).unwrap_or(NOTHING))));
        }
        Ok(seen)
    }

    /// Takes in what has changed, all of it or nothing.
    pub fn apply(&mut self, changed: &[(Recording, Seen)], gone: &[RecordName]) -> Result<(), RecordError> {
        let transaction = self.db.transaction()?;
        {
            let mut put = transaction.prepare_cached(
                "INSERT OR REPLACE INTO recordings (name, room, start, modified, size, state, readable, search, sheet, \
                 stamp) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?;
            for (recording, seen) in changed {
                put.execute(params![
                    recording.name.as_str(),
                    recording.name.room().as_str(),
                    milliseconds(recording.start()),
                    nanoseconds(recording.modified),
                    i64::try_from(recording.size).unwrap_or(i64::MAX),
                    recording.state.name(),
                    recording.readable,
                    words(recording),
                    serde_json::to_string(&recording.sheet).map_err(std::io::Error::from)?,
                    seen.stamp(),
                ])?;
            }
            let mut delete = transaction.prepare_cached("DELETE FROM recordings WHERE name = ?")?;
            for name in gone {
                delete.execute([name.as_str()])?;
            }
        }
        Ok(transaction.commit()?)
    }

    /// One recording.
    pub fn get(&self, name: &RecordName) -> Result<Option<Recording>, RecordError> {
        let mut statement = self.db.prepare_cached(&format!("{SELECT} WHERE name = ?"))?;
        let mut rows = statement.query_and_then([name.as_str()], recording)?;
        rows.next().transpose().map(Option::flatten)
    }

    /// All rooms that have recordings.
    pub fn rooms(&self) -> Result<Vec<String>, RecordError> {
        let mut statement = self.db.prepare_cached("SELECT DISTINCT room FROM recordings ORDER BY room")?;
        let rooms = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok(rooms)
    }

    /// What fits, newest first, and how many there are of it.
    pub fn find(&self, query: &Query, rooms: Option<&[String]>) -> Result<Page, RecordError> {
        let (condition, values) = condition(query, rooms);
        let total: usize = {
            let mut count = self.db.prepare_cached(&format!("SELECT count(*) FROM recordings {condition}"))?;
            count.query_row(params_from_iter(&values), |row| row.get(0))?
        };
        let (limit, offset) = query.page.map_or((-1, 0), |(number, size)| {
            let skipped = number.saturating_sub(1).saturating_mul(size);
            (i64::try_from(size).unwrap_or(-1), i64::try_from(skipped).unwrap_or(i64::MAX))
        });
        let text = format!("{SELECT} {condition} ORDER BY modified DESC, name DESC LIMIT {limit} OFFSET {offset}");
        let mut statement = self.db.prepare(&text)?;
        let mut recordings = Vec::new();
        for row in statement.query_and_then(params_from_iter(&values), recording)? {
            recordings.extend(row?);
        }
        Ok(Page { recordings, total })
    }

    /// Everything, for who decides what is to go.
    pub fn all(&self) -> Result<Vec<Recording>, RecordError> {
        let mut statement = self.db.prepare(SELECT)?;
        let rows = statement.query_and_then([], recording)?;
        Ok(rows.collect::<Result<Vec<_>, RecordError>>()?.into_iter().flatten().collect())
    }
}

const SELECT: &str = "SELECT name, modified, size, state, readable, sheet FROM recordings";

/// `None` for what another version has written there.
fn recording(row: &Row<'_>) -> Result<Option<Recording>, RecordError> {
    let (name, state, sheet): (String, String, String) = (row.get(0)?, row.get(3)?, row.get(5)?);
    let (Some(name), Some(state)) = (RecordName::parse(&name), State::parse(&state)) else { return Ok(None) };
    let sheet: Sheet = serde_json::from_str(&sheet).unwrap_or_default();
    let since = Duration::from_nanos(row.get::<_, i64>(1)?.unsigned_abs());
    let size = row.get::<_, i64>(2)?.unsigned_abs();
    let modified = SystemTime::UNIX_EPOCH + since;
    Ok(Some(Recording { name, size, modified, state, readable: row.get(4)?, sheet }))
}

/// What fits, as SQL and its values: no text of a client's is ever in the SQL.
fn condition(query: &Query, rooms: Option<&[String]>) -> (String, Vec<Value>) {
    let mut terms = Vec::new();
    let mut values = Vec::new();
    let mut term = |text: &str, value: Value| {
        terms.push(text.to_owned());
        values.push(value);
    };
    if let Some(state) = query.state {
        term("state = ?", Value::from(state.name().to_owned()));
    } else {
        // What has no file, or none yet, is not in the list.
        let hidden = if query.with_deleted { State::Recording } else { State::Deleted };
        term("state NOT IN ('recording', ?)", Value::from(hidden.name().to_owned()));
    }
    if let Some(room) = &query.room {
        term("room = ?", Value::from(room.as_str().to_owned()));
    }
    if let Some(rooms) = rooms {
        let rooms = serde_json::to_string(rooms).unwrap_or_default();
        term("room IN (SELECT value FROM json_each(?))", Value::from(rooms));
    }
    if let Some(from) = query.from {
        term("start >= ?", Value::from(milliseconds(from)));
    }
    if let Some(to) = query.to {
        term("start < ?", Value::from(milliseconds(to)));
    }
    for word in query.words() {
        let mut pattern = String::from("%");
        for character in word.chars() {
            if ['%', '_', ESCAPE].contains(&character) {
                pattern.push(ESCAPE);
            }
            pattern.push(character);
        }
        pattern.push('%');
        term("search LIKE ? ESCAPE '\\'", Value::from(pattern));
    }
    (format!("WHERE {}", terms.join(" AND ")), values)
}

/// What a recording is found by.
fn words(recording: &Recording) -> String {
    let Sheet { title, tags, markers, .. } = &recording.sheet;
    let markers = markers.iter().map(|marker| &marker.text);
    let parts: Vec<&str> = [recording.name.as_str(), title.as_str()]
        .into_iter()
        .chain(tags.iter().map(String::as_str))
        .chain(markers.map(String::as_str))
        .collect();
    parts.join("\n").to_lowercase()
}

fn milliseconds(time: SystemTime) -> i64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

fn nanoseconds(time: SystemTime) -> i64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
