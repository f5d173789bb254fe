//! One DTLS handshake: guards the family's endpoint, which trusts what it is fed.
//!
//! The endpoint gets every plaintext message whole, in order and once, and encrypted records only when it has the keys
//! for them. So nothing piles up in it: fed directly it keeps fragments and records of the next epoch without bound,
//! and each message that does not complete a flight stops its retransmission timer for good. Resending is done here.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_shared::TransportProtocol;

use crate::limits::{
    DTLS_REPEAT_INTERVAL, DTLS_RETRANSMIT_FIRST, DTLS_RETRANSMIT_LONGEST, DTLS_SEALED_BYTES, HANDSHAKE_BYTES,
    HANDSHAKE_DATAGRAMS, HANDSHAKE_MESSAGES, HANDSHAKE_RESTARTS, HANDSHAKE_SEALED_HELD, HANDSHAKE_SEALED_INTERVAL,
    HANDSHAKE_SEALED_READS,
};
use crate::peer::assembly::Assembly;
use crate::peer::certificate::Certificate;
use crate::peer::client_hello::ClientHello;
use crate::peer::endpoint::{self, PEER};
use crate::peer::keys::Profile;
use crate::peer::outbox::Outgoing;
use crate::peer::record::{
    ALERT, CHANGE_CIPHER_SPEC, CLIENT_HELLO, Fragment, HANDSHAKE, HELLO_VERIFY_REQUEST, Message, Records,
    SERVER_HELLO_DONE, write_change_cipher_spec, write_message,
};
use crate::sdp::{DtlsRole, Fingerprint};
use crate::sfu::drop::DropReason;

/// Where HelloVerifyRequest has its cookie: behind the headers of record and message, version and length.
const COOKIE_AT: usize = 13 + 12 + 3;

/// How far a handshake is.
pub enum Step {
    /// It goes on.
    Pending,
    /// The endpoint is done; the certificate is the right one.
    Done(Endpoint, Profile),
    /// It cannot succeed any more.
    Failed,
}

/// A handshake under way.
pub struct Handshake {
    role: DtlsRole,
    certificate: Arc<Certificate>,
    fingerprint: Fingerprint,
    /// From the first path (client) or the first ClientHello (server) on.
    endpoint: Option<Endpoint>,
    assembly: Assembly,
    /// The first ClientHello again, until the cookie has come back.
    hello_again: Assembly,
    hello: Vec<u8>,
    restarts: u8,
    /// Encrypted records, newest last, until the keys are there.
    sealed: VecDeque<Vec<u8>>,
    /// Since when encrypted records can be read. Then the peer's ChangeCipherSpec was fed, too: it says nothing that the
    /// epoch of a record does not say.
    keys_since: Option<Instant>,
    sealed_reads: u32,
    /// Plaintext records that the endpoint was fed.
    number: u64,
    fed_bytes: usize,
    fed_datagrams: u32,
    /// Our last flight.
    flight: Vec<Vec<u8>>,
    flight_at: Option<Instant>,
    resend_at: Option<Instant>,
    resend_after: Duration,
}

impl Handshake {
    /// One that waits.
    #[must_use]
    pub fn new(role: DtlsRole, certificate: Arc<Certificate>, fingerprint: Fingerprint) -> Self {
        Self {
            role,
            certificate,
            fingerprint,
            endpoint: None,
            assembly: Assembly::default(),
            hello_again: Assembly::default(),
            hello: Vec::new(),
            restarts: 0,
            sealed: VecDeque::new(),
            keys_since: None,
            sealed_reads: 0,
            number: 0,
            fed_bytes: 0,
            fed_datagrams: 0,
            flight: Vec::new(),
            flight_at: None,
            resend_at: None,
            resend_after: DTLS_RETRANSMIT_FIRST,
        }
    }

    /// The role of this side.
    #[must_use]
    pub fn role(&self) -> DtlsRole {
        self.role
    }

    /// The shared certificate.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Our last flight, for a client that repeats its own.
    pub fn take_flight(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.flight)
    }

    /// Bytes fed to the endpoint and bytes kept for it; bounded by [`HANDSHAKE_BYTES`] and the limits of reassembly.
    #[must_use]
    pub fn bytes(&self) -> (usize, usize) {
        let sealed: usize = self.sealed.iter().map(Vec::len).sum();
        (self.fed_bytes, self.assembly.bytes() + self.hello_again.bytes() + sealed)
    }

    /// When [`Self::handle_timeout`] wants to be called.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.resend_at
    }

    /// As the client: sends the ClientHello, once.
    pub fn start(&mut self, now: Instant, out: &mut Outgoing) -> Step {
        if self.role == DtlsRole::Server || self.endpoint.is_some() {
            return Step::Pending;
        }
        let profiles = [Profile::AeadAes128Gcm, Profile::AesCmSha1];
        let mut endpoint = Endpoint::new(PEER, TransportProtocol::UDP, None);
        let connected = endpoint::configure(&self.certificate, &self.fingerprint, self.role, &profiles)
            .and_then(|config| endpoint.connect(now, PEER, config, None));
        self.endpoint = Some(endpoint);
        self.collect(now, out);
        if connected.is_ok() { Step::Pending } else { Step::Failed }
    }

    /// One datagram from a path that ICE has validated.
    ///
    /// # Errors
    /// Where nothing in it was of use.
    pub fn handle(&mut self, now: Instant, datagram: &[u8], out: &mut Outgoing) -> Result<Step, DropReason> {
        let mut was_used = false;
        let mut repeats = false;
        for record in Records(datagram) {
            match (record.epoch, record.kind) {
                (0, HANDSHAKE) => {
                    for fragment in record.fragments() {
                        was_used |= self.take(&fragment);
                        repeats |= self.is_repeated(&fragment);
                    }
                }
                (1, HANDSHAKE | ALERT) => was_used |= self.keep_sealed(record.bytes),
                (0, CHANGE_CIPHER_SPEC) => was_used = true,
                // Anyone can write a plaintext alert, so none is believed; a handshake that the peer gave up ends by time.
                _ => {}
            }
        }
        let mut step = self.restart_hello(now, out)?;
        if matches!(step, Step::Pending) {
            step = self.advance(now, out)?;
        }
        repeats &= self.flight_at.is_some_and(|at| now >= at + DTLS_REPEAT_INTERVAL);
        if repeats && out.datagrams.is_empty() {
            self.repeat(now, out);
            was_used = true;
        }
        let is_of_use = was_used || !matches!(step, Step::Pending);
        if is_of_use { Ok(step) } else { Err(DropReason::DtlsInvalid) }
    }

    /// Sends the last flight again when it is due.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Outgoing) -> Step {
        let Some(due) = self.resend_at.filter(|&due| now >= due) else {
            return Step::Pending;
        };
        self.resend_after = (2 * self.resend_after).min(DTLS_RETRANSMIT_LONGEST);
        self.resend_at = Some(due.max(now) + self.resend_after);
        if self.role == DtlsRole::Server {
            self.repeat(now, out);
            return Step::Pending;
        }
        // A client's flight needs new record numbers, because its answer may be what was lost. The endpoint counts in
        // seconds, so it is told the time that it waits for.
        let Some(endpoint) = &mut self.endpoint else {
            return Step::Pending;
        };
        let Some(theirs) = endpoint.poll_timeout(&PEER) else {
            return Step::Pending;
        };
        let resent = endpoint.handle_timeout(PEER, theirs);
        out.datagrams.extend(endpoint::transmits(endpoint));
        if resent.is_ok() { Step::Pending } else { Step::Failed }
    }

    /// Says goodbye in the midst of it.
    pub fn close(&mut self, now: Instant, out: &mut Outgoing) {
        if let Some(endpoint) = &mut self.endpoint {
            // It fails never, and only stamps the datagrams with the time.
            let _ = endpoint.close(now);
            self.collect(now, out);
        }
    }

    fn take(&mut self, fragment: &Fragment<'_>) -> bool {
        if fragment.sequence >= HANDSHAKE_MESSAGES {
            return false;
        }
        if self.role == DtlsRole::Client {
            return self.endpoint.is_some() && self.assembly.push(fragment);
        }
        // Two ClientHellos, without and with the cookie, and nothing else is one.
        if (fragment.sequence < 2) != (fragment.kind == CLIENT_HELLO) {
            return false;
        }
        if fragment.sequence == 0 && self.assembly.next() == 1 {
            return self.hello_again.push(fragment);
        }
        self.assembly.push(fragment)
    }

    /// The client sends the message again that we have answered.
    fn is_repeated(&self, fragment: &Fragment<'_>) -> bool {
        let answered = self.assembly.next().checked_sub(1);
        self.role == DtlsRole::Server && fragment.sequence == 1 && answered == Some(1) && fragment.offset == 0
    }

    fn keep_sealed(&mut self, record: &[u8]) -> bool {
        if record.len() > DTLS_SEALED_BYTES {
            return false;
        }
        if self.sealed.len() == HANDSHAKE_SEALED_HELD {
            self.sealed.pop_front();
        }
        self.sealed.push_back(record.to_vec());
        true
    }

    /// A first ClientHello again: the same is answered again; with another one the handshake begins anew, because the
    /// first may have been forged.
    fn restart_hello(&mut self, now: Instant, out: &mut Outgoing) -> Result<Step, DropReason> {
        let Some(message) = self.hello_again.pop() else {
            return Ok(Step::Pending);
        };
        self.hello_again = Assembly::default();
        if message.body == self.hello {
            self.repeat(now, out);
        } else if self.restarts < HANDSHAKE_RESTARTS {
            self.restarts += 1;
            self.sealed.clear();
            self.number = 0;
            let mut plain = Vec::new();
            if self.begin(&message) {
                write_message(&mut plain, 0, &message);
                self.number = 1;
                return self.feed(now, &plain, out);
            }
        }
        Ok(Step::Pending)
    }

    /// Feeds what is complete: the server each message, the client each flight.
    fn advance(&mut self, now: Instant, out: &mut Outgoing) -> Result<Step, DropReason> {
        let mut plain = Vec::new();
        if self.role == DtlsRole::Server || self.is_flight_complete() {
            while let Some(message) = self.assembly.pop() {
                if self.admits(&message) {
                    write_message(&mut plain, self.number, &message);
                    self.number += 1;
                } else {
                    self.assembly.rewind(message.sequence);
                    break;
                }
            }
        }
        if !plain.is_empty() {
            if self.role == DtlsRole::Server && self.assembly.next() > 2 {
                // Our flight has arrived; from here on the client's timer drives.
                self.resend_at = None;
            }
            let step = self.feed(now, &plain, out)?;
            if !matches!(step, Step::Pending) {
                return Ok(step);
            }
        }
        if self.sealed.is_empty() || !self.has_keys() { Ok(Step::Pending) } else { self.read_sealed(now, out) }
    }

    fn read_sealed(&mut self, now: Instant, out: &mut Outgoing) -> Result<Step, DropReason> {
        let mut records = Vec::new();
        let since = *self.keys_since.get_or_insert_with(|| {
            write_change_cipher_spec(&mut records, self.number);
            now
        });
        let earned = now.saturating_duration_since(since).as_millis() / HANDSHAKE_SEALED_INTERVAL.as_millis();
        if u128::from(self.sealed_reads) >= u128::from(HANDSHAKE_SEALED_READS) + earned {
            return Err(DropReason::HandshakeBudget);
        }
        self.sealed_reads += 1;
        records.extend(self.sealed.drain(..).flatten());
        self.feed(now, &records, out)
    }

    fn is_flight_complete(&self) -> bool {
        let mut ready = self.assembly.ready();
        ready.next().is_some_and(|kind| kind == HELLO_VERIFY_REQUEST || kind == SERVER_HELLO_DONE)
            || ready.any(|kind| kind == SERVER_HELLO_DONE)
    }

    fn admits(&mut self, message: &Message) -> bool {
        match (self.role, message.sequence) {
            (DtlsRole::Server, 0) => self.begin(message),
            (DtlsRole::Server, 1) => {
                let expected = self.flight.first().and_then(|datagram| datagram.get(COOKIE_AT..));
                ClientHello::peek(&message.body).is_some_and(|hello| Some(hello.cookie) == expected)
            }
            _ => true,
        }
    }

    /// Sets the endpoint up for this ClientHello.
    fn begin(&mut self, message: &Message) -> bool {
        let Some(hello) = ClientHello::peek(&message.body) else {
            return false;
        };
        let Ok(config) = endpoint::configure(&self.certificate, &self.fingerprint, self.role, &[hello.profile]) else {
            return false;
        };
        self.hello.clone_from(&message.body);
        self.endpoint = Some(Endpoint::new(PEER, TransportProtocol::UDP, Some(config)));
        true
    }

    fn feed(&mut self, now: Instant, records: &[u8], out: &mut Outgoing) -> Result<Step, DropReason> {
        let Some(endpoint) = &mut self.endpoint else {
            return Err(DropReason::DtlsInvalid);
        };
        if self.fed_bytes + records.len() > HANDSHAKE_BYTES || self.fed_datagrams >= HANDSHAKE_DATAGRAMS {
            return Err(DropReason::HandshakeBudget);
        }
        self.fed_bytes += records.len();
        self.fed_datagrams += 1;
        let result = endpoint.read(now, PEER, None, BytesMut::from(records));
        // Also an error leaves datagrams: the alert that says why.
        self.collect(now, out);
        let Ok(events) = result else {
            return Ok(Step::Failed);
        };
        if events.iter().any(|event| matches!(event, EndpointEvent::PeerClosed)) {
            return Ok(Step::Failed);
        }
        if events.iter().any(|event| matches!(event, EndpointEvent::HandshakeComplete)) {
            return Ok(self.finish());
        }
        Ok(Step::Pending)
    }

    /// Takes what the endpoint wants to send: a new flight.
    fn collect(&mut self, now: Instant, out: &mut Outgoing) {
        let Some(endpoint) = &mut self.endpoint else {
            return;
        };
        let flight: Vec<_> = endpoint::transmits(endpoint).collect();
        if flight.is_empty() {
            return;
        }
        out.is_new = true;
        out.datagrams.extend(flight.iter().cloned());
        self.flight = flight;
        self.flight_at = Some(now);
        self.resend_after = DTLS_RETRANSMIT_FIRST;
        // A HelloVerifyRequest is sent again only when the client asks again (RFC 6347 §4.2.1).
        let waits = self.role == DtlsRole::Client || self.assembly.next() >= 2;
        self.resend_at = waits.then_some(now + self.resend_after);
    }

    fn repeat(&mut self, now: Instant, out: &mut Outgoing) {
        out.datagrams.extend(self.flight.iter().cloned());
        self.flight_at = Some(now);
    }

    fn has_keys(&self) -> bool {
        self.endpoint.as_ref().is_some_and(endpoint::has_keys)
    }

    fn finish(&mut self) -> Step {
        let done = self.endpoint.take().and_then(|done| Some((endpoint::outcome(&done, &self.fingerprint)?, done)));
        done.map_or(Step::Failed, |(profile, endpoint)| Step::Done(endpoint, profile))
    }
}
