//! What was left half written is mended, on a thread of its own: each file is read, however large it is, and nobody
//! waits for that. Of its media nothing is lost but what had not reached the disk.
//!
//! At the start all that is there is looked at; later what a writer had to leave, and now and then whatever else has
//! been left. What is being written is locked, by this server or by another one with the same folder, and is nobody
//! else's to mend.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use tracing::{debug, info, warn};

use crate::limits;
use crate::media::{self, Container};
use crate::notify::What;
use crate::notify::now as wall;
use crate::record::folder::Kind;
use crate::record::name::RecordName;
use crate::record::sheet::State;
use crate::record::write::error::WriteError;
use crate::record::write::{Desk, Part};

/// Takes the names of files that could not be finished. The thread ends with the last of these.
#[derive(Clone)]
pub struct Mender(SyncSender<RecordName>);

/// What the thread knows.
struct Leftovers {
    desk: Desk,
    /// They could not be mended, and are tried again.
    failed: BTreeMap<RecordName, Failed>,
}

/// One that could not be mended.
struct Failed {
    /// Its size and time then: why it was not is told once for as long as they stay.
    stamp: Stamp,
    tries: u32,
    again: Instant,
}

type Stamp = (u64, Option<SystemTime>);

impl Mender {
    /// Looks at all that is there, and then at what it is given.
    ///
    /// # Errors
    /// Where no thread can be had: the next start mends.
    pub fn start(desk: Desk) -> io::Result<Self> {
        let (sender, given) = sync_channel(limits::RECORD_MEND_WAITING);
        let leftovers = Leftovers { desk, failed: BTreeMap::new() };
        thread::Builder::new().name("mend".into()).spawn(move || leftovers.run(&given))?;
        Ok(Self(sender))
    }

    /// Nobody writes this any longer, and the disk takes writes.
    pub fn give(&self, name: RecordName) {
        // What has no place there is found when it is looked for the next time.
        let _ = self.0.try_send(name);
    }
}

impl Leftovers {
    fn run(mut self, given: &Receiver<RecordName>) {
        self.look(Duration::ZERO);
        let mut next = Instant::now() + limits::RECORD_MEND_INTERVAL;
        loop {
            match given.recv_timeout(next.saturating_duration_since(Instant::now())) {
                Ok(name) => self.attempt(&name),
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {
                    self.look(limits::RECORD_MEND_AGE);
                    next = Instant::now() + limits::RECORD_MEND_INTERVAL;
                }
            }
        }
    }

    /// What waits, and what was not written for so long: somebody may be copying a file there.
    fn look(&mut self, age: Duration) {
        let parts = match self.desk.folder.parts() {
            Ok(parts) => parts,
            Err(error) => return warn!(%error, "left-over recordings were not looked for"),
        };
        self.failed.retain(|name, _| parts.contains(name));
        for name in parts {
            let stamp = self.stamp(&name);
            let is_due = match self.failed.get(&name) {
                // Each time it is read as a whole.
                Some(failed) => failed.stamp != stamp || Instant::now() >= failed.again,
                None => stamp.1.is_some_and(|time| wall().duration_since(time).unwrap_or_default() >= age),
            };
            if is_due {
                self.attempt(&name);
            }
        }
    }

    fn attempt(&mut self, name: &RecordName) {
        let stamp = self.stamp(name);
        match mend(&self.desk, name) {
            Ok(()) => drop(self.failed.remove(name)),
            Err(WriteError::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                debug!(record = %name, "a recording is being written");
            }
            // It was finished meanwhile, or its folder has gone.
            Err(WriteError::Io(error)) if error.kind() == ErrorKind::NotFound => drop(self.failed.remove(name)),
            Err(error) => {
                let before = self.failed.get(name).filter(|failed| failed.stamp == stamp);
                if before.is_none() {
                    warn!(record = %name, %error, "a left-over recording was not mended; its .part file stays");
                }
                let tries = before.map_or(0, |failed| failed.tries + 1);
                let wait = limits::RECORD_MEND_INTERVAL.saturating_mul(2_u32.saturating_pow(tries));
                let again = Instant::now() + wait.min(limits::RECORD_MEND_INTERVAL_MOST);
                // What it was made into counts.
                let stamp = self.stamp(name);
                self.failed.insert(name.clone(), Failed { stamp, tries, again });
            }
        }
    }

    fn stamp(&self, name: &RecordName) -> Stamp {
        let metadata = self.desk.folder.part(name).symlink_metadata().ok();
        (metadata.as_ref().map_or(0, std::fs::Metadata::len), metadata.and_then(|metadata| metadata.modified().ok()))
    }
}

fn busy() -> WriteError {
    io::Error::from(ErrorKind::WouldBlock).into()
}

/// Mends one. Where nothing of it can be played, there is nothing to keep.
///
/// # Errors
/// [`WriteError`]: it stays as it is, or as far as it was mended, which can be done again. [`ErrorKind::WouldBlock`]
/// where it is being written.
fn mend(desk: &Desk, name: &RecordName) -> Result<(), WriteError> {
    let Some(container) = Container::from_extension(name.container().extension()) else {
        return Err(io::Error::other("not a container that is written here").into());
    };
    // Whoever writes it here holds it; the lock of its file is for other servers.
    let Some(_hold) = desk.library.hold(name).ok().flatten() else { return Err(busy()) };
    let mut part = Part::resume(&desk.folder, name)?;
    if part.has_its_name()? {
        info!(record = %name, "a recording was whole, but for the name that it had while it was written");
        return Ok(part.forget()?);
    }
    if desk.folder.look(name).is_some_and(|seen| seen.kind == Kind::File) {
        return Err(io::Error::new(ErrorKind::AlreadyExists, "another file has its name").into());
    }
    let mut repair = media::repair(container, &mut part.file())?;
    if repair.frames == 0 {
        // What does not even begin like a recording is somebody else's: perhaps a download.
        if repair.length == 0 && part.length() > limits::RECORD_HEAD_BYTES {
            return Err(io::Error::new(ErrorKind::InvalidData, "it does not begin as a recording does").into());
        }
        info!(record = %name, bytes = part.length(), "a left-over recording had no frame in it");
        return Ok(part.discard()?);
    }
    // When it was written last, not when it was mended: lists and rules go by that.
    let modified = part.file().metadata()?.modified()?;
    let cut = part.length().saturating_sub(repair.length);
    part.truncate(repair.length)?;
    part.write(&mut repair.output)?;
    part.file().set_modified(modified)?;
    part.finish()?;
    desk.stats.recover();
    info!(record = %name, seconds = repair.duration.as_secs_f64(), cut, "a left-over recording was mended");
    let noted = desk.library.update(name, move |recording, sheet| {
        (sheet.state, sheet.duration) = (State::Recovered, u64::try_from(repair.duration.as_millis()).ok());
        sheet.end = sheet.end.or_else(|| recording.start().checked_add(repair.duration)).or_else(|| Some(wall()));
        Ok(())
    });
    if let Err(error) = desk.runtime.block_on(noted) {
        warn!(record = %name, %error, "what is known of a recording was not written");
    }
    desk.bus.tell(Some(name.room()), What::RecordEnded { record: name.as_str().into(), reason: "recovered" });
    Ok(())
}
