//! What a request says of the version it has and of the part it wants (RFC 9110 §13 and §14), as a decision.

use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime};

use http::header::{
    ETAG, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE,
};
use http::{HeaderMap, Method};

/// A version of a file.
pub(super) struct Version {
    /// Strong, quoted.
    pub etag: String,
    pub modified: SystemTime,
    pub size: u64,
}

/// What the answer is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Wanted {
    Whole,
    /// First and last byte.
    Part(RangeInclusive<u64>),
    /// No byte of it is in the range.
    NotSatisfiable,
    /// It is known.
    NotModified,
    /// It is another one than the client thinks.
    Failed,
}

/// The decision, in the order of RFC 9110 §13.2.2.
pub(super) fn wanted(method: &Method, headers: &HeaderMap, version: &Version) -> Wanted {
    if headers.contains_key(IF_MATCH) {
        if !names(headers, &IF_MATCH, &version.etag) {
            return Wanted::Failed;
        }
    } else if date(headers, &IF_UNMODIFIED_SINCE).is_some_and(|date| whole(version.modified) > date) {
        return Wanted::Failed;
    }
    if headers.contains_key(IF_NONE_MATCH) {
        if names(headers, &IF_NONE_MATCH, &version.etag) {
            return Wanted::NotModified;
        }
    } else if date(headers, &IF_MODIFIED_SINCE).is_some_and(|date| whole(version.modified) <= date) {
        return Wanted::NotModified;
    }
    // Ranges are for GET alone (§14.2).
    if *method != Method::GET || !is_same(headers, version) {
        return Wanted::Whole;
    }
    text(headers, &RANGE).map_or(Wanted::Whole, |range| part(range, version.size))
}

/// `If-Range`: the part is wanted of this very version, else all of it. A date has to be exact (§13.1.5).
fn is_same(headers: &HeaderMap, version: &Version) -> bool {
    if !headers.contains_key(IF_RANGE) {
        return true;
    }
    let Some(text) = text(headers, &IF_RANGE) else { return false };
    if text.starts_with('"') || text.starts_with("W/") {
        return text == version.etag;
    }
    httpdate::parse_http_date(text).is_ok_and(|date| date == whole(version.modified))
}

/// A range that names one part (§14.1.2). Several at once are rare, and may be ignored as what does not parse is: then
/// all of it is sent (§14.2).
fn part(text: &str, size: u64) -> Wanted {
    let Some((unit, set)) = text.split_once('=') else { return Wanted::Whole };
    let Some((first, last)) = set.trim().split_once('-') else { return Wanted::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Wanted::Whole;
    }
    let last_byte = size.saturating_sub(1);
    let range = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => first..=last.min(last_byte),
        (Some(first), None) if last.is_empty() => first..=last_byte,
        (None, Some(0)) if first.is_empty() => return Wanted::NotSatisfiable,
        (None, Some(suffix)) if first.is_empty() => size.saturating_sub(suffix)..=last_byte,
        _ => return Wanted::Whole,
    };
    if *range.start() < size { Wanted::Part(range) } else { Wanted::NotSatisfiable }
}

/// Digits alone; what is too large for a number is larger than any file.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

/// True where one of the header's tags is ours. `If-None-Match` compares weakly (§13.1.2), but ours are strong; for
/// `If-Match` a weak tag is none.
fn names(headers: &HeaderMap, name: &HeaderName, etag: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let mut tags = values.flat_map(|value| value.split(',')).map(str::trim);
    let weak = *name == IF_NONE_MATCH;
    tags.any(|tag| tag == "*" || tag == etag || (weak && tag.strip_prefix("W/") == Some(etag)))
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    text(headers, name).and_then(|text| httpdate::parse_http_date(text).ok())
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
}

/// Dates in headers have seconds.
fn whole(time: SystemTime) -> SystemTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

/// The headers that say which version it is.
pub(super) fn headers(version: &Version) -> [(HeaderName, String); 2] {
    // A date before 1970 or after 9999 has no form there.
    let latest = SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_799);
    let modified = whole(version.modified).min(latest);
    [(ETAG, version.etag.clone()), (http::header::LAST_MODIFIED, httpdate::fmt_http_date(modified))]
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const AFTER: &str = "Sunday, 06-Nov-94 08:49:38 GMT";

    fn version(size: u64) -> Version {
        let modified = SystemTime::UNIX_EPOCH + Duration::from_millis(784_111_777_500);
        Version { etag: "\"tag\"".to_owned(), modified, size }
    }

    fn decide(method: &Method, size: u64, pairs: &[(HeaderName, &str)]) -> Wanted {
        let headers = pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        wanted(method, &headers, &version(size))
    }

    #[test]
    fn ranges() {
        let none = Wanted::NotSatisfiable;
        let all = Wanted::Whole;
        let part = |first: u64, last: u64| Wanted::Part(first..=last);
        let table = [
            ("bytes=0-0", part(0, 0)),
            ("bytes=0-99", part(0, 99)),
            ("bytes=0-100", part(0, 99)),
            ("bytes=0-99999999999999999999999", part(0, 99)),
            ("bytes=99-", part(99, 99)),
            ("bytes=0-", part(0, 99)),
            ("Bytes=5-9", part(5, 9)),
            ("bytes= 5-9", part(5, 9)),
            ("bytes=-1", part(99, 99)),
            ("bytes=-100", part(0, 99)),
            ("bytes=-101", part(0, 99)),
            ("bytes=-99999999999999999999999", part(0, 99)),
            ("bytes=100-", none.clone()),
            ("bytes=100-200", none.clone()),
            ("bytes=99999999999999999999999-", none.clone()),
            ("bytes=-0", none.clone()),
            // What is no range of ours.
            ("", all.clone()),
            ("bytes", all.clone()),
            ("bytes=", all.clone()),
            ("bytes=-", all.clone()),
            ("bytes=5", all.clone()),
            ("bytes=9-5", all.clone()),
            ("bytes=a-b", all.clone()),
            ("bytes=+5-9", all.clone()),
            ("bytes=5-9x", all.clone()),
            ("bytes=1-2,4-5", all.clone()),
            ("bytes=--5", all.clone()),
            ("items=0-5", all.clone()),
        ];
        for (text, expected) in table {
            assert_eq!(decide(&Method::GET, 100, &[(RANGE, text)]), expected, "{text}");
            assert_eq!(decide(&Method::HEAD, 100, &[(RANGE, text)]), all, "{text}");
        }
        for text in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
            assert_eq!(decide(&Method::GET, 0, &[(RANGE, text)]), none, "{text} of nothing");
        }
    }

    #[test]
    fn conditions() {
        let (all, failed, known) = (Wanted::Whole, Wanted::Failed, Wanted::NotModified);
        let table: [(&[(HeaderName, &str)], &Wanted); 22] = [
            (&[], &all),
            (&[(IF_NONE_MATCH, "\"tag\"")], &known),
            (&[(IF_NONE_MATCH, "W/\"tag\"")], &known),
            (&[(IF_NONE_MATCH, "\"a\", \"tag\"")], &known),
            (&[(IF_NONE_MATCH, "*")], &known),
            (&[(IF_NONE_MATCH, "\"other\"")], &all),
            (&[(IF_NONE_MATCH, "tag")], &all),
            (&[(IF_MODIFIED_SINCE, DATE)], &known),
            (&[(IF_MODIFIED_SINCE, AFTER)], &known),
            (&[(IF_MODIFIED_SINCE, BEFORE)], &all),
            (&[(IF_MODIFIED_SINCE, "yesterday")], &all),
            // The tag decides where both are there.
            (&[(IF_NONE_MATCH, "\"other\""), (IF_MODIFIED_SINCE, DATE)], &all),
            (&[(IF_MATCH, "\"tag\"")], &all),
            (&[(IF_MATCH, "*")], &all),
            (&[(IF_MATCH, "W/\"tag\"")], &failed),
            (&[(IF_MATCH, "\"other\"")], &failed),
            (&[(IF_UNMODIFIED_SINCE, BEFORE)], &failed),
            (&[(IF_UNMODIFIED_SINCE, DATE)], &all),
            (&[(IF_MATCH, "\"tag\""), (IF_UNMODIFIED_SINCE, BEFORE)], &all),
            (&[(IF_MATCH, "\"other\""), (RANGE, "bytes=0-1")], &failed),
            (&[(IF_NONE_MATCH, "\"tag\""), (RANGE, "bytes=0-1")], &known),
            (&[(IF_NONE_MATCH, "\"tag\""), (RANGE, "bytes=900-")], &known),
        ];
        for (headers, expected) in table {
            assert_eq!(decide(&Method::GET, 100, headers), *expected, "{headers:?}");
        }
    }

    #[test]
    fn a_part_is_of_the_version_that_it_is_asked_of() {
        let table = [
            ("\"tag\"", true),
            ("W/\"tag\"", false),
            ("\"other\"", false),
            (DATE, true),
            ("Sunday, 06-Nov-94 08:49:37 GMT", true),
            ("Sun Nov  6 08:49:37 1994", true),
            (BEFORE, false),
            (AFTER, false),
            ("", false),
            ("tag", false),
        ];
        for (text, same) in table {
            let expected = if same { Wanted::Part(0..=4) } else { Wanted::Whole };
            assert_eq!(decide(&Method::GET, 100, &[(RANGE, "bytes=0-4"), (IF_RANGE, text)]), expected, "{text}");
            // And where no part could be had, nothing is wrong with all of another version.
            let expected = if same { Wanted::NotSatisfiable } else { Wanted::Whole };
            assert_eq!(decide(&Method::GET, 100, &[(RANGE, "bytes=100-"), (IF_RANGE, text)]), expected, "{text}");
        }
    }
}
