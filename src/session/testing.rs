//! Workers without media, for tests: they keep the rules of admission and say what they did.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::id::{RoomName, SessionId};
use crate::net::poll::Poller;
use crate::sdp::{Candidate, Fingerprint, IceCredentials, Transport};
use crate::session::workers::{Worker, Workers};
use crate::session::{SessionConfig, Sessions};
use crate::sfu::counts::{Flow, Traffic};
use crate::sfu::room::{RoomMedia, TrackMedia};
use crate::worker::mailbox::{
    AdmitError, Busy, Command, EndReason, Event, Mailbox, RoomState, SessionStates, Summary, Which, WorkerState,
    mailbox,
};
use crate::worker::state::SessionState;

/// How a fake worker behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mood {
    /// It admits.
    #[default]
    Willing,
    /// Its mailbox is full.
    Busy,
    /// It has as many sessions as it may.
    Full,
    /// It takes commands and never answers.
    Silent,
    /// It takes commands and drops them unanswered.
    Deaf,
    /// It has a bug.
    Broken,
}

#[derive(Default)]
struct State {
    mood: Mood,
    publishers: BTreeMap<RoomName, SessionId>,
    sessions: BTreeMap<SessionId, RoomName>,
    /// What publishers of those rooms are told: a silent publisher gives way.
    evictable: bool,
    credentials: BTreeMap<SessionId, (IceCredentials, IceCredentials)>,
    awake: Duration,
    /// Subscribers that are to be served from a replica.
    away: usize,
    unanswered: Vec<Box<dyn std::any::Any + Send>>,
}

type Events = mpsc::Sender<(usize, Event)>;

/// One fake worker; clones are the same one.
#[derive(Clone)]
pub struct FakeWorker {
    number: usize,
    candidates: Vec<Candidate>,
    state: Arc<Mutex<State>>,
    /// Nobody reads it: what siblings say to each other is not for the control plane.
    mailbox: Mailbox,
    events: Arc<Mutex<Option<Events>>>,
}

impl FakeWorker {
    /// Changes how it behaves.
    pub fn set_mood(&self, mood: Mood) {
        self.state.lock().unwrap().mood = mood;
    }

    /// Publishers give way to others from now on.
    pub fn let_publishers_go_silent(&self) {
        self.state.lock().unwrap().evictable = true;
    }

    /// Time passes in which it does not sleep.
    pub fn keep_awake(&self, time: Duration) {
        self.state.lock().unwrap().awake += time;
    }

    /// How many subscribers it was given that are to be served from a replica.
    pub fn away(&self) -> usize {
        self.state.lock().unwrap().away
    }

    /// Its sessions.
    pub fn sessions(&self) -> Vec<SessionId> {
        self.state.lock().unwrap().sessions.keys().copied().collect()
    }

    /// Credentials of a session: ours and the client's.
    pub fn credentials(&self, session: SessionId) -> (IceCredentials, IceCredentials) {
        self.state.lock().unwrap().credentials[&session].clone()
    }

    /// A session's handshake is done.
    pub fn connect(&self, session: SessionId) {
        self.say(Event::Connected { session, gcm: true });
    }

    /// A session ends on the worker's side.
    pub fn end(&self, session: SessionId, reason: EndReason) {
        self.state.lock().unwrap().end(session);
        self.say(Event::Ended { session, reason, summary: Summary::default() });
    }

    fn say(&self, event: Event) {
        if let Some(events) = &*self.events.lock().unwrap() {
            // Who took them in may be gone, as with the real workers; but they never come faster than the tests make
            // them.
            let told = events.try_send((self.number, event));
            assert!(!matches!(told, Err(mpsc::error::TrySendError::Full(_))), "a bound of the test");
        }
    }
}

impl State {
    fn end(&mut self, session: SessionId) -> bool {
        self.publishers.retain(|_, publisher| *publisher != session);
        self.sessions.remove(&session).is_some()
    }
}

impl Worker for FakeWorker {
    fn send(&self, command: Command) -> Result<(), Busy> {
        let mood = self.state.lock().unwrap().mood;
        assert!(mood != Mood::Broken, "a bug that the test asked for");
        let mut state = self.state.lock().unwrap();
        match mood {
            Mood::Busy => return Err(Busy),
            Mood::Silent => {
                state.unanswered.push(Box::new(command));
                return Ok(());
            }
            Mood::Deaf => return Ok(()),
            Mood::Willing | Mood::Full | Mood::Broken => {}
        }
        match command {
            Command::AdmitPublisher(admit) => {
                let old = state.publishers.get(&admit.peer.room).copied();
                let verdict = match old {
                    _ if state.mood == Mood::Full => Err(AdmitError::Full),
                    Some(_) if !admit.takeover && !state.evictable => Err(AdmitError::PublisherExists),
                    _ => Ok(()),
                };
                if verdict.is_ok() {
                    if let Some(old) = old {
                        state.end(old);
                        let reason = if admit.takeover { EndReason::TakenOver } else { EndReason::Evicted };
                        self.say(Event::Ended { session: old, reason, summary: Summary::default() });
                    }
                    state.publishers.insert(admit.peer.room.clone(), admit.peer.session);
                    state.credentials.insert(admit.peer.session, (admit.peer.local, admit.peer.remote));
                    state.sessions.insert(admit.peer.session, admit.peer.room);
                }
                answer(admit.reply, verdict);
            }
            Command::AdmitSubscriber(admit) => {
                let verdict = if state.mood == Mood::Full { Err(AdmitError::Full) } else { Ok(()) };
                if verdict.is_ok() {
                    state.away += usize::from(admit.relay.is_some());
                    state.credentials.insert(admit.peer.session, (admit.peer.local, admit.peer.remote));
                    state.sessions.insert(admit.peer.session, admit.peer.room);
                }
                answer(admit.reply, verdict);
            }
            Command::RestartIce { session, local, remote, reply } => {
                let there = state.sessions.contains_key(&session);
                if there {
                    state.credentials.insert(session, (local, remote));
                }
                answer(reply, there);
            }
            Command::Remove { session, reason, reply } => {
                let there = state.end(session);
                if there {
                    self.say(Event::Ended { session, reason, summary: Summary::default() });
                }
                answer(reply, there.then(Summary::default));
            }
            Command::AttachReplica { .. } => unreachable!("fake workers have no replicas"),
            Command::Inspect { reply } => answer(reply, state.inspect()),
            Command::InspectSessions { which, reply, .. } => answer(reply, state.inspect_sessions(&which)),
            Command::Shutdown => {
                for session in std::mem::take(&mut state.sessions).into_keys() {
                    let (reason, summary) = (EndReason::Shutdown, Summary::default());
                    self.say(Event::Ended { session, reason, summary });
                }
                self.events.lock().unwrap().take();
            }
        }
        Ok(())
    }

    fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    fn mailbox(&self) -> Mailbox {
        self.mailbox.clone()
    }

    fn awake(&self) -> Duration {
        self.state.lock().unwrap().awake
    }
}

impl State {
    /// The figures are made up, but the same each time: 1,000 packets of 1,200 bytes, one video track with B-frames.
    fn inspect(&self) -> WorkerState {
        let rooms = self.publishers.keys().map(|name| RoomState {
            name: name.clone(),
            media: RoomMedia {
                has_publisher: true,
                over_bitrate: false,
                tracks: vec![TrackMedia {
                    codec: crate::rtp::codec::Codec::H264,
                    bitrate: 2_500_000,
                    b_frames: true,
                    layers: Vec::new(),
                }],
                subscribers: 0,
                packets_in: 1_000,
                bytes_in: 1_200_000,
            },
        });
        WorkerState { rooms: rooms.collect(), sessions: self.sessions.len(), ..WorkerState::default() }
    }

    /// Each has been there for a minute, is connected by UDP from 192.0.2.7:5000 and has 1,000 packets behind it.
    fn inspect_sessions(&self, which: &Which) -> SessionStates {
        let is_meant = |id: &SessionId, room: &RoomName| match which {
            Which::All => true,
            Which::Room(name) => name == room,
            Which::These(sessions) => sessions.contains(id),
        };
        let traffic = Traffic { packets: 1_000, bytes: 1_200_000 };
        let flow = Flow { rtp_in: traffic, rtp_out: traffic, ..Flow::default() };
        let state = |session: &SessionId| SessionState {
            session: *session,
            age: Duration::from_mins(1),
            connected: Some(Duration::from_secs(59)),
            silence: Duration::ZERO,
            path: Some((Transport::Udp, ([192, 0, 2, 7], 5_000).into(), [192, 0, 2, 1].into())),
            security: None,
            bitrate: 2_500_000,
            summary: Summary { flow, ..Summary::default() },
            obstacle: None,
            layer: None,
        };
        let meant = self.sessions.iter().filter(|(id, room)| is_meant(id, room));
        SessionStates { sessions: meant.map(|(id, _)| state(id)).collect(), next: None }
    }
}

/// Who asked may have gone.
fn answer<T>(reply: oneshot::Sender<T>, value: T) {
    let _ = reply.send(value);
}

/// So many fake workers and what they say.
#[must_use]
pub fn workers(count: usize) -> (Vec<FakeWorker>, mpsc::Receiver<(usize, Event)>) {
    let (sender, events) = mpsc::channel(1024);
    let worker = |number: usize| FakeWorker {
        number,
        candidates: vec![Candidate {
            transport: Transport::Udp,
            address: ([192, 0, 2, 1], 7000 + u16::try_from(number).unwrap()).into(),
        }],
        state: Arc::default(),
        mailbox: mailbox(Poller::new().unwrap().waker(0).unwrap()).0,
        events: Arc::new(Mutex::new(Some(sender.clone()))),
    };
    ((0..count).map(worker).collect(), events)
}

/// The workers as the sessions take them.
#[must_use]
pub fn boxed(workers: &[FakeWorker]) -> Workers {
    Workers::new(workers.iter().map(|worker| Box::new(worker.clone()) as Box<dyn Worker>).collect())
}

/// A digest for `a=fingerprint`.
#[must_use]
pub fn fingerprint() -> Fingerprint {
    Fingerprint { algorithm: "sha-256".into(), digest: (0..32).collect() }
}

/// Sessions on fake workers, with their events taken in by a task.
#[must_use]
pub fn sessions(config: SessionConfig, count: usize) -> (Arc<Sessions>, Vec<FakeWorker>) {
    let (workers, events) = workers(count);
    let sessions = Arc::new(Sessions::new(config, boxed(&workers), fingerprint()));
    tokio::spawn(Sessions::follow(Arc::downgrade(&sessions), events));
    (sessions, workers)
}

/// An offer that a real client sent.
///
/// # Panics
/// Without such a file.
#[must_use]
pub fn offer(name: &str) -> String {
    let path = format!("{}/tests/data/offers/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}
