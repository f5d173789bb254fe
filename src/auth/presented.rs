//! What a request shows: two headers become the tokens that are looked at.

use crate::id::ClientAddress;
use crate::limits;
use crate::secret::Secret;

/// Tokens as a request's headers have them, each within [`limits::TOKEN_BYTES`].
#[derive(Clone, Debug)]
pub struct Presented {
    authorization: Shown,
    x_auth_token: Shown,
    pub(super) address: ClientAddress,
}

/// What one header shows.
#[derive(Clone, Default, Debug)]
enum Shown {
    #[default]
    Nothing,
    TooLong,
    Token(Secret),
}

impl Presented {
    /// From the text of `Authorization`, whatever its scheme, that of `X-Auth-Token`, and who asks.
    #[must_use]
    pub fn new(authorization: Option<&str>, x_auth_token: Option<&str>, address: ClientAddress) -> Self {
        Self {
            authorization: Shown::new(authorization.and_then(bearer)),
            x_auth_token: Shown::new(x_auth_token.map(str::trim).filter(|token| !token.is_empty())),
            address,
        }
    }

    /// The token that decides where tokens are compared: that of `X-Auth-Token` before that of `Authorization`.
    pub(super) fn deciding(&self) -> Option<&Secret> {
        match &self.x_auth_token {
            Shown::Nothing => self.authorization.token(),
            shown => shown.token(),
        }
    }

    /// All tokens, where a signed one may be among them.
    pub(super) fn tokens(&self) -> impl Iterator<Item = &Secret> {
        self.x_auth_token.token().into_iter().chain(self.authorization.token())
    }

    /// True where one was not even looked at.
    pub(super) fn is_too_long(&self) -> bool {
        matches!(self.authorization, Shown::TooLong) || matches!(self.x_auth_token, Shown::TooLong)
    }
}

impl Shown {
    fn new(token: Option<&str>) -> Self {
        match token {
            None => Self::Nothing,
            Some(token) if token.len() > limits::TOKEN_BYTES => Self::TooLong,
            Some(token) => Self::Token(Secret::new(token)),
        }
    }

    fn token(&self) -> Option<&Secret> {
        if let Self::Token(token) = self { Some(token) } else { None }
    }
}

/// The token of `Authorization: Bearer` (RFC 6750 §2.1), the scheme in any case (RFC 9110 §11.1).
fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Row<'a> = (Option<&'a str>, Option<&'a str>, Option<&'a str>, &'a [&'a str]);

    #[test]
    fn which_token_decides_and_which_are_looked_at() {
        let long = "x".repeat(limits::TOKEN_BYTES + 1);
        let long_bearer = format!("Bearer {long}");
        let table: [Row; 14] = [
            (None, None, None, &[]),
            (Some("Bearer a"), None, Some("a"), &["a"]),
            (Some("bEARER   a "), None, Some("a"), &["a"]),
            (Some("Bearer a b"), None, Some("a b"), &["a b"]),
            (Some("Bearer"), None, None, &[]),
            (Some("Bearer "), None, None, &[]),
            (Some("Bearera"), None, None, &[]),
            (Some("Basic a"), None, None, &[]),
            (Some("a"), None, None, &[]),
            (None, Some(" b "), Some("b"), &["b"]),
            (Some("Bearer a"), Some("b"), Some("b"), &["b", "a"]),
            (Some("Bearer a"), Some(" "), Some("a"), &["a"]),
            (Some("Bearer a"), Some(&long), None, &["a"]),
            (Some(&long_bearer), Some("b"), Some("b"), &["b"]),
        ];
        for (authorization, x_auth_token, deciding, all) in table {
            let presented = Presented::new(authorization, x_auth_token, ClientAddress::UNKNOWN);
            assert_eq!(presented.deciding().map(Secret::expose), deciding, "{authorization:?} {x_auth_token:?}");
            assert_eq!(presented.tokens().map(Secret::expose).collect::<Vec<_>>(), all);
        }
    }
}
