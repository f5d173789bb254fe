//! Sleeping until a socket is ready, another thread knocks, or a deadline passes.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use mio::event::Source;
use mio::unix::SourceFd;
use mio::{Events, Interest, Token};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

/// Events taken from the kernel at once; what does not fit comes the next time.
const EVENTS: usize = 256;
/// The timer's number.
const TIMER: Token = Token(usize::MAX);
/// Shorter sleeps are timed by a timer of their own: the kernel's poll counts whole milliseconds.
const FINE: Duration = Duration::from_millis(20);

/// Readiness of many sockets, each known by a number that its owner chose.
///
/// Readiness is told once, when it begins (epoll's edge-triggered mode): who hears of it has to remember it until the
/// socket says `WouldBlock`.
pub struct Poller {
    poll: mio::Poll,
    events: Events,
    timer: TimerFd,
    /// What the timer is set to.
    armed: Option<Instant>,
}

/// One socket's news.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ready {
    /// The socket's number.
    pub token: usize,
    /// There is something to read, or the end, or an error.
    pub readable: bool,
    /// There is space to write again, or an error.
    pub writable: bool,
}

/// Wakes a [`Poller`] from another thread. Keep it for as long as the poller: dropped, it takes a wake that was not
/// seen yet with it.
pub struct Waker(mio::Waker);

impl Waker {
    /// Ends the poller's sleep, now or the next one. Many wakes before it looks are one.
    pub fn wake(&self) {
        // The one error of an eventfd, a full counter, means that it is awake; a poller that is gone needs no waking.
        let _ = self.0.wake();
    }
}

impl Poller {
    /// A poller without sockets.
    ///
    /// # Errors
    /// Where the kernel gives no descriptor.
    pub fn new() -> io::Result<Self> {
        let poll = mio::Poll::new()?;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)?;
        poll.registry().register(&mut SourceFd(&timer.as_fd().as_raw_fd()), TIMER, Interest::READABLE)?;
        Ok(Self { poll, events: Events::with_capacity(EVENTS), timer, armed: None })
    }

    /// What wakes this poller, to be told as `token`. At most one per poller.
    ///
    /// # Errors
    /// Where the kernel gives no descriptor.
    pub fn waker(&self, token: usize) -> io::Result<Waker> {
        Ok(Waker(mio::Waker::new(self.poll.registry(), Token(token))?))
    }

    /// Tells when `socket` is readable, until it is closed.
    ///
    /// # Errors
    /// Where the kernel refuses.
    pub fn watch_reads(&self, socket: &impl AsFd, token: usize) -> io::Result<()> {
        let descriptor = socket.as_fd().as_raw_fd();
        self.poll.registry().register(&mut SourceFd(&descriptor), Token(token), Interest::READABLE)
    }

    /// Tells when one of mio's sockets is readable or writable, until it is closed.
    ///
    /// # Errors
    /// Where the kernel refuses.
    pub fn watch(&self, socket: &mut impl Source, token: usize, writes: bool) -> io::Result<()> {
        let interest = if writes { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
        self.poll.registry().register(socket, Token(token), interest)
    }

    /// Sleeps until there is news or the deadline has come (`None`: for ever), and returns the news. `now` is the time
    /// of the call; a deadline that is further away than [`FINE`] is rounded up to the next millisecond.
    ///
    /// # Errors
    /// What the kernel says. A signal is no error, but no news.
    pub fn wait_until(
        &mut self,
        now: Instant,
        deadline: Option<Instant>,
    ) -> io::Result<impl Iterator<Item = Ready> + '_> {
        let timeout = deadline.map(|deadline| deadline.saturating_duration_since(now));
        if let Some(fine) = timeout.filter(|timeout| !timeout.is_zero() && *timeout < FINE)
            && self.armed != deadline
        {
            // It is not read: setting it anew makes it fire anew.
            self.timer.set(Expiration::OneShot(TimeSpec::from_duration(fine)), TimerSetTimeFlags::empty())?;
            self.armed = deadline;
        }
        self.wait(timeout)
    }

    /// The same by a duration, rounded up to the next millisecond.
    ///
    /// # Errors
    /// See [`Poller::wait_until`].
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<impl Iterator<Item = Ready> + '_> {
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.events.clear(),
            result => result?,
        }
        Ok(self.events.iter().filter(|event| event.token() != TIMER).map(|event| Ready {
            token: event.token().0,
            readable: event.is_readable() || event.is_read_closed() || event.is_error(),
            writable: event.is_writable() || event.is_error(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wakes_before_the_sleep_are_one() {
        let mut poller = Poller::new().unwrap();
        let waker = poller.waker(7).unwrap();
        waker.wake();
        waker.wake();
        let news: Vec<Ready> = poller.wait(Some(Duration::from_secs(10))).unwrap().collect();
        assert_eq!(news.iter().map(|ready| ready.token).collect::<Vec<_>>(), [7]);
        assert_eq!(poller.wait(Some(Duration::ZERO)).unwrap().count(), 0);
    }

    #[test]
    fn a_short_sleep_ends_by_itself_and_says_nothing() {
        let mut poller = Poller::new().unwrap();
        for micros in [1, 300, 1_700] {
            let before = Instant::now();
            let deadline = before + Duration::from_micros(micros);
            assert_eq!(poller.wait_until(before, Some(deadline)).unwrap().count(), 0);
            assert!(Instant::now() >= deadline);
        }
    }

    #[test]
    fn another_thread_ends_the_sleep() {
        let mut poller = Poller::new().unwrap();
        let waker = poller.waker(1).unwrap();
        // The waker lives on: one that is dropped takes a wake that was not seen yet with it.
        let thread = std::thread::spawn(move || {
            waker.wake();
            waker
        });
        assert_eq!(poller.wait(Some(Duration::from_secs(10))).unwrap().count(), 1);
        thread.join().unwrap();
    }
}
