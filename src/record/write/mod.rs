//! What writes one publication: a thread that may block. It looks into the ring of its room twenty times a second, so
//! the room never waits for it; and where a disk fails, it goes on as soon as the disk does.

pub mod error;
mod file;
mod part;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::{Instant, SystemTime};

use tokio::runtime::Handle;
use tracing::{debug, info, warn};

use crate::id::RoomName;
use crate::limits;
use crate::net::clock::Clock;
use crate::notify::What;
use crate::notify::bus::Bus;
use crate::notify::now as wall;
use crate::record::folder::Folder;
use crate::record::library::{Hold, Library};
use crate::record::mend::Mender;
use crate::record::name::RecordName;
use crate::record::sheet::State;
use crate::record::stats::Stats;
use crate::record::take::{Cutting, Opening, Step, Take};
use crate::record::tap::{Tap, Tapped};
use crate::record::write::error::WriteError;
use crate::record::write::file::{Finished, RecordFile};
use crate::rtp::codec::MediaKind;
use crate::worker::relay::Feed;

pub use crate::record::write::part::{Part, free};

/// What is recorded, and how.
pub struct Assignment {
    /// The room.
    pub room: RoomName,
    /// What the publisher said of itself.
    pub client: Option<Arc<str>>,
    /// How it is cut into files.
    pub cutting: Cutting,
    /// Bytes that are to stay free on the disk.
    pub reserve: u64,
}

/// Whom a writer tells.
#[derive(Clone)]
pub struct Desk {
    /// Where the recordings are.
    pub folder: Folder,
    /// What is known of them.
    pub library: Arc<Library>,
    /// Who listens.
    pub bus: Arc<Bus>,
    /// What is counted.
    pub stats: Arc<Stats>,
    /// To ask the library, which answers tasks.
    pub runtime: Handle,
}

/// Has a writer end.
#[derive(Clone, Default)]
pub struct Stop(Arc<AtomicU8>);

/// Why a recording ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// The publisher has gone, or the room.
    Publisher,
    /// Somebody asked for it, or the configuration did.
    Asked,
    /// The server stops.
    Shutdown,
    /// The next file goes on where this one ends.
    Cut,
    /// It could not be written.
    Failed,
}

impl Ending {
    /// As events have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Publisher => "publisher_stopped",
            Self::Asked => "asked",
            Self::Shutdown => "shutdown",
            Self::Cut => "cut",
            Self::Failed => "failed",
        }
    }
}

impl Stop {
    /// Has it end, for this reason.
    pub fn set(&self, ending: Ending) {
        let code = if ending == Ending::Shutdown { 2 } else { 1 };
        // The first one who asks is the reason.
        let _ = self.0.compare_exchange(0, code, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Whether it is to end.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.get().is_some()
    }

    fn get(&self) -> Option<Ending> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            1 => Some(Ending::Asked),
            _ => Some(Ending::Shutdown),
        }
    }
}

/// See the module.
pub struct Writer {
    assignment: Assignment,
    desk: Desk,
    mender: Option<Mender>,
    stop: Stop,
    clock: Clock,
    /// A moment on both clocks.
    began: (Instant, SystemTime),
    feed: Feed,
    tap: Tap,
    take: Take,
    files: BTreeMap<u32, (RecordFile, Option<Hold>)>,
    flushed: Instant,
    /// Nothing can be written before this time.
    pause: Option<Instant>,
    /// The failure has been told.
    complained: bool,
    /// Files that could not be finished.
    left: Vec<RecordName>,
    lost: u64,
}

impl Writer {
    /// Writes what the feed brings.
    #[must_use]
    pub fn new(assignment: Assignment, desk: Desk, mender: Option<Mender>, stop: Stop, feed: Feed) -> Self {
        let clock = Clock::start();
        let now = clock.now();
        let take = Take::new(assignment.cutting);
        Self {
            assignment,
            desk,
            mender,
            stop,
            clock,
            began: (now, wall()),
            feed,
            tap: Tap::default(),
            take,
            files: BTreeMap::new(),
            flushed: now,
            pause: None,
            complained: false,
            left: Vec::new(),
            lost: 0,
        }
    }

    /// Until the publisher has gone, or somebody has it end.
    pub fn run(mut self) {
        self.desk.stats.begin();
        let ending = loop {
            // In this order: who has gone has left nothing behind.
            let gone = self.feed.is_abandoned();
            let ended = self.listen();
            if let Some(ending) = self.stop.get() {
                break ending;
            }
            if ended || gone {
                break Ending::Publisher;
            }
            self.look_after();
            thread::sleep(limits::TAP_INTERVAL);
        };
        self.take.finish(self.clock.now());
        self.carry_out(ending);
        self.give_left();
        self.desk.stats.end();
    }

    /// Takes in what the room has sent. True where nothing follows.
    fn listen(&mut self) -> bool {
        let now = self.clock.now();
        let mut ended = false;
        for _ in 0..limits::TAP_PARCELS {
            let Some(parcel) = self.feed.take() else { break };
            self.tap.handle(now, &parcel);
            ended |= self.hear(now);
        }
        ended |= self.hear(now);
        self.take.handle_time(now);
        self.carry_out(Ending::Cut);
        if self.pause.is_none() && self.take.poll_wish(now) {
            self.feed.wish(self.tap.next_video());
        }
        ended
    }

    fn hear(&mut self, now: Instant) -> bool {
        while let Some(told) = self.tap.poll(now) {
            if told == Tapped::Ended {
                return true;
            }
            self.take.handle(now, told);
            // What one packet brings is written before the next: little waits here while the disk is slow.
            self.carry_out(Ending::Cut);
        }
        false
    }

    /// What is due by time.
    fn look_after(&mut self) {
        let now = self.clock.now();
        if now.saturating_duration_since(self.flushed) >= limits::RECORD_FLUSH_INTERVAL {
            self.flushed = now;
            self.flush();
        }
        if self.pause.is_some_and(|until| now >= until) {
            self.pause = None;
            // From here on there are files again, beginning with a key frame.
            self.take.cut();
        }
    }

    fn flush(&mut self) {
        let lost = self.take.counts(MediaKind::Video).lost + self.take.counts(MediaKind::Audio).lost;
        self.desk.stats.lose(lost - std::mem::replace(&mut self.lost, lost));
        let mut failed = None;
        for (file, _) in self.files.values_mut() {
            match file.flush() {
                Ok(bytes) => self.desk.stats.write(bytes),
                Err(error) => failed = Some(error),
            }
        }
        if let Some(error) = failed {
            return self.fail(&error);
        }
        if self.files.is_empty() {
            return;
        }
        if self.is_full() {
            // There is still room to end them in order.
            let files: Vec<u32> = self.files.keys().copied().collect();
            for file in files {
                self.close(file, Ending::Failed);
            }
            return self.fail(&WriteError::Reserve);
        }
        self.complained = false;
        self.give_left();
    }

    fn is_full(&self) -> bool {
        free(&self.desk.folder).is_some_and(|free| free < self.assignment.reserve)
    }

    /// Does what the take says; `ending` is what closing a file means now.
    fn carry_out(&mut self, ending: Ending) {
        while let Some(step) = self.take.poll() {
            match step {
                Step::Open(opening) if self.pause.is_none() => {
                    if let Err(error) = self.open(&opening) {
                        self.fail(&error);
                    }
                }
                Step::Open(_) => {}
                Step::Sample { file, sample } => match self.files.get_mut(&file) {
                    None => self.desk.stats.drop_frame(),
                    Some((written, _)) => match written.sample(&sample) {
                        Ok(()) => self.desk.stats.frame(),
                        Err(WriteError::Media(error)) => {
                            debug!(room = %self.assignment.room, %error, "a frame has no place in its recording");
                            self.desk.stats.drop_frame();
                        }
                        Err(error) => self.fail(&error),
                    },
                },
                Step::Gap { file, at, length } => {
                    if let Some((file, _)) = self.files.get_mut(&file) {
                        file.gap(at, length);
                    }
                }
                Step::Close { file } => self.close(file, ending),
            }
        }
    }

    fn open(&mut self, opening: &Opening) -> Result<(), WriteError> {
        self.desk.folder.create()?;
        if self.is_full() {
            return Err(WriteError::Reserve);
        }
        let (instant, time) = self.began;
        let began =
            time + opening.began.saturating_duration_since(instant) - instant.saturating_duration_since(opening.began);
        let Assignment { room, client, .. } = &self.assignment;
        let mut file = RecordFile::open(&self.desk.folder, room, client.as_deref(), opening, began)?;
        let name = file.name().clone();
        let hold = self.desk.library.hold(&name).ok().flatten();
        // Before anybody is told of it, it is there to stay.
        if let Err(error) = file.flush() {
            self.left.push(name);
            return Err(error);
        }
        self.files.insert(opening.file, (file, hold));
        info!(%room, record = %name, "recording");
        let (format, container) = (self.assignment.cutting.format, opening.planned.container);
        if format.is_replaced_by(container) {
            let (wanted, got) = (format.name(), container.extension());
            info!(%room, wanted, got, "the format that was chosen has no place for this codec");
        }
        self.desk.bus.tell(Some(room), What::RecordStarted { record: name.as_str().into() });
        Ok(())
    }

    fn close(&mut self, file: u32, ending: Ending) {
        let Some((file, hold)) = self.files.remove(&file) else { return };
        let name = file.name().clone();
        match file.finish() {
            Ok(finished) => {
                self.desk.stats.finish();
                self.note(&finished);
                drop(hold);
                let (room, reason) = (&self.assignment.room, ending.name());
                info!(%room, record = %name, reason, seconds = finished.duration.as_secs_f64(), "recorded");
                self.desk.bus.tell(Some(room), What::RecordEnded { record: name.as_str().into(), reason });
            }
            Err(error) => {
                self.left.push(name);
                self.fail(&error);
            }
        }
    }

    /// What is known of it now goes into its sheet. Without that it is still whole.
    fn note(&self, finished: &Finished) {
        let Finished { name, duration, gaps } = finished.clone();
        let duration = u64::try_from(duration.as_millis()).ok();
        let noted = self.desk.library.update(&name, move |_, sheet| {
            (sheet.state, sheet.end, sheet.duration, sheet.gaps) = (State::Complete, Some(wall()), duration, gaps);
            Ok(())
        });
        if let Err(error) = self.desk.runtime.block_on(noted) {
            warn!(record = %finished.name, %error, "what is known of a recording was not written");
        }
    }

    /// Nothing is written for a while; the room goes on.
    fn fail(&mut self, error: &WriteError) {
        self.take.cut();
        // What was begun is mended when the disk can be written again.
        self.left.extend(std::mem::take(&mut self.files).into_values().map(|(file, _)| file.name().clone()));
        self.left.truncate(limits::RECORD_LEFT);
        self.pause = Some(self.clock.now() + limits::RECORD_RETRY);
        let (room, failure) = (&self.assignment.room, error.failure());
        self.desk.stats.fail(failure);
        // Once for as long as it lasts.
        if !std::mem::replace(&mut self.complained, true) {
            warn!(%room, %error, reason = failure.name(), "not recording; it is tried again");
            self.desk.bus.tell(Some(room), What::RecordFailed { reason: failure.name() });
        }
    }

    /// The disk takes writes, or nothing follows.
    fn give_left(&mut self) {
        for name in std::mem::take(&mut self.left) {
            if let Some(mender) = &self.mender {
                mender.give(name);
            }
        }
    }
}
