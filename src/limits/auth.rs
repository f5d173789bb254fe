//! Credentials.

use std::time::Duration;

/// Longest token that is looked at: a signed one with a few claims has 500 bytes, one with a list of rooms 4 kB. Longer
/// ones cost no work but reading the head they came in.
pub const TOKEN_BYTES: usize = 8 << 10;
/// So much may the issuer's clock be off from ours (RFC 7519 §4.1.4: a few minutes at most).
pub const TOKEN_LEEWAY: Duration = Duration::from_secs(30);

/// From the question for a key set to its last byte. Who publishes waits for it when the server has just started, and
/// OBS gives up after 8 s.
pub const KEY_SET_TIME: Duration = Duration::from_secs(4);
/// Largest key set; one of five keys with their certificates has 20 kB.
pub const KEY_SET_BYTES: u64 = 256 << 10;
/// Keys in a set: a token without `kid` is tried with all of them, 30 µs each.
pub const KEY_SET_KEYS: usize = 64;
/// Least time between two fetches of a key set, whatever keys tokens name.
pub const KEY_SET_INTERVAL: Duration = Duration::from_secs(10);
/// So long after a fetch that failed nobody waits for the next one.
pub const KEY_SET_FAILURE_TIME: Duration = Duration::from_mins(1);
/// So old a key set is fetched again: a key that the issuer took out counts no longer than this.
pub const KEY_SET_AGE: Duration = Duration::from_mins(5);

/// From the question to the webhook to its answer.
pub const AUTH_WEBHOOK_TIME: Duration = Duration::from_secs(2);
/// Largest answer of the webhook.
pub const AUTH_WEBHOOK_BYTES: u64 = 4 << 10;
/// A shorter secret of signed tokens is warned of: an HMAC key has as many bytes as its hash (RFC 7518 §3.2).
pub const JWT_SECRET_BYTES: usize = 32;
/// A question waits so long until one of [`AUTH_WEBHOOK_QUESTIONS`] is answered.
pub const AUTH_WEBHOOK_WAIT: Duration = Duration::from_secs(2);
/// Questions that wait for the webhook: half of the server's own requests, so that a slow webhook does not hold up
/// the others.
pub const AUTH_WEBHOOK_QUESTIONS: usize = super::FETCHES / 2;
/// So long an answer of the webhook counts for the same question.
pub const AUTH_WEBHOOK_CACHE_TIME: Duration = Duration::from_secs(10);
/// Answers that are remembered, 200 bytes each.
pub const AUTH_WEBHOOK_CACHE: usize = 4096;

const _: () = assert!(AUTH_WEBHOOK_WAIT.as_secs() + AUTH_WEBHOOK_TIME.as_secs() + super::ADMIT_TIME.as_secs() < 8);
const _: () = assert!(KEY_SET_TIME.as_secs() + super::ADMIT_TIME.as_secs() < 8, "OBS waits 8 s for an answer");
