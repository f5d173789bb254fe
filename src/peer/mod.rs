//! One session's ICE, DTLS and SRTP, sans-IO: datagrams in, opened RTP and RTCP out; packets in, sealed ones out.
//!
//! After each call that takes `&mut self` and a time, drain [`Peer::poll_transmit`] and [`Peer::poll_event`] until they
//! are empty.

mod assembly;
pub mod binding;
pub mod certificate;
mod challenge;
mod cipher;
mod client_hello;
pub mod demux;
pub mod dtls;
pub mod endpoint;
mod handshake;
mod ice;
pub mod keys;
pub mod outbox;
pub mod path;
mod record;
mod replay;
pub mod srtp;
pub mod stun;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Instant;

use ring::rand::{SecureRandom as _, SystemRandom};

use crate::limits::{CONSENT_EXPIRY, HANDSHAKE_TIME, PATH_SILENCE};
use crate::peer::certificate::Certificate;
use crate::peer::challenge::{Challenge, Step};
use crate::peer::demux::Kind;
use crate::peer::dtls::{Dtls, Progress, Security};
use crate::peer::ice::{Check, Ice};
use crate::peer::keys::Profile;
use crate::peer::outbox::{Outbox, Outgoing};
use crate::peer::path::{Path, Paths};
use crate::peer::srtp::Srtp;
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
    /// An ICE check with the right password came from there: route what comes on this path to the peer. It is said
    /// again at each later check, so that a route that another session took over comes back.
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
        /// AEAD_AES_128_GCM rather than AES_CM_128_HMAC_SHA1_80.
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
    ice: Ice,
    paths: Paths,
    /// A path that the client has chosen and that is not known to be real.
    challenge: Option<Challenge>,
    dtls: Dtls,
    srtp: Option<Box<Srtp>>,
    /// What protects it, once it is connected.
    security: Option<Security>,
    /// Where our last DTLS flight went, if all of it went to one path. Who answers it received it there.
    flight_path: Option<Path>,
    /// The client has sent media, so it has the keys.
    is_settled: bool,
    is_over: bool,
    handshake_until: Instant,
    last_authentic: Instant,
    /// When to look whether the consent has expired. Moves only when it is reached, so that a timer fires seldom.
    consent_check: Instant,
    outbox: Outbox,
}

impl Peer {
    /// A peer that waits for its first check.
    #[must_use]
    pub fn new(now: Instant, config: PeerConfig) -> Self {
        Self {
            ice: Ice::new(config.local, config.remote),
            paths: Paths::default(),
            challenge: None,
            dtls: Dtls::new(config.role, config.certificate, config.fingerprint),
            srtp: None,
            security: None,
            flight_path: None,
            is_settled: false,
            is_over: false,
            handshake_until: now + HANDSHAKE_TIME,
            last_authentic: now,
            consent_check: now + CONSENT_EXPIRY,
            outbox: Outbox::default(),
        }
    }

    /// One datagram (or one frame of TCP) that `demux` routed here. RTP and RTCP are opened in place.
    pub fn handle_datagram(&mut self, now: Instant, path: Path, data: &mut [u8]) -> Received {
        let Some(kind) = Kind::of(data) else {
            return Received::Dropped(DropReason::NotMultiplexed);
        };
        if self.is_over {
            return Received::Dropped(DropReason::NotConnected);
        }
        let bytes = data.len();
        let result = match kind {
            Kind::Stun if data[0] & 1 == 1 => self.handle_answer(&path, data),
            Kind::Stun => self.handle_check(now, path, data),
            _ if !self.paths.contains(&path) => Err(DropReason::UnknownAddress),
            Kind::Dtls => self.handle_dtls(now, &path, data),
            Kind::Rtp | Kind::Rtcp => self.handle_media(kind, data),
        };
        match result {
            Ok(received) => {
                if matches!(received, Received::Rtp(_) | Received::Rtcp(_)) {
                    self.last_authentic = now;
                    self.paths.hear(&path, bytes, now);
                }
                received
            }
            Err(reason) => Received::Dropped(reason),
        }
    }

    fn handle_media(&mut self, kind: Kind, data: &mut [u8]) -> Result<Received, DropReason> {
        let srtp = self.srtp.as_mut().ok_or(DropReason::NotConnected)?;
        let received = match kind {
            Kind::Rtcp => Received::Rtcp(srtp.open_rtcp(data)?),
            _ => Received::Rtp(srtp.open_rtp(data)?),
        };
        if !self.is_settled {
            self.is_settled = true;
            self.dtls.settle();
        }
        Ok(received)
    }

    fn handle_check(&mut self, now: Instant, path: Path, data: &[u8]) -> Result<Received, DropReason> {
        let mut answer = Vec::new();
        let check = self.ice.check(&path, data, &mut answer)?;
        self.outbox.transmit(path, answer);
        let Check::Valid { nominated, restarted } = check else {
            return Ok(Received::Control);
        };
        self.last_authentic = now;
        // Before the new one is heard of: a check may come when the old path has been silent for long.
        let silence = self.paths.selected_heard().map(|heard| now.saturating_duration_since(heard));
        if let Some(forgotten) = self.paths.validate(path, data.len(), now) {
            self.outbox.event(PeerEvent::PathForgotten(forgotten));
        }
        // At every check: another session may have taken the route in between, and gets no more than that.
        self.outbox.event(PeerEvent::PathValidated(path));
        let is_lost = self.is_connected() && silence.is_some_and(|silence| silence > PATH_SILENCE);
        if self.paths.len() == 1 && silence.is_none() {
            self.outbox.event(PeerEvent::PathSelected { path, changed: self.is_connected() });
            if self.is_connected() {
                self.begin_challenge(now, path);
            }
        } else if nominated || restarted || is_lost || self.paths.selected() == Some(path) {
            self.choose(now, path);
        }
        let mut out = Outgoing::default();
        let progress = self.dtls.start(now, &mut out);
        self.follow(now, progress, out, Some(path));
        Ok(Received::Control)
    }

    /// The client has chosen a path. Once media flows it moves to a new address only when that is known to be real.
    fn choose(&mut self, now: Instant, path: Path) {
        if !self.is_connected() || self.paths.is_acknowledged(&path) {
            self.challenge = None;
            return self.move_to(&path);
        }
        if self.challenge.as_ref().is_none_or(|challenge| challenge.path() != path) {
            self.begin_challenge(now, path);
        }
    }

    fn begin_challenge(&mut self, now: Instant, path: Path) {
        let mut transaction = [0; 12];
        // Without randomness there is no challenge, and the allowance has to do.
        if SystemRandom::new().fill(&mut transaction).is_err() {
            return self.move_to(&path);
        }
        self.challenge = Some(Challenge::new(now, path, transaction));
        self.pursue_challenge(now);
    }

    fn pursue_challenge(&mut self, now: Instant) {
        match self.challenge.as_mut().and_then(|challenge| challenge.poll(now)) {
            Some(Step::Request(path, transaction)) => self.outbox.transmit(path, self.ice.request(transaction)),
            Some(Step::GiveUp(path)) => {
                self.challenge = None;
                self.move_to(&path);
            }
            None => {}
        }
    }

    fn handle_answer(&mut self, path: &Path, data: &[u8]) -> Result<Received, DropReason> {
        let expected = self.challenge.as_ref().filter(|challenge| challenge.path() == *path);
        let transaction = expected.ok_or(DropReason::StunMalformed)?.transaction();
        if !self.ice.is_answer(data, transaction) {
            return Err(DropReason::StunIntegrity);
        }
        self.challenge = None;
        self.paths.acknowledge(path);
        self.move_to(path);
        Ok(Received::Control)
    }

    fn move_to(&mut self, path: &Path) {
        if self.paths.select(path) {
            self.outbox.event(PeerEvent::PathSelected { path: *path, changed: true });
        }
    }

    fn handle_dtls(&mut self, now: Instant, path: &Path, data: &[u8]) -> Result<Received, DropReason> {
        let mut out = Outgoing::default();
        let result = self.dtls.handle(now, data, &mut out);
        let (progress, received) = match result {
            Ok(progress) => (progress, Ok(Received::Control)),
            Err(reason) => (Progress::Pending, Err(reason)),
        };
        if matches!(progress, Progress::Connected(..)) {
            self.paths.hear(path, data.len(), now);
        }
        self.follow(now, progress, out, None);
        received
    }

    /// Does what a DTLS step asks for, then sends what it wants to send.
    fn follow(&mut self, now: Instant, progress: Progress, out: Outgoing, asker: Option<Path>) {
        match progress {
            Progress::Pending => {}
            Progress::Connected(security, srtp) => {
                self.srtp = Some(srtp);
                self.security = Some(security);
                self.last_authentic = now;
                if let Some(path) = self.flight_path {
                    self.paths.acknowledge(&path);
                }
                // The client may have moved on while the handshake ran.
                if let Some(path) = self.paths.selected().filter(|path| !self.paths.is_acknowledged(path)) {
                    self.begin_challenge(now, path);
                }
                self.outbox.event(PeerEvent::Connected { gcm: security.srtp == Profile::AeadAes128Gcm });
            }
            Progress::Over(end) => self.end(end),
        }
        self.transmit_dtls(out, asker);
    }

    /// To where the datagram came from that it answers; what time makes due goes where the last flight went.
    fn transmit_dtls(&mut self, out: Outgoing, asker: Option<Path>) {
        let path = asker.or(self.flight_path).or(self.paths.selected());
        let Some(path) = path.filter(|_| !out.datagrams.is_empty()) else { return };
        if out.is_new {
            self.flight_path = Some(path);
        } else if self.flight_path != Some(path) {
            self.flight_path = None;
        }
        for datagram in out.datagrams {
            self.outbox.transmit(path, datagram);
        }
    }

    fn end(&mut self, end: PeerEnd) {
        if !std::mem::replace(&mut self.is_over, true) {
            self.srtp = None;
            self.dtls = Dtls::Over;
            self.outbox.event(PeerEvent::Closed(end));
        }
    }

    /// Replaces `out` by the next STUN or DTLS datagram and says where it goes; `None` when there is none.
    pub fn poll_transmit(&mut self, out: &mut Vec<u8>) -> Option<Path> {
        let (path, datagram) = self.outbox.poll_transmit()?;
        *out = datagram;
        Some(path)
    }

    /// What happened, oldest first.
    pub fn poll_event(&mut self) -> Option<PeerEvent> {
        self.outbox.poll_event()
    }

    /// When [`Peer::handle_timeout`] wants to be called: for an idle peer once in [`CONSENT_EXPIRY`].
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        if self.is_over {
            return None;
        }
        let handshake = (!self.is_connected()).then_some(self.handshake_until);
        let challenge = self.challenge.as_ref().map(Challenge::next_timeout);
        [handshake, challenge, self.dtls.next_timeout()].into_iter().flatten().chain([self.consent_check]).min()
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.is_over {
            return;
        }
        if !self.is_connected() && now >= self.handshake_until {
            return self.end(PeerEnd::HandshakeTimeout);
        }
        if now >= self.consent_check {
            if now >= self.last_authentic + CONSENT_EXPIRY {
                return self.end(PeerEnd::ConsentExpired);
            }
            self.consent_check = self.last_authentic + CONSENT_EXPIRY;
        }
        self.pursue_challenge(now);
        let mut out = Outgoing::default();
        let progress = self.dtls.handle_timeout(now, &mut out);
        self.follow(now, progress, out, None);
    }

    /// New credentials on both sides; the old ones hold until a check with the new ones comes.
    pub fn restart_ice(&mut self, local: IceCredentials, remote: IceCredentials) {
        self.ice.restart(local, remote);
    }

    /// A path is gone: its TCP connection closed.
    pub fn handle_path_closed(&mut self, path: &Path) {
        let before = self.paths.selected();
        self.challenge = self.challenge.take().filter(|challenge| challenge.path() != *path);
        if !self.paths.forget(path) {
            return;
        }
        self.outbox.event(PeerEvent::PathForgotten(*path));
        if let Some(selected) = self.paths.selected().filter(|selected| Some(*selected) != before) {
            self.outbox.event(PeerEvent::PathSelected { path: selected, changed: true });
        }
    }

    /// Says goodbye: drain [`Peer::poll_transmit`] once more, then forget the peer.
    pub fn close(&mut self) {
        if !std::mem::replace(&mut self.is_over, true) {
            let mut out = Outgoing::default();
            self.dtls.close(self.last_authentic, &mut out);
            self.srtp = None;
            self.transmit_dtls(out, None);
        }
    }

    /// Where to send, once there is a validated path.
    #[must_use]
    pub fn path(&self) -> Option<Path> {
        self.paths.selected()
    }

    /// The handshake is done and media may flow.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.srtp.is_some()
    }

    /// What protects the session, once the handshake is done.
    #[must_use]
    pub fn security(&self) -> Option<Security> {
        self.security
    }

    /// When something authentic came last (or the peer began).
    #[must_use]
    pub fn last_authentic(&self) -> Instant {
        self.last_authentic
    }

    /// Takes `bytes` from what may be sent to an address that is not acknowledged yet; false when it is used up.
    pub fn may_send(&mut self, bytes: usize) -> bool {
        self.paths.may_send(bytes)
    }

    /// Seals one RTP packet into `out` and returns its length. `index` is 2^16 × ROC + SEQ; who calls sees to it
    /// that one index of one SSRC never comes with two different packets (RFC 3711 §9.1). `None` where `out` is too
    /// small, `index` is not that of the header, or the peer is not connected.
    pub fn seal_rtp(&mut self, index: u64, header: &[u8], payload: &[u8], out: &mut [u8]) -> Option<usize> {
        self.srtp.as_mut()?.seal_rtp(index, header, payload, out)
    }

    /// Seals one compound RTCP packet into `out` and returns its length; the SRTCP index is the peer's own. `None`
    /// where `out` is too small or the peer is not connected.
    pub fn seal_rtcp(&mut self, packet: &[u8], out: &mut [u8]) -> Option<usize> {
        self.srtp.as_mut()?.seal_rtcp(packet, out)
    }

    /// What the peer remembers of its client.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let (handshake_fed, handshake_held) = self.dtls.handshake_bytes();
        let ssrcs = self.srtp.as_ref().map_or((0, 0), |srtp| srtp.ssrcs());
        Usage { paths: self.paths.len(), rtp_ssrcs: ssrcs.0, rtcp_ssrcs: ssrcs.1, handshake_fed, handshake_held }
    }
}

/// What a peer remembers of its client; all of it is bounded in [`crate::limits`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Usage {
    /// Validated paths.
    pub paths: usize,
    /// SSRCs that have sent authentic RTP.
    pub rtp_ssrcs: usize,
    /// SSRCs that have sent authentic RTCP.
    pub rtcp_ssrcs: usize,
    /// Bytes that the handshake has fed to the DTLS endpoint; 0 once it is over.
    pub handshake_fed: usize,
    /// Bytes that wait to be fed; 0 once it is over.
    pub handshake_held: usize,
}
