//! `a=extmap` (RFC 8285 §5): which header extensions were offered, and which are accepted.

use crate::rtp::extension::{Extension, ExtensionMap};
use crate::sdp::attributes::Attributes;
use crate::sdp::media::Direction;

/// An offered extension that is understood.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct OfferedExtension {
    pub(super) id: u8,
    pub(super) extension: Extension,
    /// As the offerer sees it; `None` follows the m-line.
    pub(super) direction: Option<Direction>,
}

/// The extensions that are understood, each number and each extension once: the first mention counts.
pub(super) fn parse(attributes: Attributes<'_>) -> Vec<OfferedExtension> {
    let mut taken = [false; 256];
    let mut found: Vec<OfferedExtension> = Vec::new();
    for (id, direction, uri) in attributes.both("extmap").filter_map(line) {
        let new = !std::mem::replace(&mut taken[usize::from(id)], true);
        let Some(extension) = Extension::from_uri(uri).filter(|_| new) else { continue };
        if found.iter().all(|known| known.extension != extension) {
            found.push(OfferedExtension { id, extension, direction });
        }
    }
    found
}

/// `<id>["/"<direction>] <uri> [<attributes>]`. The number 15 is not used (RFC 8285 §4.2).
fn line(value: &str) -> Option<(u8, Option<Direction>, &str)> {
    let mut words = value.split_ascii_whitespace();
    let (id, uri) = (words.next()?, words.next()?);
    let (id, direction) = match id.split_once('/') {
        Some((id, direction)) => (id, Some(Direction::parse(direction)?)),
        None => (id, None),
    };
    let number: u8 = id.parse().ok().filter(|number| !matches!(number, 0 | 15))?;
    (number.to_string() == id).then_some((number, direction, uri))
}

/// The numbers of the accepted extensions.
pub(super) fn map(accepted: &[OfferedExtension]) -> ExtensionMap {
    let mut map = ExtensionMap::default();
    for offered in accepted {
        map.set(offered.extension, offered.id);
    }
    map
}

/// The value of the answer's `a=extmap`: the same number, and a direction seen from the other side.
pub(super) fn answer(offered: OfferedExtension) -> String {
    let direction = match offered.direction {
        None | Some(Direction::SendRecv | Direction::Inactive) => "",
        Some(Direction::SendOnly) => "/recvonly",
        Some(Direction::RecvOnly) => "/sendonly",
    };
    format!("{}{direction} {}", offered.id, offered.extension.uri())
}

#[cfg(test)]
mod tests {
    use rtc_sdp::description::common::Attribute;

    use super::*;

    #[test]
    fn each_number_and_each_extension_once() {
        let mid = Extension::Mid.uri();
        let rid = Extension::Rid.uri();
        let lines = [
            format!("1 {mid}"),
            format!("1 {rid}"),
            format!("2 {mid}"),
            "3 urn:3gpp:video-orientation".to_owned(),
            format!("3 {rid}"),
            format!("4/sendonly {rid} vad=on"),
            format!("5/up {}", Extension::AudioLevel.uri()),
            format!("0 {}", Extension::AudioLevel.uri()),
            format!("300 {}", Extension::AudioLevel.uri()),
            format!("06 {}", Extension::AudioLevel.uri()),
            "x".to_owned(),
        ];
        let attributes: Vec<_> = lines.iter().map(|v| Attribute::new("extmap".into(), Some(v.clone()))).collect();
        let found = parse(Attributes::new(&attributes[2..], &attributes[..2]));
        let expected = [
            OfferedExtension { id: 2, extension: Extension::Mid, direction: None },
            OfferedExtension { id: 4, extension: Extension::Rid, direction: Some(Direction::SendOnly) },
        ];
        assert_eq!(found, expected);
        assert_eq!(answer(found[1]), format!("4/recvonly {rid}"));
        assert_eq!(map(&found).id(Extension::Rid), Some(4));
    }
}
