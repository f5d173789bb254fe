//! The folder that recordings are in. What is served from it is a file, in it, and itself: a name has no way out of the
//! folder ([`RecordName`]), and a link is not followed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tracing::warn;

use crate::limits;
use crate::record::RecordError;
use crate::record::name::RecordName;

/// Who may read a file that is made there: its owner and the owner's group, whatever the process's mask lets others do.
pub(super) const FILE_MODE: u32 = 0o640;
/// Who may look into a folder that is made. What is in it by another's hand, such as the index, is read by nobody else.
pub(super) const FOLDER_MODE: u32 = 0o750;

/// The folder.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

/// What the folder has of a recording.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    /// Which file it is.
    pub kind: Kind,
    /// Its bytes.
    pub size: u64,
    /// When it was written last.
    pub modified: SystemTime,
    /// Size and time of the sheet beside it.
    sheet: Option<(u64, SystemTime)>,
}

/// Which file of a recording there is; the first of these that is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// What is whole: `{name}`.
    File,
    /// What is being written: `{name}.part`.
    Part,
    /// Nothing but what was known of it: `{name}.json`.
    Sheet,
}

impl Seen {
    /// As the index keeps it.
    #[must_use]
    pub fn stamp(&self) -> String {
        let since = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
        let Self { kind, size, modified, sheet } = self;
        let sheet = sheet.map_or(String::new(), |(size, time)| format!("{size:x}.{:x}", since(time)));
        format!("{kind:?} {size:x}.{:x} {sheet}", since(*modified))
    }

    /// What [`Seen::stamp`] wrote.
    #[must_use]
    pub fn parse(stamp: &str) -> Option<Self> {
        let mut words = stamp.split(' ');
        let kind = words.next()?;
        let kind = *[Kind::File, Kind::Part, Kind::Sheet].iter().find(|known| format!("{known:?}") == kind)?;
        let pair = |text: &str| {
            let (size, time) = text.split_once('.')?;
            let time = Duration::from_nanos(u64::from_str_radix(time, 16).ok()?);
            Some((u64::from_str_radix(size, 16).ok()?, SystemTime::UNIX_EPOCH.checked_add(time)?))
        };
        let (size, modified) = pair(words.next()?)?;
        let sheet = words.next().filter(|text| !text.is_empty()).map(|text| pair(text).ok_or(())).transpose().ok()?;
        Some(Self { kind, size, modified, sheet })
    }
}

impl Folder {
    /// At `path`, whether it is there or not.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Makes it where it is not there.
    ///
    /// # Errors
    /// The system's.
    pub fn create(&self) -> io::Result<()> {
        make_folder(&self.path)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What there is of each recording. Nothing where the folder is not there.
    ///
    /// # Errors
    /// [`RecordError::Folder`]
    pub fn scan(&self) -> Result<BTreeMap<RecordName, Seen>, RecordError> {
        let folder = match fs::read_dir(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeMap::new()),
            folder => folder?,
        };
        let mut found = BTreeMap::new();
        for entry in folder {
            let entry = entry?;
            let file_name = entry.file_name();
            let Some((name, kind)) = file_name.to_str().and_then(parse) else { continue };
            if found.len() >= limits::RECORDS && !found.contains_key(&name) {
                warn!(most = limits::RECORDS, "the folder has more recordings than are listed");
                break;
            }
            // It may have gone since. A link is not followed here either.
            let Some(metadata) = entry.metadata().ok().filter(Metadata::is_file) else { continue };
            put(found.entry(name).or_insert(NOTHING), kind, &metadata);
        }
        Ok(found)
    }

    /// The recordings that have a file that is being written, or was left so.
    ///
    /// # Errors
    /// The system's; that there is no folder is none.
    pub fn parts(&self) -> io::Result<BTreeSet<RecordName>> {
        let folder = match fs::read_dir(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeSet::new()),
            folder => folder?,
        };
        let mut found = BTreeSet::new();
        for entry in folder {
            let name = entry?.file_name();
            found.extend(name.to_str().and_then(|name| name.strip_suffix(PART)).and_then(RecordName::parse));
        }
        Ok(found)
    }

    /// What there is of one.
    #[must_use]
    pub fn look(&self, name: &RecordName) -> Option<Seen> {
        let mut seen = NOTHING;
        let mut any = false;
        for (kind, path) in self.files(name) {
            if let Some(metadata) = fs::symlink_metadata(path).ok().filter(Metadata::is_file) {
                put(&mut seen, kind, &metadata);
                any = true;
            }
        }
        any.then_some(seen)
    }

    /// Where a recording is while it is being written.
    #[must_use]
    pub fn part(&self, name: &RecordName) -> PathBuf {
        self.path.join(format!("{name}{PART}"))
    }

    /// Whether it is being written.
    #[must_use]
    pub fn has_part(&self, name: &RecordName) -> bool {
        self.part(name).exists()
    }

    /// Deletes a recording's file, and then what is known of it.
    ///
    /// # Errors
    /// The system's; that it is gone already is none.
    pub fn remove(&self, name: &RecordName) -> io::Result<()> {
        let remove = |path: PathBuf| match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
        remove(self.path.join(name.as_str()))?;
        remove(self.path.join(format!("{name}{SHEET}")))
    }

    fn files(&self, name: &RecordName) -> [(Kind, PathBuf); 3] {
        let file = |kind, end: &str| (kind, self.path.join(format!("{name}{end}")));
        [file(Kind::File, ""), file(Kind::Part, PART), file(Kind::Sheet, SHEET)]
    }

    /// One recording, opened to be read.
    ///
    /// # Errors
    /// [`RecordError`]
    pub fn open(&self, name: &RecordName) -> Result<(File, Metadata), RecordError> {
        let mut options = OpenOptions::new();
        // What is no file after all must not hold the thread: a named pipe would until somebody writes.
        options.read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
        let file = match options.open(self.path.join(name.as_str())) {
            Err(error) if error.kind() == ErrorKind::NotFound || is_link(&error) => return Err(RecordError::NotFound),
            file => file?,
        };
        let metadata = file.metadata()?;
        if metadata.is_file() { Ok((file, metadata)) } else { Err(RecordError::NotFound) }
    }
}

/// Makes a folder, and those that it is in, where they are not there.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path)
}

const PART: &str = ".part";
const SHEET: &str = ".json";

/// Of a name that has no file.
pub(super) const NOTHING: Seen = Seen { kind: Kind::Sheet, size: 0, modified: SystemTime::UNIX_EPOCH, sheet: None };

fn parse(file: &str) -> Option<(RecordName, Kind)> {
    let (name, kind) = if let Some(name) = file.strip_suffix(PART) {
        (name, Kind::Part)
    } else if let Some(name) = file.strip_suffix(SHEET) {
        (name, Kind::Sheet)
    } else {
        (file, Kind::File)
    };
    RecordName::parse(name).map(|name| (name, kind))
}

fn put(seen: &mut Seen, kind: Kind, metadata: &Metadata) {
    let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    if kind == Kind::Sheet {
        seen.sheet = Some((metadata.len(), modified));
        if seen.kind != Kind::Sheet {
            return;
        }
    } else if kind > seen.kind {
        return;
    }
    let size = if kind == Kind::Sheet { 0 } else { metadata.len() };
    (seen.kind, seen.size, seen.modified) = (kind, size, modified);
}

/// What `O_NOFOLLOW` says of a link, and what a socket says.
fn is_link(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ELOOP | libc::ENXIO | libc::ENOTDIR))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;
    use std::time::Duration;

    use super::*;
    use crate::record::library::testing::TestFolder;

    fn name(text: &str) -> RecordName {
        RecordName::parse(text).unwrap()
    }

    #[test]
    fn a_scan_finds_recordings_alone() {
        let test = TestFolder::new("list");
        let folder = Folder::new(&test.path);
        assert!(folder.scan().unwrap().is_empty());
        for (name, size) in [("a_v_1.mp4", 30), ("b_v_2.webm", 10), ("c_a_3.ogg.part", 20), ("d_v_4.ivf.json", 5)] {
            test.file(name, &vec![b'x'; size], Duration::from_secs(9));
        }
        for other in ["a_v_1.mp4.json", "a_v_1.mp4.part", "e.part", "library.sqlite", "notes.txt", ".hidden.mp4"] {
            test.file(other, b"x", Duration::ZERO);
        }
        std::fs::create_dir(test.path.join("folder_v_1.mp4")).unwrap();
        symlink(test.path.join("notes.txt"), test.path.join("link_v_1.mp4")).unwrap();
        let found = folder.scan().unwrap();
        let table = [
            ("a_v_1.mp4", Kind::File, 30),
            ("b_v_2.webm", Kind::File, 10),
            ("c_a_3.ogg", Kind::Part, 20),
            ("d_v_4.ivf", Kind::Sheet, 0),
        ];
        assert_eq!(found.len(), table.len());
        for (text, kind, size) in table {
            let seen = &found[&name(text)];
            assert_eq!((seen.kind, seen.size), (kind, size), "{text}");
            assert_eq!(folder.look(&name(text)).as_ref(), Some(seen), "{text}");
        }
        assert!(found[&name("a_v_1.mp4")].sheet.is_some() && found[&name("b_v_2.webm")].sheet.is_none());
        for seen in found.values() {
            assert_eq!(Seen::parse(&seen.stamp()).as_ref(), Some(seen), "{}", seen.stamp());
        }
        for text in ["", "File", "File 1.", "File 1.x ", "Folder 1.1 ", "File 1.1 1"] {
            assert_eq!(Seen::parse(text), None, "{text}");
        }
        assert_eq!(folder.parts().unwrap(), ["a_v_1.mp4", "c_a_3.ogg"].map(name).into());
        assert!(Folder::new(&test.path.join("nowhere")).parts().unwrap().is_empty());
        assert!(Folder::new(&test.path.join("nowhere")).scan().unwrap().is_empty());
    }

    #[test]
    fn only_a_file_of_the_folder_is_opened() {
        let test = TestFolder::new("open");
        let outside = TestFolder::new("outside");
        outside.file("secret.mp4", b"secret", Duration::ZERO);
        test.file("a_v_1.mp4", b"12345", Duration::ZERO);
        let folder = Folder::new(&test.path);
        assert_eq!(folder.open(&name("a_v_1.mp4")).unwrap().1.len(), 5);
        symlink(outside.path.join("secret.mp4"), test.path.join("link_v_1.mp4")).unwrap();
        symlink(test.path.join("a_v_1.mp4"), test.path.join("inside_v_1.mp4")).unwrap();
        symlink(test.path.join("nowhere"), test.path.join("dangling_v_1.mp4")).unwrap();
        std::fs::create_dir(test.path.join("folder_v_1.mp4")).unwrap();
        let made = std::process::Command::new("mkfifo").arg(test.path.join("pipe_v_1.mp4")).status().unwrap();
        assert!(made.success());
        let _socket = UnixListener::bind(test.path.join("socket_v_1.mp4")).unwrap();
        for other in ["link", "inside", "dangling", "folder", "pipe", "socket", "nothing"] {
            let opened = folder.open(&name(&format!("{other}_v_1.mp4")));
            assert!(matches!(opened, Err(RecordError::NotFound)), "{other}: {opened:?}");
        }
    }
}
