//! The door: connections, requests, and what one client may have.

use std::time::Duration;

// ---- connections ------------------------------------------------------------------------------------

/// Open connections to the HTTP listeners; a page needs one, a WHIP or WHEP client none after its POST. One takes some
/// 10 kB, and 25 to 40 kB once it has asked something.
pub const HTTP_CONNECTIONS: usize = 8_192;
/// Connections that the kernel has made and nobody has accepted yet; the kernel allows what `net.core.somaxconn` says,
/// usually 4,096. With one too many it drops the packets of everybody, who then try again after a second.
pub const HTTP_BACKLOG: u32 = 16_384;
/// Of one client: many people may be behind one address, and a proxy that nobody said to trust is one, too.
pub const HTTP_CONNECTIONS_PER_CLIENT: usize = 512;
/// From the first byte of a request's head (or of an idle connection) to its end: a browser needs milliseconds, a
/// client that trickles header bytes holds a connection.
pub const HTTP_HEADER_TIME: Duration = Duration::from_secs(15);
/// Without a request on a connection. HTTP/1.1 ends sooner, by [`HTTP_HEADER_TIME`].
pub const HTTP_IDLE_TIME: Duration = Duration::from_mins(1);
/// From the head of a request to the end of its body; an offer is 10 kB.
pub const HTTP_BODY_TIME: Duration = Duration::from_secs(10);
/// Whoever does not read is cut off, unless within this time it takes
pub const HTTP_WRITE_TIME: Duration = Duration::from_secs(20);
/// so many bytes: 6.5 kbit/s.
pub const HTTP_WRITE_BYTES: usize = 16 << 10;
/// An answer of HTTP/2 of which the client takes nothing for so long is cut, with its connection.
pub const HTTP_UNREAD_TIME: Duration = Duration::from_mins(2);
/// Requests under way on one HTTP/2 connection.
pub const HTTP_STREAMS: u32 = 32;
/// What one HTTP/2 request may send before somebody reads it; a connection four times that.
pub const HTTP_WINDOW_BYTES: u32 = 64 << 10;
/// What waits to be sent for one HTTP/2 request.
pub const HTTP_SEND_BYTES: usize = 64 << 10;
/// Largest head of a request: ours are below 2 kB, but proxies and tokens add to them.
pub const HTTP_HEAD_BYTES: usize = 32 << 10;
/// Longest target of a request, path and query: ours are below 200 bytes.
pub const HTTP_TARGET_BYTES: usize = 4 << 10;
/// Headers of a request; a browser behind two proxies sends 30.
pub const HTTP_HEADERS: usize = 100;
/// Pings an HTTP/2 connection that says nothing, and waits as long again for the answer.
pub const HTTP_PING_INTERVAL: Duration = Duration::from_secs(30);
/// The kernel asks whether the other end is still there after this time without a byte,
pub const TCP_SILENCE: Duration = Duration::from_secs(30);
/// then this often,
pub const TCP_PROBE_INTERVAL: Duration = Duration::from_secs(10);
/// so many times.
pub const TCP_PROBES: u32 = 3;
/// What was sent is acknowledged within this time, or the other end is gone.
pub const TCP_UNACKNOWLEDGED: Duration = Duration::from_secs(30);
/// Memory is given back when so many connections have gone; some 10 MB,
pub const EBB_CONNECTIONS: usize = 256;
/// and no more often than this.
pub const EBB_INTERVAL: Duration = Duration::from_secs(5);
/// Longest header of the PROXY protocol: 107 bytes in version 1; in version 2 fields of a proxy's own may follow.
pub const PROXY_HEADER_BYTES: usize = 1_024;
/// Descriptors beside those of HTTP connections: media over TCP, files, the workers' own.
pub const OTHER_DESCRIPTORS: u64 = 1_024;

const _: () = assert!(HTTP_IDLE_TIME.as_secs() > HTTP_HEADER_TIME.as_secs(), "who has just asked is not cut off");

// ---- TLS ------------------------------------------------------------------------------------------

/// From the connection to the end of its handshake.
pub const TLS_HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// Largest file of a certificate or a key.
pub const CERTIFICATE_BYTES: u64 = 1 << 20;
/// How often it is looked whether those files have changed.
pub const CERTIFICATE_INTERVAL: Duration = Duration::from_secs(10);

// ---- requests -------------------------------------------------------------------------------------

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

// ---- ACME -----------------------------------------------------------------------------------------

/// One request to a directory, from the call to the last byte.
pub const ACME_REQUEST_TIME: Duration = Duration::from_secs(30);
/// Most bytes of a request or an answer: a chain of certificates has 10 kB.
pub const ACME_BYTES: usize = 1 << 20;
/// From the proofs to the directory's verdict, and from there to the certificate.
pub const ACME_TIME: Duration = Duration::from_secs(90);
/// After a failure, then four times as long after each further one: Let's Encrypt allows five failures in an hour.
pub const ACME_RETRY: Duration = Duration::from_mins(1);
/// At most this long.
pub const ACME_LONGEST_RETRY: Duration = Duration::from_hours(1);
/// How often an order is tried whose nonces a directory refuses.
pub const ACME_NONCE_TRIES: u32 = 5;
/// From one such try to the next.
pub const ACME_NONCE_RETRY: Duration = Duration::from_millis(500);
/// How often it is looked at least whether a certificate's time has come.
pub const ACME_LOOK: Duration = Duration::from_hours(12);
/// Between two orders that succeed, whatever a certificate says of its time.
pub const ACME_SHORTEST: Duration = Duration::from_secs(5);
