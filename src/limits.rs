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

// ---- session descriptions ---------------------------------------------------------------------------

/// Lines of an offer or a fragment: a browser's fullest offer has 220, and eight m-lines of that kind still fit.
pub const SDP_LINES: usize = 2_048;
/// Longest line: an identity assertion is the longest that browsers write.
pub const SDP_LINE_BYTES: usize = 4_096;
/// m-lines of an offer: clients write up to three; each refused one costs 100 bytes of the answer.
pub const SDP_MEDIA: usize = 16;
/// Payload types of an m-line: RTP has no more numbers.
pub const SDP_PAYLOAD_TYPES: usize = 128;
/// Longest token that an answer repeats (the protocol or the first format of a refused m-line).
pub const SDP_TOKEN_BYTES: usize = 64;
/// Longest `a=fmtp` value: an H264 one with its parameter sets has 200. A format with a longer one is not accepted.
pub const SDP_FMTP_BYTES: usize = 512;
/// Longest ICE user name fragment and longest password (RFC 8839 §5.4).
pub const ICE_CREDENTIAL_BYTES: usize = 256;
/// Candidates of one trickle fragment: a client with ten addresses sends 40.
pub const FRAGMENT_CANDIDATES: usize = 128;
/// Our candidates in one answer: eight addresses by UDP and by TCP, 1.4 kB.
pub const ANSWER_CANDIDATES: usize = 16;
/// Formats accepted from one m-line of a subscriber: browsers offer nine that can be forwarded.
pub const ANSWER_FORMATS: usize = 16;
/// Longest answer: FFmpeg reads less than 8 KB.
pub const ANSWER_BYTES: usize = 8 * 1_024 - 1;

const _: () =
    assert!(ANSWER_CANDIDATES * 100 + SDP_MEDIA * 100 < ANSWER_BYTES / 2, "half an answer is left for formats");
