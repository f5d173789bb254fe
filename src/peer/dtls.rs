//! DTLS of one session: the handshake, the keys that come out of it, and close_notify in both directions.

use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_shared::error::Error;

use crate::limits::{DTLS_SEALED_BYTES, FINAL_FLIGHT_REPEATS};
use crate::peer::PeerEnd;
use crate::peer::certificate::Certificate;
use crate::peer::endpoint::{self, Agreed, PEER};
use crate::peer::handshake::{Handshake, Step};
use crate::peer::keys::{EXPORTER_LABEL, Profile, split_exported};
use crate::peer::outbox::Outgoing;
use crate::peer::record::{ALERT, HANDSHAKE, Records};
use crate::peer::srtp::Srtp;
use crate::sdp::{DtlsRole, Fingerprint};
use crate::sfu::drop::DropReason;

/// What came of an input.
pub enum Progress {
    /// Nothing yet.
    Pending,
    /// The handshake is done: here are the keys.
    Connected(Security, Box<Srtp>),
    /// The session is over.
    Over(PeerEnd),
}

/// What protects a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Security {
    /// Of the handshake.
    pub dtls: Agreed,
    /// Of the media.
    pub srtp: Profile,
}

/// The DTLS side of one peer. Each stage is boxed, so that a finished handshake leaves nothing: a connected session
/// takes 8.4 kB in all (resident memory over 3,000 of them).
pub enum Dtls {
    /// The handshake is under way.
    Handshake(Box<Handshake>),
    /// Only alerts are of interest.
    Established(Box<Established>),
    /// Nothing is expected any more.
    Over,
}

/// What is kept after the handshake.
pub struct Established {
    endpoint: Endpoint,
    /// Ours, as the server, until the client is known to have it.
    final_flight: Vec<Vec<u8>>,
    repeats: u8,
}

impl Dtls {
    /// A handshake that waits for its first datagram, or for [`Self::start`].
    #[must_use]
    pub fn new(role: DtlsRole, certificate: Arc<Certificate>, fingerprint: Fingerprint) -> Self {
        Self::Handshake(Box::new(Handshake::new(role, certificate, fingerprint)))
    }

    /// There is somewhere to send to: the client begins.
    pub fn start(&mut self, now: Instant, out: &mut Outgoing) -> Progress {
        let Self::Handshake(handshake) = self else {
            return Progress::Pending;
        };
        let step = handshake.start(now, out);
        self.follow(now, step)
    }

    /// One datagram from a path that ICE has validated.
    ///
    /// # Errors
    /// Where nothing in it was of use.
    pub fn handle(&mut self, now: Instant, datagram: &[u8], out: &mut Outgoing) -> Result<Progress, DropReason> {
        match self {
            Self::Handshake(handshake) => {
                let step = handshake.handle(now, datagram, out)?;
                Ok(self.follow(now, step))
            }
            Self::Established(established) => {
                let is_closed = established.handle(now, datagram, out)?;
                if !is_closed {
                    return Ok(Progress::Pending);
                }
                *self = Self::Over;
                Ok(Progress::Over(PeerEnd::CloseNotify))
            }
            Self::Over => Err(DropReason::DtlsInvalid),
        }
    }

    /// When [`Self::handle_timeout`] wants to be called.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        match self {
            Self::Handshake(handshake) => handshake.next_timeout(),
            Self::Established(_) | Self::Over => None,
        }
    }

    /// Sends a flight again when it is due.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Outgoing) -> Progress {
        let Self::Handshake(handshake) = self else {
            return Progress::Pending;
        };
        let step = handshake.handle_timeout(now, out);
        self.follow(now, step)
    }

    /// Sends close_notify; nothing is expected after it.
    pub fn close(&mut self, now: Instant, out: &mut Outgoing) {
        match self {
            Self::Handshake(handshake) => handshake.close(now, out),
            Self::Established(established) => {
                // It fails never, and only stamps the datagram with the time.
                let _ = established.endpoint.close(now);
                established.collect(out);
            }
            Self::Over => {}
        }
        *self = Self::Over;
    }

    /// The client has proved that it has the keys, so it has our last flight.
    pub fn settle(&mut self) {
        if let Self::Established(established) = self {
            established.final_flight = Vec::new();
        }
    }

    /// Bytes that the handshake has fed to the endpoint, and bytes that it keeps for it.
    #[must_use]
    pub fn handshake_bytes(&self) -> (usize, usize) {
        match self {
            Self::Handshake(handshake) => handshake.bytes(),
            Self::Established(_) | Self::Over => (0, 0),
        }
    }

    fn follow(&mut self, now: Instant, step: Step) -> Progress {
        let connected = match step {
            Step::Pending => return Progress::Pending,
            Step::Done(endpoint, profile) => self.establish(now, endpoint, profile),
            Step::Failed => None,
        };
        connected.unwrap_or_else(|| {
            *self = Self::Over;
            Progress::Over(PeerEnd::HandshakeFailed)
        })
    }

    fn establish(&mut self, now: Instant, endpoint: Endpoint, profile: Profile) -> Option<Progress> {
        let Self::Handshake(handshake) = self else {
            return None;
        };
        let state = endpoint.get_connection_state(PEER)?;
        let exported = state.export_keying_material(EXPORTER_LABEL, &[], profile.exported_bytes()).ok()?;
        let (client, server) = split_exported(profile, exported.as_ref())?;
        let (is_server, (send, receive)) = match handshake.role() {
            DtlsRole::Client => (false, (&client, &server)),
            DtlsRole::Server => (true, (&server, &client)),
        };
        let srtp = Box::new(Srtp::new(profile, send, receive));
        let final_flight = if is_server { handshake.take_flight() } else { Vec::new() };
        let security = Security { dtls: endpoint::agreed(&endpoint), srtp: profile };
        let endpoint = endpoint::slim(now, &endpoint, handshake.certificate()).unwrap_or(endpoint);
        *self = Self::Established(Box::new(Established { endpoint, final_flight, repeats: 0 }));
        Some(Progress::Connected(security, srtp))
    }
}

impl Established {
    /// Whether the client closed.
    fn handle(&mut self, now: Instant, datagram: &[u8], out: &mut Outgoing) -> Result<bool, DropReason> {
        let mut repeats = false;
        for record in Records(datagram) {
            match (record.epoch, record.kind) {
                (1, ALERT) if self.read_alert(now, record.bytes, out) => return Ok(true),
                (1, HANDSHAKE) => repeats = true,
                // Plaintext: anyone may have written it.
                _ => {}
            }
        }
        // A Finished again: the client has not seen ours. The same bytes serve, since they were lost. Whether it is
        // authentic does not matter: the answer has 75 bytes, and there are not many.
        if repeats && self.repeats < FINAL_FLIGHT_REPEATS && !self.final_flight.is_empty() {
            self.repeats += 1;
            out.datagrams.extend(self.final_flight.iter().cloned());
            return Ok(false);
        }
        Err(DropReason::DtlsInvalid)
    }

    /// What does not decrypt is ignored by the endpoint.
    fn read_alert(&mut self, now: Instant, record: &[u8], out: &mut Outgoing) -> bool {
        if record.len() > DTLS_SEALED_BYTES {
            return false;
        }
        let result = self.endpoint.read(now, PEER, None, BytesMut::from(record));
        self.collect(out);
        match result {
            Ok(events) => events.iter().any(|event| matches!(event, EndpointEvent::PeerClosed)),
            Err(error) => error == Error::ErrAlertFatalOrClose,
        }
    }

    fn collect(&mut self, out: &mut Outgoing) {
        out.datagrams.extend(endpoint::transmits(&mut self.endpoint));
    }
}
