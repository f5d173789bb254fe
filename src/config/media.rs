//! The workers and their ports.

use std::net::IpAddr;
use std::time::Duration;

use crate::limits;
use crate::sfu::audience::Batching;

/// The first worker's UDP port where nothing else is said.
pub const DEFAULT_UDP_PORT: u16 = 7000;

/// The longest that a packet waits for others where nothing else is said.
pub const DEFAULT_BATCH_WINDOW: Duration = Duration::from_millis(1);

/// Where media comes in, and how it leaves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MediaConfig {
    /// UDP port of the first worker; worker *i* has this plus *i*. 0: any free ones.
    pub udp_port: u16,
    /// ICE over TCP.
    pub tcp: TcpPorts,
    /// Worker threads; `None`: one per core.
    pub workers: Option<usize>,
    /// The only addresses in candidates, where there are any; else the interfaces' own.
    pub public_ips: Vec<IpAddr>,
    /// How packets are gathered into trains.
    pub batching: Batching,
    /// Packets to one subscriber may leave as one message that the kernel cuts.
    pub trains: bool,
}

/// The workers' TCP ports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TcpPorts {
    /// Each worker uses the number of its UDP port.
    Auto,
    /// Worker *i* uses this plus *i*. 0: any free ones.
    From(u16),
    /// No ICE over TCP.
    Off,
}

impl Default for MediaConfig {
    fn default() -> Self {
        Self {
            udp_port: DEFAULT_UDP_PORT,
            tcp: TcpPorts::Auto,
            workers: None,
            public_ips: Vec::new(),
            batching: Batching { window: DEFAULT_BATCH_WINDOW, padding: limits::PADDING_BYTES },
            trains: true,
        }
    }
}

impl MediaConfig {
    /// Worker threads: as configured, else one per core.
    #[must_use]
    pub fn worker_count(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.workers.unwrap_or_else(cores).clamp(1, limits::WORKERS)
    }
}
