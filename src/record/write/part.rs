//! A recording's file while it is written: `{name}.part` until it is whole, so that nobody takes half a file for one.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::time::SystemTime;

use nix::sys::statvfs::statvfs;

use crate::id::RoomName;
use crate::limits;
use crate::media::Output;
use crate::record::folder::{FILE_MODE, Folder, Kind};
use crate::record::name::RecordName;

/// See the module.
pub struct Part {
    file: File,
    folder: Folder,
    name: RecordName,
    /// Which file it is, whatever its name says later.
    inode: u64,
    length: u64,
}

impl Part {
    /// Begins a file whose name nobody has: `{room}_{track}_{unix}.{extension}`, with `-2` and so on behind the time
    /// where there is a recording of that name. The folder is made where it is not there.
    ///
    /// # Errors
    /// The system's.
    pub fn create(
        folder: &Folder,
        room: &RoomName,
        track: &str,
        began: SystemTime,
        extension: &str,
    ) -> io::Result<Self> {
        folder.create()?;
        let seconds = began.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        for again in 1..=limits::RECORD_NAME_TRIES {
            let again = if again == 1 { String::new() } else { format!("-{again}") };
            let name = RecordName::parse(&format!("{room}_{track}_{seconds}{again}.{extension}"));
            let name = name.ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "a room that is no file's name"))?;
            if folder.look(&name).is_some() {
                continue;
            }
            let mut options = OpenOptions::new();
            options.read(true).write(true).create_new(true).mode(FILE_MODE);
            match options.open(folder.part(&name)) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                file => {
                    let file = file?;
                    // Who mends must not take it for a left-over.
                    lock(&file)?;
                    let inode = file.metadata()?.ino();
                    return Ok(Self { file, folder: folder.clone(), name, inode, length: 0 });
                }
            }
        }
        Err(io::Error::new(ErrorKind::AlreadyExists, "too many recordings began in this second"))
    }

    /// Goes on with a file that was left behind.
    ///
    /// # Errors
    /// The system's; [`ErrorKind::WouldBlock`] where somebody writes it.
    pub fn resume(folder: &Folder, name: &RecordName) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
        let file = options.open(folder.part(name))?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(ErrorKind::InvalidInput, "no file"));
        }
        lock(&file)?;
        // Whoever had the lock may have finished the file meanwhile.
        let (length, inode) = (file.metadata()?.len(), metadata.ino());
        if fs::symlink_metadata(folder.part(name))?.ino() != inode {
            return Err(ErrorKind::NotFound.into());
        }
        Ok(Self { file, folder: folder.clone(), name: name.clone(), inode, length })
    }

    /// The name that it will have.
    #[must_use]
    pub fn name(&self) -> &RecordName {
        &self.name
    }

    /// Its bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// To read it.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Appends and patches; what was given is taken.
    ///
    /// # Errors
    /// The system's.
    pub fn write(&mut self, output: &mut Output) -> io::Result<()> {
        if !output.append.is_empty() {
            self.file.write_all_at(&output.append, self.length)?;
            self.length += output.append.len() as u64;
            output.append.clear();
        }
        for (at, bytes) in output.patches.drain(..) {
            self.file.write_all_at(&bytes, at)?;
        }
        Ok(())
    }

    /// What was written is on the disk when it returns, and is there to stay.
    ///
    /// # Errors
    /// The system's; and where the folder or the file has gone, which writing does not notice.
    pub fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        let there = fs::symlink_metadata(self.path())?;
        if there.ino() != self.inode {
            return Err(io::Error::new(ErrorKind::NotFound, "the file has been replaced"));
        }
        Ok(())
    }

    /// Cuts it to this length.
    ///
    /// # Errors
    /// The system's.
    pub fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.file.set_len(length)?;
        self.length = length;
        Ok(())
    }

    /// It is whole: it gets its name.
    ///
    /// # Errors
    /// The system's.
    pub fn finish(mut self) -> io::Result<RecordName> {
        self.sync()?;
        self.file.sync_all()?;
        let path = self.folder.path().join(self.name.as_str());
        // Whoever put a file there meanwhile keeps it, and this one waits for the next start.
        fs::hard_link(self.path(), &path).or_else(|error| match error.kind() {
            ErrorKind::AlreadyExists => Err(error),
            // A file system without links: between look and rename somebody must be very quick.
            _ if path.exists() => Err(io::Error::from(ErrorKind::AlreadyExists)),
            _ => fs::rename(self.path(), &path),
        })?;
        let _ = fs::remove_file(self.path());
        File::open(self.folder.path())?.sync_all()?;
        Ok(self.name)
    }

    /// Whether it has its name already, and the one that it had while it was written beside that.
    ///
    /// # Errors
    /// The system's.
    pub fn has_its_name(&self) -> io::Result<bool> {
        match fs::symlink_metadata(self.folder.path().join(self.name.as_str())) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            there => Ok(there?.ino() == self.inode),
        }
    }

    /// It has no longer the name that it had while it was written.
    ///
    /// # Errors
    /// The system's.
    pub fn forget(self) -> io::Result<()> {
        fs::remove_file(self.path())
    }

    /// Deletes it, because there is nothing in it, and what is known of it; but not what is another recording's.
    ///
    /// # Errors
    /// The system's.
    pub fn discard(self) -> io::Result<()> {
        if fs::symlink_metadata(self.path())?.ino() != self.inode {
            return Ok(());
        }
        fs::remove_file(self.path())?;
        if self.folder.look(&self.name).is_some_and(|seen| seen.kind == Kind::Sheet) {
            self.folder.remove(&self.name)?;
        }
        Ok(())
    }

    fn path(&self) -> PathBuf {
        self.folder.part(&self.name)
    }
}

/// Nobody else writes it until it is closed. Some file systems have no locks, and there nobody has one.
fn lock(file: &File) -> io::Result<()> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(ErrorKind::WouldBlock.into()),
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}

/// Bytes that whoever is not root may still write on the disk of the folder; `None` where nobody knows.
#[must_use]
pub fn free(folder: &Folder) -> Option<u64> {
    let disk = statvfs(folder.path()).ok()?;
    disk.blocks_available().checked_mul(disk.fragment_size())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::record::library::testing::TestFolder;

    fn begin(folder: &Folder) -> Part {
        let began = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_999);
        Part::create(folder, &RoomName::parse("a_b").unwrap(), "av", began, "webm").unwrap()
    }

    fn output(append: &[u8], patches: &[(u64, &[u8])]) -> Output {
        Output { append: append.to_vec(), patches: patches.iter().map(|(at, bytes)| (*at, bytes.to_vec())).collect() }
    }

    #[test]
    fn it_is_written_patched_and_named() {
        let test = TestFolder::new("part");
        let folder = Folder::new(&test.path.join("new"));
        let mut part = begin(&folder);
        assert_eq!(part.name().as_str(), "a_b_av_1700000000.webm");
        let mut out = output(b"hello", &[(0, b"H")]);
        part.write(&mut out).unwrap();
        assert_eq!(out, Output::default(), "it is taken");
        part.write(&mut output(b" world", &[(6, b"W")])).unwrap();
        assert!(folder.has_part(part.name()));
        let name = part.finish().unwrap();
        assert_eq!(fs::read(folder.path().join(name.as_str())).unwrap(), b"Hello World");
        assert!(!folder.has_part(&name));
        assert!(free(&folder).is_some_and(|bytes| bytes > 0) && free(&Folder::new(&test.path.join("no"))).is_none());
    }

    #[test]
    fn a_name_that_is_taken_gets_a_number() {
        let test = TestFolder::new("names");
        let folder = Folder::new(&test.path);
        let first = begin(&folder);
        // Being written, whole, and known by its sheet alone.
        let second = begin(&folder).finish().unwrap();
        test.file("a_b_av_1700000000-3.webm.json", b"{}", Duration::ZERO);
        let fourth = begin(&folder);
        let names = [first.name().as_str(), second.as_str(), fourth.name().as_str()];
        assert_eq!(names, ["a_b_av_1700000000.webm", "a_b_av_1700000000-2.webm", "a_b_av_1700000000-4.webm"]);
    }

    #[test]
    fn nobody_elses_file_is_written_over() {
        let test = TestFolder::new("taken");
        let folder = Folder::new(&test.path);
        let part = begin(&folder);
        test.file("a_b_av_1700000000.webm", b"mine", Duration::ZERO);
        assert_eq!(part.finish().unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read(test.path.join("a_b_av_1700000000.webm")).unwrap(), b"mine");
    }

    #[test]
    fn what_is_discarded_is_nobody_elses() {
        let test = TestFolder::new("discard");
        let folder = Folder::new(&test.path);
        for (whole, kept) in [(false, 0), (true, 2)] {
            let part = begin(&folder);
            test.file(&format!("{}.json", part.name()), b"{}", Duration::ZERO);
            if whole {
                test.file(part.name().as_str(), b"mine", Duration::ZERO);
            }
            part.discard().unwrap();
            assert_eq!(fs::read_dir(&test.path).unwrap().count(), kept);
        }
        let replaced = Part::create(&folder, &RoomName::parse("b").unwrap(), "av", SystemTime::now(), "webm").unwrap();
        let path = folder.part(replaced.name());
        fs::remove_file(&path).unwrap();
        fs::write(&path, b"another's").unwrap();
        replaced.discard().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"another's");
    }

    #[test]
    fn a_folder_that_has_gone_is_noticed() {
        let test = TestFolder::new("gone");
        let folder = Folder::new(&test.path.join("below"));
        let mut part = begin(&folder);
        fs::remove_dir_all(folder.path()).unwrap();
        part.write(&mut output(b"into the void", &[])).unwrap();
        assert_eq!(part.sync().unwrap_err().kind(), ErrorKind::NotFound);
        let mut again = begin(&folder);
        again.sync().unwrap();
        assert!(part.sync().is_err(), "another file has its name");
        let name = again.name().clone();
        assert_eq!(Part::resume(&folder, &name).err().map(|error| error.kind()), Some(ErrorKind::WouldBlock));
        drop(again);
        let resumed = Part::resume(&folder, &name).unwrap();
        resumed.discard().unwrap();
        assert!(folder.look(&name).is_none());
    }
}
