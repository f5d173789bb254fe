//! The client side.

use std::time::Duration;

/// Largest payload that the client side sends: with all headers it stays below what any path carries.
pub const CLIENT_PAYLOAD_BYTES: usize = 1_200;
/// Largest media file that is published: it is held in memory.
pub const CLIENT_FILE_BYTES: u64 = 1 << 30;
/// Packets that wait for one before them: half a second of a 6 Mbit/s stream.
pub const CLIENT_REORDER_PACKETS: usize = 300;
/// Packets of one frame: 4.9 MB, more than any key frame.
pub const CLIENT_FRAME_PACKETS: usize = 4_096;
/// What a player's reader may be behind by, in packets, before packets are dropped (and counted).
pub const CLIENT_EVENTS: usize = 4_096;
/// Largest answer that the client side reads.
pub const CLIENT_ANSWER_BYTES: u64 = 1 << 20;
/// Redirections of one offer that are followed.
pub const CLIENT_REDIRECTIONS: usize = 4;
/// From the beginning of a request to the end of its answer.
pub const CLIENT_REQUEST_TIME: Duration = Duration::from_secs(10);
/// From the answer to the connection: ICE checks and the DTLS handshake.
pub const CLIENT_CONNECT_TIME: Duration = Duration::from_secs(15);
