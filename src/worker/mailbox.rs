//! The only door between the control plane and a worker: bounded commands in, events out.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};

use tokio::sync::oneshot;

use super::atomic::{AtomicUsize, Ordering};
use crate::id::{RoomName, SessionId};
use crate::limits;
use crate::net::poll::Waker;
use crate::sdp::{DtlsRole, Fingerprint, IceCredentials};
use crate::sfu::track::{PlayTrack, PublishTrack};
use crate::worker::door::Door;
use crate::worker::relay::Feeder;

pub use crate::worker::state::{ReplicaState, RoomState, SessionStates, Summary, Which, WorkerState};

/// Why a session ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum EndReason {
    /// The client sent DELETE.
    Deleted,
    /// The client closed DTLS.
    CloseNotify,
    /// Nothing authentic came for [`crate::limits::CONSENT_EXPIRY`].
    ConsentExpired,
    /// The handshake did not end within [`crate::limits::HANDSHAKE_TIME`].
    HandshakeTimeout,
    /// DTLS failed, or the certificate is not the one of the offer.
    HandshakeFailed,
    /// A silent publisher gave way to another one.
    Evicted,
    /// A publisher with the same credential took over.
    TakenOver,
    /// The publisher returned with a codec that this subscriber lacks.
    CodecMismatch,
    /// The room was closed.
    RoomClosed,
    /// The credential that it began with has expired.
    TokenExpired,
    /// The server stops.
    Shutdown,
    /// The publisher sent more bits per second than it may, for longer than it may.
    BitrateExceeded,
}

impl EndReason {
    /// All reasons.
    pub const ALL: [Self; 12] = [
        Self::Deleted,
        Self::CloseNotify,
        Self::ConsentExpired,
        Self::HandshakeTimeout,
        Self::HandshakeFailed,
        Self::Evicted,
        Self::TakenOver,
        Self::CodecMismatch,
        Self::RoomClosed,
        Self::TokenExpired,
        Self::Shutdown,
        Self::BitrateExceeded,
    ];

    /// The name in metrics, logs and events.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::CloseNotify => "close_notify",
            Self::ConsentExpired => "consent_expired",
            Self::HandshakeTimeout => "handshake_timeout",
            Self::HandshakeFailed => "handshake_failed",
            Self::Evicted => "evicted",
            Self::TakenOver => "taken_over",
            Self::CodecMismatch => "codec_mismatch",
            Self::RoomClosed => "room_closed",
            Self::TokenExpired => "token_expired",
            Self::Shutdown => "shutdown",
            Self::BitrateExceeded => "bitrate_exceeded",
        }
    }
}

/// What a peer is made of, the same for both roles.
#[derive(Clone)]
pub struct PeerSetup {
    /// The session resource.
    pub session: SessionId,
    /// The room.
    pub room: RoomName,
    /// Our ICE credentials, as the answer says.
    pub local: IceCredentials,
    /// The client's.
    pub remote: IceCredentials,
    /// Digest that the client's certificate must have.
    pub fingerprint: Fingerprint,
    /// Who opens the DTLS handshake.
    pub role: DtlsRole,
}

/// What a publisher asks of a worker.
pub struct AdmitPublisher {
    /// The peer.
    pub peer: PeerSetup,
    /// Its tracks.
    pub tracks: Vec<PublishTrack>,
    /// Bits per second that it may send; `None` is no limit.
    pub max_bitrate: Option<u64>,
    /// Take over from a live publisher (the control plane has compared the credentials).
    pub takeover: bool,
    /// The verdict.
    pub reply: oneshot::Sender<Result<(), AdmitError>>,
}

/// What a subscriber asks of a worker.
pub struct AdmitSubscriber {
    /// The peer.
    pub peer: PeerSetup,
    /// Its tracks.
    pub tracks: Vec<PlayTrack>,
    /// The room's worker, where that is another one: the subscriber is served from a replica.
    pub relay: Option<Mailbox>,
    /// The verdict.
    pub reply: oneshot::Sender<Result<(), AdmitError>>,
}

/// Why a worker did not admit a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AdmitError {
    /// A publisher is alive in the room.
    #[error("publisher already exists in this room")]
    PublisherExists,
    /// The worker has as many sessions as it may.
    #[error("the worker is full")]
    Full,
    /// The room's own worker takes no commands at the moment, so there can be no replica.
    #[error("the room's worker is busy")]
    HomeBusy,
    /// The server drains.
    #[error("the server is stopping")]
    Draining,
}

/// From the control plane to a worker.
pub enum Command {
    /// A WHIP session.
    AdmitPublisher(Box<AdmitPublisher>),
    /// A WHEP session.
    AdmitSubscriber(Box<AdmitSubscriber>),
    /// ICE restart (RFC 8445 §9): new credentials on both sides, the old ones serve until a check with the new ones
    /// comes.
    RestartIce {
        /// The session.
        session: SessionId,
        /// Our new credentials.
        local: IceCredentials,
        /// The client's new credentials.
        remote: IceCredentials,
        /// False where the session is not there.
        reply: oneshot::Sender<bool>,
    },
    /// Ends a session with a goodbye.
    Remove {
        /// The session.
        session: SessionId,
        /// Why.
        reason: EndReason,
        /// What it was; `None` where the session is not there.
        reply: oneshot::Sender<Option<Summary>>,
    },
    /// From a sibling, which has a replica of a room of this worker's, or from who records it: the room feeds it from
    /// now on.
    AttachReplica {
        /// The room.
        room: RoomName,
        /// The room's end of the link.
        feeder: Box<Feeder>,
    },
    /// Asks for the state of the worker and of all rooms.
    Inspect {
        /// One entry per room.
        reply: oneshot::Sender<WorkerState>,
    },
    /// Asks for the state of sessions, in portions.
    InspectSessions {
        /// Which ones.
        which: Which,
        /// 0, then what the portion before says.
        from: u32,
        /// A portion.
        reply: oneshot::Sender<SessionStates>,
    },
    /// Ends every session with a goodbye, then the worker.
    Shutdown,
}

/// From a worker to the control plane.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// DTLS is up.
    Connected {
        /// The session.
        session: SessionId,
        /// True for `AEAD_AES_128_GCM`, false for `AES_CM_128_HMAC_SHA1_80`.
        gcm: bool,
    },
    /// The session is gone; nothing of it is left in the worker.
    Ended {
        /// The session.
        session: SessionId,
        /// Why.
        reason: EndReason,
        /// What it was.
        summary: Summary,
    },
}

/// The worker has as many commands waiting as it may, or is gone: the command was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the worker is busy")]
pub struct Busy;

/// Where commands go in. Cloned, it is the same mailbox; with the last clone the worker ends.
#[derive(Clone)]
pub struct Mailbox {
    /// `None` only while it is dropped.
    commands: Option<SyncSender<Command>>,
    waiting: Arc<AtomicUsize>,
    door: Arc<Door>,
}

/// Where they come out.
pub struct Inbox {
    commands: Receiver<Command>,
    waiting: Arc<AtomicUsize>,
    /// Kept open here too, so that no wake is lost with the last mailbox.
    door: Arc<Door>,
}

/// A mailbox of at most [`limits::MAILBOX_COMMANDS`]; `waker` wakes who has the inbox.
#[must_use]
pub fn mailbox(waker: Waker) -> (Mailbox, Inbox) {
    let (sender, receiver) = sync_channel(limits::MAILBOX_COMMANDS);
    let door = Arc::new(Door::new(waker));
    let waiting = Arc::new(AtomicUsize::new(0));
    let mailbox = Mailbox { commands: Some(sender), waiting: waiting.clone(), door: door.clone() };
    (mailbox, Inbox { commands: receiver, waiting, door })
}

impl Mailbox {
    /// Puts a command in and wakes the worker. It never waits.
    ///
    /// # Errors
    /// [`Busy`] where it is full, or nobody is there.
    pub fn send(&self, command: Command) -> Result<(), Busy> {
        let commands = self.commands.as_ref().ok_or(Busy)?;
        // Before it is there to be taken, so that the number never falls below zero.
        self.waiting.fetch_add(1, Ordering::Relaxed);
        if commands.try_send(command).is_err() {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(Busy);
        }
        self.door.wake();
        Ok(())
    }
}

impl Mailbox {
    /// Where the worker's siblings ring.
    #[must_use]
    pub fn door(&self) -> &Arc<Door> {
        &self.door
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        // In this order: the worker looks once when it wakes.
        drop(self.commands.take());
        self.door.wake();
    }
}

impl Inbox {
    /// How many commands wait, or are about to.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// True where none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The worker's own door.
    #[must_use]
    pub fn door(&self) -> &Arc<Door> {
        &self.door
    }

    /// The next command, if one waits. Where nobody can give one any longer it is [`Command::Shutdown`], again and
    /// again.
    #[must_use]
    pub fn take(&self) -> Option<Command> {
        match self.commands.try_recv() {
            Ok(command) => {
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                Some(command)
            }
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Command::Shutdown),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::net::poll::Poller;

    #[test]
    fn a_full_mailbox_is_busy_and_one_wake_tells_of_all() {
        let mut poller = Poller::new().unwrap();
        let (mailbox, inbox) = mailbox(poller.waker(0).unwrap());
        for _ in 0..limits::MAILBOX_COMMANDS {
            assert_eq!(mailbox.send(Command::Shutdown), Ok(()));
        }
        assert_eq!(mailbox.send(Command::Shutdown), Err(Busy));
        assert_eq!(poller.wait(Some(Duration::from_secs(10))).unwrap().count(), 1);
        assert_eq!(std::iter::from_fn(|| inbox.take()).count(), limits::MAILBOX_COMMANDS);
        assert_eq!(mailbox.send(Command::Shutdown), Ok(()));
        assert_eq!(inbox.len(), 1);
        drop(inbox);
        assert_eq!(mailbox.send(Command::Shutdown), Err(Busy));
    }

    #[test]
    fn the_last_mailbox_says_shutdown() {
        let mut poller = Poller::new().unwrap();
        let (mailbox, inbox) = mailbox(poller.waker(0).unwrap());
        drop(mailbox.clone());
        assert!(inbox.take().is_none());
        assert_eq!(poller.wait(Some(Duration::from_secs(10))).unwrap().count(), 1);
        drop(mailbox);
        assert_eq!(poller.wait(Some(Duration::from_secs(10))).unwrap().count(), 1);
        assert!(matches!(inbox.take(), Some(Command::Shutdown)));
    }
}
