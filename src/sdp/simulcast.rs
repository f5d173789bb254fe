//! `a=rid` and `a=simulcast` (RFC 8851, RFC 8853).

use std::collections::BTreeSet;

use crate::id::Rid;
use crate::limits::MID_BYTES;
use crate::sdp::attributes::Attributes;
use crate::sdp::offer::SdpError;

/// The encodings that an m-line sends.
pub(super) struct Simulcast {
    /// Every one of them, in the order of `a=simulcast:send`; paused ones and alternatives included.
    pub(super) rids: Vec<Rid>,
    /// What `a=simulcast:recv` answers: the same list, none of it paused.
    pub(super) list: String,
}

impl Simulcast {
    /// `None` where the m-line sends one plain stream.
    ///
    /// # Errors
    /// [`SdpError::Invalid`] where the list is malformed.
    pub(super) fn parse(attributes: Attributes<'_>) -> Result<Option<Self>, SdpError> {
        let Some(list) = attributes.values("simulcast").find_map(send_list) else { return Ok(None) };
        // An identifier without its own `a=rid` line is to be left out (RFC 8853 §5.3).
        let declared: BTreeSet<&str> = attributes.values("rid").filter_map(sent).collect();
        let mut rids: Vec<Rid> = Vec::new();
        let mut streams: Vec<String> = Vec::new();
        for stream in list.split(';') {
            let mut alternatives: Vec<&str> = Vec::new();
            for rid in stream.split(',').map(|rid| rid.strip_prefix('~').unwrap_or(rid)) {
                if !is_rid(rid) {
                    return Err(SdpError::invalid("a malformed a=simulcast"));
                }
                if declared.contains(rid) && rids.iter().all(|known| &*known.0 != rid) {
                    rids.push(Rid(rid.into()));
                    alternatives.push(rid);
                }
            }
            if !alternatives.is_empty() {
                streams.push(alternatives.join(","));
            }
        }
        Ok((!rids.is_empty()).then(|| Self { rids, list: streams.join(";") }))
    }
}

/// The list behind `send`, which may stand before or behind the one of `recv`.
fn send_list(value: &str) -> Option<&str> {
    let mut words = value.split_ascii_whitespace();
    words.find(|word| *word == "send")?;
    words.next()
}

/// The identifier of `a=rid:<id> send …`.
fn sent(value: &str) -> Option<&str> {
    let mut words = value.split_ascii_whitespace();
    let rid = words.next()?;
    (words.next() == Some("send")).then_some(rid)
}

fn is_rid(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=MID_BYTES).contains(&text.len()) && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use rtc_sdp::description::common::Attribute;

    use super::*;

    fn parse(lines: &[(&str, &str)]) -> Result<Option<Simulcast>, SdpError> {
        let attributes: Vec<_> = lines.iter().map(|(k, v)| Attribute::new((*k).into(), Some((*v).into()))).collect();
        Simulcast::parse(Attributes::new(&attributes, &[]))
    }

    #[test]
    fn lists() {
        let rids = [("rid", "0 send"), ("rid", "1 send max-width=640"), ("rid", "2 send"), ("rid", "x recv")];
        for (value, list, count) in [
            ("send 0;1;2", "0;1;2", 3),
            ("send 0;~1;2", "0;1;2", 3),
            ("send ~0,1;2", "0,1;2", 3),
            ("recv x send 2;0", "2;0", 2),
            ("send 2;9;0,8", "2;0", 2),
            ("send 0;0;1", "0;1", 2),
        ] {
            let parsed = parse(&[&rids[..], &[("simulcast", value)]].concat()).unwrap().unwrap();
            assert_eq!((parsed.list.as_str(), parsed.rids.len()), (list, count), "{value}");
        }
        for none in ["recv x", "send x", "send 9", "", "send"] {
            assert!(parse(&[&rids[..], &[("simulcast", none)]].concat()).unwrap().is_none(), "{none}");
        }
        for bad in ["send ;", "send 0;;1", "send ~~0", "send a/b", "send 0;ä"] {
            assert!(parse(&[&rids[..], &[("simulcast", bad)]].concat()).is_err(), "{bad}");
        }
        assert!(parse(&rids).unwrap().is_none(), "rids alone make no simulcast");
    }
}
