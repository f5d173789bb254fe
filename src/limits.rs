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

/// Encodings of one simulcast track.
pub const LAYERS_PER_TRACK: usize = 4;
/// Least time between two key frame requests to one publisher, however many subscribers ask.
pub const KEYFRAME_REQUEST_INTERVAL: Duration = Duration::from_millis(500);

// ---- sockets ----------------------------------------------------------------------------------------

/// Largest datagram taken or sent: above every path MTU of the internet (1,500), whatever padding and tags add.
pub const DATAGRAM_BYTES: usize = 2048;
/// Datagrams of one receive call: measured, more per call gain nothing.
pub const RECV_BATCH_DATAGRAMS: usize = 64;
/// Bytes of one send batch: it stays in the second level cache between sealing and the kernel's copy.
pub const SEND_BATCH_BYTES: usize = 256 << 10;
/// Trains of one send batch, which are one system call: beyond 16 nothing was gained, and a call's arrays stay small.
pub const SEND_BATCH_TRAINS: usize = 64;
/// Segments of one train: the kernel's `UDP_MAX_SEGMENTS` of old kernels.
pub const TRAIN_SEGMENTS: usize = 64;
/// Bytes of one train: with its headers it is one IP packet of at most 65,535 to the kernel.
pub const TRAIN_BYTES: usize = 65_000;
/// Destinations remembered as refusing trains, by hash of the address; one that is pushed out is found again.
pub const TRAIN_REFUSALS: usize = 256;
/// Socket buffers asked for, in bytes: a key frame for a hundred subscribers, or a tenth of a second of 300 Mbit/s.
pub const SOCKET_BUFFER_BYTES: usize = 4 << 20;
/// How soon a socket that took no more is offered it again: at 10 Gbit/s its buffer is empty after 3 ms.
pub const SEND_RETRY: Duration = Duration::from_millis(1);
/// Sealed datagrams that a socket has not taken for so long are dropped, for what is newer.
pub const SEND_BLOCKED_TIME: Duration = Duration::from_millis(200);
/// Media datagrams of one turn, about 5 ms: then what has arrived has its turn, and the rest goes on in the next one.
/// So a key frame for thousands of subscribers holds up nobody's checks and reports.
pub const MEDIA_PER_TURN: usize = 4096;
/// Longest time that packets may wait for others of their room.
pub const BATCH_WINDOW: Duration = Duration::from_millis(20);
/// TCP connections of one worker: TCP is for the few whose network blocks UDP.
pub const TCP_CONNECTIONS: usize = 1024;
/// TCP connections of one worker without an ICE check yet: they cost memory before anybody has shown a password.
pub const TCP_UNVALIDATED: usize = 256;
/// A TCP connection without an ICE check is closed after so long.
pub const TCP_VALIDATION_TIME: Duration = Duration::from_secs(10);
/// TCP connections waiting to be accepted in the kernel.
pub const TCP_ACCEPT_QUEUE: i32 = 256;
/// Accepted in one turn: a flood of connections must not hold up media.
pub const TCP_ACCEPTS_PER_TURN: usize = 64;
/// Bytes read from one connection at a time, then the next one's turn comes.
pub const TCP_READ_BYTES: usize = 16 << 10;
/// Reads from all connections in one turn, whether they bring frames or not.
pub const TCP_READS_PER_TURN: usize = 128;
/// Frames taken from all connections in one turn.
pub const TCP_FRAMES_PER_TURN: usize = 512;
/// Media beyond this backlog is dropped up to the next key frame: at 2.5 Mbit/s it is 0.8 s of delay.
pub const TCP_BACKLOG_BYTES: usize = 256_000;
/// What STUN, DTLS and RTCP may add to a backlog that media has filled.
pub const TCP_CONTROL_BYTES: usize = 64_000;
/// Bytes that the kernel takes before they can be sent: what waits there is delay that the backlog does not show.
pub const TCP_UNSENT_BYTES: u32 = 64_000;

// ---- worker -----------------------------------------------------------------------------------------

/// Commands that wait for a worker: it takes them every turn, so more waiting means that it is overloaded.
pub const MAILBOX_COMMANDS: usize = 1024;
/// Commands taken in one turn; an admission costs some microseconds.
pub const COMMANDS_PER_TURN: usize = 64;
/// Receive calls per socket in one turn: 512 datagrams take about 2 ms, then timers and commands come.
pub const BATCHES_PER_TURN: usize = 8;
/// Timers served in one turn.
pub const TIMERS_PER_TURN: usize = 1024;
/// Least time to a timer: an owner that is due again at once keeps no core busy.
pub const TIMER_RESOLUTION: Duration = Duration::from_micros(100);
/// Datagrams, and events, taken from one peer at a time: a DTLS flight is a dozen.
pub const PEER_DRAIN_STEPS: usize = 64;
/// How soon events are offered again that the control plane had no room for.
pub const EVENT_RETRY: Duration = Duration::from_millis(10);
/// How long a worker that ends waits for the control plane to take its last events.
pub const LAST_EVENTS_TIME: Duration = Duration::from_secs(1);

const _: () = {
    assert!(SEND_BLOCKED_TIME.as_millis() < EGRESS_DELAY.as_millis(), "what is sealed goes first");
    assert!(SEND_BATCH_BYTES >= TRAIN_BYTES + DATAGRAM_BYTES, "a full train fits a batch");
    assert!(TCP_READ_BYTES >= DATAGRAM_BYTES + 2, "a full frame fits a read");
    assert!(TCP_UNVALIDATED <= TCP_CONNECTIONS, "the part is not more than the whole");
    assert!(PUBLISHER_EVICTABLE_AFTER.as_secs() < CONSENT_EXPIRY.as_secs(), "eviction is the quicker way");
};
// ---- what a room remembers --------------------------------------------------------------------------

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

// ---- bursts -----------------------------------------------------------------------------------------

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

// ---- what a publisher may send ----------------------------------------------------------------------

/// SSRCs of one publisher: media and retransmissions of four layers, one audio, and some that a restarted encoder
/// takes anew.
pub const SSRCS_PER_PUBLISHER: usize = 16;
/// Longest parameter set (SPS, PPS) that is kept for repetition.
pub const PARAMETER_SET_BYTES: usize = 512;

// ---- what a subscriber may ask ----------------------------------------------------------------------

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
// ---- control plane ----------------------------------------------------------------------------------

/// From the first byte of a request's head (or of an idle connection) to its end: a browser needs milliseconds, a
/// client that trickles header bytes holds a connection.
pub const HTTP_HEADER_TIME: Duration = Duration::from_secs(15);
/// From the head of a request to the end of its body; an offer is 10 kB.
pub const HTTP_BODY_TIME: Duration = Duration::from_secs(10);
/// Open connections to the HTTP listener; a page needs one, a WHIP or WHEP client none after its POST.
pub const HTTP_CONNECTIONS: usize = 4096;
/// Requests under way on one HTTP/2 connection.
pub const HTTP_STREAMS: u32 = 64;
/// Largest head of a request: ours are below 2 kB, but proxies add to them.
pub const HTTP_HEAD_BYTES: usize = 64 << 10;
/// Pings an HTTP/2 connection that says nothing, and waits as long again for the answer.
pub const HTTP_PING_INTERVAL: Duration = Duration::from_secs(30);

/// Session resources of the server, those being admitted included: 32 kB each is 640 MB.
pub const SESSIONS: usize = 20_000;
/// Worker threads; the UDP ports follow each other, so a typing error must not take thousands.
pub const WORKERS: usize = 256;
/// What workers say, waiting to be taken in: when a worker with all its sessions ends it offers them again and again.
pub const WORKER_EVENTS: usize = 4096;
/// From the offer to the worker's verdict. Its turn takes milliseconds, and OBS gives up after 8 s.
pub const ADMIT_TIME: Duration = Duration::from_secs(3);
/// From the question to a worker to what it says of its rooms.
pub const INSPECT_TIME: Duration = Duration::from_secs(1);
/// Characters of our ICE user name fragment, 6 bits each: two of 20,000 sessions are never the same (RFC 8445 §5.3 asks
/// for 24 bits at least).
pub const ICE_UFRAG_CHARS: usize = 12;
/// Characters of our ICE password, 6 bits each (RFC 8445 §5.3 asks for 128 bits at least).
pub const ICE_PWD_CHARS: usize = 32;
/// What `Retry-After` says where a room has no publisher.
pub const RETRY_NO_PUBLISHER: Duration = Duration::from_secs(2);
/// What `Retry-After` says where a worker is busy or full, or the server stops.
pub const RETRY_UNAVAILABLE: Duration = Duration::from_secs(2);

/// From the signal to stop to the goodbye of the last session.
pub const DRAIN_TIME: Duration = Duration::from_secs(5);
/// From there to the end of the requests under way.
pub const HTTP_DRAIN_TIME: Duration = Duration::from_secs(3);

const _: () = assert!(ADMIT_TIME.as_secs() < 8, "OBS waits 8 s for an answer");
const _: () = assert!(ICE_UFRAG_CHARS >= 4 && ICE_PWD_CHARS >= 22, "RFC 8839 §5.4");

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

// ---- client side ------------------------------------------------------------------------------------

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
/// From the beginning of a request to the end of its answer.
pub const CLIENT_REQUEST_TIME: Duration = Duration::from_secs(10);
/// From the answer to the connection: ICE checks and the DTLS handshake.
pub const CLIENT_CONNECT_TIME: Duration = Duration::from_secs(15);

// ---- load generator ---------------------------------------------------------------------------------

/// Sessions of one thread of the load generator: each has a loopback address of its own, and more than this many one
/// thread cannot receive anyway.
pub const LOAD_SESSIONS_PER_THREAD: usize = 16_384;
/// Sockets of one thread, where each session has one: below the usual limit of descriptors with the rest.
pub const LOAD_SOCKETS_PER_THREAD: usize = 900;
/// Receive buffer of a socket that thousands of sessions share: a key frame for each of 2,000 subscribers is 120,000
/// datagrams, of which the kernel counts 1.5 to 2.3 kB each.
pub const LOAD_RECEIVE_BUFFER_BYTES: usize = 256 << 20;
/// Receiving threads.
pub const LOAD_THREADS: u8 = 64;
/// Threads that wait for HTTP answers.
pub const LOAD_REQUESTERS: usize = 8;
/// Requests that wait for one of them.
pub const LOAD_REQUESTS: usize = 32_768;
/// Commands that wait for a thread.
pub const LOAD_COMMANDS: usize = 4_096;
/// Different errors that a report names; the others are counted.
pub const LOAD_ERRORS: usize = 16;
/// Missing packets that a subscriber asks for at a time; with more missing it asks for a key frame instead.
pub const LOAD_MISSING_PACKETS: usize = 512;
/// Sent packets that a publisher can send again: a second of 2.5 Mbit/s.
pub const LOAD_HISTORY_PACKETS: usize = 256;
/// SSRCs of one subscriber.
pub const LOAD_STREAMS: usize = 8;
/// Rooms of one run, and subscribers.
pub const LOAD_ROOMS: u32 = 10_000;
/// Subscribers of one run.
pub const LOAD_SUBSCRIBERS: u32 = 100_000;
/// Full subscribers of one run: each costs some hundred times as much as a light one.
pub const LOAD_FULL: u32 = 64;
/// From the end of the ramp to the first key frame of the last subscriber.
pub const LOAD_JOIN_TIME: Duration = Duration::from_secs(20);
/// From the end of the measurement to the end of the last session.
pub const LOAD_LEAVE_TIME: Duration = Duration::from_secs(10);

// ---- peers: ICE, DTLS, SRTP -------------------------------------------------------------------------

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
