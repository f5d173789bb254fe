//! Sessions, rooms, publishers and subscribers.

use std::time::Duration;

// ---- sessions -----------------------------------------------------------------------------------

/// Nothing authentic from a peer for so long ends its session (RFC 7675 consent expires after 30 s).
pub const CONSENT_EXPIRY: Duration = Duration::from_secs(30);
/// A publisher silent for so long gives way to another one that asks.
pub const PUBLISHER_EVICTABLE_AFTER: Duration = Duration::from_secs(5);
/// From the answer to the end of the DTLS handshake.
pub const HANDSHAKE_TIME: Duration = Duration::from_secs(20);

// ---- rooms --------------------------------------------------------------------------------------

/// Encodings of one simulcast track.
pub const LAYERS_PER_TRACK: usize = 4;
/// A publisher may send twice its bit rate for so long, or ten times as much for a tenth of it, before it is cut off:
/// motion and key frames pass, and an encoder has time to follow.
pub const BITRATE_GRACE: Duration = Duration::from_secs(5);
/// Least time between two key frame requests to one publisher, however many subscribers ask.
pub const KEYFRAME_REQUEST_INTERVAL: Duration = Duration::from_millis(500);

// ---- what a room remembers ----------------------------------------------------------------------

/// Largest RTP payload that is kept: what an Ethernet path carries, with room to spare.
pub const PACKET_BYTES: usize = 2048;
/// Payload bytes per track: ten seconds at 5 Mbit/s are 6.25 MB, so that a newcomer finds its key frame.
pub const HISTORY_BYTES: usize = 8 << 20;
/// Packets per track, for the same ten seconds with room for small packets.
pub const HISTORY_PACKETS: usize = 16_384;
/// Payloads are kept in pieces of this size, so that a quiet room stays small.
pub const HISTORY_CHUNK_BYTES: usize = 32 << 10;
/// Most bytes of RTP padding that make a packet as long as its neighbours. Kept free behind each packet in a history.
pub const PADDING_BYTES: usize = 16;
/// How long a packet may be asked for again: a player's jitter buffer does not wait longer.
pub const RETRANSMISSION_TIME: Duration = Duration::from_secs(2);
/// Packets of a layer held back until its first key frame is found, should that one's first packet come late.
pub const HELD_PACKETS: usize = 512;
/// Changes of the mapping from a publisher's sequence numbers that are remembered, for packets that come late.
pub const TIMELINE_CHANGES: usize = 64;
/// Changes of the mapping to one subscriber's sequence numbers that are remembered, for NACKs that come late.
pub const EGRESS_CHANGES: usize = 8;

/// Payload bytes of one parcel to a replica: a turn's packets are 4 kB; the past comes to a new replica in portions.
pub const RELAY_PARCEL_BYTES: usize = 32 << 10;
/// Packets of one parcel, where they are small.
pub const RELAY_PARCEL_PACKETS: usize = 256;
/// Parcels that wait for one replica, 16 MB at most: at a parcel per packet of a 2.5 Mbit/s room they are 1.5 s, and a
/// worker that does not turn for so long has other troubles. What does not fit waits in the room's own history.
pub const RELAY_PARCELS: usize = 512;
/// Parcels put into one ring, and taken out of one, in one turn: 1 MB, which takes about 0.2 ms to copy.
pub const RELAY_PARCELS_PER_TURN: usize = 32;
/// How soon a replica that is behind is served again.
pub const RELAY_RETRY: Duration = Duration::from_millis(1);
/// Packets that filled a hole and are remembered for replicas that are behind: a second's repairs at 10 % loss.
pub const RELAY_LATE: usize = 256;

// ---- bursts -------------------------------------------------------------------------------------

/// A newcomer gets what it missed at so many times the speed of the original.
pub const BURST_SPEED: i64 = 20;
/// How often a burst goes on.
pub const BURST_INTERVAL: Duration = Duration::from_millis(5);
/// Packets of one burst per turn, so that newcomers do not starve those who are there.
pub const BURST_PACKETS_PER_TURN: usize = 64;
/// A group older than this is worth asking for a new key frame as well.
pub const BURST_STALE_AFTER: Duration = Duration::from_secs(2);

const _: () = assert!(HISTORY_BYTES * 8 / 10 >= 5_000_000, "ten seconds at 5 Mbit/s must fit");
const _: () = assert!(PACKET_BYTES + PADDING_BYTES < HISTORY_CHUNK_BYTES);
const _: () = assert!(PACKET_BYTES < RELAY_PARCEL_BYTES, "a parcel has room for a packet");

// ---- what a publisher may send ------------------------------------------------------------------

/// SSRCs of one publisher: media and retransmissions of four layers, one audio, and some that a restarted encoder
/// takes anew.
pub const SSRCS_PER_PUBLISHER: usize = 16;
/// Longest parameter set (SPS, PPS) that is kept for repetition.
pub const PARAMETER_SET_BYTES: usize = 512;

// ---- what a subscriber may ask ------------------------------------------------------------------

/// Retransmissions that one subscriber gets per second: more than that much loss is no loss but an attack or a dead
/// path.
pub const RETRANSMISSIONS_PER_SECOND: u32 = 1_000;
/// A subscriber whose connection is clogged waits so long for a key frame that comes by itself before one is asked for.
pub const CONGESTION_PATIENCE: Duration = Duration::from_secs(4);
/// Media that a full way out has held up for so long is given up for what is newer: a player's jitter buffer has played
/// past it.
pub const EGRESS_DELAY: Duration = Duration::from_millis(500);
/// Retransmissions that wait for the next flush, per subscriber.
pub const RETRANSMISSIONS_PENDING: usize = 256;
