//! Signed tokens: JSON Web Tokens in the compact form of RFC 7515 §3.1. Why with our own hands over `ring` is in
//! decision 10.
//!
//! A token is looked at in an order in which nothing that an attacker writes is used before its signature holds, but
//! `alg` and `kid`, and these only choose among the keys that the operator configured. `jwk`, `jku`, `x5u` and `x5c`
//! are not even read; `crit` (RFC 7515 §4.1.11) is refused, because we understand no extension.

mod claims;
mod der;
mod key;
pub mod key_set;
pub mod sign;

use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::auth::jwt::key::Algorithm;
use crate::auth::jwt::key_set::KeySet;
use crate::auth::refusal::Refusal;
use crate::secret::Secret;

pub use crate::auth::jwt::claims::Claims;
pub use crate::auth::jwt::key::Key;

/// What the operator sets.
#[derive(Clone, Default, Debug)]
pub struct JwtConfig {
    /// The secret of tokens that are signed by HMAC.
    pub secret: Option<Secret>,
    /// Public keys, as they were read from their files.
    pub public_keys: Vec<Key>,
    /// Where a key set is (RFC 7517 §5).
    pub key_set_url: Option<String>,
    /// Who must have signed (`iss`).
    pub issuer: Option<String>,
    /// For whom it must be (`aud`).
    pub audience: Option<String>,
    /// A token without `exp` is refused.
    pub require_expiry: bool,
}

impl JwtConfig {
    /// True where some signed token is taken.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.secret.is_some() || !self.public_keys.is_empty() || self.key_set_url.is_some()
    }
}

/// Checks signed tokens.
pub(super) struct Verifier {
    config: JwtConfig,
    /// The secret and the public keys.
    keys: Vec<Key>,
    key_set: Option<Arc<KeySet>>,
}

impl Verifier {
    /// From the configuration. A key set that was fetched from the same address before is kept.
    pub fn new(config: &JwtConfig, before: Option<&Self>) -> Self {
        let keys = config.secret.clone().map(Key::secret).into_iter().chain(config.public_keys.iter().cloned());
        let kept = |url: &String| {
            let set = before.and_then(|before| before.key_set.clone()).filter(|set| set.url() == url);
            set.unwrap_or_else(|| Arc::new(KeySet::new(url)))
        };
        Self { config: config.clone(), keys: keys.collect(), key_set: config.key_set_url.as_ref().map(kept) }
    }

    pub fn is_enabled(&self) -> bool {
        self.config.is_enabled()
    }

    /// What the token says, where its signature holds and its time has come; nobody has asked yet what it permits.
    pub async fn verify(&self, token: &str, now: SystemTime) -> Result<Claims, Refusal> {
        let token = Compact::parse(token)?;
        if !self.keys.iter().any(|key| token.is_signed_by(key)) {
            self.verify_with_set(&token).await?;
        }
        let claims = Claims::parse(&token.payload()?)?;
        claims.check(&self.config, now)?;
        Ok(claims)
    }

    async fn verify_with_set(&self, token: &Compact<'_>) -> Result<(), Refusal> {
        let some_fits = self.keys.iter().any(|key| key.fits(token.algorithm));
        let otherwise = if some_fits { Refusal::Signature } else { Refusal::Algorithm };
        let Some(set) = self.key_set.as_ref().filter(|_| token.algorithm.is_public()) else { return Err(otherwise) };
        let keys = set.current().await;
        let keys = if keys.iter().any(|key| token.may_be_of(key)) { keys } else { set.newer_than(keys).await };
        if keys.iter().any(|key| token.may_be_of(key) && token.is_signed_by(key)) {
            return Ok(());
        }
        if set.is_missing() {
            return Err(Refusal::KeySetFailed);
        }
        let known = some_fits || keys.iter().any(|key| token.may_be_of(key));
        Err(if known { Refusal::Signature } else { Refusal::UnknownKey })
    }
}

/// A token taken apart.
struct Compact<'a> {
    algorithm: Algorithm,
    key_id: Option<String>,
    /// What is signed: header and payload, as they were sent.
    message: &'a str,
    payload: &'a str,
    signature: Vec<u8>,
}

/// Of the header only what chooses a key, and `crit`. A member that is there twice is an error.
#[derive(Deserialize)]
struct Header<'a> {
    alg: String,
    kid: Option<String>,
    #[serde(borrow)]
    crit: Option<&'a RawValue>,
}

impl<'a> Compact<'a> {
    fn parse(token: &'a str) -> Result<Self, Refusal> {
        let (message, signature) = token.rsplit_once('.').ok_or(Refusal::Malformed)?;
        let (header, payload) = message.split_once('.').ok_or(Refusal::Malformed)?;
        let header = URL_SAFE_NO_PAD.decode(header).map_err(|_| Refusal::Malformed)?;
        let header: Header<'_> = object(&header)?;
        if header.crit.is_some() {
            return Err(Refusal::Critical);
        }
        let algorithm = Algorithm::named(&header.alg).ok_or(Refusal::Algorithm)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Refusal::Malformed)?;
        Ok(Self { algorithm, key_id: header.kid, message, payload, signature })
    }

    /// The key is for such tokens, and is the one that is named where both have a name.
    fn may_be_of(&self, key: &Key) -> bool {
        key.fits(self.algorithm) && (self.key_id.is_none() || key.id.is_none() || key.id == self.key_id)
    }

    fn is_signed_by(&self, key: &Key) -> bool {
        key.verifies(self.algorithm, self.message.as_bytes(), &self.signature)
    }

    fn payload(&self) -> Result<Vec<u8>, Refusal> {
        URL_SAFE_NO_PAD.decode(self.payload).map_err(|_| Refusal::Malformed)
    }
}

/// A JSON object. serde would take an array for a structure too, its elements in the order of the fields.
fn object<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, Refusal> {
    let object = json.trim_ascii_start().first() == Some(&b'{');
    object.then(|| serde_json::from_slice(json).ok()).flatten().ok_or(Refusal::Malformed)
}

/// True for what may be a signed token: two dots, of which other tokens hardly have any.
pub(super) fn is_signed(token: &str) -> bool {
    token.bytes().filter(|byte| *byte == b'.').count() == 2
}

/// Header and claims as they are written, whoever wrote them: to be shown, never to be believed.
#[must_use]
pub fn read(token: &str) -> Option<(serde_json::Value, serde_json::Value)> {
    let mut parts = token.split('.').map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok());
    Some((parts.next()??, parts.next()??))
}

#[cfg(test)]
mod tests;
