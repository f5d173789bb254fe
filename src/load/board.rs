//! What a thread has counted so far, for the one that reports.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::load::histogram::Histogram;

/// Counts since the beginning.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Debug)]
pub struct Counts {
    /// RTP packets that arrived, each once: without duplicates, with those that were dropped to simulate loss.
    pub packets: u64,
    /// Their bytes, as UDP payload.
    pub bytes: u64,
    /// Packets that came again.
    pub duplicates: u64,
    /// Packets that came after later ones: out of order, or sent again.
    pub reordered: u64,
    /// Numbers that are missing between others, at this moment.
    pub missing: u64,
    /// Dropped on arrival to simulate loss.
    pub discarded: u64,
    /// Frames whose last packet came.
    pub frames: u64,
    /// Packets that were opened.
    pub opened: u64,
    /// Of those: not authentic.
    pub unauthentic: u64,
    /// Of those: other bytes than were sent.
    pub corrupt: u64,
    /// Of those: sent to another room.
    pub misrouted: u64,
    /// Of those: later than the plan allows.
    pub late: u64,
    /// Of those: made by the server, not by us.
    pub of_server: u64,
    /// Packets asked for by NACK.
    pub nacks: u64,
    /// Key frames asked for.
    pub key_frame_requests: u64,
    /// RTCP packets that came.
    pub rtcp: u64,
    /// Sessions whose handshake is done.
    pub connected: u64,
    /// Subscribers that have had a whole key frame.
    pub playing: u64,
    /// Sessions that ended by themselves.
    pub ended: u64,
    /// Datagrams that the generator's own socket dropped, because we were late.
    pub overflows: u64,
    /// Datagrams that the generator could not send.
    pub send_failures: u64,
    /// Packets that publishers have sent.
    pub sent: u64,
    /// Packets that publishers have sent again.
    pub resent: u64,
}

/// One thread's counts, and its measurements since somebody last took them.
#[derive(Default)]
pub struct Board {
    /// Since the beginning.
    pub counts: Counts,
    /// From a packet's sending to its arrival in the kernel, in µs.
    pub latency: Histogram,
    /// From a packet's arrival in the kernel to our reading it; of publishers, from when a packet was due to its
    /// sending. In µs.
    pub lag: Histogram,
}

/// A board that its thread writes and another one reads.
#[derive(Clone, Default)]
pub struct SharedBoard(Arc<Mutex<Board>>);

impl SharedBoard {
    /// The board, for as long as a batch takes.
    pub fn lock(&self) -> MutexGuard<'_, Board> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds its measurements to these, and empties them; returns the counts.
    pub fn take(&self, latency: &mut Histogram, lag: &mut Histogram) -> Counts {
        let mut board = self.lock();
        latency.add(&board.latency);
        lag.add(&board.lag);
        board.latency.clear();
        board.lag.clear();
        board.counts
    }
}

/// Applies a function to each pair of fields.
macro_rules! fieldwise {
    ($left:expr, $right:expr, $apply:expr, [$($field:ident),* $(,)?]) => {
        Counts { $($field: $apply($left.$field, $right.$field)),* }
    };
}

impl Counts {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        self.apply(other, u64::saturating_add)
    }

    /// What came since.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        self.apply(earlier, u64::saturating_sub)
    }

    fn apply(self, other: Self, function: impl Fn(u64, u64) -> u64) -> Self {
        fieldwise!(
            self,
            other,
            function,
            [
                packets,
                bytes,
                duplicates,
                reordered,
                missing,
                discarded,
                frames,
                opened,
                unauthentic,
                corrupt,
                misrouted,
                late,
                of_server,
                nacks,
                key_frame_requests,
                rtcp,
                connected,
                playing,
                ended,
                overflows,
                send_failures,
                sent,
                resent,
            ]
        )
    }
}
