//! Who may: a token becomes a [`Grant`], or nothing.

use ring::digest::{SHA256, digest};
use subtle::ConstantTimeEq;

use crate::secret::Secret;

/// What the operator sets.
#[derive(Clone, Debug, Default)]
pub struct AuthConfig {
    /// The token for every room; `None`: all may.
    pub token: Option<Secret>,
    /// The administrator's; `None`: nobody may.
    pub admin_token: Option<Secret>,
}

/// What a request shows, as its headers have it.
#[derive(Clone, Copy, Default)]
pub struct Presented<'a> {
    /// `Authorization`, whatever its scheme.
    pub authorization: Option<&'a str>,
    /// `X-Auth-Token`; where it is there, it decides.
    pub x_auth_token: Option<&'a str>,
}

/// Whose credential it was: the same one may take over from itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Principal {
    /// Nothing is configured, so nobody showed anything.
    Anyone,
    /// The static token.
    StaticToken,
}

/// What its bearer may do. A static token covers every room and every action.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Grant {
    /// Whose credential it was.
    pub principal: Principal,
}

/// The request showed no token that holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no valid token")]
pub struct Unauthorized;

/// Knows the tokens.
pub struct Authenticator {
    /// The token's SHA-256: digests have one length, so comparing them in constant time hides the token's length too.
    token: Option<[u8; 32]>,
}

impl Authenticator {
    /// From the configuration.
    #[must_use]
    pub fn new(config: &AuthConfig) -> Self {
        Self { token: config.token.as_ref().map(|token| sha256(token.expose())) }
    }

    /// True when a token is configured.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.token.is_some()
    }

    /// The grant for what a request shows.
    ///
    /// # Errors
    /// [`Unauthorized`] where a token is configured and another one, or none, was shown.
    pub fn authorize(&self, presented: Presented<'_>) -> Result<Grant, Unauthorized> {
        let Some(expected) = &self.token else { return Ok(Grant { principal: Principal::Anyone }) };
        let shown = presented.token().ok_or(Unauthorized)?;
        if bool::from(sha256(shown).ct_eq(expected)) {
            Ok(Grant { principal: Principal::StaticToken })
        } else {
            Err(Unauthorized)
        }
    }
}

impl<'a> Presented<'a> {
    fn token(self) -> Option<&'a str> {
        self.x_auth_token.map(str::trim).filter(|token| !token.is_empty()).or_else(|| bearer(self.authorization?))
    }
}

/// The token of `Authorization: Bearer` (RFC 6750 §2.1), the scheme in any case (RFC 9110 §11.1).
fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn sha256(text: &str) -> [u8; 32] {
    digest(&SHA256, text.as_bytes()).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_a_token_configured() {
        let auth = Authenticator::new(&AuthConfig { token: Some(Secret::new("s3cret")), ..AuthConfig::default() });
        assert!(auth.is_enabled());
        let table: [(Option<&str>, Option<&str>, bool); 20] = [
            (None, None, false),
            (Some("Bearer s3cret"), None, true),
            (Some("bearer s3cret"), None, true),
            (Some("BEARER   s3cret "), None, true),
            (Some("Bearer"), None, false),
            (Some("Bearer "), None, false),
            (Some("Bearers3cret"), None, false),
            (Some("Bearer s3cre"), None, false),
            (Some("Bearer s3crets"), None, false),
            (Some("Bearer S3CRET"), None, false),
            (Some("Bearer s3cret s3cret"), None, false),
            (Some("Basic s3cret"), None, false),
            (Some("s3cret"), None, false),
            (None, Some("s3cret"), true),
            (None, Some("wrong"), false),
            (None, Some(""), false),
            (Some("Bearer wrong"), Some("s3cret"), true),
            (Some("Bearer s3cret"), Some("wrong"), false),
            (Some("Bearer s3cret"), Some(""), true),
            (Some("Bearer s3cret"), Some("s3cret"), true),
        ];
        for (authorization, x_auth_token, good) in table {
            let verdict = auth.authorize(Presented { authorization, x_auth_token });
            let expected = good.then_some(Grant { principal: Principal::StaticToken }).ok_or(Unauthorized);
            assert_eq!(verdict, expected, "{authorization:?} {x_auth_token:?}");
        }
    }

    #[test]
    fn with_nothing_configured_all_may() {
        let auth = Authenticator::new(&AuthConfig::default());
        assert!(!auth.is_enabled());
        for authorization in [None, Some("Bearer whatever"), Some("junk")] {
            let grant = auth.authorize(Presented { authorization, x_auth_token: None }).unwrap();
            assert_eq!(grant.principal, Principal::Anyone);
        }
    }
}
