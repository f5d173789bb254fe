//! Trickle fragments (RFC 8840): `application/trickle-ice-sdpfrag`.

use crate::limits::FRAGMENT_CANDIDATES;
use crate::sdp::offer::SdpError;
use crate::sdp::{Candidate, IceCredentials, candidate, guard, transport};

/// What a client's PATCH says.
#[derive(Clone)]
pub struct Fragment {
    /// The ICE credentials that the fragment names, if it does; another pair than the session's asks for a restart.
    pub credentials: Option<IceCredentials>,
    /// `a=end-of-candidates` was there.
    pub end_of_candidates: bool,
}

impl Fragment {
    /// Parses a fragment: credentials at the top or below any m-line, any mid, any m-line. Candidates are checked
    /// for form and otherwise ignored: an ICE-lite side learns addresses from checks.
    ///
    /// # Errors
    /// [`SdpError::Invalid`] says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, SdpError> {
        let (mut ufrag, mut pwd) = (None, None);
        let mut end_of_candidates = false;
        let mut candidates = 0;
        let mut empty = true;
        for line in guard::lines(text)?.into_iter().filter(|line| !line.is_empty()) {
            empty = false;
            let Some(attribute) = attribute(line)? else { continue };
            match attribute.split_once(':').unwrap_or((attribute, "")) {
                ("ice-ufrag", value) => same(&mut ufrag, value.trim())?,
                ("ice-pwd", value) => same(&mut pwd, value.trim())?,
                // Scripts write the end of candidates, an empty candidate in their API, as they find it.
                ("end-of-candidates", _) | ("candidate" | "", "") => end_of_candidates = true,
                ("candidate", value) if candidate::is_well_formed(value) => candidates += 1,
                ("candidate", _) => return Err(SdpError::invalid("a malformed candidate")),
                _ => {}
            }
        }
        if empty {
            return Err(SdpError::invalid("an empty fragment"));
        }
        if candidates > FRAGMENT_CANDIDATES {
            return Err(SdpError::invalid("too many candidates"));
        }
        Ok(Self { credentials: transport::credentials(ufrag, pwd)?, end_of_candidates })
    }
}

/// The text of an attribute line; `None` for a line of another type.
fn attribute(line: &str) -> Result<Option<&str>, SdpError> {
    match line.as_bytes() {
        [b'a', b'=', ..] => Ok(Some(&line[2..])),
        [b'a'..=b'z', b'=', ..] => Ok(None),
        _ => Err(SdpError::invalid("a line that is none")),
    }
}

/// Notes a value that may be said more than once, but not differently: there is one transport.
fn same<'a>(known: &mut Option<&'a str>, value: &'a str) -> Result<(), SdpError> {
    match known.replace(value) {
        Some(before) if before != value => Err(SdpError::invalid("two pairs of ICE credentials")),
        _ => Ok(()),
    }
}

/// Our fragment after an ICE restart (RFC 9725 §4.3.3).
#[must_use]
pub fn write(credentials: &IceCredentials, mid: &str, candidates: &[Candidate]) -> String {
    let mut lines = vec![
        "a=ice-lite".to_owned(),
        "m=audio 9 UDP/TLS/RTP/SAVPF 0".to_owned(),
        format!("a=mid:{mid}"),
        format!("a=ice-ufrag:{}", credentials.ufrag),
        format!("a=ice-pwd:{}", credentials.pwd),
    ];
    lines.extend(candidate::values(candidates).into_iter().map(|value| format!("a=candidate:{value}")));
    lines.push("a=end-of-candidates".to_owned());
    lines.join("\r\n") + "\r\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sdp::Transport;

    const CHROMIUM: &str = include_str!("../../tests/data/offers/chromium-trickle-patch.sdpfrag");
    const SIMPLE: &str = include_str!("../../tests/data/offers/simple-whip-client-patch.sdpfrag");
    const PWD: &str = "kYXTERT/WUQHfI9kJci9Aihj";

    #[test]
    fn real_fragments() {
        for (text, ufrag) in [(CHROMIUM, "F8cG"), (SIMPLE, "RoBJQVlTmo8Kji+uoozJbvNvU7OeWB/W")] {
            let fragment = Fragment::parse(text).unwrap();
            assert_eq!(fragment.credentials.unwrap().ufrag, ufrag);
            assert!(!fragment.end_of_candidates);
        }
    }

    #[test]
    fn forms() {
        let pair = format!("a=ice-ufrag:abcd\r\na=ice-pwd:{PWD}\r\n");
        let below = format!("m=video 0 RTP/AVP x\na=mid:video0\n{pair}m=audio\na=mid:\n{pair}a=end-of-candidates\n");
        let full = format!("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n{pair}");
        for (text, credentials, end) in [
            (below.as_str(), true, true),
            (&full, true, false),
            ("a=candidate:\r\n", false, true),
            ("m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=\r\n", false, true),
            ("a=mid:0\n\n", false, false),
        ] {
            let fragment = Fragment::parse(text).unwrap();
            assert_eq!((fragment.credentials.is_some(), fragment.end_of_candidates), (credentials, end), "{text}");
        }
    }

    #[test]
    fn refused() {
        let two = format!("a=ice-ufrag:abcd\na=ice-pwd:{PWD}\nm=audio 9 x 0\na=ice-ufrag:efgh\n");
        let many = "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\n".repeat(FRAGMENT_CANDIDATES + 1);
        for bad in [
            "",
            "\r\n",
            "candidate:1",
            "{\"candidate\": 1}",
            "a=candidate:1 1 udp",
            "a=ice-ufrag:abcd\r\n",
            "a=ice-ufrag:ab\r\na=ice-pwd:cd\r\n",
            "a=mid:0\0",
            "ä=1",
            &two,
            &many,
        ] {
            assert!(Fragment::parse(bad).is_err(), "{bad:.60}");
        }
    }

    #[test]
    fn ours() {
        let credentials = IceCredentials { ufrag: "abcd".to_owned(), pwd: PWD.to_owned() };
        let candidates = [Candidate { transport: Transport::Udp, address: "192.0.2.1:7000".parse().unwrap() }];
        let text = write(&credentials, "video0", &candidates);
        let expected = format!(
            "a=ice-lite\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:video0\r\na=ice-ufrag:abcd\r\na=ice-pwd:{PWD}\r\n\
             a=candidate:1 1 udp 2130706431 192.0.2.1 7000 typ host\r\na=end-of-candidates\r\n"
        );
        assert_eq!(text, expected);
        let read = Fragment::parse(&text).unwrap();
        assert!(read.credentials.unwrap() == credentials && read.end_of_candidates);
    }
}
