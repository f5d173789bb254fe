//! The folder that recordings are in. What is served from it is a file, in it, and itself: a name has no way out of the
//! folder ([`RecordName`]), and a link is not followed.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tracing::warn;

use crate::limits;
use crate::record::RecordError;
use crate::record::name::RecordName;

/// The folder.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

/// A recording as the folder has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Its name.
    pub name: RecordName,
    /// Bytes.
    pub size: u64,
    /// When it was written last.
    pub modified: SystemTime,
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
        fs::create_dir_all(&self.path)
    }

    /// The recordings, newest first. Nothing where the folder is not there.
    ///
    /// # Errors
    /// [`RecordError::Folder`]
    pub fn list(&self) -> Result<Vec<Entry>, RecordError> {
        let folder = match fs::read_dir(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            folder => folder?,
        };
        let mut entries = Vec::new();
        for entry in folder {
            let entry = entry?;
            let Some(name) = entry.file_name().to_str().and_then(RecordName::parse) else { continue };
            if entries.len() == limits::RECORDS {
                warn!(most = limits::RECORDS, "the folder has more recordings than are listed");
                break;
            }
            // It may have gone since. A link is not followed here either.
            let Some(metadata) = entry.metadata().ok().filter(Metadata::is_file) else { continue };
            entries.push(Entry { name, size: metadata.len(), modified: metadata.modified()? });
        }
        entries.sort_by(|a, b| (b.modified, &b.name).cmp(&(a.modified, &a.name)));
        Ok(entries)
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
    fn the_list_has_recordings_alone_newest_first() {
        let test = TestFolder::new("list");
        let folder = Folder::new(&test.path);
        assert!(folder.list().unwrap().is_empty());
        for (name, age) in [("a_v_1.mp4", 30), ("b_v_2.webm", 10), ("c_a_3.ogg", 20), ("d_v_4.ivf", 20)] {
            test.file(name, b"x", Duration::from_secs(age));
        }
        for other in ["a_v_1.mp4.json", "e_v_1.mp4.part", "library.sqlite", "notes.txt", ".hidden.mp4"] {
            test.file(other, b"x", Duration::ZERO);
        }
        std::fs::create_dir(test.path.join("folder_v_1.mp4")).unwrap();
        symlink(test.path.join("notes.txt"), test.path.join("link_v_1.mp4")).unwrap();
        let names: Vec<_> = folder.list().unwrap().into_iter().map(|entry| entry.name.to_string()).collect();
        assert_eq!(names, ["b_v_2.webm", "d_v_4.ivf", "c_a_3.ogg", "a_v_1.mp4"]);
        assert!(Folder::new(&test.path.join("nowhere")).list().unwrap().is_empty());
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
