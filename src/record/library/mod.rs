//! The recordings that there are, found, changed and deleted. Its methods wait on threads that may block: so many at a
//! time, so long, and no longer.

mod catalog;
mod index;
pub mod query;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::fs::{File, Metadata};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::{info, warn};

use crate::id::RoomName;
use crate::limits;
use crate::notify::bus::Bus;
use crate::notify::{What, now};
use crate::record::folder::Folder;
use crate::record::library::catalog::Catalog;
use crate::record::library::query::Query;
use crate::record::link::Signer;
use crate::record::name::RecordName;
use crate::record::retention::{Doomed, Rules};
use crate::record::sheet::{Marker, Sheet, State};
use crate::record::{RecordConfig, RecordError};

/// All recordings of the server.
pub struct Library {
    /// Nothing where recording is off.
    on: Option<On>,
    signer: Signer,
    rules: Mutex<Rules>,
    bus: Option<Arc<Bus>>,
    reads: Arc<Semaphore>,
    downloads: Arc<Semaphore>,
}

#[derive(Clone)]
struct On {
    folder: Folder,
    catalog: Arc<Mutex<Catalog>>,
}

/// A recording, and what is known of it.
#[derive(Clone, PartialEq, Debug)]
pub struct Recording {
    /// Its file's name.
    pub name: RecordName,
    /// Bytes.
    pub size: u64,
    /// When it was written last.
    pub modified: SystemTime,
    /// Where it stands.
    pub state: State,
    /// What is beside it could be read; otherwise it is not changed, and no rule deletes it.
    pub readable: bool,
    /// What is beside it.
    pub sheet: Sheet,
}

impl Recording {
    /// When it began: as it says itself, or its name does; otherwise when it was written last.
    #[must_use]
    pub fn start(&self) -> SystemTime {
        let named = self.name.began().and_then(|at| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(at)));
        self.sheet.start.or(named).unwrap_or(self.modified)
    }

    /// No rule deletes it.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.sheet.keep || !self.readable
    }
}

/// What was found.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Page {
    /// Newest first.
    pub recordings: Vec<Recording>,
    /// How many there are on all pages.
    pub total: usize,
}

/// A recording that somebody reads.
pub struct Download {
    /// From its beginning.
    pub file: File,
    /// How large it is, and since when.
    pub metadata: Metadata,
    /// As long as it is held, it counts.
    pub place: OwnedSemaphorePermit,
}

/// Somebody works on a recording's file: until this is dropped it is not deleted.
pub struct Hold {
    catalog: Arc<Mutex<Catalog>>,
    name: RecordName,
}

impl Drop for Hold {
    fn drop(&mut self) {
        lock(&self.catalog).hold(&self.name, false);
    }
}

/// What people may change of a recording; what is not said stays as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Change {
    /// What it is called.
    pub title: Option<String>,
    /// Words that it is found by, instead of those before.
    pub tags: Option<Vec<String>>,
    /// Whether it is to be kept.
    pub keep: Option<bool>,
}

impl Library {
    /// What the configuration names. Folder, index and key are made where they are not there; it reads the whole
    /// folder, so it may take a while.
    ///
    /// # Errors
    /// Where that cannot be done.
    pub fn open(config: &RecordConfig, bus: Option<Arc<Bus>>) -> Result<Self, RecordError> {
        let (on, signer) = if config.enabled {
            let folder = Folder::new(&config.folder);
            folder.create()?;
            let catalog = Catalog::open(folder.clone())?;
            (Some(On { folder, catalog: Arc::new(Mutex::new(catalog)) }), signer(&config.folder))
        } else {
            (None, Signer::new())
        };
        Ok(Self {
            on,
            signer,
            rules: Mutex::new(config.retention),
            bus,
            reads: Arc::new(Semaphore::new(limits::RECORD_READS)),
            downloads: Arc::new(Semaphore::new(limits::RECORD_DOWNLOADS)),
        })
    }

    /// Of a server that records nothing.
    #[must_use]
    pub fn off() -> Self {
        Self::open(&RecordConfig::default(), None).expect("no folder is made")
    }

    /// Whether the server has recordings.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.on.is_some()
    }

    /// Makes links to single recordings.
    #[must_use]
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// What is to go, from now on.
    pub fn reload(&self, config: &RecordConfig) {
        *lock(&self.rules) = config.retention;
    }

    /// The rules by which recordings go.
    #[must_use]
    pub fn rules(&self) -> Rules {
        *lock(&self.rules)
    }

    /// What fits, of the rooms that `may` names; none where recording is off.
    ///
    /// # Errors
    /// [`RecordError`]
    pub async fn find(
        &self,
        query: Query,
        may: Option<impl Fn(&RoomName) -> bool + Send + 'static>,
    ) -> Result<Page, RecordError> {
        if !self.is_on() {
            return Ok(Page::default());
        }
        self.ask(move |catalog| match may {
            Some(may) => catalog.find(&query, Some(&|room| RoomName::parse(room).is_some_and(|room| may(&room)))),
            None => catalog.find(&query, None),
        })
        .await
    }

    /// One of them.
    ///
    /// # Errors
    /// [`RecordError`]
    pub async fn get(&self, name: &RecordName) -> Result<Recording, RecordError> {
        let name = name.clone();
        self.ask(move |catalog| catalog.get(&name)).await
    }

    /// One of them, to be read.
    ///
    /// # Errors
    /// [`RecordError`]
    pub async fn download(&self, name: &RecordName) -> Result<Download, RecordError> {
        self.download_from(self.on()?.folder.clone(), name).await
    }

    /// The same, where its file is in another folder.
    ///
    /// # Errors
    /// [`RecordError`]
    pub async fn download_from(&self, folder: Folder, name: &RecordName) -> Result<Download, RecordError> {
        let place = self.downloads.clone().try_acquire_owned().map_err(|_| RecordError::Busy)?;
        let name = name.clone();
        let (file, metadata) = self.wait(move || folder.open(&name)).await?;
        Ok(Download { file, metadata, place })
    }

    /// Changes what people may change; texts are within their limits already.
    ///
    /// # Errors
    /// [`RecordError`]
    pub async fn change(&self, name: &RecordName, change: Change) -> Result<Recording, RecordError> {
        self.update(name, move |_, sheet| {
            let Change { title, tags, keep } = change;
            sheet.title = title.unwrap_or(std::mem::take(&mut sheet.title));
            sheet.tags = tags.unwrap_or(std::mem::take(&mut sheet.tags));
            sheet.keep = keep.unwrap_or(sheet.keep);
            Ok(())
        })
        .await
    }

    /// Marks a place, so many milliseconds from the beginning; of what is being recorded, now.
    ///
    /// # Errors
    /// [`RecordError`]
    pub async fn mark(&self, name: &RecordName, at: Option<u64>, text: String) -> Result<Recording, RecordError> {
        self.update(name, move |recording, sheet| {
            if sheet.markers.len() >= limits::RECORD_MARKERS {
                return Err(RecordError::Full);
            }
            let so_far = || now().duration_since(recording.start()).unwrap_or_default().as_millis();
            let at = at.unwrap_or_else(|| u64::try_from(so_far()).unwrap_or(u64::MAX));
            sheet.markers.push(Marker { at, text });
            sheet.markers.sort();
            Ok(())
        })
        .await
    }

    /// Changes what is known of a recording, for whoever records, mends and uploads.
    ///
    /// # Errors
    /// [`RecordError`]
    pub async fn update(
        &self,
        name: &RecordName,
        change: impl FnOnce(&Recording, &mut Sheet) -> Result<(), RecordError> + Send + 'static,
    ) -> Result<Recording, RecordError> {
        let name = name.clone();
        self.ask(move |catalog| catalog.update(&name, change)).await
    }

    /// Keeps a recording's file from being deleted. `None` where somebody holds it already. It waits for whoever asks
    /// the library, so it is for threads that may block.
    ///
    /// # Errors
    /// Where recording is off.
    pub fn hold(&self, name: &RecordName) -> Result<Option<Hold>, RecordError> {
        let catalog = self.on()?.catalog.clone();
        let held = lock(&catalog).hold(name, true);
        Ok(held.then(|| Hold { catalog, name: name.clone() }))
    }

    /// Deletes a recording and what is known of it.
    ///
    /// # Errors
    /// [`RecordError::InUse`] and others
    pub async fn delete(&self, name: &RecordName) -> Result<(), RecordError> {
        let name = name.clone();
        let deleted = self.ask(move |catalog| catalog.delete(&name, false)).await?;
        self.tell(&deleted.name, "asked");
        Ok(())
    }

    /// Deletes the media of a recording that was uploaded, where it is still the file of this size and time.
    ///
    /// # Errors
    /// [`RecordError::Kept`], [`RecordError::InUse`] and others
    #[cfg(feature = "upload")]
    pub async fn delete_media(&self, name: &RecordName, seen: (u64, SystemTime)) -> Result<(), RecordError> {
        let of = name.clone();
        self.ask(move |catalog| catalog.delete_media(&of, seen)).await?;
        self.tell(name, "uploaded");
        Ok(())
    }

    /// What the rules would have go now, and how many bytes all recordings have.
    ///
    /// # Errors
    /// [`RecordError`]
    pub async fn plan(&self) -> Result<(Vec<Doomed>, Totals), RecordError> {
        if !self.is_on() {
            return Ok((Vec::new(), Totals::default()));
        }
        let rules = self.rules();
        self.ask(move |catalog| {
            let all = catalog.all()?;
            let here = || all.iter().filter(|recording| recording.state != State::Deleted);
            let totals = Totals { recordings: here().count(), bytes: here().map(|recording| recording.size).sum() };
            Ok((rules.plan(all, now()), totals))
        })
        .await
    }

    /// Deletes what the rules would have go: one at a time, each looked at again before.
    ///
    /// # Errors
    /// [`RecordError`] of the plan. What of it could not be deleted is logged.
    pub async fn sweep(&self) -> Result<Vec<Doomed>, RecordError> {
        if !self.rules().is_any() {
            return Ok(Vec::new());
        }
        let mut gone = Vec::new();
        for doomed in self.plan().await?.0.into_iter().take(limits::RETENTION_DELETIONS) {
            let name = doomed.name.clone();
            match self.ask(move |catalog| catalog.delete(&name, true)).await {
                Ok(_) => {
                    info!(name = %doomed.name, reason = doomed.reason.name(), "a recording was deleted");
                    self.tell(&doomed.name, doomed.reason.name());
                    gone.push(doomed);
                }
                // Since the plan somebody has begun to use it, or has deleted it.
                Err(RecordError::InUse | RecordError::Kept | RecordError::NotFound) => {}
                Err(error) => warn!(name = %doomed.name, %error, "a recording was not deleted"),
            }
        }
        Ok(gone)
    }

    /// Keeps to the rules as long as the library is there.
    pub async fn follow_rules(library: Weak<Self>) {
        let mut ticks = interval(limits::RETENTION_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let Some(library) = library.upgrade() else { return };
            if let Err(error) = library.sweep().await {
                warn!(%error, "old recordings were not looked for");
            }
        }
    }

    fn tell(&self, name: &RecordName, reason: &'static str) {
        if let Some(bus) = &self.bus {
            bus.tell(Some(name.room()), What::RecordDeleted { record: name.as_str().into(), reason });
        }
    }

    fn on(&self) -> Result<&On, RecordError> {
        self.on.as_ref().ok_or(RecordError::NotFound)
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Catalog) -> Result<T, RecordError> + Send + 'static,
    ) -> Result<T, RecordError> {
        let catalog = self.on()?.catalog.clone();
        self.wait(move || question(&mut lock(&catalog))).await
    }

    /// Asks the disk, and waits for as long as may be. The thread keeps its place until the disk has answered: a dead
    /// one costs [`limits::RECORD_READS`] threads and no more.
    async fn wait<T: Send + 'static>(
        &self,
        question: impl FnOnce() -> Result<T, RecordError> + Send + 'static,
    ) -> Result<T, RecordError> {
        let answer = async {
            let place = self.reads.clone().acquire_owned().await.map_err(|_| RecordError::Busy)?;
            let asked = tokio::task::spawn_blocking(move || {
                let _place = place;
                question()
            });
            asked.await.unwrap_or(Err(RecordError::Late))
        };
        timeout(limits::RECORD_TIME, answer).await.unwrap_or(Err(RecordError::Late))
    }
}

/// How much there is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    /// How many.
    pub recordings: usize,
    /// Bytes of all of them.
    pub bytes: u64,
}

fn signer(folder: &Path) -> Signer {
    Signer::open(&folder.join(".library").join("link.key")).unwrap_or_else(|error| {
        warn!(%error, "links to recordings end with the server: their key cannot be kept");
        Signer::new()
    })
}

/// What is locked is whole after each call, so a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
