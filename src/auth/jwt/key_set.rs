//! Public keys from an address (RFC 7517 §5), which the issuer changes now and then.
//!
//! A set is fetched when the first token needs it, and again when it has become old: an old one may have keys that the
//! issuer has taken out since, so tokens wait for the new one. A token that names a key which is not in the set has it
//! fetched at once, because the issuer may have a new one; but the next time not before [`Pace::interval`] has passed,
//! whatever tokens name, and one fetch is under way at most. Where a fetch fails the last good set stays, and for a
//! while nobody waits for the next.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::auth::jwt::key::{Jwk, Key};
use crate::fetch::{self, Bounds};
use crate::limits;

type Keys = Arc<Vec<Key>>;

/// How often a set is fetched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Least time between two fetches.
    pub interval: Duration,
    /// After this a set is old.
    pub age: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { interval: limits::KEY_SET_INTERVAL, age: limits::KEY_SET_AGE }
    }
}

/// The keys behind one address.
pub struct KeySet {
    url: String,
    pace: Pace,
    state: RwLock<State>,
    /// Whoever has it fetches.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    keys: Keys,
    /// When they came.
    fetched: Option<Instant>,
    /// When they were last asked for.
    asked: Option<Instant>,
    /// When the last fetch failed, where it did.
    failed: Option<Instant>,
}

/// Why a set was not taken.
#[derive(Debug, thiserror::Error)]
enum SetError {
    #[error(transparent)]
    Fetch(#[from] fetch::FetchError),
    #[error("the answer has status {0}")]
    Status(u16),
    #[error("the answer is no key set")]
    NoSet,
    #[error("no key of the set is one that is taken: RSA from 2048 bits on, P-256, Ed25519, for signatures")]
    NoKey,
    #[error("the set has more than {} keys", limits::KEY_SET_KEYS)]
    TooMany,
}

impl KeySet {
    pub(super) fn new(url: &str) -> Self {
        Self::with_pace(url, Pace::default())
    }

    pub(super) fn with_pace(url: &str, pace: Pace) -> Self {
        Self { url: url.to_owned(), pace, state: RwLock::default(), fetching: tokio::sync::Mutex::default() }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// There are none, because they could not be had.
    pub(super) fn is_missing(&self) -> bool {
        self.read(|state| state.fetched.is_none() && state.failed.is_some())
    }

    /// The keys. Waits for them where there never were any, and where they are old; but where they cannot be had,
    /// somebody else is sent for them.
    pub(super) async fn current(self: &Arc<Self>) -> Keys {
        let now = Instant::now();
        let (keys, fetched, failed) = self.read(|state| (state.keys.clone(), state.fetched, state.failed));
        // After a quiet night it is worth another try.
        let failed = failed.is_some_and(|failed| now - failed < limits::KEY_SET_FAILURE_TIME);
        let is_old = fetched.is_none_or(|fetched| now - fetched >= self.pace.age);
        match fetched {
            Some(_) if is_old && failed => {
                if self.may_ask(now) {
                    let (set, old) = (self.clone(), keys.clone());
                    tokio::spawn(async move { set.newer_than(old).await });
                }
                keys
            }
            _ if is_old => self.newer_than(keys).await,
            _ => keys,
        }
    }

    /// Other keys than these, where they can be had; otherwise what is there. They are fetched to the end, whether who
    /// asked still waits or not: one who leaves must not keep others from new keys.
    pub(super) async fn newer_than(self: &Arc<Self>, known: Keys) -> Keys {
        let set = self.clone();
        tokio::spawn(async move { set.renew(known).await }).await.unwrap_or_else(|_| self.keys())
    }

    async fn renew(&self, known: Keys) -> Keys {
        if !self.may_ask(Instant::now()) && Arc::ptr_eq(&self.keys(), &known) && self.fetching.try_lock().is_ok() {
            return known;
        }
        let _turn = self.fetching.lock().await;
        // Somebody else may have fetched while this one waited.
        if Arc::ptr_eq(&self.keys(), &known) && self.may_ask(Instant::now()) {
            self.write(|state| state.asked = Some(Instant::now()));
            match self.fetch().await {
                Ok(keys) => {
                    info!(keys = keys.len(), "key set fetched");
                    let now = Some(Instant::now());
                    self.write(|state| (state.keys, state.fetched, state.failed) = (Arc::new(keys), now, None));
                }
                Err(error) => {
                    // The address may have a secret in it: it is not told.
                    warn!(%error, kept = known.len(), "no key set, the last one stays");
                    self.write(|state| state.failed = Some(Instant::now()));
                }
            }
        }
        self.keys()
    }

    async fn fetch(&self) -> Result<Vec<Key>, SetError> {
        let bounds = Bounds { deadline: limits::KEY_SET_TIME, bytes: limits::KEY_SET_BYTES };
        let fetched = fetch::get(&self.url, bounds).await?;
        if fetched.status != 200 {
            return Err(SetError::Status(fetched.status));
        }
        parse(&fetched.body)
    }

    fn may_ask(&self, now: Instant) -> bool {
        self.read(|state| state.asked.is_none_or(|asked| now - asked >= self.pace.interval))
    }

    fn keys(&self) -> Keys {
        self.read(|state| state.keys.clone())
    }

    fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self, write: impl FnOnce(&mut State)) {
        write(&mut self.state.write().unwrap_or_else(PoisonError::into_inner));
    }
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

/// The keys that can be used: a set may have others beside them, of kinds that nobody here knows.
fn parse(text: &[u8]) -> Result<Vec<Key>, SetError> {
    let document: Document = serde_json::from_slice(text).map_err(|_| SetError::NoSet)?;
    if document.keys.len() > limits::KEY_SET_KEYS {
        return Err(SetError::TooMany);
    }
    let jwks = document.keys.into_iter().filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
    let keys: Vec<Key> = jwks.filter_map(Key::from_jwk).collect();
    if keys.is_empty() { Err(SetError::NoKey) } else { Ok(keys) }
}
