//! HTTP and the control plane.

use std::time::Duration;

/// Longest room name; the API says so.
pub const ROOM_NAME_BYTES: usize = 64;
/// Longest mid or rid taken from an offer: clients use up to a dozen characters.
pub const MID_BYTES: usize = 32;
/// Largest request body; a full browser offer is 10 kB.
pub const BODY_BYTES: usize = 1 << 20;

// ---- control plane ------------------------------------------------------------------------------

/// Session resources of the server, those being admitted included: 32 kB each is 640 MB.
pub const SESSIONS: usize = 20_000;
/// Worker threads; the UDP ports follow each other, so a typing error must not take thousands.
pub const WORKERS: usize = 256;
/// What workers say, waiting to be taken in: when a worker with all its sessions ends it offers them again and again.
pub const WORKER_EVENTS: usize = 4096;
/// From the offer to the worker's verdict. Its turn takes milliseconds, and OBS gives up after 8 s.
pub const ADMIT_TIME: Duration = Duration::from_secs(3);
/// Between two scrapes of the metrics; who comes sooner gets the same text again. Prometheus comes every few seconds.
pub const SCRAPE_INTERVAL: Duration = Duration::from_millis(500);
/// From the question to a worker to what it says of its rooms.
pub const INSPECT_TIME: Duration = Duration::from_secs(1);
/// Characters of our ICE user name fragment, 6 bits each: two of 20,000 sessions are never the same (RFC 8445 §5.3 asks
/// for 24 bits at least).
pub const ICE_UFRAG_CHARS: usize = 12;
/// Characters of our ICE password, 6 bits each (RFC 8445 §5.3 asks for 128 bits at least).
pub const ICE_PWD_CHARS: usize = 32;
/// What `Retry-After` says where a room has no publisher.
pub const RETRY_NO_PUBLISHER: Duration = Duration::from_secs(2);
/// What `Retry-After` says where a worker is busy or full, or the server stops.
pub const RETRY_UNAVAILABLE: Duration = Duration::from_secs(2);

/// Longest time that an operator may let publishers go on after the signal to stop: a show.
pub const DRAIN_TIMEOUT: Duration = Duration::from_hours(24);
/// From the signal to stop to the goodbye of the last session.
pub const DRAIN_TIME: Duration = Duration::from_secs(5);
/// From there to the end of the requests under way.
pub const HTTP_DRAIN_TIME: Duration = Duration::from_secs(3);

const _: () = assert!(ADMIT_TIME.as_secs() < 8, "OBS waits 8 s for an answer");
const _: () = assert!(ICE_UFRAG_CHARS >= 4 && ICE_PWD_CHARS >= 22, "RFC 8839 §5.4");

/// Requests that the server itself has under way (webhooks, key sets): each holds a thread until its deadline.
pub const FETCHES: usize = 16;
/// Largest configuration file: a thousand rooms with everything set have 300 kB.
pub const CONFIG_FILE_BYTES: u64 = 4 << 20;
