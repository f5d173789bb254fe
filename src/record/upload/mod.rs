//! Recordings go to a bucket or another folder: what is whole and not marked as uploaded is sent, verified, and only
//! then marked. The files are the queue: sheets say what is done, how often it was tried, and when it is tried again.

mod bucket;
mod client;
mod error;
#[cfg(test)]
mod fake;
mod journal;
mod send;
mod shelf;
mod source;
mod stats;
mod target;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use http::Method;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::limits;
use crate::notify::bus::Bus;
use crate::notify::{What, jitter, now, rfc3339};
use crate::record::RecordError;
use crate::record::folder::{Folder, Kind};
use crate::record::library::query::Query;
use crate::record::library::{Hold, Library, Recording};
use crate::record::name::RecordName;
use crate::record::sheet::{Sheet, State, Upload};
use crate::record::upload::error::UploadError;
use crate::record::upload::send::Sender;
use crate::record::upload::source::Source;
use crate::record::upload::stats::Stats;
use crate::record::upload::target::Target;
use crate::secret::Secret;

pub use crate::record::upload::stats::Figures;

/// What the operator sets.
#[derive(Clone, Debug)]
pub struct UploadConfig {
    /// Where recordings go.
    pub target: TargetConfig,
    /// What was uploaded is deleted here.
    pub delete_after: bool,
}

/// Where recordings go.
#[derive(Clone, Debug)]
pub enum TargetConfig {
    /// To a bucket of an S3 store.
    Bucket(Box<BucketConfig>),
    /// To another folder, which has to be there.
    Folder(PathBuf),
}

/// A bucket, and how it is reached.
#[derive(Clone, Debug)]
pub struct BucketConfig {
    /// The store: `http://` or `https://`, a host, perhaps a port.
    pub endpoint: String,
    /// Whom to trust for it, PEM; `None`: those that browsers trust.
    pub root: Option<PathBuf>,
    /// Its region.
    pub region: String,
    /// The bucket.
    pub bucket: String,
    /// Who we are there.
    pub access_key: Secret,
    /// The proof of it.
    pub secret_key: Secret,
    /// The bucket is in the path, and not in the host's name.
    pub path_style: bool,
    /// What comes before the names, without slashes around it; may be empty.
    pub prefix: String,
    /// Who asks for a recording that was uploaded is sent there, by a URL that holds for a while: the store's endpoint
    /// for them.
    pub presigned: Option<String>,
}

/// What was uploaded, for who asks for it here.
pub enum Elsewhere {
    /// To be asked for there.
    Url(String),
    /// To be read.
    Folder(Folder),
}

/// Sends recordings, a few at a time.
pub struct Uploader {
    library: Arc<Library>,
    bus: Arc<Bus>,
    sender: Sender,
    delete_after: bool,
    stats: Stats,
    /// There may be something to do.
    wake: Notify,
}

impl Uploader {
    /// Begins, on the caller's runtime, and ends with the last reference to it.
    ///
    /// # Errors
    /// Where the target cannot be one: an address that is none, a folder that is not there.
    pub fn start(
        config: &UploadConfig,
        folder: Folder,
        library: &Arc<Library>,
        bus: &Arc<Bus>,
    ) -> Result<Arc<Self>, String> {
        let uploader = Arc::new(Self {
            library: library.clone(),
            bus: bus.clone(),
            sender: Sender { target: Target::new(&config.target, &folder)?, folder },
            delete_after: config.delete_after,
            stats: Stats::default(),
            wake: Notify::new(),
        });
        tokio::spawn(Self::listen(Arc::downgrade(&uploader)));
        tokio::spawn(Self::follow(Arc::downgrade(&uploader)));
        Ok(uploader)
    }

    /// What was counted.
    #[must_use]
    pub fn figures(&self) -> Figures {
        self.stats.figures()
    }

    /// Whether what was uploaded can be had here though its file is gone.
    #[must_use]
    pub fn gives(&self) -> bool {
        match &self.sender.target {
            Target::Bucket(bucket) => bucket.origin().is_some(),
            Target::Shelf(_) => true,
        }
    }

    /// Where those are sent who ask for what was uploaded: scheme, host and port; `None` where nobody is.
    #[must_use]
    pub fn origin(&self) -> Option<&str> {
        match &self.sender.target {
            Target::Bucket(bucket) => bucket.origin(),
            Target::Shelf(_) => None,
        }
    }

    /// Where to have one, for who asks with GET or HEAD; `None` where it was not uploaded, or is to be had from here. A
    /// URL holds for so long; with `to_keep` browsers store it rather than show it.
    ///
    /// # Errors
    /// [`RecordError`]
    pub async fn elsewhere(
        &self,
        name: &RecordName,
        method: &Method,
        to_keep: bool,
        time: Duration,
    ) -> Result<Option<Elsewhere>, RecordError> {
        let recording = self.library.get(name).await?;
        let url = recording.sheet.upload.and_then(|upload| upload.url);
        // It may have gone to another place than today's.
        if url.is_none_or(|url| url != self.sender.target.url(name)) {
            return Ok(None);
        }
        match (&self.sender.target, recording.state) {
            (Target::Bucket(bucket), State::Uploaded | State::Deleted) => {
                let url = bucket.presign(method.clone(), name, to_keep, time).await;
                url.map(|url| url.map(Elsewhere::Url)).map_err(|error| {
                    warn!(record = %name, %error, "no URL was made for it");
                    RecordError::NotFound
                })
            }
            (Target::Shelf(shelf), State::Deleted) => Ok(Some(Elsewhere::Folder(shelf.folder().clone()))),
            _ => Ok(None),
        }
    }

    /// Tries one again now, whenever it was to be.
    ///
    /// # Errors
    /// [`RecordError::InUse`] where there is nothing to try.
    pub async fn retry(&self, name: &RecordName) -> Result<Recording, RecordError> {
        let recording = self.library.update(name, |recording, sheet| {
            if !is_open(recording.state) {
                return Err(RecordError::InUse);
            }
            if let Some(upload) = &mut sheet.upload {
                upload.next = None;
            }
            Ok(())
        });
        let recording = recording.await?;
        self.wake.notify_one();
        Ok(recording)
    }

    /// What has just become whole need not wait for the next look.
    async fn listen(uploader: Weak<Self>) {
        let Some(mut news) = uploader.upgrade().map(|uploader| uploader.bus.read()) else { return };
        while let Ok(notice) = news.next().await {
            let Some(uploader) = uploader.upgrade() else { return };
            if matches!(notice.what, What::RecordEnded { .. }) {
                uploader.wake.notify_one();
            }
        }
    }

    async fn follow(uploader: Weak<Self>) {
        let mut running = JoinSet::new();
        loop {
            let Some(this) = uploader.upgrade() else { return };
            let due = this.due().await.unwrap_or_else(|error| {
                warn!(%error, "recordings to upload were not looked for");
                Vec::new()
            });
            for recording in due {
                if running.len() >= limits::UPLOADS {
                    break;
                }
                // Those that are under way are among them.
                if let Some(hold) = this.hold(&recording.name).await {
                    let this = this.clone();
                    running.spawn(async move { this.handle(&recording, hold).await });
                }
            }
            let look = async {
                tokio::select! {
                    () = this.wake.notified() => {}
                    Some(_) = running.join_next() => {}
                }
            };
            let _ = timeout(limits::UPLOAD_LOOK_INTERVAL, look).await;
        }
    }

    /// What is to be sent now, the oldest first.
    async fn due(&self) -> Result<Vec<Recording>, RecordError> {
        let mut due = Vec::new();
        let states = [State::Complete, State::Recovered, State::Failed, State::Uploading, State::Uploaded];
        // What was uploaded is looked at where it should be gone: the server ended between the two.
        for state in states.into_iter().take(if self.delete_after { 5 } else { 4 }) {
            let query = Query { state: Some(state), ..Query::default() };
            let all: Option<fn(&crate::id::RoomName) -> bool> = None;
            due.extend(self.library.find(query, all).await?.recordings);
        }
        let now = now();
        due.retain(|recording| {
            let next = recording.sheet.upload.as_ref().and_then(|upload| upload.next);
            // Who copies a file there may not have ended yet.
            let settled = now.duration_since(recording.modified).is_ok_and(|age| age >= limits::UPLOAD_SETTLE_TIME);
            let open = is_open(recording.state) || recording.state == State::Uploaded && !recording.is_kept();
            recording.readable && settled && open && next.is_none_or(|next| next <= now)
        });
        due.sort_by(|a, b| (a.modified, &a.name).cmp(&(b.modified, &b.name)));
        self.stats.wait(due.len());
        Ok(due)
    }

    async fn hold(&self, name: &RecordName) -> Option<Hold> {
        let (library, name) = (self.library.clone(), name.clone());
        let held = tokio::task::spawn_blocking(move || library.hold(&name).ok().flatten());
        held.await.ok().flatten()
    }

    async fn handle(&self, recording: &Recording, hold: Hold) {
        let name = &recording.name;
        let (folder, of, again) = (self.sender.folder.clone(), name.clone(), self.delete_after);
        let began = self.library.update(name, move |_, sheet| {
            // Since it was seen as due it may have been done with.
            if folder.look(&of).is_none_or(|seen| seen.kind != Kind::File) || sheet.state == State::Uploaded && !again {
                return Err(RecordError::InUse);
            }
            let upload = sheet.upload.get_or_insert_default();
            (sheet.state, upload.next) = (State::Uploading, None);
            upload.tries = upload.tries.saturating_add(1);
            Ok(())
        });
        let sent = match began.await {
            Ok(began) => self.send(began).await,
            Err(RecordError::InUse | RecordError::NotFound) => return release(hold).await,
            Err(error) => Err(error.into()),
        };
        let told = match &sent {
            Ok(_) => Ok(()),
            Err(error) => self.put_off(name, error).await,
        };
        if let Err(error) = told {
            warn!(record = %name, %error, "what became of an upload was not noted");
        }
        if let Ok(source) = sent
            && self.delete_after
        {
            match self.library.delete_media(name, (source.size, source.modified)).await {
                Ok(()) => info!(record = %name, "an uploaded recording was deleted here"),
                Err(RecordError::Kept) => {}
                Err(error) => {
                    warn!(record = %name, %error, "an uploaded recording was not deleted here");
                    self.delete_later(name).await;
                }
            }
        }
        release(hold).await;
    }

    /// All of it.
    async fn send(&self, recording: Recording) -> Result<Source, UploadError> {
        let name = &recording.name;
        let source = self.sender.send(name, &self.stats).await?;
        let url = self.sender.target.url(name);
        let sent = Upload {
            url: Some(url.clone()),
            size: Some(source.size),
            modified: Some(source.modified),
            ..Upload::default()
        };
        let note = |sheet: &mut Sheet, sent: Upload| {
            let tries = sheet.upload.as_ref().map_or(1, |upload| upload.tries);
            sheet.upload = Some(Upload { tries, ..sent });
            sheet.state = State::Uploaded;
        };
        let mut sheet = recording.sheet.clone();
        note(&mut sheet, sent.clone());
        self.sender.send_sheet(name, &sheet).await?;
        let noted = self.library.update(name, move |_, sheet| {
            note(sheet, sent);
            Ok(())
        });
        noted.await?;
        self.stats.finish();
        self.bus.tell(Some(name.room()), What::RecordUploaded { record: name.as_str().into() });
        info!(record = %name, bytes = source.size, %url, "a recording was uploaded");
        Ok(source)
    }

    /// It is uploaded and stays so; to look again is to read all of it from the store.
    async fn delete_later(&self, name: &RecordName) {
        let noted = self.library.update(name, |_, sheet| {
            sheet.state = State::Uploaded;
            sheet.upload.get_or_insert_default().next = Some(now() + limits::UPLOAD_RETRY_MOST);
            Ok(())
        });
        if let Err(error) = noted.await {
            warn!(record = %name, %error, "what became of an upload was not noted");
        }
    }

    async fn put_off(&self, name: &RecordName, error: &UploadError) -> Result<(), RecordError> {
        let reason = error.reason();
        self.stats.fail(reason);
        self.bus.tell(Some(name.room()), What::RecordUploadFailed { record: name.as_str().into(), reason });
        let text = error.to_string();
        let noted = self.library.update(name, move |_, sheet| {
            let upload = sheet.upload.get_or_insert_default();
            (upload.error, upload.next) = (Some(text), Some(now() + wait(upload.tries, jitter())));
            sheet.state = State::Failed;
            Ok(())
        });
        let next = match noted.await {
            Ok(recording) => recording.sheet.upload.and_then(|upload| upload.next),
            // Its file is gone: there is nothing to send.
            Err(RecordError::NotFound) => None,
            Err(error) => return Err(error),
        };
        let next = next.map_or_else(|| "never".to_owned(), rfc3339);
        warn!(record = %name, %error, next, "a recording was not uploaded");
        Ok(())
    }
}

/// That waits for whoever asks the library.
async fn release(hold: Hold) {
    let _ = tokio::task::spawn_blocking(move || drop(hold)).await;
}

/// Not uploaded, and nobody writes it.
fn is_open(state: State) -> bool {
    matches!(state, State::Complete | State::Recovered | State::Failed | State::Uploading)
}

/// After so many tries; `jitter` is from 0 to 1, so that a store that returns is not asked for all at once.
fn wait(tries: u32, jitter: f64) -> Duration {
    let doubled = limits::UPLOAD_RETRY.saturating_mul(1 << tries.saturating_sub(1).min(16));
    doubled.min(limits::UPLOAD_RETRY_MOST).mul_f64(0.5 + jitter / 2.0)
}
