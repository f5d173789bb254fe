//! Datagrams on their way out, gathered into trains: what goes to one address in a row leaves as one message that the
//! kernel (or the network card) cuts into datagrams. Kernel traversals per subscriber are the price of a media server.

use std::io;
use std::net::{IpAddr, SocketAddr};

use crate::limits;
use crate::net::Route;

/// Datagrams to one address that lie one behind the other in the batch: all of one size, the last may be shorter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Train {
    /// Where from and where to.
    pub route: Route,
    /// The first byte's place in the batch.
    pub start: usize,
    /// Bytes of all datagrams.
    pub len: usize,
    /// Bytes of each datagram but the last.
    pub segment: u16,
    /// How many they are.
    pub datagrams: u16,
}

/// Who takes trains: the socket, or a test.
pub trait Transmit {
    /// Sends trains, each from its place in `bytes`, in their order, and returns how many went.
    ///
    /// # Errors
    /// Why the first one did not go.
    fn transmit(&mut self, bytes: &[u8], trains: &[Train]) -> io::Result<usize>;

    /// Sends one datagram that is too large for the path, as fragments of IP.
    ///
    /// # Errors
    /// Why it did not go.
    fn transmit_in_fragments(&mut self, bytes: &[u8], datagram: &Train) -> io::Result<()>;
}

/// What became of the datagrams of a batch, since the batch began.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct SendCounts {
    /// Datagrams that the kernel took.
    pub datagrams: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Messages they went in: kernel traversals.
    pub trains: u64,
    /// Datagrams dropped because the socket was full for too long.
    pub full: u64,
    /// Datagrams dropped because the kernel would not send them: no route, a firewall, too large.
    pub failed: u64,
    /// Trains that the kernel would not cut, and that went as single datagrams.
    pub uncut: u64,
    /// Datagrams that were too large for the path, and that went as fragments.
    pub fragmented: u64,
}

/// Datagrams waiting for one system call.
pub struct SendBatch {
    bytes: Box<[u8]>,
    used: usize,
    trains: Vec<Train>,
    /// The last train may grow.
    open: bool,
    /// The socket took no more: nothing is offered to it before [`SendBatch::retry`].
    is_blocked: bool,
    singles: Vec<Train>,
    offload: Offload,
    counts: SendCounts,
}

impl SendBatch {
    /// An empty batch. `offload`: the kernel knows `UDP_SEGMENT`.
    #[must_use]
    pub fn new(offload: bool) -> Self {
        Self {
            bytes: vec![0; limits::SEND_BATCH_BYTES].into(),
            used: 0,
            trains: Vec::with_capacity(limits::SEND_BATCH_TRAINS),
            open: false,
            is_blocked: false,
            singles: Vec::with_capacity(limits::TRAIN_SEGMENTS),
            offload: Offload::new(offload),
            counts: SendCounts::default(),
        }
    }

    /// True where the next datagram needs a [`SendBatch::flush`] first.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let room = self.used + limits::DATAGRAM_BYTES <= self.bytes.len();
        // Whether the datagram fits the last train is known only once its length is: so the last seat is never
        // counted on.
        let seat = self.trains.len() < limits::SEND_BATCH_TRAINS;
        !(room && seat)
    }

    /// Space for one datagram of at most [`limits::DATAGRAM_BYTES`]; [`SendBatch::commit`] makes it one. Without a
    /// commit nothing is sent.
    ///
    /// # Panics
    /// Where [`SendBatch::is_full`] was not asked.
    pub fn begin(&mut self) -> &mut [u8] {
        &mut self.bytes[self.used..self.used + limits::DATAGRAM_BYTES]
    }

    /// The first `len` bytes of what [`SendBatch::begin`] gave are a datagram on this route.
    pub fn commit(&mut self, route: &Route, len: usize) {
        debug_assert!(len <= limits::DATAGRAM_BYTES);
        let (Some(segment), start) = (u16::try_from(len).ok().filter(|len| *len > 0), self.used) else { return };
        self.used += len;
        if self.open
            && let Some(train) = self.trains.last_mut()
            && train.route == *route
            && segment <= train.segment
            && usize::from(train.datagrams) < limits::TRAIN_SEGMENTS
            && train.len + len <= limits::TRAIN_BYTES
            && self.offload.allows(&route.remote, train.segment)
        {
            train.len += len;
            train.datagrams += 1;
            self.open = segment == train.segment;
        } else {
            debug_assert!(self.trains.len() < limits::SEND_BATCH_TRAINS);
            self.trains.push(Train { route: *route, start, len, segment, datagrams: 1 });
            self.open = true;
        }
    }

    /// The socket took no more, and nothing has been offered to it since.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.is_blocked
    }

    /// Sends everything. What the socket does not take at once stays, for [`SendBatch::retry`].
    pub fn flush(&mut self, wire: &mut impl Transmit) {
        if self.is_blocked {
            return;
        }
        let mut next = 0;
        while next < self.trains.len() && !self.is_blocked {
            match wire.transmit(&self.bytes, &self.trains[next..]) {
                Ok(sent @ 1..) => {
                    let end = (next + sent).min(self.trains.len());
                    for train in &self.trains[next..end] {
                        self.counts.took(train);
                    }
                    next = end;
                }
                Err(error) if !is_full(&error) => {
                    let train = self.trains[next];
                    if train.datagrams > 1 && is_refusal(&error) {
                        self.send_singly(wire, &train, &error);
                    } else {
                        self.send_in_fragments(wire, &train, &error);
                    }
                    next += 1;
                }
                _ => self.is_blocked = true,
            }
        }
        self.trains.drain(..next);
        self.open = false;
        if self.trains.is_empty() {
            self.used = 0;
        }
    }

    /// Offers what the socket did not take once more.
    pub fn retry(&mut self, wire: &mut impl Transmit) {
        self.is_blocked = false;
        self.flush(wire);
    }

    /// Gives up what the socket did not take: it has waited so long that it is of no use.
    pub fn give_up(&mut self) {
        self.counts.full += self.trains.iter().map(|train| u64::from(train.datagrams)).sum::<u64>();
        self.trains.clear();
        self.open = false;
        self.used = 0;
    }

    /// What became of the datagrams so far.
    #[must_use]
    pub fn counts(&self) -> SendCounts {
        self.counts
    }

    /// Sends what the kernel would not cut, and remembers not to ask it again if that was the trouble.
    fn send_singly(&mut self, wire: &mut impl Transmit, train: &Train, refusal: &io::Error) {
        self.singles.clear();
        let end = train.start + train.len;
        self.singles.extend((train.start..end).step_by(usize::from(train.segment)).map(|start| {
            let len = usize::from(train.segment).min(end - start);
            Train { start, len, datagrams: 1, ..*train }
        }));
        let mut next = 0;
        let mut went = 0;
        while next < self.singles.len() {
            match wire.transmit(&self.bytes, &self.singles[next..]) {
                Ok(sent @ 1..) => {
                    let end = (next + sent).min(self.singles.len());
                    for single in &self.singles[next..end] {
                        self.counts.took(single);
                    }
                    went += sent;
                    next = end;
                }
                Err(error) if !is_full(&error) => {
                    let single = self.singles[next];
                    went += usize::from(self.send_in_fragments(wire, &single, &error));
                    next += 1;
                }
                _ => {
                    self.counts.full += (self.singles.len() - next) as u64;
                    break;
                }
            }
        }
        if went > 0 {
            self.counts.uncut += 1;
            self.offload.refused(train, refusal);
        }
    }

    /// A datagram that did not go: where the path is too narrow for it, it goes in fragments. False where it is lost.
    fn send_in_fragments(&mut self, wire: &mut impl Transmit, datagram: &Train, refusal: &io::Error) -> bool {
        let is_too_large = refusal.raw_os_error() == Some(libc::EMSGSIZE);
        let result = is_too_large.then(|| wire.transmit_in_fragments(&self.bytes, datagram));
        match &result {
            Some(Ok(())) => {
                self.counts.took(datagram);
                self.counts.fragmented += 1;
            }
            Some(Err(error)) if is_full(error) => self.counts.full += u64::from(datagram.datagrams),
            _ => self.counts.failed += u64::from(datagram.datagrams),
        }
        matches!(result, Some(Ok(())))
    }
}

impl SendCounts {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            datagrams: self.datagrams + other.datagrams,
            bytes: self.bytes + other.bytes,
            trains: self.trains + other.trains,
            full: self.full + other.full,
            failed: self.failed + other.failed,
            uncut: self.uncut + other.uncut,
            fragmented: self.fragmented + other.fragmented,
        }
    }

    fn took(&mut self, train: &Train) {
        self.datagrams += u64::from(train.datagrams);
        self.bytes += train.len as u64;
        self.trains += 1;
    }
}

/// Where trains may go.
struct Offload {
    works: bool,
    /// Slots by a hash of the address, so that the memory is bounded and one peer's path costs the others nothing.
    refusals: Box<[Option<Refusal>]>,
    any: bool,
}

#[derive(Clone, Copy)]
struct Refusal {
    remote: SocketAddr,
    /// Trains of segments of this size, and longer ones, are refused.
    segment: u16,
}

impl Offload {
    fn new(works: bool) -> Self {
        Self { works, refusals: vec![None; limits::TRAIN_REFUSALS].into(), any: false }
    }

    fn allows(&self, remote: &SocketAddr, segment: u16) -> bool {
        let refuses = |refusal: &Refusal| refusal.remote == *remote && refusal.segment <= segment;
        self.works && !(self.any && self.refusals[slot(remote)].as_ref().is_some_and(refuses))
    }

    /// EIO comes from the device or the host's configuration, so it holds for everybody. The others come from the path
    /// (its MTU is below the segment; older kernels say EINVAL), and a peer chooses its path.
    fn refused(&mut self, train: &Train, error: &io::Error) {
        let (remote, segment) = (train.route.remote, train.segment);
        match error.raw_os_error() {
            Some(libc::EIO) => self.works = false,
            _ => self.refusals[slot(&remote)] = Some(Refusal { remote, segment }),
        }
        self.any = true;
    }
}

fn slot(remote: &SocketAddr) -> usize {
    let address = match remote.ip() {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    };
    let mixed = (address ^ (u128::from(remote.port()) << 64)).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    (mixed >> 120) as usize % limits::TRAIN_REFUSALS
}

fn is_full(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || error.raw_os_error() == Some(libc::ENOBUFS)
}

fn is_refusal(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EIO | libc::EINVAL | libc::EMSGSIZE))
}

#[cfg(test)]
mod tests;
