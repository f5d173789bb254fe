//! Credentials.

/// Longest token that is looked at: a signed one with a few claims has 500 bytes, one with a list of rooms 4 kB. Longer
/// ones cost no work but reading the head they came in.
pub const TOKEN_BYTES: usize = 8 << 10;
/// Longest pattern of room names: a name, and a wildcard between all of its characters.
pub const ROOM_PATTERN_BYTES: usize = 2 * super::ROOM_NAME_BYTES;
