//! Peers: ICE, DTLS, SRTP.

use std::time::Duration;

use super::HANDSHAKE_TIME;

/// Validated paths remembered per peer. A client with four interfaces of two families has eight; who moves about
/// loses the one heard longest ago.
pub const PATHS_PER_PEER: usize = 16;
/// Local ufrags routed to one peer: the current one, the one before an ICE restart, and two for restarts in a row.
pub const UFRAGS_PER_PEER: usize = 4;
/// Bytes that may go to an address for each byte that came from it, until it is known that the client is there
/// (the factor of RFC 9000 §8.1).
pub const UNACKNOWLEDGED_FACTOR: u64 = 3;
/// A check without nomination from another path takes over after so long a silence on the selected one: some
/// clients nominate once, and their address may change later.
pub const PATH_SILENCE: Duration = Duration::from_secs(2);
/// SSRCs of one session that may send RTP, and as many that may send RTCP: three layers with RTX and FEC each, audio
/// with RTX, and room for some that change.
pub const SSRCS_PER_PEER: usize = 16;
/// Packets that the SRTP replay window remembers per SSRC: half a second of 4,000 packets a second, so that a
/// retransmission that a NACK asked for still passes. A multiple of 64.
pub const SRTP_REPLAY_WINDOW: usize = 2048;
/// The same for SRTCP, which comes a few times a second. A multiple of 64.
pub const SRTCP_REPLAY_WINDOW: usize = 128;
/// STUN and DTLS datagrams of one peer that wait to be sent; they are drained after every datagram that comes in.
pub const PEER_TRANSMITS: usize = 32;
/// Events of one peer that wait to be taken; they are drained likewise.
pub const PEER_EVENTS: usize = 64;

/// Largest DTLS handshake message: a chain of two RSA-4096 certificates has 3 kB.
pub const HANDSHAKE_MESSAGE_BYTES: usize = 8 << 10;
/// DTLS handshake messages that are reassembled at once: the longest flight has six.
pub const HANDSHAKE_MESSAGES_AHEAD: u16 = 8;
/// Bytes of DTLS handshake messages under reassembly: a full flight with its certificates.
pub const HANDSHAKE_REASSEMBLY_BYTES: usize = 16 << 10;
/// Pieces that one DTLS handshake message may be in at a time; a ClientHello comes in two.
pub const HANDSHAKE_MESSAGE_PIECES: usize = 32;
/// Bytes that one handshake may feed to the DTLS endpoint; an ordinary one takes 4 kB.
pub const HANDSHAKE_BYTES: usize = 256 << 10;
/// Reads of the DTLS endpoint that one handshake may cost; an ordinary one takes four.
pub const HANDSHAKE_DATAGRAMS: u32 = 2048;
/// Plaintext messages of one handshake from one side; an ordinary one has five.
pub const HANDSHAKE_MESSAGES: u16 = 12;
/// Encrypted DTLS records kept until the keys are there; one is needed, and the newest are kept.
pub const HANDSHAKE_SEALED_HELD: usize = 4;
/// Reads of encrypted records that a handshake may cost at once. One is needed, but a forger's look the same before
/// they are read, so more are allowed as time goes by: [`HANDSHAKE_SEALED_INTERVAL`].
pub const HANDSHAKE_SEALED_READS: u32 = 64;
/// One more read of encrypted records per interval; the most impatient client repeats its flight after 50 ms.
pub const HANDSHAKE_SEALED_INTERVAL: Duration = Duration::from_millis(20);
/// Largest encrypted DTLS record that is looked at: Finished and alerts have under 100 bytes.
pub const DTLS_SEALED_BYTES: usize = 128;
/// Handshakes that one session may begin anew because another ClientHello came before the cookie.
pub const HANDSHAKE_RESTARTS: u8 = 4;
/// Answers to a client that repeats its last flight because it has not seen ours.
pub const FINAL_FLIGHT_REPEATS: u8 = 16;
/// First wait before a DTLS flight is sent again; each further one is twice as long.
pub const DTLS_RETRANSMIT_FIRST: Duration = Duration::from_millis(250);
/// Least time between two answers to a client that repeats a flight; the most impatient client waits 50 ms.
pub const DTLS_REPEAT_INTERVAL: Duration = Duration::from_millis(25);
/// Longest wait before a DTLS flight is sent again.
pub const DTLS_RETRANSMIT_LONGEST: Duration = Duration::from_secs(4);

const _: () = assert!(SRTP_REPLAY_WINDOW.is_multiple_of(64) && SRTCP_REPLAY_WINDOW.is_multiple_of(64));
const _: () = assert!(HANDSHAKE_MESSAGE_BYTES <= HANDSHAKE_REASSEMBLY_BYTES);
const _: () = assert!(HANDSHAKE_REASSEMBLY_BYTES <= HANDSHAKE_BYTES);
const _: () = assert!(
    HANDSHAKE_TIME.as_millis() / HANDSHAKE_SEALED_INTERVAL.as_millis() + (HANDSHAKE_SEALED_READS as u128)
        < HANDSHAKE_DATAGRAMS as u128
);
