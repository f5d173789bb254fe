//! Sockets and workers.

use std::time::Duration;

// ---- sockets ------------------------------------------------------------------------------------

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

// ---- worker -------------------------------------------------------------------------------------

/// Commands that wait for a worker: it takes them every turn, so more waiting means that it is overloaded.
pub const MAILBOX_COMMANDS: usize = 1024;
/// Commands taken in one turn; an admission costs some microseconds.
pub const COMMANDS_PER_TURN: usize = 64;
/// Sessions that a worker describes in one answer: 0.1 ms; who asks about more asks again.
pub const SESSIONS_PER_ANSWER: usize = 256;
/// Places of its table that a worker looks at for one answer.
pub const SLOTS_PER_ANSWER: u32 = 4096;
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
    assert!(SEND_BATCH_BYTES >= TRAIN_BYTES + DATAGRAM_BYTES, "a full train fits a batch");
    assert!(TCP_READ_BYTES >= DATAGRAM_BYTES + 2, "a full frame fits a read");
    assert!(TCP_UNVALIDATED <= TCP_CONNECTIONS, "the part is not more than the whole");
};
