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

/// Administrators' pages and programs that listen to events at a time.
pub const LISTENERS_OF_ALL: usize = 64;
/// Those who listen to one room's, all rooms together: a place of their own, so that a public room's visitors take none
/// from an administrator.
pub const LISTENERS_OF_ROOMS: usize = 512;
/// Of one client.
pub const LISTENERS_OF_ROOMS_PER_CLIENT: usize = 64;
/// How long a listener may take nothing: its connection is as good as gone.
pub const LISTENER_TIME: Duration = Duration::from_secs(20);
/// Bytes of events that go out together; two such pieces wait for a listener.
pub const LISTENER_BYTES: usize = 16 << 10;
/// A sign of life while nothing happens: proxies cut connections that are silent for 30 or 60 s.
pub const LISTENER_HEARTBEAT: Duration = Duration::from_secs(15);

/// Webhooks.
pub const HOOKS: usize = 16;
/// Longest address of one, and longest secret.
pub const HOOK_TEXT_BYTES: usize = 2048;
/// Deliveries that wait for one webhook.
pub const HOOK_QUEUE: usize = 4096;
/// Deliveries of one webhook under way at a time, each of another room.
pub const HOOK_FLIGHTS: usize = 2;
/// Deliveries of all webhooks under way at a time.
pub const HOOK_FLIGHTS_OF_ALL: usize = 8;
/// From the beginning of a delivery to the end of the answer.
pub const HOOK_TIME: Duration = Duration::from_secs(5);
/// Largest answer that is read of a webhook; nobody looks at it.
pub const HOOK_ANSWER_BYTES: u64 = 16 << 10;
/// How often a delivery is tried: with the waits below, for some five minutes.
pub const HOOK_TRIES: u32 = 9;
/// The wait after the first failure, doubled after each further one.
pub const HOOK_FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait.
pub const HOOK_LONGEST_WAIT: Duration = Duration::from_mins(2);
/// How long the server waits with its end for what it has to tell.
pub const HOOK_FINISH_TIME: Duration = Duration::from_secs(2);
/// How old a delivery may be, and how far in the future, before `rillcast verify-webhook` refuses it: it may have been
/// recorded.
pub const HOOK_TOLERANCE: Duration = Duration::from_mins(5);

const _: () = assert!(HOOK_FLIGHTS_OF_ALL < super::FETCHES, "webhooks leave room for those who decide on tokens");
const _: () = assert!(HISTORY_STEP.as_secs() * HISTORY_POINTS as u64 == 600, "the API says ten minutes");
