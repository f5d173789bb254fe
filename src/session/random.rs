//! Random names and passwords, from the kernel.

use ring::rand::{SecureRandom as _, SystemRandom};

use crate::id::{SessionId, Ssrc};
use crate::limits::{ICE_PWD_CHARS, ICE_UFRAG_CHARS};
use crate::sdp::IceCredentials;

/// `ice-char` (RFC 8839 §5.4): 64 of them, so 6 bits choose one without a bias.
const ICE_CHARS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A session's name.
#[must_use]
pub fn session_id() -> SessionId {
    SessionId::from_random(bytes())
}

/// ICE credentials of one session.
#[must_use]
pub fn credentials() -> IceCredentials {
    IceCredentials { ufrag: ice_chars::<ICE_UFRAG_CHARS>(), pwd: ice_chars::<ICE_PWD_CHARS>() }
}

/// An entity tag's text, without the quotes.
#[must_use]
pub fn etag() -> String {
    format!("{:016x}", u64::from_be_bytes(bytes()))
}

/// The session number of the `o=` line: positive as a signed 64-bit number (RFC 9429 §5.2.1).
#[must_use]
pub fn origin_id() -> u64 {
    u64::from_be_bytes(bytes()) >> 1
}

/// SSRCs of one session, each another one (RFC 3550 §8.1) and none 0, which some clients take for "none".
#[derive(Default)]
pub struct Ssrcs(Vec<Ssrc>);

impl Ssrcs {
    /// The next one.
    pub fn next(&mut self) -> Ssrc {
        loop {
            let ssrc = Ssrc(u32::from_be_bytes(bytes()));
            if ssrc.0 != 0 && !self.0.contains(&ssrc) {
                self.0.push(ssrc);
                return ssrc;
            }
        }
    }
}

fn ice_chars<const N: usize>() -> String {
    bytes::<N>().iter().map(|byte| char::from(ICE_CHARS[usize::from(byte & 63)])).collect()
}

fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).expect("the kernel's random source worked when the certificate was made");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_long_enough_and_differ() {
        let (a, b) = (credentials(), credentials());
        for text in [&a.ufrag, &a.pwd] {
            assert!(text.bytes().all(|byte| ICE_CHARS.contains(&byte)), "{text}");
        }
        assert!(a.ufrag.len() >= 8 && a.pwd.len() >= 24);
        assert!(a.ufrag != b.ufrag && a.pwd != b.pwd);
        assert_ne!(session_id(), session_id());
        assert_ne!(etag(), etag());
        assert!(i64::try_from(origin_id()).is_ok());
    }

    #[test]
    fn ssrcs_of_a_session_differ() {
        let mut ssrcs = Ssrcs::default();
        let mut all: Vec<Ssrc> = (0..100).map(|_| ssrcs.next()).collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 100);
        assert!(!all.contains(&Ssrc(0)));
    }
}
