//! Events, who listens to them, and what an administrator asks.

use std::time::Duration;

/// Events that are remembered, for listeners that come back and for webhooks that are slow: some 200 bytes each, and
/// 5,000 subscribers that join one after the other fit.
pub const NOTICES: usize = 8192;
/// From one report of a limit that is hit to the next: under attack it is hit thousands of times a second.
pub const LIMIT_NOTICE_INTERVAL: Duration = Duration::from_secs(10);

/// Most characters kept of what a client says of itself (`User-Agent`); browsers send 120.
pub const USER_AGENT_BYTES: usize = 200;
/// Sessions in one answer; 300 bytes each.
pub const SESSIONS_PER_PAGE: usize = 1000;
/// Sessions in one answer where nothing else is asked for.
pub const SESSIONS_PER_PAGE_DEFAULT: usize = 100;
/// Rooms that are blocked at a time: they are blocked by hand.
pub const BLOCKS: usize = 1000;
/// Longest time that a room can be blocked for: what is meant for longer belongs into the configuration.
pub const BLOCK_TIME: Duration = Duration::from_hours(24 * 7);
/// Most that `Retry-After` says of a blocked room: it may be open again sooner.
pub const RETRY_BLOCKED: Duration = Duration::from_mins(1);
/// From the order to close a room to its last session: a worker takes [`super::COMMANDS_PER_TURN`] a turn.
pub const CLOSE_TIME: Duration = Duration::from_secs(5);
/// Largest body of an order by an administrator.
pub const ADMIN_BODY_BYTES: usize = 4 << 10;

/// From one sample of the rooms to the next.
pub const HISTORY_STEP: Duration = Duration::from_secs(5);
/// Samples kept of a room: ten minutes.
pub const HISTORY_POINTS: usize = 120;
/// Rooms whose history is kept, 3 kB each; the others are shown without.
pub const HISTORY_ROOMS: usize = 4096;

const _: () = assert!(HISTORY_STEP.as_secs() * HISTORY_POINTS as u64 == 600, "the API says ten minutes");
