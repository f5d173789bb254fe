//! The data plane's only sockets and the only clock: batched UDP, framed TCP, readiness, time, cores.
//!
//! Nothing here knows what a datagram means. `mmsg` and `memory` are the only files with `unsafe` in
//! them.

pub mod batch;
pub mod clock;
pub mod cpu;
pub mod frame;
pub mod interfaces;
pub mod memory;
pub mod mmsg;
pub mod poll;
pub mod tcp;
pub mod udp;

use std::net::{IpAddr, SocketAddr};

/// The two ends of a datagram's way, or of a TCP connection, as this host sees them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Route {
    /// Our address. The port is the socket's.
    pub local: IpAddr,
    /// The other side's.
    pub remote: SocketAddr,
}
