//! ICE-TCP, the passive side (RFC 6544): connections that carry framed packets, for clients whose network blocks UDP.
//!
//! Output is gathered per connection and written once per turn; what a connection does not take is its backlog, which
//! is bounded and visible. A connection that no ICE check has validated is closed soon, one that is validated belongs
//! to its peer and is closed with it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, IoSlice, Read, Write};
use std::net::{SocketAddr, SocketAddrV6};
use std::time::Instant;

use mio::net::{TcpListener, TcpStream};
use slab::Slab;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::id::PeerKey;
use crate::limits;
use crate::net::Route;
use crate::net::frame::{self, Deframer};
use crate::net::poll::{Poller, Ready};

/// Listeners of one port: one per address family.
const LISTENERS: usize = 2;

/// How a connection took a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Push {
    /// It is in the backlog.
    Queued,
    /// The backlog would pass the limit.
    Full,
    /// There is no such connection.
    Gone,
}

/// Opens a listening socket. An IPv6 one takes IPv6 alone.
///
/// # Errors
/// What the kernel says: the port is in use, the address is not ours, there is no such family.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    // Connections of the process before, still in TIME_WAIT, must not keep the port.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(limits::TCP_ACCEPT_QUEUE)?;
    Ok(TcpListener::from_std(socket.into()))
}

/// Listeners and their connections.
pub struct TcpPort {
    listeners: Vec<TcpListener>,
    /// The poller's first number of ours: the listeners', then the connections'.
    first_token: usize,
    acceptable: bool,
    connections: Slab<Connection>,
    routes: BTreeMap<Route, usize>,
    /// When connections that no check has validated are closed.
    deadlines: BTreeSet<(Instant, usize)>,
    readable: VecDeque<usize>,
    reads_left: usize,
    unsent: Vec<usize>,
    closed: Vec<(Route, PeerKey)>,
}

struct Connection {
    stream: TcpStream,
    route: Route,
    owner: Option<PeerKey>,
    deadline: Instant,
    input: Deframer,
    output: VecDeque<u8>,
    /// It stands in `TcpPort::readable`.
    read_queued: bool,
    /// It stands in `TcpPort::unsent`.
    send_queued: bool,
    /// The kernel took everything the last time, or has told since that it takes more.
    writable: bool,
}

impl TcpPort {
    /// Takes over listening sockets (two at most) and has the poller tell of them, and of their connections, under the
    /// numbers from `first_token` upwards.
    ///
    /// # Errors
    /// Where the poller refuses.
    pub fn new(listeners: Vec<TcpListener>, poller: &Poller, first_token: usize) -> io::Result<Self> {
        let mut listeners: Vec<TcpListener> = listeners.into_iter().take(LISTENERS).collect();
        for (index, listener) in listeners.iter_mut().enumerate() {
            poller.watch(listener, first_token + index, false)?;
        }
        Ok(Self {
            listeners,
            first_token,
            acceptable: true,
            connections: Slab::new(),
            routes: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            readable: VecDeque::new(),
            reads_left: 0,
            unsent: Vec::new(),
            closed: Vec::new(),
        })
    }

    /// The poller has news under one of our numbers.
    pub fn handle_ready(&mut self, ready: Ready) {
        let Some(id) = ready.token.checked_sub(self.first_token + LISTENERS) else {
            self.acceptable = true;
            return;
        };
        let Some(connection) = self.connections.get_mut(id) else { return };
        if ready.readable && !connection.read_queued {
            connection.read_queued = true;
            self.readable.push_back(id);
        }
        if ready.writable {
            connection.writable = true;
            if !connection.send_queued && !connection.output.is_empty() {
                connection.send_queued = true;
                self.unsent.push(id);
            }
        }
    }

    /// A new turn: accepts who waits, and allows [`limits::TCP_READS_PER_TURN`] more reads.
    pub fn start_turn(&mut self, now: Instant, poller: &Poller) {
        self.reads_left = limits::TCP_READS_PER_TURN;
        if !std::mem::take(&mut self.acceptable) {
            return;
        }
        for _ in 0..limits::TCP_ACCEPTS_PER_TURN {
            // An error is the one connection's, or is the end of descriptors: the next one that knocks is the next try.
            let accepted = self.listeners.iter().find_map(|listener| listener.accept().ok());
            let Some((stream, remote)) = accepted else { return };
            let full = self.connections.len() >= limits::TCP_CONNECTIONS;
            if !full && self.deadlines.len() < limits::TCP_UNVALIDATED {
                // It fails where the client is gone already; the stream is closed then.
                let _ = self.add(now, poller, stream, plain(remote));
            }
        }
        self.acceptable = true;
    }

    /// True where the next turn has something to do without news.
    #[must_use]
    pub fn has_work(&self) -> bool {
        self.acceptable || !self.readable.is_empty() || !self.closed.is_empty()
    }

    /// Copies the next frame to the front of `out`, which has [`limits::DATAGRAM_BYTES`], and returns its way and
    /// length.
    pub fn poll_frame(&mut self, out: &mut [u8]) -> Option<(Route, usize)> {
        while let Some(&id) = self.readable.front() {
            let connection = &mut self.connections[id];
            match connection.input.next_frame() {
                Ok(Some(frame)) => {
                    out[..frame.len()].copy_from_slice(frame);
                    return Some((connection.route, frame.len()));
                }
                Err(frame::Oversize(_)) => self.lose(id),
                Ok(None) if self.reads_left == 0 => return None,
                Ok(None) => {
                    self.reads_left -= 1;
                    self.readable.pop_front();
                    match connection.read() {
                        Ok(true) => self.readable.push_back(id),
                        Ok(false) => connection.read_queued = false,
                        Err(_) => self.lose(id),
                    }
                }
            }
        }
        None
    }

    /// The next connection that ended by itself, and the peer that it belonged to.
    pub fn poll_closed(&mut self) -> Option<(Route, PeerKey)> {
        self.closed.pop()
    }

    /// A check with the right password came on this connection: it belongs to a peer, for as long as that wants it.
    pub fn validate(&mut self, route: &Route, owner: PeerKey) {
        let Some(&id) = self.routes.get(route) else { return };
        let connection = &mut self.connections[id];
        connection.owner = Some(owner);
        self.deadlines.remove(&(connection.deadline, id));
    }

    /// Adds a frame to a connection's backlog unless that would pass `limit` bytes.
    pub fn push(&mut self, route: &Route, frame: &[u8], limit: usize) -> Push {
        let Some(&id) = self.routes.get(route) else { return Push::Gone };
        let connection = &mut self.connections[id];
        let Ok(len) = u16::try_from(frame.len()) else { return Push::Full };
        if connection.output.len() + frame::HEADER + frame.len() > limit {
            return Push::Full;
        }
        connection.output.extend(&len.to_be_bytes());
        connection.output.extend(frame);
        if connection.writable && !connection.send_queued {
            connection.send_queued = true;
            self.unsent.push(id);
        }
        Push::Queued
    }

    /// Bytes that wait for a connection; `None` where it is gone.
    #[must_use]
    pub fn backlog(&self, route: &Route) -> Option<usize> {
        self.routes.get(route).map(|id| self.connections[*id].output.len())
    }

    /// Writes what waits for connections that take something.
    pub fn flush(&mut self) {
        while let Some(id) = self.unsent.pop() {
            let Some(connection) = self.connections.get_mut(id) else { continue };
            connection.send_queued = false;
            if connection.write().is_err() {
                self.lose(id);
            }
        }
    }

    /// Closes one connection after a last attempt to write what waits for it. Its owner is not told.
    pub fn close(&mut self, route: &Route) {
        if let Some(&id) = self.routes.get(route) {
            // Closed either way.
            let _ = self.connections[id].write();
            self.remove(id);
        }
    }

    /// Closes all connections of a peer like [`TcpPort::close`].
    pub fn close_owned(&mut self, owner: PeerKey) {
        let next = |port: &Self| {
            let mut connections = port.connections.iter().map(|(_, connection)| connection);
            connections.find(|connection| connection.owner == Some(owner)).map(|connection| connection.route)
        };
        while let Some(route) = next(self) {
            self.close(&route);
        }
    }

    /// When [`TcpPort::handle_timeout`] wants to be called.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Time passed: closes what no check has validated in time.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(&(deadline, id)) = self.deadlines.first()
            && deadline <= now
        {
            self.remove(id);
        }
    }

    /// How many connections there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// True where there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    fn add(&mut self, now: Instant, poller: &Poller, mut stream: TcpStream, remote: SocketAddr) -> io::Result<()> {
        let socket = SockRef::from(&stream);
        // Nothing waits to be joined with more, and little waits in the kernel, where it cannot be seen.
        socket.set_tcp_nodelay(true)?;
        socket.set_tcp_notsent_lowat(limits::TCP_UNSENT_BYTES)?;
        let route = Route { local: stream.local_addr()?.ip(), remote };
        if let Some(&old) = self.routes.get(&route) {
            self.lose(old);
        }
        let slot = self.connections.vacant_entry();
        poller.watch(&mut stream, self.first_token + LISTENERS + slot.key(), true)?;
        let deadline = now + limits::TCP_VALIDATION_TIME;
        self.routes.insert(route, slot.key());
        self.deadlines.insert((deadline, slot.key()));
        slot.insert(Connection {
            stream,
            route,
            owner: None,
            deadline,
            input: Deframer::default(),
            output: VecDeque::new(),
            read_queued: false,
            send_queued: false,
            writable: true,
        });
        Ok(())
    }

    /// A connection ended by itself.
    fn lose(&mut self, id: usize) {
        let connection = self.remove(id);
        self.closed.extend(connection.owner.map(|owner| (connection.route, owner)));
    }

    fn remove(&mut self, id: usize) -> Connection {
        let connection = self.connections.remove(id);
        self.routes.remove(&connection.route);
        self.deadlines.remove(&(connection.deadline, id));
        if connection.read_queued {
            self.readable.retain(|queued| *queued != id);
        }
        if connection.send_queued {
            self.unsent.retain(|queued| *queued != id);
        }
        connection
    }
}

impl Connection {
    /// Reads once; false where there is nothing now.
    fn read(&mut self) -> io::Result<bool> {
        match self.stream.read(self.input.space()) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                self.input.advance(count);
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Writes until nothing is left or the kernel takes no more; each round takes something away.
    fn write(&mut self) -> io::Result<()> {
        while !self.output.is_empty() {
            let (front, back) = self.output.as_slices();
            match self.stream.write_vectored(&[IoSlice::new(front), IoSlice::new(back)]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => drop(self.output.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.writable = false;
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Flow label and scope are no part of what identifies the other side.
fn plain(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(_) => address,
        SocketAddr::V6(v6) => SocketAddrV6::new(*v6.ip(), v6.port(), 0, 0).into(),
    }
}

#[cfg(test)]
mod tests;
