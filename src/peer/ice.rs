//! An ICE-lite responder (RFC 8445 §2.5): answers checks, learns the client's addresses from them, and follows its
//! nomination. Nothing changes before a check's MESSAGE-INTEGRITY has been verified.

use std::time::{Duration, Instant};

use rtc_dtls::crypto_provider::{RTCCrypto, default_provider};
use rtc_stun::attributes::{
    ATTR_FINGERPRINT, ATTR_ICE_CONTROLLED, ATTR_MESSAGE_INTEGRITY, ATTR_PRIORITY, ATTR_USE_CANDIDATE, ATTR_USERNAME,
    AttrType, Attributes,
};
use rtc_stun::error_code::{CODE_ROLE_CONFLICT, CODE_UNKNOWN_ATTRIBUTE, ErrorCode};
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{
    BINDING_ERROR, BINDING_REQUEST, BINDING_SUCCESS, Message, MessageType, Setter as _, TransactionId,
};
use rtc_stun::uattrs::UnknownAttributes;
use rtc_stun::xoraddr::XorMappedAddress;

use crate::limits;
use crate::peer::challenge::Transaction;
use crate::peer::path::Path;
use crate::sdp::IceCredentials;
use crate::sfu::drop::DropReason;

/// A selected path that has been silent for so long gives way to another one that is checked, even without a
/// nomination: the client's address has changed behind its back.
const STALE_PATH: Duration = Duration::from_millis(2_500);
/// Bytes of a MESSAGE-INTEGRITY value (RFC 8489 §14.5).
const INTEGRITY: usize = 20;

/// Both sides' credentials, of the session or of its last restart.
struct Generation {
    local: IceCredentials,
    remote: IceCredentials,
}

/// The responder of one session.
pub struct Responder {
    current: Generation,
    /// After a restart, until the first check with the new credentials.
    previous: Option<Generation>,
    paths: Vec<Path>,
    selected: Option<Path>,
    selected_heard: Instant,
}

/// What a check did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Checked {
    /// The path is validated now, and was not before.
    pub validated: bool,
    /// A path that had to make room.
    pub forgotten: Option<Path>,
    /// The path is selected now, and was not before.
    pub selected: bool,
}

impl Responder {
    /// A responder that has heard nothing.
    #[must_use]
    pub fn new(now: Instant, local: IceCredentials, remote: IceCredentials) -> Self {
        Self {
            current: Generation { local, remote },
            previous: None,
            paths: Vec::new(),
            selected: None,
            selected_heard: now,
        }
    }

    /// New credentials on both sides.
    pub fn restart(&mut self, local: IceCredentials, remote: IceCredentials) {
        let current = Generation { local, remote };
        self.previous = Some(std::mem::replace(&mut self.current, current));
    }

    /// True for a path that a check has validated.
    #[must_use]
    pub fn is_validated(&self, path: &Path) -> bool {
        self.paths.contains(path)
    }

    /// Where to send.
    #[must_use]
    pub fn selected(&self) -> Option<Path> {
        self.selected
    }

    /// Something authentic came on this path.
    pub fn heard(&mut self, now: Instant, path: &Path) {
        if self.selected == Some(*path) {
            self.selected_heard = now;
        }
    }

    /// A path is gone (its TCP connection closed). True where it was known.
    pub fn forget(&mut self, path: &Path) -> bool {
        let before = self.paths.len();
        self.paths.retain(|known| known != path);
        if self.selected == Some(*path) {
            self.selected = None;
        }
        self.paths.len() != before
    }

    /// A request of our own, for [`crate::peer::challenge`]: a full agent answers it on whatever path it comes.
    ///
    /// # Errors
    /// Where the codec refuses.
    pub fn request(&self, transaction: Transaction) -> Result<Vec<u8>, DropReason> {
        let crypto = default_provider().map_err(|_| DropReason::StunIntegrity)?;
        let Generation { local, remote } = &self.current;
        let mut message = Message::new();
        message.transaction_id = TransactionId(transaction);
        message.set_type(BINDING_REQUEST);
        message.write_header();
        let username = format!("{}:{}", remote.ufrag, local.ufrag);
        // The priority of a peer-reflexive candidate; a lite agent is always controlled, so its tie-breaker never
        // decides.
        message.add(ATTR_USERNAME, username.as_bytes());
        message.add(ATTR_PRIORITY, &0x6e00_01ff_u32.to_be_bytes());
        message.add(ATTR_ICE_CONTROLLED, &0_u64.to_be_bytes());
        MessageIntegrity::new_short_term_integrity_with_provider(remote.pwd.clone(), crypto.crypto())
            .add_to(&mut message)
            .and_then(|()| FINGERPRINT.add_to(&mut message))
            .map_err(|_| DropReason::StunMalformed)?;
        Ok(message.raw)
    }

    /// True for the success response to a request of ours, sealed with the client's password.
    #[must_use]
    pub fn is_answer(&self, data: &[u8], transaction: Transaction) -> bool {
        let Ok(crypto) = default_provider() else { return false };
        let mut message = Message::new();
        let parsed = message.unmarshal_binary(data).is_ok() && data.len() == 20 + message.length as usize;
        parsed
            && message.typ == BINDING_SUCCESS
            && message.transaction_id == TransactionId(transaction)
            && message.get(ATTR_MESSAGE_INTEGRITY).is_ok_and(|value| value.len() == INTEGRITY)
            && MessageIntegrity::check(&mut message, self.current.remote.pwd.as_bytes(), crypto.crypto()).is_ok()
    }

    /// Answers one message into `reply`.
    ///
    /// # Errors
    /// Why nothing came of it.
    pub fn handle(
        &mut self,
        now: Instant,
        path: Path,
        data: &[u8],
        reply: &mut Vec<u8>,
    ) -> Result<Checked, DropReason> {
        let crypto = default_provider().map_err(|_| DropReason::StunIntegrity)?;
        let crypto = crypto.crypto();
        let mut message = parse(data)?;
        let with_current = self.authenticate(&mut message, crypto)?;
        let password = match (&self.previous, with_current) {
            (Some(previous), false) => previous.local.pwd.clone(),
            _ => self.current.local.pwd.clone(),
        };
        if let Some((code, unknown)) = objection(&message) {
            *reply = respond(&message, &path, BINDING_ERROR, Some((code, unknown)), &password, crypto)?;
            return Ok(Checked::default());
        }
        *reply = respond(&message, &path, BINDING_SUCCESS, None, &password, crypto)?;
        let restarted = with_current && self.previous.take().is_some();
        let nominated = has(&message, ATTR_USE_CANDIDATE);
        Ok(self.apply(now, path, nominated, restarted))
    }

    /// True when the check was made with the current credentials, false with the previous ones.
    fn authenticate(&self, message: &mut Message, crypto: &dyn RTCCrypto) -> Result<bool, DropReason> {
        let username = message.get(ATTR_USERNAME).map_err(|_| DropReason::StunMalformed)?;
        let names = |generation: &Generation| {
            let expected = [&generation.local.ufrag, ":", &generation.remote.ufrag].map(str::as_bytes).concat();
            expected == username
        };
        let current = names(&self.current);
        let generation = match &self.previous {
            _ if current => &self.current,
            Some(previous) if names(previous) => previous,
            _ => return Err(DropReason::StunUnknownUfrag),
        };
        let whole = message.get(ATTR_MESSAGE_INTEGRITY).is_ok_and(|value| value.len() == INTEGRITY);
        if !whole || MessageIntegrity::check(message, generation.local.pwd.as_bytes(), crypto).is_err() {
            return Err(DropReason::StunIntegrity);
        }
        Ok(current)
    }

    fn apply(&mut self, now: Instant, path: Path, nominated: bool, restarted: bool) -> Checked {
        let mut checked = Checked::default();
        if !self.paths.contains(&path) {
            if self.paths.len() == limits::PATHS_PER_PEER {
                let oldest = self.paths.iter().position(|known| Some(*known) != self.selected).unwrap_or(0);
                checked.forgotten = Some(self.paths.remove(oldest));
            }
            self.paths.push(path);
            checked.validated = true;
        }
        let stale = now.saturating_duration_since(self.selected_heard) >= STALE_PATH;
        if self.selected != Some(path) && (self.selected.is_none() || nominated || restarted || stale) {
            self.selected = Some(path);
            checked.selected = true;
        }
        self.heard(now, &path);
        checked
    }
}

fn parse(data: &[u8]) -> Result<Message, DropReason> {
    let mut message = Message::new();
    message.unmarshal_binary(data).map_err(|_| DropReason::StunMalformed)?;
    // The codec takes trailing bytes; then its fingerprint check would be of something else than what was parsed.
    let whole = data.len() == 20 + message.length as usize;
    if !whole || message.typ != BINDING_REQUEST {
        return Err(DropReason::StunMalformed);
    }
    if has(&message, ATTR_FINGERPRINT) && FINGERPRINT.check(&message).is_err() {
        return Err(DropReason::StunMalformed);
    }
    // What stands behind MESSAGE-INTEGRITY is not covered by it and does not count (RFC 8489 §14.5).
    let Attributes(attributes) = &mut message.attributes;
    let covered = attributes.iter().position(|attribute| attribute.typ == ATTR_MESSAGE_INTEGRITY);
    match covered {
        Some(at) if attributes[at + 1..].iter().all(|attribute| attribute.typ == ATTR_FINGERPRINT) => Ok(message),
        Some(_) => Err(DropReason::StunMalformed),
        None => Err(DropReason::StunIntegrity),
    }
}

fn has(message: &Message, attribute: AttrType) -> bool {
    message.attributes.0.iter().any(|found| found.typ == attribute)
}

/// Why an authentic check is answered with an error: a role conflict (a lite agent stays controlled, RFC 8445
/// §6.1.1) or attributes that must be understood and are not (RFC 8489 §6.3.1).
fn objection(message: &Message) -> Option<(ErrorCode, Vec<AttrType>)> {
    // USERNAME, MESSAGE-INTEGRITY, PRIORITY, USE-CANDIDATE; above 0x8000 understanding is optional.
    const KNOWN: [u16; 4] = [0x0006, 0x0008, 0x0024, 0x0025];
    let unknown: Vec<AttrType> = message
        .attributes
        .0
        .iter()
        .map(|attribute| attribute.typ)
        .filter(|typ| typ.value() < 0x8000 && !KNOWN.contains(&typ.value()))
        .take(8)
        .collect();
    if !unknown.is_empty() {
        return Some((CODE_UNKNOWN_ATTRIBUTE, unknown));
    }
    has(message, ATTR_ICE_CONTROLLED).then_some((CODE_ROLE_CONFLICT, Vec::new()))
}

fn respond(
    request: &Message,
    path: &Path,
    typ: MessageType,
    error: Option<(ErrorCode, Vec<AttrType>)>,
    password: &str,
    crypto: &dyn RTCCrypto,
) -> Result<Vec<u8>, DropReason> {
    let mut response = Message::new();
    response.transaction_id = request.transaction_id;
    response.set_type(typ);
    response.write_header();
    let filled = match error {
        Some((code, unknown)) if unknown.is_empty() => code.add_to(&mut response),
        Some((code, unknown)) => {
            code.add_to(&mut response).and_then(|()| UnknownAttributes(unknown).add_to(&mut response))
        }
        None => XorMappedAddress { ip: path.remote.ip(), port: path.remote.port() }.add_to(&mut response),
    };
    let integrity = MessageIntegrity::new_short_term_integrity_with_provider(password.to_owned(), crypto);
    filled
        .and_then(|()| integrity.add_to(&mut response))
        .and_then(|()| FINGERPRINT.add_to(&mut response))
        .map_err(|_| DropReason::StunMalformed)?;
    Ok(response.raw)
}
