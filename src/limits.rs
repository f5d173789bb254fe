//! Every bound of the server, with its reason. Full means refuse or drop, and count.

use std::time::Duration;

// ---- names and bodies -------------------------------------------------------------------------------

/// Longest room name; the API says so.
pub const ROOM_NAME_BYTES: usize = 64;
/// Longest mid or rid taken from an offer: clients use up to a dozen characters.
pub const MID_BYTES: usize = 32;
/// Largest request body; a full browser offer is 10 kB.
pub const BODY_BYTES: usize = 1 << 20;

// ---- sessions ---------------------------------------------------------------------------------------

/// Nothing authentic from a peer for so long ends its session (RFC 7675 consent expires after 30 s).
pub const CONSENT_EXPIRY: Duration = Duration::from_secs(30);
/// A publisher silent for so long gives way to another one that asks.
pub const PUBLISHER_EVICTABLE_AFTER: Duration = Duration::from_secs(5);
/// From the answer to the end of the DTLS handshake.
pub const HANDSHAKE_TIME: Duration = Duration::from_secs(20);

// ---- rooms ------------------------------------------------------------------------------------------

/// Tracks of one publisher: one audio and one video.
pub const TRACKS_PER_PUBLISHER: usize = 2;
/// Encodings of one simulcast track.
pub const LAYERS_PER_TRACK: usize = 4;
/// Least time between two key frame requests to one publisher, however many subscribers ask.
pub const KEYFRAME_REQUEST_INTERVAL: Duration = Duration::from_millis(500);
