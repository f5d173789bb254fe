//! `If-Match` of a PATCH (RFC 9725 §4.3.1, RFC 9110 §13.1.1).

use crate::session::SessionError;

/// What a PATCH demands of the session's entity tag.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Precondition {
    /// No `If-Match`.
    None,
    /// `If-Match: *`: any will do. RFC 9725 uses it for ICE restarts.
    Any,
    /// One of these strong tags, without their quotes.
    OneOf(Vec<String>),
}

impl Precondition {
    /// From the values of all `If-Match` headers.
    pub fn parse<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let mut tags = Vec::new();
        let mut there = false;
        for value in values {
            there = true;
            for tag in value.split(',').map(str::trim).filter(|tag| !tag.is_empty()) {
                // Clients send `*` in quotes too, and tags without.
                match tag.trim_matches('"') {
                    "*" => return Self::Any,
                    bare => tags.push(bare.to_owned()),
                }
            }
        }
        if there { Self::OneOf(tags) } else { Self::None }
    }

    /// Compares with the session's tag. A weak tag (`W/"…"`) never matches: the comparison is the strong one.
    pub(super) fn check(&self, etag: &str, strict: bool) -> Result<(), SessionError> {
        match self {
            Self::None if strict => Err(SessionError::PreconditionRequired),
            Self::None | Self::Any => Ok(()),
            Self::OneOf(tags) if tags.iter().any(|tag| tag == etag) => Ok(()),
            Self::OneOf(_) => Err(SessionError::PreconditionFailed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_match() {
        use SessionError::{PreconditionFailed as Failed, PreconditionRequired as Required};
        // The headers, whether strict, the verdict for the tag "abc".
        let table: [(&[&str], bool, Option<SessionError>); 15] = [
            (&[], false, None),
            (&[], true, Some(Required)),
            (&["\"abc\""], false, None),
            (&["\"abc\""], true, None),
            (&["abc"], true, None),
            (&["\"x\", \"abc\""], true, None),
            (&["\"x\"", "\"abc\""], true, None),
            (&["*"], false, None),
            (&["\"*\""], true, None),
            (&["\"x\""], false, Some(Failed)),
            (&["\"x\""], true, Some(Failed)),
            (&["W/\"abc\""], false, Some(Failed)),
            (&["\"ABC\""], false, Some(Failed)),
            (&[""], false, Some(Failed)),
            (&["\"\""], true, Some(Failed)),
        ];
        for (headers, strict, expected) in table {
            let verdict = Precondition::parse(headers.iter().copied()).check("abc", strict).err();
            assert_eq!(verdict, expected, "{headers:?} strict {strict}");
        }
    }
}
