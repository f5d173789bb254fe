//! Session descriptions.

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
