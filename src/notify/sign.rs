//! Signatures of webhooks, by the convention of Standard Webhooks (<https://www.standardwebhooks.com>, version 1.0.0),
//! so that its libraries check them: HMAC-SHA256 over `id.timestamp.body`.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

use crate::limits;
use crate::secret::Secret;

/// The delivery's name, the same each time it is tried.
pub const ID: &str = "webhook-id";
/// Seconds since 1970.
pub const TIMESTAMP: &str = "webhook-timestamp";
/// `v1,` and base64; several may stand there with spaces between them.
pub const SIGNATURE: &str = "webhook-signature";

/// What secrets of the convention begin with; base64 follows.
const PREFIX: &str = "whsec_";

/// Why a delivery is not to be believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Distrust {
    /// No number.
    #[error("the timestamp is no number of seconds since 1970")]
    Timestamp,
    /// Too old, or not yet: a recorded one, or a wrong clock.
    #[error("the timestamp is {0} s away from now, at most {max} are allowed", max = limits::HOOK_TOLERANCE.as_secs())]
    Age(u64),
    /// Another secret, another body, another sender.
    #[error("no signature fits")]
    Signature,
}

/// The value of [`SIGNATURE`].
#[must_use]
pub fn sign(secret: &Secret, id: &str, timestamp: u64, body: &[u8]) -> String {
    let tag = hmac::sign(&key(secret), &content(id, &timestamp.to_string(), body));
    format!("v1,{}", STANDARD.encode(tag))
}

/// Checks a delivery at the time `now`.
///
/// # Errors
/// [`Distrust`]
pub fn verify(
    secret: &Secret,
    now: SystemTime,
    (id, timestamp, signature): (&str, &str, &str),
    body: &[u8],
) -> Result<(), Distrust> {
    let at = timestamp.parse::<u64>().map_err(|_| Distrust::Timestamp)?;
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    if now.abs_diff(at) > limits::HOOK_TOLERANCE.as_secs() {
        return Err(Distrust::Age(now.abs_diff(at)));
    }
    let (key, content) = (key(secret), content(id, timestamp, body));
    let tags = signature.split(' ').filter_map(|entry| STANDARD.decode(entry.strip_prefix("v1,")?).ok());
    // In constant time; of several, one is enough: while a secret changes, both sign.
    let fits = tags.fold(false, |fits, tag| fits | hmac::verify(&key, &content, &tag).is_ok());
    if fits { Ok(()) } else { Err(Distrust::Signature) }
}

/// What follows `whsec_` is base64; any other text is taken as it is.
fn key(secret: &Secret) -> hmac::Key {
    let text = secret.expose();
    let decoded = text.strip_prefix(PREFIX).and_then(|encoded| STANDARD.decode(encoded).ok());
    hmac::Key::new(hmac::HMAC_SHA256, decoded.as_deref().unwrap_or(text.as_bytes()))
}

fn content(id: &str, timestamp: &str, body: &[u8]) -> Vec<u8> {
    [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example that the convention's own libraries test themselves with.
    const KNOWN: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn the_known_example() {
        let body = br#"{"test": 2432232314}"#;
        let signature = sign(&Secret::new(KNOWN), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    type Row<'a> = (&'a str, &'a str, &'a str, &'a [u8], Result<(), Distrust>);

    #[test]
    fn what_is_believed() {
        let secret = Secret::new("a text of its own");
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let good = sign(&secret, "id", 1_000_000, b"body");
        let old = sign(&secret, "id", 999_699, b"body");
        let (both, junk) = (format!("v1,AAAA v2,x {good}"), format!("v2,{}", &good[3..]));
        let table: [Row<'_>; 10] = [
            ("id", "1000000", &good, b"body", Ok(())),
            ("id", "1000000", &both, b"body", Ok(())),
            ("other", "1000000", &good, b"body", Err(Distrust::Signature)),
            ("id", "1000001", &good, b"body", Err(Distrust::Signature)),
            ("id", "1000000", &good, b"body ", Err(Distrust::Signature)),
            ("id", "1000000", &junk, b"body", Err(Distrust::Signature)),
            ("id", "1000000", "", b"body", Err(Distrust::Signature)),
            ("id", "999699", &old, b"body", Err(Distrust::Age(301))),
            ("id", "1000301", &good, b"body", Err(Distrust::Age(301))),
            ("id", "soon", &good, b"body", Err(Distrust::Timestamp)),
        ];
        for (id, timestamp, signature, body, expected) in table {
            assert_eq!(verify(&secret, now, (id, timestamp, signature), body), expected, "{id} {timestamp}");
        }
        let other = Secret::new("another");
        assert_eq!(verify(&other, now, ("id", "1000000", &good), b"body"), Err(Distrust::Signature));
    }
}
