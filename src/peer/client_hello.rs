//! What of a ClientHello decides about the handshake before it begins (RFC 6347 §4.2.1, RFC 5764 §4.1.1).

use crate::peer::keys::Profile;

const USE_SRTP: u16 = 14;
const AEAD_AES_128_GCM: u16 = 0x0007;

/// A ClientHello, looked into.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClientHello<'a> {
    /// What the HelloVerifyRequest had; empty in the first one.
    pub cookie: &'a [u8],
    /// The profile to offer alone. The DTLS server takes the client's order, and browsers put the slow profile first.
    pub profile: Profile,
}

impl<'a> ClientHello<'a> {
    /// Looks into the message's body; `None` where it is cut or contradicts itself.
    #[must_use]
    pub fn peek(body: &'a [u8]) -> Option<Self> {
        let mut rest = body;
        take(&mut rest, 2 + 32)?;
        vector(&mut rest, 1)?;
        let cookie = vector(&mut rest, 1)?;
        vector(&mut rest, 2)?;
        vector(&mut rest, 1)?;
        let mut profile = Profile::AesCmSha1;
        let mut extensions = if rest.is_empty() { rest } else { vector(&mut rest, 2)? };
        while !extensions.is_empty() {
            let kind = take(&mut extensions, 2)?;
            let mut value = vector(&mut extensions, 2)?;
            if kind == USE_SRTP.to_be_bytes() {
                let offered = vector(&mut value, 2)?;
                if offered.chunks_exact(2).any(|code| code == AEAD_AES_128_GCM.to_be_bytes()) {
                    profile = Profile::AeadAes128Gcm;
                }
            }
        }
        Some(Self { cookie, profile })
    }
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

/// A vector behind its length of so many bytes.
fn vector<'a>(rest: &mut &'a [u8], length_bytes: usize) -> Option<&'a [u8]> {
    let length = take(rest, length_bytes)?.iter().fold(0, |length, &byte| length << 8 | usize::from(byte));
    take(rest, length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(cookie: &[u8], extensions: Option<&[u8]>) -> Vec<u8> {
        let mut body = vec![254, 253];
        body.extend_from_slice(&[0x11; 32]);
        body.push(0);
        body.push(cookie.len() as u8);
        body.extend_from_slice(cookie);
        body.extend_from_slice(&[0, 4, 0xc0, 0x2b, 0xc0, 0x2f, 1, 0]);
        if let Some(extensions) = extensions {
            body.extend_from_slice(&(extensions.len() as u16).to_be_bytes());
            body.extend_from_slice(extensions);
        }
        body
    }

    #[test]
    fn profiles() {
        use Profile::{AeadAes128Gcm, AesCmSha1};
        let table: &[(&[u8], Profile)] = &[
            (&[], AesCmSha1),
            (&[0, 14, 0, 5, 0, 2, 0, 1, 0], AesCmSha1),
            (&[0, 14, 0, 5, 0, 2, 0, 7, 0], AeadAes128Gcm),
            // As Chromium has it: CM first, GCM-128 third.
            (&[0, 23, 0, 0, 0, 14, 0, 9, 0, 6, 0, 1, 0, 8, 0, 7, 0], AeadAes128Gcm),
            // 0x0007 in other places.
            (&[0, 13, 0, 4, 0, 2, 0, 7, 0, 14, 0, 7, 0, 4, 0, 1, 0, 2, 0], AesCmSha1),
            (&[0, 14, 0, 7, 0, 4, 0, 1, 7, 0, 0], AesCmSha1),
        ];
        for (extensions, expected) in table {
            let body = hello(b"biscuit", Some(extensions));
            let peeked = ClientHello { cookie: b"biscuit", profile: *expected };
            assert_eq!(ClientHello::peek(&body), Some(peeked), "{extensions:?}");
            for length in 0..body.len() {
                // Without any extensions the message may end before their length.
                let ends_early = length == body.len() - extensions.len() - 2;
                assert_eq!(ClientHello::peek(&body[..length]).is_some(), ends_early, "{length}");
            }
        }
        assert_eq!(ClientHello::peek(&hello(b"", None)).map(|hello| hello.cookie.len()), Some(0));
    }
}
