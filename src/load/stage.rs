//! The acts of a run.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::limits::{CLIENT_CONNECT_TIME, LOAD_JOIN_TIME, LOAD_LEAVE_TIME};
use crate::load::board::SharedBoard;
use crate::load::crew::{Bulletin, Order, commands, since_1970};
use crate::load::full::FullSubscribers;
use crate::load::observe::{Observer, Second, Window};
use crate::load::plan::Plan;
use crate::load::ports::Ports;
use crate::load::process::ProcessWatch;
use crate::load::receivers::Receivers;
use crate::load::report::{Findings, Report};
use crate::load::requests::{Office, Request, Requesters};
use crate::load::senders::Senders;
use crate::load::subscriber::{Outcome, Rules};
use crate::load::{LoadError, target};
use crate::peer::certificate::Certificate;

/// How often this thread looks.
const LOOK: Duration = Duration::from_millis(20);
/// After the last join, before the window: bursts of the joins are over.
const CALM: Duration = Duration::from_secs(1);
/// After the last packet is published: what was lost on the way is sent again.
const LINGER: Duration = Duration::from_millis(500);

/// Makes a run. `show` is given a row each second. `stop` ends it early: what was measured by then counts.
///
/// # Errors
/// Where the plan is not allowed, or nothing can be measured.
pub fn run(plan: &Plan, stop: &AtomicBool, show: &mut dyn FnMut(&Second)) -> Result<Report, LoadError> {
    let loopback = target::is_loopback(&plan.url)?;
    if !loopback && !plan.not_loopback {
        let what = "is not this machine: a load test of somebody else's server is an attack";
        return Err(LoadError::Plan(format!("{} {what}. If it is yours, say --i-own-this-server", plan.url)));
    }
    let server = match plan.server_pid {
        Some(pid) => {
            let watch = ProcessWatch::new(pid);
            Some(watch.ok_or_else(|| LoadError::Plan(format!("there is no process {pid} that can be looked at")))?)
        }
        None => None,
    };
    let mut stage = Stage::build(plan, stop, loopback, server).map_err(|error| LoadError::Failed(error.to_string()))?;
    let result = stage.play(show);
    stage.close(result)
}

struct Stage<'a> {
    plan: &'a Plan,
    stop: &'a AtomicBool,
    start: Instant,
    office: Arc<Office>,
    bulletin: Arc<Bulletin>,
    requesters: Requesters,
    observer: Observer,
    senders: Option<JoinHandle<io::Result<()>>>,
    receivers: Vec<JoinHandle<io::Result<Vec<Outcome>>>>,
    full: Option<FullSubscribers>,
    full_board: SharedBoard,
    loopback: bool,
    run: u16,
    next_id: u64,
    /// Subscribers that are there, the oldest first.
    present: VecDeque<u64>,
    asked: u64,
}

/// What was found on the way.
struct Acts {
    window: Window,
    resident: Option<(u64, u64)>,
    present: u64,
}

impl<'a> Stage<'a> {
    fn build(plan: &'a Plan, stop: &'a AtomicBool, loopback: bool, server: Option<ProcessWatch>) -> io::Result<Self> {
        let start = Instant::now();
        let run = u16::try_from((since_1970() / 1_000_003) & 0xffff).expect("16 bits");
        let certificate = Arc::new(Certificate::generate().map_err(io::Error::other)?);
        let bulletin: Arc<Bulletin> = Arc::default();
        let publishing = SharedBoard::default();
        let (mut senders, mut senders_boss) = (None, None);
        if plan.publish {
            let ports = Ports::new(199, loopback, false)?;
            let (boss, orders) = commands(ports.waker()?, &bulletin);
            senders_boss = Some(boss);
            let media = plan.media.clone();
            let thread = Senders::new(ports, publishing.clone(), orders, Arc::clone(&certificate), media, run);
            senders = Some(spawn("load-send", move || thread.run())?);
        }
        let (mut boards, mut bosses, mut receivers) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..if plan.subscribers > 0 { plan.threads } else { 0 } {
            let ports = Ports::new(number, loopback, plan.gro)?;
            let (boss, orders) = commands(ports.waker()?, &bulletin);
            let board = SharedBoard::default();
            let (thread_board, certificate) = (board.clone(), Arc::clone(&certificate));
            let thread = Receivers::new(ports, thread_board, orders, Rules::of(plan, run), certificate, plan.drain);
            receivers.push(spawn(&format!("load-recv-{number}"), move || thread.run())?);
            bosses.push(boss);
            boards.push(board);
        }
        let office = Arc::new(Office {
            plan: plan.clone(),
            fingerprint: certificate.fingerprint(),
            bulletin: Arc::clone(&bulletin),
            senders: senders_boss,
            receivers: bosses,
            loopback,
            sessions: Mutex::default(),
            done: Mutex::default(),
        });
        let requesters = Requesters::start(&office);
        let full_board = SharedBoard::default();
        boards.push(full_board.clone());
        let observer = Observer::new(start, boards, publishing, server);
        let present = VecDeque::new();
        let (next_id, asked) = (0, 0);
        Ok(Self {
            plan,
            stop,
            start,
            office,
            bulletin,
            requesters,
            observer,
            senders,
            receivers,
            full: None,
            full_board,
            loopback,
            run,
            next_id,
            present,
            asked,
        })
    }

    fn play(&mut self, show: &mut dyn FnMut(&Second)) -> Result<Acts, LoadError> {
        self.publish(show)?;
        self.during("publishers alone", self.plan.settle, show, |_, _| {});
        let before = self.observer.server_resident();
        self.join(show)?;
        self.during("calm", CALM, show, |_, _| {});
        self.observer.open_window();
        let churn = self.plan.churn;
        let mut changed = 0;
        self.during("measured", self.plan.duration, show, |stage, since| {
            while f64::from(changed) < since.as_secs_f64() * churn {
                changed += 1;
                stage.change_one();
            }
        });
        let window = self.observer.close_window();
        let after = self.observer.server_resident();
        let present = self.present.len() as u64 + u64::from(self.plan.full);
        self.bulletin.announce(Order::Quiet);
        self.during("end", LINGER, show, |_, _| {});
        Ok(Acts { window, resident: before.zip(after), present })
    }

    fn publish(&mut self, show: &mut dyn FnMut(&Second)) -> Result<(), LoadError> {
        if !self.plan.publish {
            return Ok(());
        }
        for room in 0..self.plan.rooms {
            let id = self.new_id();
            self.ask(Request::Publish { id, room });
        }
        let rooms = u64::from(self.plan.rooms);
        let deadline = Instant::now() + CLIENT_CONNECT_TIME.max(self.plan.ramp);
        while self.observer.sent().connected < rooms {
            let failed = self.office.done().not_published + self.observer.sent().ended;
            if self.is_stopped() {
                return Err(interrupted());
            }
            if failed > 0 || Instant::now() > deadline {
                let errors: Vec<String> = self.bulletin.errors().into_keys().collect();
                let why = if errors.is_empty() { "no connection in time".to_owned() } else { errors.join("; ") };
                let connected = self.observer.sent().connected;
                return Err(LoadError::Failed(format!("{connected} of {rooms} publishers connected: {why}")));
            }
            self.look("publishers join", 0.0, show);
        }
        Ok(())
    }

    fn join(&mut self, show: &mut dyn FnMut(&Second)) -> Result<(), LoadError> {
        let total = self.plan.subscribers;
        let start = Instant::now();
        if self.plan.full > 0 {
            let (board, bulletin) = (&self.full_board, &self.bulletin);
            let full = FullSubscribers::start(self.plan, self.loopback, board, bulletin, self.run);
            self.full = Some(full.map_err(|error| LoadError::Failed(error.to_string()))?);
            self.asked += u64::from(self.plan.full);
        }
        for number in 0..total {
            let at = self.plan.ramp.mul_f64(f64::from(number) / f64::from(total));
            while start.elapsed() < at && !self.is_stopped() {
                self.look("joining", f64::from(number) / f64::from(total), show);
            }
            if self.is_stopped() {
                return Err(interrupted());
            }
            self.join_one();
        }
        let deadline = Instant::now() + LOAD_JOIN_TIME;
        loop {
            let (done, counts) = (self.office.done(), self.observer.counts());
            if counts.playing + counts.ended + done.not_played >= self.asked
                || Instant::now() > deadline
                || self.is_stopped()
            {
                break;
            }
            self.look("joining", 1.0, show);
        }
        if self.asked > 0 && self.observer.counts().playing == 0 {
            let errors: Vec<String> = self.bulletin.errors().into_keys().collect();
            let why = if errors.is_empty() { "no key frame came in time".to_owned() } else { errors.join("; ") };
            return Err(LoadError::Failed(format!("no subscriber got a picture: {why}")));
        }
        Ok(())
    }

    /// Lets time pass, with something to do at each look.
    fn during(
        &mut self,
        phase: &'static str,
        length: Duration,
        show: &mut dyn FnMut(&Second),
        mut act: impl FnMut(&mut Self, Duration),
    ) {
        let start = Instant::now();
        while start.elapsed() < length && !self.is_stopped() {
            act(self, start.elapsed());
            self.look(phase, start.elapsed().as_secs_f64() / length.as_secs_f64(), show);
        }
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn look(&mut self, phase: &'static str, through: f64, show: &mut dyn FnMut(&Second)) {
        std::thread::sleep(LOOK);
        if let Some(second) = self.observer.tick(phase, through) {
            show(second);
        }
    }

    /// One leaves, another one joins.
    fn change_one(&mut self) {
        if let Some(id) = self.present.pop_front() {
            self.ask(Request::Leave { id });
        }
        self.join_one();
    }

    fn join_one(&mut self) {
        let id = self.new_id();
        let room = u32::try_from(id % u64::from(self.plan.rooms)).expect("below the number of rooms");
        self.asked += 1;
        self.present.push_back(id);
        self.ask(Request::Play { id, room });
    }

    fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn ask(&self, request: Request) {
        if !self.requesters.ask(request) {
            self.bulletin.complain("too many requests wait for an answer");
        }
    }

    /// Ends all threads and sessions, whatever came before.
    fn close(self, result: Result<Acts, LoadError>) -> Result<Report, LoadError> {
        self.bulletin.announce(Order::Stop);
        let done = self.office.done();
        let mut outcomes = Vec::new();
        let mut trouble = Vec::new();
        for thread in self.receivers {
            match thread.join() {
                Ok(Ok(more)) => outcomes.extend(more),
                Ok(Err(error)) => trouble.push(error.to_string()),
                Err(_) => trouble.push("a receiving thread panicked".to_owned()),
            }
        }
        if let Some(Ok(Err(error))) = self.senders.map(JoinHandle::join) {
            trouble.push(error.to_string());
        }
        let full = self.full.and_then(FullSubscribers::finish);
        for what in &trouble {
            self.bulletin.complain(what);
        }
        let ids: Vec<u64> = {
            let sessions = self.office.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            sessions.keys().copied().collect()
        };
        for id in ids {
            if !self.requesters.ask(Request::Leave { id }) {
                self.bulletin.complain("too many requests wait for an answer");
            }
        }
        self.requesters.finish(Instant::now() + LOAD_LEAVE_TIME);
        let acts = result?;
        let rooms = if self.plan.publish { u64::from(self.plan.rooms) } else { 0 };
        let sent = self.observer.sent();
        Ok(Report::new(
            self.plan.clone(),
            Findings {
                start: self.start,
                outcomes,
                full,
                refused: done.not_played,
                publishers: (rooms, sent.connected),
                asked: self.asked,
                counts: self.observer.counts(),
                sent,
                window: acts.window,
                resident: acts.resident,
                present: acts.present,
                errors: self.bulletin.errors(),
                seconds: self.observer.seconds().to_vec(),
            },
        ))
    }
}

fn interrupted() -> LoadError {
    LoadError::Failed("interrupted before anything was measured".to_owned())
}

impl Rules {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of 2^32")]
    fn of(plan: &Plan, run: u16) -> Self {
        Self {
            loss: (plan.loss * 4_294_967_296.0) as u64,
            feedback: plan.feedback,
            late: u64::try_from(plan.late.as_micros()).unwrap_or(u64::MAX),
            run: plan.publish.then_some(run),
        }
    }
}

fn spawn<T: Send + 'static>(name: &str, body: impl FnOnce() -> T + Send + 'static) -> io::Result<JoinHandle<T>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(body)
}
