//! One light session's way to its keys: controlling ICE on one pair, DTLS, and consent checks from then on. Sans-IO:
//! datagrams in, datagrams out.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::limits::{CONSENT_EXPIRY, HANDSHAKE_TIME};
use crate::peer::certificate::Certificate;
use crate::peer::demux::Kind;
use crate::peer::dtls::{Dtls, Progress};
use crate::peer::outbox::Outgoing;
use crate::peer::srtp::Srtp;
use crate::peer::stun::{self, Request, Transaction};
use crate::sdp::{DtlsRole, Fingerprint, IceCredentials};
use crate::sfu::random::Random;

/// Pauses between checks until one is answered: 50 ms is the least of RFC 8445 §14.2.
const CHECK_PAUSE: Duration = Duration::from_millis(50);
/// RFC 7675 §5.1: a check each 5 s, varied by 20 % so that those of many sessions do not meet.
const CONSENT_PAUSE_MS: u64 = 4_000;
const CONSENT_SPREAD_MS: u64 = 2_000;

/// What both sides said by HTTP.
pub struct Agreement {
    /// Ours.
    pub local: IceCredentials,
    /// The server's.
    pub remote: IceCredentials,
    /// Digest that the server's certificate must have.
    pub fingerprint: Fingerprint,
    /// Ours in the handshake.
    pub role: DtlsRole,
    /// Where the server receives.
    pub server: SocketAddr,
}

/// What a step led to.
pub enum Step {
    /// Nothing new.
    Pending,
    /// The handshake is done: here are the keys.
    Connected(Box<Srtp>),
    /// It is over, and why.
    Over(&'static str),
}

/// ICE and DTLS of one session.
pub struct Link {
    agreement: Agreement,
    transaction: Transaction,
    next_check: Instant,
    answered: Option<Instant>,
    deadline: Instant,
    /// Freed when the keys are there, unless the other side may still need our last flight.
    dtls: Option<Box<Dtls>>,
    connected: bool,
    over: bool,
}

impl Link {
    /// A session that sends its first check at once.
    #[must_use]
    pub fn new(now: Instant, agreement: Agreement, certificate: &Arc<Certificate>) -> Self {
        let dtls = Dtls::new(agreement.role, Arc::clone(certificate), agreement.fingerprint.clone());
        Self {
            agreement,
            transaction: [0; 12],
            next_check: now,
            answered: None,
            deadline: now + HANDSHAKE_TIME,
            dtls: Some(Box::new(dtls)),
            connected: false,
            over: false,
        }
    }

    /// Where the server receives.
    #[must_use]
    pub fn server(&self) -> SocketAddr {
        self.agreement.server
    }

    /// A STUN or DTLS datagram from the server. `ours`: the address that it came to.
    pub fn handle(&mut self, now: Instant, kind: Kind, data: &[u8], out: &mut Outgoing) -> Step {
        match kind {
            _ if self.over => Step::Pending,
            Kind::Stun if data[0] & 1 == 1 => self.handle_answer(now, data, out),
            Kind::Stun => {
                self.answer(data, out);
                Step::Pending
            }
            Kind::Dtls => self.handle_dtls(now, data, out),
            Kind::Rtp | Kind::Rtcp => Step::Pending,
        }
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Instant, random: &mut Random, out: &mut Outgoing) -> Step {
        if self.over {
            return Step::Pending;
        }
        if !self.connected && now >= self.deadline {
            let stage = if self.answered.is_some() { "no DTLS handshake" } else { "no answer to ICE checks" };
            return self.end(stage);
        }
        if self.connected && self.answered.is_some_and(|at| now > at + CONSENT_EXPIRY) {
            return self.end("consent expired");
        }
        if now >= self.next_check {
            self.check(now, random, out);
        }
        match &mut self.dtls {
            Some(dtls) if self.answered.is_some() => {
                let progress = dtls.handle_timeout(now, out);
                self.follow(progress)
            }
            _ => Step::Pending,
        }
    }

    /// When [`Link::handle_timeout`] wants to be called.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        if self.over {
            return None;
        }
        let dtls = self.dtls.as_ref().and_then(|dtls| dtls.next_timeout());
        dtls.into_iter().chain([self.next_check]).min()
    }

    /// Media has come, so the other side has the keys and needs our last flight no more.
    pub fn settle(&mut self) {
        self.dtls = None;
    }

    fn check(&mut self, now: Instant, random: &mut Random, out: &mut Outgoing) {
        let (first, second) = (random.draw().to_be_bytes(), random.draw().to_be_bytes());
        self.transaction[..8].copy_from_slice(&first);
        self.transaction[8..].copy_from_slice(&second[..4]);
        let Agreement { local, remote, .. } = &self.agreement;
        let username = format!("{}:{}", remote.ufrag, local.ufrag);
        out.datagrams.push(stun::nomination(&username, self.transaction, 1, &remote.pwd));
        let consent = Duration::from_millis(CONSENT_PAUSE_MS + random.draw() % CONSENT_SPREAD_MS);
        self.next_check = now + if self.answered.is_some() { consent } else { CHECK_PAUSE };
    }

    fn handle_answer(&mut self, now: Instant, data: &[u8], out: &mut Outgoing) -> Step {
        if !stun::is_success(data, self.transaction, &self.agreement.remote.pwd) {
            return Step::Pending;
        }
        let is_first = self.answered.replace(now).is_none();
        self.next_check = self.next_check.max(now + Duration::from_millis(CONSENT_PAUSE_MS));
        match &mut self.dtls {
            Some(dtls) if is_first => {
                let progress = dtls.start(now, out);
                self.follow(progress)
            }
            _ => Step::Pending,
        }
    }

    /// The server checks us too: it is a full agent, or wants to know whether we are there.
    fn answer(&self, data: &[u8], out: &mut Outgoing) {
        let Agreement { local, server, .. } = &self.agreement;
        if let Some(request) = Request::parse(data)
            && request.ufrag() == local.ufrag
            && request.is_authentic(&local.pwd)
        {
            out.datagrams.push(request.success(*server, &local.pwd));
        }
    }

    fn handle_dtls(&mut self, now: Instant, data: &[u8], out: &mut Outgoing) -> Step {
        let Some(dtls) = &mut self.dtls else {
            // An encrypted alert after the handshake: close_notify, whose keys are not kept. A flight that is sent
            // again is of another content type.
            let is_alert = data.first() == Some(&21) && data.get(3..5) == Some(&[0, 1]);
            return if is_alert { self.end("closed by the server") } else { Step::Pending };
        };
        match dtls.handle(now, data, out) {
            Ok(progress) => self.follow(progress),
            Err(_) => Step::Pending,
        }
    }

    fn follow(&mut self, progress: Progress) -> Step {
        match progress {
            Progress::Pending => Step::Pending,
            Progress::Connected(_, srtp) => {
                self.connected = true;
                if self.agreement.role == DtlsRole::Client {
                    self.dtls = None;
                }
                Step::Connected(srtp)
            }
            Progress::Over(_) if self.connected => self.end("closed by the server"),
            Progress::Over(_) => self.end("the DTLS handshake failed"),
        }
    }

    fn end(&mut self, why: &'static str) -> Step {
        self.over = true;
        self.dtls = None;
        Step::Over(why)
    }
}
