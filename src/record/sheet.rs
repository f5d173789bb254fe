//! What is known of a recording beside its media: a small JSON file beside it, `{name}.json`. Index and lists are made
//! from the files, so these are the truth; what another version has written into them is kept.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::limits;
use crate::notify::rfc3339;
use crate::record::folder::FILE_MODE;
use crate::record::name::RecordName;

/// What is known of a recording.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Sheet {
    /// Where it stands.
    pub state: State,
    /// What people call it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// Words that it is found by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Places in it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub markers: Vec<Marker>,
    /// It is never deleted by a rule.
    #[serde(skip_serializing_if = "is_false")]
    pub keep: bool,
    /// When it began, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none", with = "time")]
    pub start: Option<SystemTime>,
    /// When it ended, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none", with = "time")]
    pub end: Option<SystemTime>,
    /// Of its media, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<u64>,
    /// Names as in SDP.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub codecs: Vec<String>,
    /// Where media is missing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Gap>,
    /// What the publisher said of itself (`User-Agent`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// What came of its upload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upload: Option<Upload>,
    /// What another version knows.
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

/// Where a recording stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is being written.
    Recording,
    /// It is whole.
    #[default]
    Complete,
    /// Its end was missing and has been mended.
    Recovered,
    /// It is being uploaded.
    Uploading,
    /// It is elsewhere too.
    Uploaded,
    /// It could not be written, or not uploaded.
    Failed,
    /// It was uploaded, and is no longer here.
    Deleted,
}

impl State {
    /// As JSON has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Recording => "recording",
            Self::Complete => "complete",
            Self::Recovered => "recovered",
            Self::Uploading => "uploading",
            Self::Uploaded => "uploaded",
            Self::Failed => "failed",
            Self::Deleted => "deleted",
        }
    }

    /// From its name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Recording, Self::Complete, Self::Recovered, Self::Uploading, Self::Uploaded, Self::Failed, Self::Deleted]
            .into_iter()
            .find(|state| state.name() == name)
    }

    /// Somebody works on its file, which must stay.
    #[must_use]
    pub fn is_busy(self) -> bool {
        matches!(self, Self::Recording | Self::Uploading)
    }
}

/// A place in a recording.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Marker {
    /// Milliseconds from its beginning.
    pub at: u64,
    /// What is there.
    pub text: String,
}

/// Where media is missing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Gap {
    /// Milliseconds from its beginning.
    pub at: u64,
    /// How many milliseconds are missing.
    pub length: u64,
}

/// What came of an upload.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Upload {
    /// Where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Why it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How often it was tried.
    pub tries: u32,
    /// When it is tried again, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none", with = "time")]
    pub next: Option<SystemTime>,
    /// What is there: its bytes,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// and when they were written last here, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none", with = "time")]
    pub modified: Option<SystemTime>,
}

/// What is beside a recording.
#[derive(Clone, PartialEq, Debug)]
pub enum Beside {
    /// Nothing: it was put there by hand.
    Nothing,
    /// A sheet.
    Sheet(Box<Sheet>),
    /// Something that cannot be read. The recording may be one to keep: no rule deletes it.
    Unreadable,
}

impl Sheet {
    /// Where the sheet of a recording is.
    #[must_use]
    pub fn path(folder: &Path, name: &RecordName) -> PathBuf {
        folder.join(format!("{name}.json"))
    }

    /// What is beside a recording.
    ///
    /// # Errors
    /// The system's.
    pub fn read(folder: &Path, name: &RecordName) -> io::Result<Beside> {
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
        let file = match options.open(Self::path(folder, name)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Beside::Nothing),
            Err(_) => return Ok(Beside::Unreadable),
            Ok(file) => file,
        };
        let mut bytes = Vec::new();
        file.take(limits::RECORD_SHEET_BYTES + 1).read_to_end(&mut bytes)?;
        let sheet = serde_json::from_slice(&bytes).ok().filter(|_| bytes.len() as u64 <= limits::RECORD_SHEET_BYTES);
        Ok(sheet.map_or(Beside::Unreadable, |sheet| Beside::Sheet(Box::new(sheet))))
    }

    /// Writes it: after a crash there is the old one or the new one, and nothing between.
    ///
    /// # Errors
    /// The system's.
    pub fn write(&self, folder: &Path, name: &RecordName) -> io::Result<()> {
        let bytes = serde_json::to_vec_pretty(self)?;
        if bytes.len() as u64 > limits::RECORD_SHEET_BYTES {
            return Err(io::Error::new(ErrorKind::FileTooLarge, "what is known of a recording is too much"));
        }
        let path = Self::path(folder, name);
        let new = folder.join(format!("{name}.json.new"));
        // A link that somebody left there is not written through.
        let _ = fs::remove_file(&new);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(&new)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        File::open(folder)?.sync_all()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
fn is_false(flag: &bool) -> bool {
    !flag
}

mod time {
    use std::time::SystemTime;

    use serde::{Deserialize as _, Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "serde hands it over so")]
    pub fn serialize<S: Serializer>(time: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => serializer.serialize_str(&super::rfc3339(*time)),
            None => serializer.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SystemTime>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        Ok(text.and_then(|text| super::super::parse_time(&text)))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::Duration;

    use super::*;
    use crate::record::library::testing::TestFolder;

    #[test]
    fn what_is_written_is_read_and_what_others_know_is_kept() {
        let folder = TestFolder::new("sheet");
        let name = RecordName::parse("a_av_1.mp4").unwrap();
        assert_eq!(Sheet::read(&folder.path, &name).unwrap(), Beside::Nothing);
        let mut sheet = Sheet {
            state: State::Uploaded,
            title: "Opening night".into(),
            tags: vec!["concert".into()],
            markers: vec![Marker { at: 1500, text: "encore".into() }],
            keep: true,
            start: Some(SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_250)),
            duration: Some(90_000),
            codecs: vec!["H264".into(), "opus".into()],
            gaps: vec![Gap { at: 10, length: 40 }],
            client: Some("OBS".into()),
            upload: Some(Upload { url: Some("s3://b/k".into()), tries: 1, size: Some(7), ..Upload::default() }),
            ..Sheet::default()
        };
        sheet.others.insert("loudness".into(), Value::from(-23));
        sheet.write(&folder.path, &name).unwrap();
        assert_eq!(Sheet::read(&folder.path, &name).unwrap(), Beside::Sheet(Box::new(sheet)));
        let text = fs::read_to_string(Sheet::path(&folder.path, &name)).unwrap();
        assert!(text.contains("\"start\": \"2023-11-14T22:13:20.25Z\"") && text.contains("\"uploaded\""), "{text}");
        assert!(!folder.path.join("a_av_1.mp4.json.new").exists());
        let mode = fs::metadata(Sheet::path(&folder.path, &name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777 & !FILE_MODE, 0, "{mode:o}: of no concern to others");
    }

    #[test]
    fn what_is_no_sheet_is_unreadable() {
        let folder = TestFolder::new("sheets");
        let name = RecordName::parse("a_av_1.mp4").unwrap();
        let large = format!("{{\"title\": \"{}\"}}", "x".repeat(limits::RECORD_SHEET_BYTES as usize));
        for text in ["", "null", "[]", "{", "{\"state\": \"lost\"}", "{\"keep\": 1}", &large] {
            folder.file("a_av_1.mp4.json", text.as_bytes(), Duration::ZERO);
            assert_eq!(Sheet::read(&folder.path, &name).unwrap(), Beside::Unreadable, "{text:.20}");
        }
        folder.file("a_av_1.mp4.json", b"{}", Duration::ZERO);
        assert_eq!(Sheet::read(&folder.path, &name).unwrap(), Beside::Sheet(Box::default()));
    }

    #[test]
    fn states_have_one_name_each() {
        for state in [State::Recording, State::Complete, State::Recovered, State::Uploading, State::Deleted] {
            assert_eq!(State::parse(state.name()), Some(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.name());
        }
        assert_eq!(State::parse("lost"), None);
    }
}
