//! How the threads of a run are told what to do, and complain.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::limits::{LOAD_COMMANDS, LOAD_ERRORS};
use crate::load::link::Agreement;
use crate::net::poll::Waker;
use crate::rtp::codec::Codec;

/// A session that the server has answered.
pub struct Admission {
    /// Its number in this run.
    pub id: u64,
    /// Its room's number.
    pub room: u32,
    /// When its request began.
    pub began: Instant,
    /// From there to the answer.
    pub answered: Duration,
    /// What both sides said.
    pub agreement: Agreement,
    /// Payload types.
    pub formats: Vec<(u8, Codec)>,
    /// A publisher's SSRCs: video and audio.
    pub ssrcs: (u32, Option<u32>),
    /// The header extension of the transport-wide sequence number, where it is to be reported on.
    pub transport_cc: Option<u8>,
}

/// For one thread.
pub enum Command {
    /// Connect this session.
    Admit(Box<Admission>),
    /// This session has left.
    Remove(u64),
}

/// For all threads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// Go on.
    Run,
    /// Publish nothing new, but answer NACKs.
    Quiet,
    /// End.
    Stop,
}

/// What all threads see.
#[derive(Default)]
pub struct Bulletin {
    order: AtomicU8,
    errors: Mutex<BTreeMap<String, u64>>,
}

/// A thread's end of its commands.
pub struct Orders {
    commands: Receiver<Command>,
    bulletin: Arc<Bulletin>,
}

/// The other end.
pub struct Boss {
    commands: SyncSender<Command>,
    waker: Waker,
}

impl Bulletin {
    /// Tells all threads.
    pub fn announce(&self, order: Order) {
        self.order.store(order as u8, Ordering::Relaxed);
    }

    /// What all threads should do.
    pub fn order(&self) -> Order {
        match self.order.load(Ordering::Relaxed) {
            0 => Order::Run,
            1 => Order::Quiet,
            _ => Order::Stop,
        }
    }

    /// Counts an error.
    pub fn complain(&self, what: &str) {
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        let known = errors.len() < LOAD_ERRORS || errors.contains_key(what);
        *errors.entry(if known { what } else { "other errors" }.to_owned()).or_default() += 1;
    }

    /// The errors so far, and how often each one came.
    pub fn errors(&self) -> BTreeMap<String, u64> {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Orders {
    /// What the thread should do.
    #[must_use]
    pub fn order(&self) -> Order {
        self.bulletin.order()
    }

    /// The next command, if there is one.
    #[must_use]
    pub fn next(&self) -> Option<Command> {
        self.commands.try_recv().ok()
    }

    /// Counts an error.
    pub fn complain(&self, what: &str) {
        self.bulletin.complain(what);
    }
}

impl Boss {
    /// Gives a command. False where the thread has ended, or has as many as it may.
    #[must_use]
    pub fn tell(&self, command: Command) -> bool {
        let told = self.commands.try_send(command).is_ok();
        self.waker.wake();
        told
    }
}

/// Both ends of a thread's commands.
#[must_use]
pub fn commands(waker: Waker, bulletin: &Arc<Bulletin>) -> (Boss, Orders) {
    let (sender, receiver) = sync_channel(LOAD_COMMANDS);
    (Boss { commands: sender, waker }, Orders { commands: receiver, bulletin: Arc::clone(bulletin) })
}

/// The clock of stamps and of the kernel's arrival times, in nanoseconds since 1970.
#[must_use]
pub fn since_1970() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::poll::Poller;

    #[test]
    fn orders_and_commands_reach_the_thread_and_errors_come_back() {
        let bulletin = Arc::default();
        let (boss, orders) = commands(Poller::new().unwrap().waker(0).unwrap(), &bulletin);
        assert_eq!(orders.order(), Order::Run);
        assert!(boss.tell(Command::Remove(7)));
        assert!(matches!(orders.next(), Some(Command::Remove(7))));
        assert!(orders.next().is_none());
        for order in [Order::Quiet, Order::Stop] {
            bulletin.announce(order);
            assert_eq!(orders.order(), order);
        }
        for number in 0..LOAD_ERRORS + 5 {
            orders.complain(&number.to_string());
            orders.complain("0");
        }
        let errors = bulletin.errors();
        assert_eq!((errors.len(), errors["other errors"]), (LOAD_ERRORS + 1, 5));
        drop(orders);
        assert!(!boss.tell(Command::Remove(7)));
    }
}
