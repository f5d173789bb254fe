//! The load generator.

use std::time::Duration;

/// Sessions of one thread of the load generator: each has a loopback address of its own, and more than this many one
/// thread cannot receive anyway.
pub const LOAD_SESSIONS_PER_THREAD: usize = 16_384;
/// Sockets of one thread, where each session has one: below the usual limit of descriptors with the rest.
pub const LOAD_SOCKETS_PER_THREAD: usize = 900;
/// Receive buffer of a socket that thousands of sessions share: a key frame for each of 2,000 subscribers is 120,000
/// datagrams, of which the kernel counts 1.5 to 2.3 kB each.
pub const LOAD_RECEIVE_BUFFER_BYTES: usize = 256 << 20;
/// Receiving threads.
pub const LOAD_THREADS: u8 = 64;
/// Threads that wait for HTTP answers.
pub const LOAD_REQUESTERS: usize = 8;
/// Requests that wait for one of them.
pub const LOAD_REQUESTS: usize = 32_768;
/// Commands that wait for a thread.
pub const LOAD_COMMANDS: usize = 4_096;
/// Different errors that a report names; the others are counted.
pub const LOAD_ERRORS: usize = 16;
/// Missing packets that a subscriber asks for at a time; with more missing it asks for a key frame instead.
pub const LOAD_MISSING_PACKETS: usize = 512;
/// Sent packets that a publisher can send again: a second of 2.5 Mbit/s.
pub const LOAD_HISTORY_PACKETS: usize = 256;
/// SSRCs of one subscriber.
pub const LOAD_STREAMS: usize = 8;
/// Rooms of one run, and subscribers.
pub const LOAD_ROOMS: u32 = 10_000;
/// Subscribers of one run.
pub const LOAD_SUBSCRIBERS: u32 = 100_000;
/// Full subscribers of one run: each costs some hundred times as much as a light one.
pub const LOAD_FULL: u32 = 64;
/// From the end of the ramp to the first key frame of the last subscriber.
pub const LOAD_JOIN_TIME: Duration = Duration::from_secs(20);
/// From the end of the measurement to the end of the last session.
pub const LOAD_LEAVE_TIME: Duration = Duration::from_secs(10);
