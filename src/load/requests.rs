//! The HTTP side: a few threads that post offers and delete sessions, and hand each answer to the thread that will
//! connect it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ring::rand::{SecureRandom as _, SystemRandom};
use ureq::Agent;

use crate::client::{Session, agent, post};
use crate::limits::{LOAD_REQUESTERS, LOAD_REQUESTS};
use crate::load::crew::{Admission, Boss, Bulletin, Command};
use crate::load::link::Agreement;
use crate::load::offer::{Answer, Offer, Ssrcs};
use crate::load::plan::{Feedback, Plan};
use crate::net::interfaces::{self, InterfaceFilter};
use crate::sdp::{Fingerprint, IceCredentials};

/// So long, and a receiving thread's sleep, a command takes to be heeded.
const NOTICE: Duration = Duration::from_millis(5);

/// None is followed: it may lead to a server that nobody gave leave to load.
const REDIRECTIONS: usize = 0;

/// What to request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request {
    /// Publish to a room.
    Publish {
        /// The session's number.
        id: u64,
        /// The room's.
        room: u32,
    },
    /// Play a room.
    Play {
        /// The session's number.
        id: u64,
        /// The room's.
        room: u32,
    },
    /// End a session.
    Leave {
        /// The session's number.
        id: u64,
    },
}

/// What the requesting threads know.
pub struct Office {
    /// What is asked for.
    pub plan: Plan,
    /// Our certificate's.
    pub fingerprint: Fingerprint,
    /// Where errors go.
    pub bulletin: Arc<Bulletin>,
    /// The publishers' thread, if there is one.
    pub senders: Option<Boss>,
    /// The subscribers' threads.
    pub receivers: Vec<Boss>,
    /// The target is this machine.
    pub loopback: bool,
    /// Sessions that the server has.
    pub sessions: Mutex<BTreeMap<u64, Session>>,
    /// What was done so far: requests, and those among them that failed.
    pub done: Mutex<Done>,
}

/// How many requests were made.
#[derive(Clone, Copy, Default, Debug)]
pub struct Done {
    /// Publishers that were answered.
    pub published: u64,
    /// Subscribers that were answered.
    pub played: u64,
    /// Publishers that were not.
    pub not_published: u64,
    /// Subscribers that were not.
    pub not_played: u64,
}

/// The requesting threads.
pub struct Requesters {
    requests: SyncSender<Request>,
    threads: Vec<JoinHandle<()>>,
}

impl Requesters {
    /// Starts them.
    #[must_use]
    pub fn start(office: &Arc<Office>) -> Self {
        let (requests, receiver) = sync_channel(LOAD_REQUESTS);
        let receiver = Arc::new(Mutex::new(receiver));
        let thread = |number: usize| {
            let (office, receiver) = (Arc::clone(office), Arc::clone(&receiver));
            let builder = std::thread::Builder::new().name(format!("load-http-{number}"));
            builder.spawn(move || work(&office, &receiver)).ok()
        };
        Self { requests, threads: (0..LOAD_REQUESTERS).filter_map(thread).collect() }
    }

    /// Queues a request; false where there are too many.
    #[must_use]
    pub fn ask(&self, request: Request) -> bool {
        self.requests.try_send(request).is_ok()
    }

    /// Waits for the requests that are queued, at most until `deadline`.
    pub fn finish(self, deadline: Instant) {
        drop(self.requests);
        while Instant::now() < deadline && self.threads.iter().any(|thread| !thread.is_finished()) {
            std::thread::sleep(NOTICE);
        }
    }
}

impl Office {
    /// What was done so far.
    pub fn done(&self) -> Done {
        *self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which receiving thread a subscriber belongs to.
    fn receiver(&self, id: u64) -> &Boss {
        let count = self.receivers.len() as u64;
        &self.receivers[usize::try_from(id % count).expect("below the number of threads")]
    }

    fn note(&self, change: impl FnOnce(&mut Done)) {
        change(&mut self.done.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn handle(&self, agent: &Agent, request: Request) {
        match request {
            Request::Publish { id, room } => match self.publish(agent, id, room) {
                Ok(()) => self.note(|done| done.published += 1),
                Err(error) => {
                    self.note(|done| done.not_published += 1);
                    self.bulletin.complain(&error);
                }
            },
            Request::Play { id, room } => match self.play(agent, id, room) {
                Ok(()) => self.note(|done| done.played += 1),
                Err(error) => {
                    self.note(|done| done.not_played += 1);
                    self.bulletin.complain(&error);
                }
            },
            Request::Leave { id } => self.leave(agent, id),
        }
    }

    fn publish(&self, agent: &Agent, id: u64, room: u32) -> Result<(), String> {
        let senders = self.senders.as_ref().ok_or("nobody publishes")?;
        let ssrc = || u32::from_be_bytes(random());
        let media = &self.plan.media;
        let ssrcs = Ssrcs { video: ssrc(), audio: media.audio.then(ssrc) };
        let text = |offer: Offer<'_>| offer.publish(media.codec, ssrcs);
        let admission = self.negotiate(agent, &self.plan.whip(room), (id, room), ssrcs, text)?;
        told(senders.tell(Command::Admit(Box::new(admission))))
    }

    fn play(&self, agent: &Agent, id: u64, room: u32) -> Result<(), String> {
        let ssrcs = Ssrcs { video: 0, audio: None };
        let admission = self.negotiate(agent, &self.plan.whep(room), (id, room), ssrcs, |offer| offer.play())?;
        told(self.receiver(id).tell(Command::Admit(Box::new(admission))))
    }

    fn negotiate(
        &self,
        agent: &Agent,
        url: &str,
        (id, room): (u64, u32),
        ssrcs: Ssrcs,
        text: impl FnOnce(Offer<'_>) -> String,
    ) -> Result<Admission, String> {
        let began = Instant::now();
        let local = credentials();
        let transport_cc = self.plan.feedback == Feedback::Full;
        let offer = text(Offer { credentials: &local, fingerprint: &self.fingerprint, transport_cc });
        let posted = post(agent, url, self.plan.token.as_deref(), &offer, REDIRECTIONS);
        let mut session = posted.map_err(|error| error.to_string())?;
        let answered = began.elapsed();
        let answer = Answer::parse(&session.answer);
        // Kept before anything can fail, so that it is ended in any case.
        session.answer = String::new();
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).insert(id, session);
        let answer = answer.map_err(|error| format!("an answer that cannot be used: {error}"))?;
        let server = self.server(&answer)?;
        let agreement =
            Agreement { local, remote: answer.credentials, fingerprint: answer.fingerprint, role: answer.role, server };
        let ssrcs = (ssrcs.video, ssrcs.audio);
        let transport_cc = answer.transport_cc.filter(|_| transport_cc);
        Ok(Admission { id, room, began, answered, agreement, formats: answer.formats, ssrcs, transport_cc })
    }

    /// The candidate to send to. Without leave to load another machine it must be an address of this one.
    fn server(&self, answer: &Answer) -> Result<SocketAddr, String> {
        let ours = if self.plan.not_loopback {
            Vec::new()
        } else {
            interfaces::addresses(&InterfaceFilter::default()).unwrap_or_default()
        };
        let allowed = |ip: IpAddr| self.plan.not_loopback || ip.is_loopback() || ours.contains(&ip);
        answer.server(self.loopback, allowed).ok_or_else(|| {
            let why = if answer.candidates.is_empty() { "has none" } else { "has them for other machines only" };
            format!("no UDP candidate on IPv4 that may be sent to: the answer {why}")
        })
    }

    fn leave(&self, agent: &Agent, id: u64) {
        // First its thread, so that the server's goodbye is not taken for a session that was lost. The thread knows no
        // such subscriber where it was a publisher, and may have ended.
        if !self.receivers.is_empty() && self.receiver(id).tell(Command::Remove(id)) {
            std::thread::sleep(self.plan.drain + NOTICE);
        }
        let session = self.sessions.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        if let Some(Err(error)) = session.map(|session| session.delete_by(agent)) {
            // Each session has another URL: only the last part of the text says what it was.
            let text = error.to_string();
            let what = text.rsplit_once(": ").map_or(text.as_str(), |(_, what)| what);
            self.bulletin.complain(&format!("DELETE: {what}"));
        }
    }
}

fn work(office: &Office, requests: &Mutex<Receiver<Request>>) {
    let agent = agent();
    loop {
        let next = requests.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(request) = next else { return };
        office.handle(&agent, request);
    }
}

fn told(told: bool) -> Result<(), String> {
    if told { Ok(()) } else { Err("a thread has too much to do".to_owned()) }
}

fn credentials() -> IceCredentials {
    let hex = |bytes: &[u8]| bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    IceCredentials { ufrag: hex(&random::<4>()), pwd: hex(&random::<16>()) }
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).expect("the kernel's random source worked when the certificate was made");
    bytes
}
