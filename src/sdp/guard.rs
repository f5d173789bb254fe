//! Bounds on a text before any parser sees it.

use crate::limits::{BODY_BYTES, SDP_LINE_BYTES, SDP_LINES};
use crate::sdp::offer::SdpError;

/// The lines of a text without their line ends (CRLF or LF). The parser would take a bare carriage return for a
/// part of a value, and an answer would then repeat it as the end of a line; and it trims white space of any
/// script, so that other readers find other attributes than it does. Both are refused here, once for all.
///
/// # Errors
/// [`SdpError::Invalid`] where the text passes a bound or holds such a character.
pub(super) fn lines(text: &str) -> Result<Vec<&str>, SdpError> {
    if text.len() > BODY_BYTES {
        return Err(SdpError::invalid("too long"));
    }
    let lines: Vec<&str> =
        text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).take(SDP_LINES + 1).collect();
    if lines.len() > SDP_LINES {
        return Err(SdpError::invalid("too many lines"));
    }
    if lines.iter().any(|line| line.len() > SDP_LINE_BYTES) {
        return Err(SdpError::invalid("a line is too long"));
    }
    let stray = |c: char| c.is_control() || (c.is_whitespace() && c != ' ');
    if lines.iter().any(|line| line.starts_with("a= ") || line.contains(stray)) {
        return Err(SdpError::invalid("a control character or stray white space"));
    }
    Ok(lines)
}

/// True for what an answer may repeat: visible ASCII, neither empty nor longer than `longest`.
pub(super) fn is_token(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds() {
        assert_eq!(lines("v=0\r\ns=-\n").unwrap(), ["v=0", "s=-", ""]);
        let long = format!("a={}", "x".repeat(SDP_LINE_BYTES));
        let many = "a=b\n".repeat(SDP_LINES + 1);
        let huge = "a=b\r\n".repeat(BODY_BYTES);
        for bad in [
            "a=mid:0\ra=mid:1\r\n",
            "a=\0",
            "a=x\u{85}y",
            "a=\u{2028}mid:0",
            "a= mid:0",
            "a=b\tc",
            "\r\r\n",
            &long,
            &many,
            &huge,
        ] {
            assert!(lines(bad).is_err(), "{:?}", &bad[..bad.len().min(40)]);
        }
    }

    #[test]
    fn tokens() {
        assert!(is_token("webrtc-datachannel", 64));
        for bad in ["", "a b", "ä", "a\t", &"a".repeat(65)] {
            assert!(!is_token(bad, 64), "{bad:?}");
        }
    }
}
