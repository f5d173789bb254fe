//! `[media]`: the workers and their ports.

use std::time::Duration;

use crate::config::address::PublicAddress;
use crate::config::error::ConfigError;
use crate::config::key::{Key, Section};
use crate::config::parse::{decimal, list, number, switch};
use crate::config::source::{Source, Values as _};
use crate::limits;
use crate::net::interfaces::InterfaceFilter;
use crate::sfu::audience::Batching;

/// The first worker's UDP port.
pub const UDP_PORT: Key = Key::new(
    "media.udp_port",
    "MEDIA_UDP_PORT",
    "7000",
    "UDP port of worker 0, worker i has this plus i; 0: any free ones",
)
.expects("a port from 0 to 65535")
.number()
.restart();
const TCP_PORT: Key =
    Key::new("media.tcp_port", "MEDIA_TCP_PORT", "auto", "ICE over TCP: auto (the UDP numbers), a number, or off")
        .expects("auto, off, or a port from 0 to 65535")
        .restart();
/// Worker threads.
pub const WORKERS: Key =
    Key::new("media.workers", "MEDIA_WORKERS", "", "threads that carry media; none said: one per core")
        .expects("a number from 1 to 256")
        .sample("2")
        .number()
        .restart();
/// The addresses told to clients.
pub const PUBLIC_IPS: Key = Key::new(
    "media.public_ips",
    "MEDIA_PUBLIC_IPS",
    "",
    "the only addresses told to clients: addresses, host names (resolved at the start), stun:host:port (asked at the \
     start); none: the interfaces'",
)
.expects("IP addresses, host names or stun:host:port separated by commas, such as 203.0.113.7,2001:db8::7")
.sample("203.0.113.7,2001:db8::7")
.list()
.restart();
const INTERFACES: Key = Key::new(
    "media.interfaces",
    "MEDIA_INTERFACES",
    "",
    "interfaces whose addresses are told to clients, where public_ips has none: names (eth0, docker*) and networks \
     (10.0.0.0/8), ! excludes; none: all",
)
.expects("names and networks separated by commas, such as eth0,!10.0.0.0/8 or !docker* (! excludes)")
.sample("eth0,!docker*")
.list()
.restart();
const BATCH_WINDOW: Key = Key::new(
    "media.batch_window_ms",
    "MEDIA_BATCH_WINDOW_MS",
    "1",
    "how long a packet may wait for others of its room, in ms, 0 to 20; fractions are allowed: more saves CPU, less \
     saves delay",
)
.expects("milliseconds from 0 to 20, such as 1 or 0.5")
.number()
.restart();
const TRAINS: Key = Key::new(
    "media.trains",
    "MEDIA_TRAINS",
    "true",
    "false: each packet leaves by itself, for network cards that mistreat UDP segmentation",
)
.switch()
.restart();
const PADDING: Key = Key::new(
    "media.padding_bytes",
    "MEDIA_PADDING_BYTES",
    "16",
    "most bytes of padding that let packets of one frame leave together, 0 to 16; 0: none",
)
.expects("a number from 0 to 16")
.number()
.restart();

/// `[media]`
pub const MEDIA: Section = Section {
    about: "The workers, where media comes in, and how it leaves.",
    keys: &[&UDP_PORT, &TCP_PORT, &WORKERS, &PUBLIC_IPS, &INTERFACES, &BATCH_WINDOW, &TRAINS, &PADDING],
};

const PORT_RANGE: &str = "a port low enough for one per worker below 65536";

const _: () = assert!(limits::WORKERS == 256, "the message says so");
const _: () = assert!(limits::BATCH_WINDOW.as_millis() == 20, "the message says so");
const _: () = assert!(limits::PADDING_BYTES == 16, "the message says so");

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

/// Reads the section.
///
/// # Errors
/// The first value that does not parse, or does not fit the others.
pub fn read(source: &Source<'_>) -> Result<MediaConfig, ConfigError> {
    let padding = |text: &str| number(text).filter(|padding| *padding <= limits::PADDING_BYTES);
    let workers = |text: &str| number(text).filter(|count| (1..=limits::WORKERS).contains(count));
    let media = MediaConfig {
        udp_port: source.value(&UDP_PORT, number)?,
        tcp: source.value(&TCP_PORT, tcp_ports)?,
        workers: source.optional(&WORKERS, workers)?,
        public_ips: source.value(&PUBLIC_IPS, |text| list(text, PublicAddress::parse))?,
        interfaces: source.optional(&INTERFACES, InterfaceFilter::parse)?.unwrap_or_default(),
        trains: source.value(&TRAINS, switch)?,
        batching: Batching { window: source.value(&BATCH_WINDOW, window)?, padding: source.value(&PADDING, padding)? },
    };
    let fits = |port: u16| port == 0 || u16::try_from(usize::from(port) + media.worker_count() - 1).is_ok();
    match media.tcp {
        _ if !fits(media.udp_port) => Err(source.misfit(&UDP_PORT, PORT_RANGE)),
        TcpPorts::From(port) if !fits(port) => Err(source.misfit(&TCP_PORT, PORT_RANGE)),
        _ => Ok(media),
    }
}

fn window(text: &str) -> Option<Duration> {
    let window = Duration::try_from_secs_f64(decimal(text)? / 1_000.0).ok()?;
    (window <= limits::BATCH_WINDOW).then_some(window)
}

fn tcp_ports(text: &str) -> Option<TcpPorts> {
    match text.to_ascii_lowercase().as_str() {
        "auto" => Some(TcpPorts::Auto),
        "off" => Some(TcpPorts::Off),
        port => number(port).map(TcpPorts::From),
    }
}
