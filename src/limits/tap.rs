//! Recording: what waits between a room and its file.

use std::time::Duration;

/// How often a recording looks into its ring: a room of 20 Mbit/s half fills it in that time, and twenty wake-ups a
/// second are little beside writing.
pub const TAP_INTERVAL: Duration = Duration::from_millis(50);
/// Parcels that wait for one recording: a second of a room of 2.5 Mbit/s while its file's disk is slow, 8 MB at most.
/// What does not fit then waits in the room's own history, ten seconds and more, which goes on at a key frame.
pub const TAP_PARCELS: usize = 256;
/// How long a hole is waited for. Publishers answer within a round trip; what is asked for again and again is given up
/// by then, and a recording has more time than a viewer.
pub const TAP_PATIENCE: Duration = Duration::from_secs(1);
/// Packets that wait behind a hole: a second at 40 Mbit/s. Beyond that the hole is given up sooner.
pub const TAP_WAITING: usize = 4_096;

/// Largest frame of a recording, in bytes: a key frame of 4K is a tenth of it. A sender that never ends one has it left
/// out.
pub const TAKE_FRAME_BYTES: usize = 8 << 20;
/// A frame waits so long for the other track to come to its time, so that both stand in the file side by side.
pub const TAKE_PATIENCE: Duration = Duration::from_millis(500);
/// A track that says nothing for so long is not waited for: a muted microphone, a camera that is off.
pub const TAKE_SILENCE: Duration = Duration::from_secs(2);
/// Frames of one track that wait: as many as come in four times that time at 240 a second. One more and the first goes.
pub const TAKE_WAITING: usize = 480;
/// Sound alone is recorded where a publisher has a camera that shows nothing for so long.
pub const TAKE_CAMERA_PATIENCE: Duration = Duration::from_secs(3);
/// A recording asks for a key frame this often at most: publishers answer within a round trip, and each costs all
/// subscribers as much as ten other frames.
pub const TAKE_WISH_INTERVAL: Duration = Duration::from_secs(1);

/// Sound and picture that lie this close together are in step: ITU-R BT.1359 has people notice 45 ms.
pub const SYNC_ERROR: Duration = Duration::from_millis(2);
/// So far they may drift before they are put in step anew: each time is a step that a listener must not hear.
pub const SYNC_DRIFT: Duration = Duration::from_millis(10);
/// Further ahead than this, or back, no network puts a packet: the sender has begun to count anew. So a sender cannot
/// have hours of silence written by a single packet.
pub const SYNC_LEAP: Duration = Duration::from_secs(30);
/// What follows then comes so much after what was there.
pub const SYNC_STEP: Duration = Duration::from_millis(20);
/// Reports that say they lie further apart than this are of two clocks.
pub const SYNC_FARTHEST: Duration = Duration::from_secs(3);
