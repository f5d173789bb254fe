//! The only door between the control plane and a worker: bounded commands in, events out.

use tokio::sync::oneshot;

use crate::id::{RoomName, SessionId};
use crate::sdp::{DtlsRole, Fingerprint, IceCredentials};
use crate::sfu::room::RoomMedia;
use crate::sfu::track::{PlayTrack, PublishTrack};

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
    /// The server stops.
    Shutdown,
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
    /// ICE restart (RFC 8445 §9): new credentials on both sides, the old ones serve until a check with the new ones comes.
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
        /// False where the session is not there.
        reply: oneshot::Sender<bool>,
    },
    /// Asks for the state of all rooms.
    Inspect {
        /// One entry per room.
        reply: oneshot::Sender<WorkerState>,
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
        /// True for AEAD_AES_128_GCM, false for AES_CM_128_HMAC_SHA1_80.
        gcm: bool,
    },
    /// The session is gone; nothing of it is left in the worker.
    Ended {
        /// The session.
        session: SessionId,
        /// Why.
        reason: EndReason,
    },
}

/// What a worker says of itself.
#[derive(Clone, Default, Debug)]
pub struct WorkerState {
    /// Its rooms.
    pub rooms: Vec<RoomState>,
    /// Its sessions, connected or not.
    pub sessions: usize,
    /// Drops since the start.
    pub drops: crate::sfu::drop::DropCounts,
}

/// What a worker says of a room.
#[derive(Clone, Debug)]
pub struct RoomState {
    /// The room.
    pub name: RoomName,
    /// What the room says of itself.
    pub media: RoomMedia,
}
