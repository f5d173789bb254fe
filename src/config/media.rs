//! The workers and their ports.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use crate::limits;
use crate::net::interfaces::InterfaceFilter;
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
    pub public_ips: Vec<PublicAddress>,
    /// Which interfaces' addresses those are.
    pub interfaces: InterfaceFilter,
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

/// An address that clients are told, as the operator writes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PublicAddress {
    /// The address itself.
    Ip(IpAddr),
    /// All addresses that this name has when the server starts.
    Name(String),
    /// What this STUN server sees when the server starts.
    Stun {
        /// Its name or address.
        host: String,
        /// Its UDP port.
        port: u16,
    },
}

/// Where STUN servers listen (RFC 8489 §8).
const STUN_PORT: u16 = 3478;

impl PublicAddress {
    /// From an IP address, a host name, or `stun:host[:port]`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(server) = text.strip_prefix("stun:") {
            let (host, port) = host_and_port(server)?;
            return Some(Self::Stun { host, port });
        }
        match text.parse::<IpAddr>() {
            Ok(address) => (!address.is_unspecified() && !address.is_multicast()).then_some(Self::Ip(address)),
            Err(_) => is_host_name(text).then(|| Self::Name(text.to_owned())),
        }
    }
}

impl fmt::Display for PublicAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Name(name) => f.write_str(name),
            Self::Stun { host, port } if host.contains(':') => write!(f, "stun:[{host}]:{port}"),
            Self::Stun { host, port } => write!(f, "stun:{host}:{port}"),
        }
    }
}

/// `host`, `host:port`, `[address]` or `[address]:port`.
fn host_and_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            host.parse::<Ipv6Addr>().ok()?;
            (host, if port.is_empty() { None } else { Some(port.strip_prefix(':')?) })
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let port = match port {
        None => STUN_PORT,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().ok().filter(|port| *port > 0)?
        }
        Some(_) => return None,
    };
    (is_host_name(host) || host.parse::<IpAddr>().is_ok()).then(|| (host.to_owned(), port))
}

/// Labels of letters, digits and hyphens (RFC 1123 §2.1). The last one begins with a letter: resolvers take what
/// looks like a number for an address, and so a mistyped address for another one.
fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let labels = text.strip_suffix('.').unwrap_or(text);
    let last = labels.rsplit('.').next().unwrap_or_default();
    labels.len() <= 253 && labels.split('.').all(label) && last.starts_with(|c: char| c.is_ascii_alphabetic())
}

impl Default for MediaConfig {
    fn default() -> Self {
        Self {
            udp_port: DEFAULT_UDP_PORT,
            tcp: TcpPorts::Auto,
            workers: None,
            public_ips: Vec::new(),
            interfaces: InterfaceFilter::default(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses() {
        let good = [
            ("203.0.113.7", "203.0.113.7"),
            ("2001:db8::7", "2001:db8::7"),
            ("media.example.org", "media.example.org"),
            ("localhost", "localhost"),
            ("stun:stun.example.org", "stun:stun.example.org:3478"),
            ("stun:stun.example.org:19302", "stun:stun.example.org:19302"),
            ("stun:192.0.2.1:3478", "stun:192.0.2.1:3478"),
            ("stun:[2001:db8::1]", "stun:[2001:db8::1]:3478"),
            ("stun:[2001:db8::1]:99", "stun:[2001:db8::1]:99"),
        ];
        for (text, shown) in good {
            assert_eq!(PublicAddress::parse(text).map(|address| address.to_string()).as_deref(), Some(shown));
        }
        for text in [
            "0.0.0.0",
            "224.0.0.1",
            "203.0.113",
            "203.0.113.300",
            "7",
            "a b",
            "-",
            "a..b",
            ".",
            "",
            "http://a",
            "a/b",
            "stun:",
            "stun:a:0",
            "stun:a:70000",
            "stun:a:+1",
            "stun:a:b",
            "stun:2001:db8::1",
            "stun:[a]",
            "stun:[::1]1",
            "a:1",
            "turn:a",
        ] {
            assert_eq!(PublicAddress::parse(text), None, "{text}");
        }
    }
}
