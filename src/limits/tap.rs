//! Recording: what waits between a room and its file.

use std::time::Duration;

/// How often a recording looks into its ring: a room's parcels of that time are a tenth of the ring, and twenty
/// wake-ups a second are little beside writing.
pub const TAP_INTERVAL: Duration = Duration::from_millis(50);
/// Parcels that wait for one recording: three seconds and more of a room of 2.5 Mbit/s while its file's disk is slow,
/// 32 MB at most. What does not fit then waits in the room's own history, which goes on at a key frame.
pub const TAP_PARCELS: usize = 1_024;
/// How long a hole is waited for. Publishers answer within a round trip; what is asked for again and again is given up
/// by then, and a recording has more time than a viewer.
pub const TAP_PATIENCE: Duration = Duration::from_secs(1);
/// Packets that wait behind a hole: a second at 40 Mbit/s. Beyond that the hole is given up sooner.
pub const TAP_WAITING: usize = 4_096;
