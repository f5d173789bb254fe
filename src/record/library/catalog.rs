//! Folder and index together: one at a time asks or changes them. Where the folder has changed, the index follows
//! before it answers.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::time::SystemTime;

use tokio::time::Instant;

use crate::limits;
use crate::notify::now;
use crate::record::RecordError;
use crate::record::folder::{Folder, Kind, Seen};
use crate::record::library::index::Index;
use crate::record::library::query::Query;
use crate::record::library::{Page, Recording};
use crate::record::name::RecordName;
use crate::record::sheet::{Beside, Sheet, State};

pub(super) struct Catalog {
    folder: Folder,
    index: Index,
    /// What the index was made from.
    known: BTreeMap<RecordName, Seen>,
    /// What is being written: its size grows without a change of the folder.
    growing: BTreeSet<RecordName>,
    /// Somebody works on these files.
    held: BTreeSet<RecordName>,
    /// When the folder was read, and when it had changed last then; `None` where it may have changed since.
    read: Option<(Instant, SystemTime)>,
}

impl Catalog {
    pub fn open(folder: Folder) -> Result<Self, RecordError> {
        let index = Index::open(&folder.path().join(".library"))?;
        let known = index.seen()?.into_iter().collect();
        let (growing, held) = (BTreeSet::new(), BTreeSet::new());
        let mut catalog = Self { folder, index, known, growing, held, read: None };
        catalog.refresh()?;
        Ok(catalog)
    }

    /// Has the index follow the folder.
    fn refresh(&mut self) -> Result<(), RecordError> {
        let changed = match fs::metadata(self.folder.path()).and_then(|metadata| metadata.modified()) {
            Err(error) if error.kind() == ErrorKind::NotFound => SystemTime::UNIX_EPOCH,
            changed => changed?,
        };
        let same = |(at, then): (Instant, SystemTime)| then == changed && at.elapsed() < limits::RECORD_RESCAN_INTERVAL;
        if self.read.is_some_and(same) {
            let growing: Vec<RecordName> = self.growing.iter().cloned().collect();
            return growing.iter().try_for_each(|name| self.look(name));
        }
        let settled = now().duration_since(changed).is_ok_and(|age| age >= limits::RECORD_FOLDER_STEP);
        let read = settled.then_some((Instant::now(), changed));
        let seen = self.folder.scan()?;
        let mut gone: Vec<RecordName> = self.known.keys().filter(|name| !seen.contains_key(name)).cloned().collect();
        let differs = |(name, seen): &(&RecordName, &Seen)| self.known.get(name) != Some(seen);
        let (mut entries, mut bare) = (Vec::new(), Vec::new());
        for (name, seen) in seen.iter().filter(differs) {
            match self.recording(name, seen)? {
                Some(recording) => entries.push((recording, seen.clone())),
                None => bare.push((name.clone(), seen.clone())),
            }
        }
        gone.extend(bare.iter().map(|(name, _)| name.clone()));
        self.apply(&entries, &gone)?;
        // Sheets without a recording are not read each time either.
        self.known.extend(bare);
        self.growing = seen.iter().filter(|(_, seen)| seen.kind == Kind::Part).map(|(name, _)| name.clone()).collect();
        self.read = read;
        Ok(())
    }

    /// Looks at one recording's files again.
    fn look(&mut self, name: &RecordName) -> Result<(), RecordError> {
        let seen = self.folder.look(name);
        if seen.as_ref().is_some_and(|seen| seen.kind == Kind::Part) {
            self.growing.insert(name.clone());
        } else {
            self.growing.remove(name);
        }
        let Some(seen) = seen else { return self.apply(&[], std::slice::from_ref(name)) };
        if self.known.get(name) == Some(&seen) {
            return Ok(());
        }
        match self.recording(name, &seen)? {
            Some(recording) => self.apply(&[(recording, seen)], &[]),
            None => self.apply(&[], std::slice::from_ref(name)),
        }
    }

    fn apply(&mut self, changed: &[(Recording, Seen)], gone: &[RecordName]) -> Result<(), RecordError> {
        if changed.is_empty() && gone.is_empty() {
            return Ok(());
        }
        self.index.apply(changed, gone)?;
        for name in gone {
            self.known.remove(name);
        }
        self.known.extend(changed.iter().map(|(recording, seen)| (recording.name.clone(), seen.clone())));
        Ok(())
    }

    /// What a recording's files say of it; `None` for a sheet without a recording.
    fn recording(&self, name: &RecordName, seen: &Seen) -> Result<Option<Recording>, RecordError> {
        let (sheet, readable) = match Sheet::read(self.folder.path(), name)? {
            Beside::Nothing => (Sheet::default(), true),
            Beside::Sheet(sheet) => (*sheet, true),
            Beside::Unreadable => (Sheet::default(), false),
        };
        let state = match (seen.kind, sheet.state) {
            (Kind::Part, _) => State::Recording,
            // It got its name when it was whole, and then the server ended.
            (Kind::File, State::Recording | State::Deleted) => State::Complete,
            (Kind::File, state) => state,
            (Kind::Sheet, State::Deleted) => State::Deleted,
            (Kind::Sheet, _) => return Ok(None),
        };
        // Of what is elsewhere only it is known what it was.
        let gone = sheet.upload.as_ref().filter(|_| seen.kind == Kind::Sheet);
        let size = gone.map_or(seen.size, |upload| upload.size.unwrap_or(0));
        let modified = gone.and_then(|upload| upload.modified).unwrap_or(seen.modified);
        let name = name.clone();
        Ok(Some(Recording { name, size, modified, state, readable, sheet }))
    }

    /// What fits, of the rooms that may be seen.
    pub fn find(&mut self, query: &Query, may: Option<&dyn Fn(&str) -> bool>) -> Result<Page, RecordError> {
        self.refresh()?;
        let rooms = match may {
            Some(may) => Some(self.index.rooms()?.into_iter().filter(|room| may(room)).collect::<Vec<_>>()),
            None => None,
        };
        let mut page = self.index.find(query, rooms.as_deref())?;
        for recording in &mut page.recordings {
            self.mark(recording);
        }
        Ok(page)
    }

    /// All of them.
    pub fn all(&mut self) -> Result<Vec<Recording>, RecordError> {
        self.refresh()?;
        let mut all = self.index.all()?;
        for recording in &mut all {
            self.mark(recording);
        }
        Ok(all)
    }

    /// One of them.
    pub fn get(&mut self, name: &RecordName) -> Result<Recording, RecordError> {
        self.look(name)?;
        let mut recording = self.index.get(name)?.ok_or(RecordError::NotFound)?;
        self.mark(&mut recording);
        Ok(recording)
    }

    /// What somebody works on is not whole yet.
    fn mark(&self, recording: &mut Recording) {
        if self.held.contains(&recording.name) && !recording.state.is_busy() {
            recording.state = State::Recording;
        }
    }

    /// Changes what is known of a recording.
    pub fn update(
        &mut self,
        name: &RecordName,
        change: impl FnOnce(&Recording, &mut Sheet) -> Result<(), RecordError>,
    ) -> Result<Recording, RecordError> {
        let recording = self.get(name)?;
        if !recording.readable {
            return Err(RecordError::Unreadable);
        }
        let mut sheet = recording.sheet.clone();
        change(&recording, &mut sheet)?;
        if sheet != recording.sheet {
            sheet.write(self.folder.path(), name)?;
        }
        self.get(name)
    }

    /// Deletes a recording with all that is beside it. Never one that somebody works on; and where a rule asks
    /// (`by_rule`), never one that is to be kept.
    pub fn delete(&mut self, name: &RecordName, by_rule: bool) -> Result<Recording, RecordError> {
        let recording = self.get(name)?;
        if recording.state.is_busy() || self.folder.has_part(name) {
            return Err(RecordError::InUse);
        }
        if by_rule && recording.is_kept() {
            return Err(RecordError::Kept);
        }
        // First the media: what remains after a crash is a sheet without a recording, which is none.
        self.folder.remove(name)?;
        self.look(name)?;
        Ok(recording)
    }

    /// Deletes the media of a recording that was uploaded, and keeps what is known of it. Only the file that was: of
    /// this size and time. Who asks holds it, so that nobody begins with it again meanwhile.
    #[cfg(feature = "upload")]
    pub fn delete_media(&mut self, name: &RecordName, seen: (u64, SystemTime)) -> Result<(), RecordError> {
        let mut recording = self.get(name)?;
        if recording.is_kept() {
            return Err(RecordError::Kept);
        }
        if recording.sheet.state != State::Uploaded || (recording.size, recording.modified) != seen {
            return Err(RecordError::InUse);
        }
        // First the sheet: without it nothing would be known of what is gone. A crash here leaves a file that counts as
        // whole, and is looked at again.
        recording.sheet.state = State::Deleted;
        recording.sheet.write(self.folder.path(), name)?;
        fs::remove_file(self.folder.path().join(name.as_str()))?;
        self.look(name)
    }

    /// From now on somebody works on it, or no longer.
    pub fn hold(&mut self, name: &RecordName, on: bool) -> bool {
        if on { self.held.insert(name.clone()) } else { self.held.remove(name) }
    }
}
