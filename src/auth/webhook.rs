//! Somebody else decides: a POST of what is wanted, answered with yes or no.
//!
//! The token itself is never sent, only its SHA-256: whoever made the token can compare, and whoever reads along learns
//! nothing he could use. What is no clear yes is a no. Answers count for a while, so that a player that comes back, or
//! an attacker who repeats himself, asks once.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use tracing::warn;

use crate::auth::digest::Digest;
use crate::auth::grant::{Action, Grant, Need, Principal, Scope};
use crate::auth::presented::Presented;
use crate::auth::refusal::Refusal;
use crate::fetch::{self, Bounds};
use crate::id::ClientAddress;
use crate::limits;

/// Asks an address of the operator.
pub(super) struct Webhook {
    url: String,
    places: Semaphore,
    answers: Mutex<BTreeMap<Question, (Instant, Answer)>>,
}

/// What is asked; the same question has the same answer for a while.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Question {
    action: Action,
    room: Option<String>,
    address: ClientAddress,
    /// In hexadecimal digits.
    token: Option<String>,
}

#[derive(Serialize)]
struct Body<'a> {
    action: &'static str,
    room: Option<&'a str>,
    address: String,
    token_sha256: Option<&'a str>,
}

/// What the webhook says.
#[derive(Clone, Copy, Deserialize, Debug)]
struct Answer {
    allow: bool,
    /// Seconds since 1970.
    expires_at: Option<u64>,
}

impl Webhook {
    pub fn new(url: &str) -> Self {
        let places = Semaphore::new(limits::AUTH_WEBHOOK_QUESTIONS);
        Self { url: url.to_owned(), places, answers: Mutex::default() }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// The grant, where the answer is a clear yes that has not expired.
    pub async fn ask(&self, presented: &Presented, need: Need<'_>, now: SystemTime) -> Result<Grant, Refusal> {
        let digest = presented.deciding().map(Digest::of);
        let question = Question {
            action: need.action,
            room: need.room.map(ToString::to_string),
            address: presented.address,
            token: digest.as_ref().map(Digest::hexadecimal),
        };
        let answer = match self.remembered(&question) {
            Some(answer) => answer,
            None => self.fetch(question).await?,
        };
        let expires_at = answer.expires_at.map(|at| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(at)));
        let expires_at = expires_at.map(|at| at.ok_or(Refusal::WebhookFailed)).transpose()?;
        if !answer.allow || expires_at.is_some_and(|at| at <= now) {
            return Err(Refusal::Denied);
        }
        let principal = digest.map_or(Principal::Anyone, Principal::Token);
        Ok(Grant { expires_at, ..Grant::new(principal, Scope::Any) })
    }

    async fn fetch(&self, question: Question) -> Result<Answer, Refusal> {
        let place = timeout(limits::AUTH_WEBHOOK_WAIT, self.places.acquire());
        let _place = place.await.ok().and_then(Result::ok).ok_or(Refusal::WebhookBusy)?;
        // Somebody may have asked the same while this one waited.
        if let Some(answer) = self.remembered(&question) {
            return Ok(answer);
        }
        let body = Body {
            action: question.action.name(),
            room: question.room.as_deref(),
            address: question.address.to_string(),
            token_sha256: question.token.as_deref(),
        };
        let json = serde_json::to_vec(&body).expect("texts are JSON");
        let bounds = Bounds { deadline: limits::AUTH_WEBHOOK_TIME, bytes: limits::AUTH_WEBHOOK_BYTES };
        let fetched = fetch::post(&self.url, Vec::new(), json, bounds).await;
        let answer = match fetched {
            // The two refusals that an HTTP server has; whatever it says beside.
            Ok(fetched) if matches!(fetched.status, 401 | 403) => Answer { allow: false, expires_at: None },
            Ok(fetched) if fetched.status == 200 => match serde_json::from_slice(&fetched.body) {
                Ok(answer) => answer,
                Err(_) => return Err(failed("its answer is not {\"allow\": true} or {\"allow\": false}")),
            },
            Ok(fetched) => return Err(failed(format_args!("its answer has status {}", fetched.status))),
            Err(error) => return Err(failed(error)),
        };
        self.remember(question, answer);
        Ok(answer)
    }

    fn remembered(&self, question: &Question) -> Option<Answer> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(question).filter(|(until, _)| *until > Instant::now()).map(|(_, answer)| *answer)
    }

    /// Where there is no place, those that no longer count go; and if none of them goes, all do: they are asked again.
    fn remember(&self, question: Question, answer: Answer) {
        let now = Instant::now();
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= limits::AUTH_WEBHOOK_CACHE {
            answers.retain(|_, (until, _)| *until > now);
        }
        if answers.len() >= limits::AUTH_WEBHOOK_CACHE {
            answers.clear();
        }
        answers.insert(question, (now + limits::AUTH_WEBHOOK_CACHE_TIME, answer));
    }
}

/// The address may have a secret in it: it is not told.
fn failed(why: impl std::fmt::Display) -> Refusal {
    warn!(%why, "the webhook that decides who may failed, so nobody may");
    Refusal::WebhookFailed
}
