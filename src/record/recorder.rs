//! Which publications are recorded: it follows what happens, and now and then compares what runs with what should. Each
//! is written by a thread of its own, so that one slow disk call holds up one recording.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};

use tokio::runtime::Handle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tracing::warn;

use crate::id::{RoomName, RoomPattern, SessionKey};
use crate::limits;
use crate::notify::What;
use crate::notify::bus::Gap;
use crate::record::RecordConfig;
use crate::record::folder::Folder;
use crate::record::library::Library;
use crate::record::mend::Mender;
use crate::record::stats::{Figures, Stats};
use crate::record::take::Cutting;
use crate::record::take::format::Format;
use crate::record::write::error::WriteError;
use crate::record::write::{Assignment, Desk, Ending, Stop, Writer};
use crate::session::tap::Publication;
use crate::session::{SessionError, Sessions};

/// What is said of some rooms; `None`: nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordRule {
    /// Of which ones.
    pub pattern: RoomPattern,
    /// They are recorded.
    pub record: Option<bool>,
    /// Into which files.
    pub format: Option<Format>,
}

/// Why a recording was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Recording is off.
    #[error("this server does not record (RECORD_ENABLED)")]
    Off,
    /// It runs already.
    #[error("the room is being recorded already")]
    Running,
    /// Nobody publishes there, or the room cannot be heard now.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// As many run as may, or no thread can be had.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// See the module.
pub struct Recorder {
    /// Nothing where recording is off.
    desk: Option<Desk>,
    /// Nothing where no thread could be had for it.
    mender: Option<Mender>,
    sessions: Arc<Sessions>,
    stats: Arc<Stats>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    config: RecordConfig,
    /// A room may have another one before the last one is written, and a publication too.
    running: Vec<Running>,
    /// What an administrator has said of a publication, whatever the configuration says.
    asked: BTreeMap<SessionKey, bool>,
    /// Publications that have failed to start are not tried again before this time.
    failed: BTreeMap<SessionKey, Instant>,
    ended: bool,
}

struct Running {
    session: SessionKey,
    room: RoomName,
    stop: Stop,
    thread: JoinHandle<()>,
}

impl Recorder {
    /// Of a server with these sessions. What was left half written is mended meanwhile.
    #[must_use]
    pub fn start(config: &RecordConfig, library: &Arc<Library>, sessions: &Arc<Sessions>) -> Arc<Self> {
        let stats = Arc::new(Stats::default());
        let desk = library.is_on().then(|| Desk {
            folder: Folder::new(&config.folder),
            library: library.clone(),
            bus: sessions.bus().clone(),
            stats: stats.clone(),
            runtime: Handle::current(),
        });
        // New recordings have other names, so they need not wait.
        let mender = desk.clone().and_then(|desk| {
            Mender::start(desk).inspect_err(|error| warn!(%error, "left-over recordings are not mended")).ok()
        });
        let recorder = Arc::new(Self {
            desk,
            mender,
            sessions: sessions.clone(),
            stats,
            state: Mutex::new(State { config: config.clone(), ..State::default() }),
        });
        if recorder.desk.is_some() {
            tokio::spawn(Self::follow(Arc::downgrade(&recorder)));
        }
        recorder
    }

    /// Of a server that records nothing.
    #[must_use]
    pub fn off(sessions: &Arc<Sessions>) -> Arc<Self> {
        let (stats, state) = (Arc::default(), Mutex::default());
        Arc::new(Self { desk: None, mender: None, sessions: sessions.clone(), stats, state })
    }

    /// What was counted.
    #[must_use]
    pub fn figures(&self) -> Figures {
        self.stats.figures()
    }

    /// The rooms that are being recorded.
    #[must_use]
    pub fn rooms(&self) -> Vec<RoomName> {
        let live = |running: &&Running| !running.thread.is_finished();
        self.state().running.iter().filter(live).map(|running| running.room.clone()).collect()
    }

    /// What holds from now on.
    pub fn reload(&self, config: &RecordConfig) {
        self.state().config = config.clone();
        self.compare();
    }

    /// Records what is published in a room, until it ends.
    ///
    /// # Errors
    /// [`StartError`]
    pub fn begin(&self, room: &RoomName) -> Result<(), StartError> {
        if self.desk.is_none() {
            return Err(StartError::Off);
        }
        let publication = self.publication(room)?;
        let mut state = self.state();
        if state.active(publication.session).any(|running| !running.thread.is_finished()) {
            return Err(StartError::Running);
        }
        state.asked.insert(publication.session, true);
        self.record(&mut state, &publication)
    }

    /// No longer records what is published in a room; the next publisher is another matter. False where it was not
    /// recorded.
    ///
    /// # Errors
    /// [`StartError::Off`], [`StartError::Session`]
    pub fn end(&self, room: &RoomName) -> Result<bool, StartError> {
        if self.desk.is_none() {
            return Err(StartError::Off);
        }
        let publication = self.publication(room)?;
        let mut state = self.state();
        state.asked.insert(publication.session, false);
        let mut was = false;
        for running in state.active(publication.session) {
            was |= !running.thread.is_finished();
            running.stop.set(Ending::Asked);
        }
        Ok(was)
    }

    /// Ends all recordings, and waits until they are written, or for as long as it may take.
    pub async fn finish(&self) {
        let running = {
            let mut state = self.state();
            state.ended = true;
            std::mem::take(&mut state.running)
        };
        for running in &running {
            running.stop.set(Ending::Shutdown);
        }
        let deadline = Instant::now() + limits::RECORD_END_TIME;
        while running.iter().any(|running| !running.thread.is_finished()) {
            if Instant::now() >= deadline {
                return warn!("not every recording was ended in time; the next start mends what is left");
            }
            sleep(limits::TAP_INTERVAL).await;
        }
    }

    async fn follow(recorder: Weak<Self>) {
        let Some(mut news) = recorder.upgrade().map(|recorder| recorder.sessions.bus().read()) else { return };
        let mut ticks = interval(limits::RECORD_COMPARE_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                notice = news.next() => match notice {
                    Ok(notice) if !concerns_publishers(&notice.what) => continue,
                    Ok(_) | Err(Gap::Missed(_)) => {}
                    Err(Gap::Closed) => return,
                },
                _ = ticks.tick() => {}
            }
            let Some(recorder) = recorder.upgrade() else { return };
            recorder.compare();
        }
    }

    /// Starts what should run, and ends what should not.
    fn compare(&self) {
        if self.desk.is_none() {
            return;
        }
        let publications = self.sessions.publications();
        let mut state = self.state();
        if state.ended {
            return;
        }
        let is_there = |session: &SessionKey| publications.iter().any(|publication| publication.session == *session);
        state.asked.retain(|session, _| is_there(session));
        state.failed.retain(|session, _| is_there(session));
        // One that has ended by itself is remembered as long as its publisher is there: it is not begun again.
        let is_over = |running: &Running| running.stop.is_set() || !is_there(&running.session);
        state.running.retain(|running| !running.thread.is_finished() || !is_over(running));
        for publication in &publications {
            let session = publication.session;
            let wanted = state.wants(publication);
            if !wanted {
                state.active(session).for_each(|running| running.stop.set(Ending::Asked));
            }
            let waits = state.failed.get(&session).is_some_and(|until| Instant::now() < *until);
            if !wanted || waits || state.active(session).next().is_some() {
                continue;
            }
            if let Err(error) = self.record(&mut state, publication) {
                let again = Instant::now() + limits::RECORD_RETRY;
                // Told once for as long as it lasts.
                if state.failed.insert(session, again).is_none() {
                    self.complain(&publication.room, &error);
                }
            }
        }
    }

    fn record(&self, state: &mut State, publication: &Publication) -> Result<(), StartError> {
        let Some(desk) = &self.desk else { return Err(StartError::Off) };
        let live = state.running.iter().filter(|running| !running.thread.is_finished()).count();
        if live >= limits::RECORDINGS {
            return Err(WriteError::Limit.into());
        }
        let room = &publication.room;
        let feed = self.sessions.tap(room)?;
        let assignment = Assignment {
            room: room.clone(),
            client: publication.client.clone(),
            cutting: state.config.cutting(room),
            reserve: state.config.reserve,
        };
        let stop = Stop::default();
        let writer = Writer::new(assignment, desk.clone(), self.mender.clone(), stop.clone(), feed);
        let thread = thread::Builder::new().name("record".into()).spawn(move || writer.run());
        let thread = thread.map_err(|_| WriteError::Thread)?;
        state.failed.remove(&publication.session);
        state.running.push(Running { session: publication.session, room: room.clone(), stop, thread });
        Ok(())
    }

    fn complain(&self, room: &RoomName, error: &StartError) {
        if let StartError::Write(error) = error {
            let failure = error.failure();
            self.stats.fail(failure);
            self.sessions.bus().tell(Some(room), What::RecordFailed { reason: failure.name() });
        }
        warn!(%room, %error, "not recording; it is tried again");
    }

    fn publication(&self, room: &RoomName) -> Result<Publication, SessionError> {
        let mut publications = self.sessions.publications().into_iter();
        publications.find(|publication| publication.room == *room).ok_or(SessionError::NoPublisher)
    }

    /// What is locked is whole after each call, so a panic elsewhere does not spoil it.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn concerns_publishers(what: &What) -> bool {
    matches!(what, What::PublisherStarted { .. } | What::PublisherStopped { .. })
}

impl State {
    /// What records a publication, but for what has been told to end.
    fn active(&self, session: SessionKey) -> impl Iterator<Item = &Running> {
        self.running.iter().filter(move |running| running.session == session && !running.stop.is_set())
    }

    fn wants(&self, publication: &Publication) -> bool {
        self.asked.get(&publication.session).copied().unwrap_or_else(|| self.config.records(&publication.room))
    }
}

impl RecordConfig {
    /// Whether a room is recorded: of the rules that fit, the first one that says something decides.
    #[must_use]
    pub fn records(&self, room: &RoomName) -> bool {
        self.enabled && self.first(room, |rule| rule.record).unwrap_or(self.every_room)
    }

    fn cutting(&self, room: &RoomName) -> Cutting {
        let format = self.first(room, |rule| rule.format).unwrap_or(self.cutting.format);
        Cutting { format, ..self.cutting }
    }

    fn first<T>(&self, room: &RoomName, said: impl Fn(&RecordRule) -> Option<T>) -> Option<T> {
        self.rooms.iter().filter(|rule| rule.pattern.matches(room)).find_map(said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_says_something_decides() {
        let rule = |pattern: &str, record, format| RecordRule {
            pattern: RoomPattern::parse(pattern).unwrap(),
            record,
            format,
        };
        let rooms = vec![
            rule("a", None, Some(Format::WebM)),
            rule("a*", Some(false), Some(Format::Mp4)),
            rule("b", Some(true), None),
        ];
        for every_room in [true, false] {
            let config = RecordConfig { enabled: true, every_room, rooms: rooms.clone(), ..RecordConfig::default() };
            for (name, records, format) in [
                ("a", false, Format::WebM),
                ("ab", false, Format::Mp4),
                ("b", true, Format::Tracks),
                ("c", every_room, Format::Tracks),
            ] {
                let room = RoomName::parse(name).unwrap();
                assert_eq!((config.records(&room), config.cutting(&room).format), (records, format), "{name}");
            }
            let off = RecordConfig { enabled: false, ..config };
            assert!(!off.records(&RoomName::parse("b").unwrap()));
        }
    }
}
