//! From text to values: what several keys have in common.

use std::str::FromStr;

/// What a list is expected to be.
pub(super) const PRINTABLE: &str = "printable ASCII characters";

/// A list with commas; empty entries are none.
pub(super) fn list<T>(text: &str, parse: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(parse).collect()
}

/// A number without a sign, because `parse` takes one too; with or without TOML's underscores.
pub(super) fn number<T: FromStr>(text: &str) -> Option<T> {
    let digits = text.replace('_', "");
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

/// A number without sign and exponent, perhaps with a fraction.
pub(super) fn decimal(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    plain.then(|| text.parse().ok()).flatten()
}

/// `true` or `false`, or what people write instead.
pub(super) fn switch(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Some(true),
        "0" | "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// What may stand in a header between quotes.
pub(super) fn printable(text: &str) -> Option<String> {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte)).then(|| text.to_owned())
}

/// The value of one of these names, in any case.
pub(super) fn one_of<T: Copy>(text: &str, names: &[(&str, T)]) -> Option<T> {
    names.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, value)| *value)
}

/// An address of the web.
pub(super) fn url(text: &str) -> Option<String> {
    let uri: http::Uri = text.parse().ok()?;
    let scheme = uri.scheme_str().is_some_and(|scheme| scheme == "http" || scheme == "https");
    (scheme && uri.authority().is_some()).then(|| text.to_owned())
}
