//! Where a peer's datagrams come from and go to.

use std::net::{IpAddr, SocketAddr};

use crate::sdp::Transport;

/// A pair of addresses that datagrams of one peer travel between. For TCP one connection is one path.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Path {
    /// UDP or framed TCP.
    pub transport: Transport,
    /// Our address that the datagram came to; the reply leaves from it.
    pub local_ip: IpAddr,
    /// The peer's address.
    pub remote: SocketAddr,
}
