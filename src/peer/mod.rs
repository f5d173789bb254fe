//! One session's ICE, DTLS and SRTP, sans-IO: datagrams in, opened RTP and RTCP out; packets in, sealed ones out.

pub mod certificate;
pub mod challenge;
pub mod cipher;
pub mod client_hello;
pub mod demux;
pub mod dtls;
pub mod ice;
pub mod keys;
pub mod path;
pub mod replay;
pub mod srtp;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use rtc_stun::message::Message;

use crate::limits;
use crate::peer::certificate::Certificate;
use crate::peer::challenge::{Challenge, Step};
use crate::peer::demux::Kind;
use crate::peer::dtls::{Dtls, DtlsEvent};
use crate::peer::ice::Responder;
use crate::peer::keys::Profile;
use crate::peer::path::Path;
use crate::peer::srtp::{Opener, Sealer};
use crate::sdp::{DtlsRole, Fingerprint, IceCredentials};
use crate::sfu::drop::DropReason;

/// What a peer is made of.
pub struct PeerConfig {
    /// Our ICE credentials.
    pub local: IceCredentials,
    /// The client's.
    pub remote: IceCredentials,
    /// Digest that the client's certificate must have.
    pub fingerprint: Fingerprint,
    /// Who opens the handshake.
    pub role: DtlsRole,
    /// Ours.
    pub certificate: Arc<Certificate>,
}

/// What a datagram was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Received {
    /// STUN or DTLS: drain [`Peer::poll_transmit`] and [`Peer::poll_event`].
    Control,
    /// RTP, opened in place: the packet is the first so many bytes of the buffer.
    Rtp(usize),
    /// RTCP, opened in place likewise.
    Rtcp(usize),
    /// Nothing came of it.
    Dropped(DropReason),
}

/// What happened to a peer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PeerEvent {
    /// An ICE check with the right password came from there: route what comes on this path to the peer.
    PathValidated(Path),
    /// The peer no longer answers on this path.
    PathForgotten(Path),
    /// What is sent goes to this path from now on; `changed` unless it is the first one.
    PathSelected {
        /// Where to.
        path: Path,
        /// There was another one before.
        changed: bool,
    },
    /// The handshake is done.
    Connected {
        /// `AEAD_AES_128_GCM` rather than `AES_CM_128_HMAC_SHA1_80`.
        gcm: bool,
    },
    /// The peer is over.
    Closed(PeerEnd),
}

/// Why a peer is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PeerEnd {
    /// The client closed DTLS.
    CloseNotify,
    /// Nothing authentic for [`crate::limits::CONSENT_EXPIRY`].
    ConsentExpired,
    /// The handshake took too long.
    HandshakeTimeout,
    /// The handshake failed.
    HandshakeFailed,
}

/// One peer.
pub struct Peer {
    ice: Responder,
    dtls: Dtls,
    srtp: Option<(Opener, Sealer)>,
    role: DtlsRole,
    now: Instant,
    /// Where media goes: the path that the client has chosen, once it is known to be real.
    path: Option<Path>,
    challenge: Option<Challenge>,
    handshake_deadline: Instant,
    last_authentic: Instant,
    /// Bytes that may still be sent to an address that is not acknowledged; `None` where there is no such limit.
    allowance: Option<usize>,
    acknowledged: Vec<Path>,
    transmits: VecDeque<(Path, Vec<u8>)>,
    events: VecDeque<PeerEvent>,
    closed: bool,
}

/// An address that is not acknowledged gets so many times the bytes that came from it.
const AMPLIFICATION: usize = 3;

impl Peer {
    /// A peer that waits for its first check.
    #[must_use]
    pub fn new(now: Instant, config: PeerConfig) -> Self {
        Self {
            ice: Responder::new(now, config.local, config.remote),
            dtls: Dtls::new(config.role, config.certificate, config.fingerprint),
            srtp: None,
            role: config.role,
            now,
            path: None,
            challenge: None,
            handshake_deadline: now + limits::HANDSHAKE_TIME,
            last_authentic: now,
            allowance: None,
            acknowledged: Vec::new(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            closed: false,
        }
    }

    /// One datagram (or one frame of TCP) that `demux` routed here. RTP and RTCP are opened in place.
    pub fn handle_datagram(&mut self, now: Instant, path: Path, data: &mut [u8]) -> Received {
        self.now = now;
        let handled = match Kind::of(data) {
            None => Err(DropReason::NotMultiplexed),
            Some(Kind::Stun) => self.handle_stun(now, path, data),
            Some(_) if !self.ice.is_validated(&path) => Err(DropReason::UnknownAddress),
            Some(Kind::Dtls) => self.handle_dtls(now, data),
            Some(Kind::Media) => self.handle_media(data),
        };
        match handled {
            Ok(received) => {
                self.credit(&path, data.len());
                if received != Received::Control {
                    self.last_authentic = now;
                    self.ice.heard(now, &path);
                }
                received
            }
            Err(reason) => Received::Dropped(reason),
        }
    }

    /// Replaces `out` by the next STUN or DTLS datagram and says where it goes; `None` when there is none.
    pub fn poll_transmit(&mut self, out: &mut Vec<u8>) -> Option<Path> {
        if let Some((path, bytes)) = self.transmits.pop_front() {
            *out = bytes;
            return Some(path);
        }
        let path = self.path?;
        self.dtls.poll_transmit(out).then_some(path)
    }

    /// What happened, oldest first.
    pub fn poll_event(&mut self) -> Option<PeerEvent> {
        self.events.pop_front()
    }

    /// When [`Peer::handle_timeout`] wants to be called.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        if self.closed {
            return None;
        }
        let handshake = self.srtp.is_none().then_some(self.handshake_deadline);
        let consent = self.last_authentic + limits::CONSENT_EXPIRY;
        let challenge = self.challenge.as_ref().map(Challenge::next_timeout);
        [self.dtls.next_timeout(), handshake, challenge, Some(consent)].into_iter().flatten().min()
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        self.pursue_challenge(now);
        if self.srtp.is_none() && now >= self.handshake_deadline {
            self.end(PeerEnd::HandshakeTimeout);
        } else if now >= self.last_authentic + limits::CONSENT_EXPIRY {
            self.end(PeerEnd::ConsentExpired);
        } else if let Some(event) = self.dtls.handle_timeout(now) {
            self.handle_dtls_event(event);
        }
    }

    /// New credentials on both sides; the old ones hold until a check with the new ones comes.
    pub fn restart_ice(&mut self, local: IceCredentials, remote: IceCredentials) {
        self.ice.restart(local, remote);
    }

    /// A path is gone: its TCP connection closed.
    pub fn handle_path_closed(&mut self, path: &Path) {
        if self.ice.forget(path) {
            self.events.push_back(PeerEvent::PathForgotten(*path));
        }
        self.path = self.path.filter(|current| current != path);
        self.challenge = self.challenge.filter(|challenge| challenge.path() != *path);
    }

    /// Says goodbye: drain [`Peer::poll_transmit`] once more, then forget the peer.
    pub fn close(&mut self) {
        self.dtls.close(self.now);
    }

    /// Where to send, once there is a validated path.
    #[must_use]
    pub fn path(&self) -> Option<Path> {
        self.path
    }

    /// The handshake is done and media may flow.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.srtp.is_some()
    }

    /// When something authentic came last (or the peer began).
    #[must_use]
    pub fn last_authentic(&self) -> Instant {
        self.last_authentic
    }

    /// Takes `bytes` from what may be sent to an address that is not acknowledged yet; false when it is used up.
    pub fn may_send(&mut self, bytes: usize) -> bool {
        let Some(allowance) = &mut self.allowance else { return true };
        match allowance.checked_sub(bytes) {
            Some(left) => {
                *allowance = left;
                true
            }
            None => false,
        }
    }

    /// An SRTCP report from the selected path acknowledged a packet that was sent to it.
    pub fn acknowledge_path(&mut self) {
        self.allowance = None;
        if let Some(path) = self.path.filter(|path| !self.acknowledged.contains(path)) {
            if self.acknowledged.len() == limits::PATHS_PER_PEER {
                self.acknowledged.remove(0);
            }
            self.acknowledged.push(path);
        }
    }

    /// Seals one RTP packet into `out` and returns its length. `index` is 2^16 × ROC + SEQ. `None` where `out` is
    /// too small or the peer is not connected.
    pub fn seal_rtp(&mut self, index: u64, header: &[u8], payload: &[u8], out: &mut [u8]) -> Option<usize> {
        self.srtp.as_ref()?.1.seal_rtp(index, header, payload, out)
    }

    /// Seals one compound RTCP packet into `out` and returns its length.
    pub fn seal_rtcp(&mut self, packet: &[u8], out: &mut [u8]) -> Option<usize> {
        self.srtp.as_mut()?.1.seal_rtcp(packet, out)
    }

    fn handle_stun(&mut self, now: Instant, path: Path, data: &[u8]) -> Result<Received, DropReason> {
        if data[0] & 1 == 1 {
            return self.handle_answer(path, data);
        }
        let mut reply = Vec::new();
        let checked = self.ice.handle(now, path, data, &mut reply)?;
        self.last_authentic = now;
        // A reply answers one datagram with one: no queue can grow.
        self.transmits.push_back((path, reply));
        if let Some(forgotten) = checked.forgotten {
            self.acknowledged.retain(|known| *known != forgotten);
            self.events.push_back(PeerEvent::PathForgotten(forgotten));
        }
        if checked.validated {
            self.events.push_back(PeerEvent::PathValidated(path));
        }
        if checked.selected {
            self.select(now, path);
        }
        self.dtls.start(now)?;
        Ok(Received::Control)
    }

    /// The client has chosen a path. Once media flows it moves to a new address only when that is known to be real.
    fn select(&mut self, now: Instant, path: Path) {
        self.challenge = None;
        if !self.is_connected() || self.acknowledged.contains(&path) || self.path.is_none() {
            return self.move_to(path);
        }
        if self.path == Some(path) {
            return;
        }
        let mut transaction = Message::new();
        // Where there is no randomness there is no challenge, and the allowance has to do.
        if transaction.new_transaction_id().is_err() {
            return self.move_to(path);
        }
        self.challenge = Some(Challenge::new(now, path, transaction.transaction_id.0));
        self.pursue_challenge(now);
    }

    fn pursue_challenge(&mut self, now: Instant) {
        match self.challenge.as_mut().and_then(|challenge| challenge.poll(now)) {
            Some(Step::Request(path, transaction)) => {
                if let Ok(request) = self.ice.request(transaction) {
                    self.transmits.push_back((path, request));
                }
            }
            Some(Step::GiveUp(path)) => {
                self.challenge = None;
                self.move_to(path);
            }
            None => {}
        }
    }

    fn handle_answer(&mut self, path: Path, data: &[u8]) -> Result<Received, DropReason> {
        let expected = self.challenge.filter(|challenge| challenge.path() == path);
        let challenge = expected.ok_or(DropReason::StunMalformed)?;
        if !self.ice.is_answer(data, challenge.transaction()) {
            return Err(DropReason::StunIntegrity);
        }
        self.challenge = None;
        self.move_to(path);
        self.acknowledge_path();
        Ok(Received::Control)
    }

    fn move_to(&mut self, path: Path) {
        let changed = self.is_connected();
        let limited = changed && !self.acknowledged.contains(&path);
        self.allowance = limited.then_some(0);
        self.path = Some(path);
        self.events.push_back(PeerEvent::PathSelected { path, changed });
    }

    fn credit(&mut self, path: &Path, bytes: usize) {
        if let Some(allowance) = self.allowance.as_mut().filter(|_| self.path == Some(*path)) {
            *allowance = allowance.saturating_add(AMPLIFICATION * bytes);
        }
    }

    fn handle_dtls(&mut self, now: Instant, data: &[u8]) -> Result<Received, DropReason> {
        if let Some(event) = self.dtls.handle(now, data)? {
            self.handle_dtls_event(event);
        }
        Ok(Received::Control)
    }

    fn handle_dtls_event(&mut self, event: DtlsEvent) {
        match event {
            DtlsEvent::Closed => self.end(PeerEnd::CloseNotify),
            DtlsEvent::Failed => self.end(PeerEnd::HandshakeFailed),
            DtlsEvent::Connected { profile, material } => {
                let Some((client, server)) = keys::split(profile, &material) else {
                    return self.end(PeerEnd::HandshakeFailed);
                };
                let (theirs, ours) = match self.role {
                    DtlsRole::Server => (client, server),
                    DtlsRole::Client => (server, client),
                };
                self.srtp = Some((Opener::new(profile, &theirs), Sealer::new(profile, &ours)));
                self.last_authentic = self.now;
                // The handshake came and went over this address: it is real.
                self.acknowledge_path();
                self.events.push_back(PeerEvent::Connected { gcm: profile == Profile::Gcm });
            }
        }
    }

    fn handle_media(&mut self, data: &mut [u8]) -> Result<Received, DropReason> {
        let (opener, _) = self.srtp.as_mut().ok_or(DropReason::NotConnected)?;
        // RFC 5761 §4: the packet types of RTCP.
        if data.get(1).is_some_and(|kind| (192..=223).contains(kind)) {
            opener.open_rtcp(data).map(Received::Rtcp)
        } else {
            opener.open_rtp(data).map(Received::Rtp)
        }
    }

    fn end(&mut self, end: PeerEnd) {
        if !self.closed {
            self.closed = true;
            self.events.push_back(PeerEvent::Closed(end));
        }
    }
}
