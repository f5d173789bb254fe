//! The door: connections, requests, and what one client may have.

/// Addresses read of `Forwarded` or `X-Forwarded-For`, from the end: a chain of proxies has two or three.
pub const FORWARDED_ENTRIES: usize = 16;

/// Sets of the table that knows who asked how often; each has [`RATE_WAYS`] clients, so 65,536 clients in 2.6 MB.
pub const RATE_SETS: usize = 1 << 13;
/// Clients of a set. Whoever is the ninth in a set takes the place of the one who has the least to wait for.
pub const RATE_WAYS: usize = 8;
/// Requests per second that a rate may be set to: beyond that one had better turn it off.
pub const RATE_LARGEST: u32 = 100_000;
/// Files of the pages that count as one request: a page has about so many.
pub const RATE_FILES: u32 = 10;

// ---- sessions of one client -----------------------------------------------------------------------

/// Rooms, and publishers: the history of a publisher of 2.5 Mbit/s takes some 4 MB.
pub const ROOMS: usize = 2_000;
/// Sessions of one client whose handshake is not done. A hall full of people behind one address starts within seconds,
/// and a handshake takes a fraction of one.
pub const PENDING_PER_CLIENT: usize = 256;
