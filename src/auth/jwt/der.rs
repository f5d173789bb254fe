//! Public keys as PEM files have them: the three forms of SubjectPublicKeyInfo (RFC 5280 §4.1) whose keys are taken.
//! All but RSA's have one length, so what stands before the key is always the same.

/// id-ecPublicKey on prime256v1, and a bit string of 65 bytes (RFC 5480 §2).
const P256: &[u8] =
    b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\0";
/// id-Ed25519, and a bit string of 32 bytes (RFC 8410 §4).
const ED25519: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\0";
/// rsaEncryption without parameters (RFC 3279 §2.3.1).
const RSA: &[u8] = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\0";

const INTEGER: u8 = 2;
const BIT_STRING: u8 = 3;
const SEQUENCE: u8 = 0x30;

/// A key's parts.
pub(super) enum PublicKey<'a> {
    Rsa { n: &'a [u8], e: &'a [u8] },
    P256(&'a [u8]),
    Ed25519(&'a [u8]),
}

pub(super) fn public_key(info: &[u8]) -> Option<PublicKey<'_>> {
    if let Some(key) = info.strip_prefix(ED25519) {
        return (key.len() == 32).then_some(PublicKey::Ed25519(key));
    }
    if let Some(point) = info.strip_prefix(P256) {
        return (point.len() == 65 && point[0] == 4).then_some(PublicKey::P256(point));
    }
    let bits = whole(BIT_STRING, whole(SEQUENCE, info)?.strip_prefix(RSA)?)?;
    let (n, rest) = value(INTEGER, whole(SEQUENCE, bits.strip_prefix(&[0])?)?)?;
    Some(PublicKey::Rsa { n, e: whole(INTEGER, rest)? })
}

/// A value that is all there is.
fn whole(tag: u8, der: &[u8]) -> Option<&[u8]> {
    value(tag, der).filter(|(_, rest)| rest.is_empty()).map(|(value, _)| value)
}

/// A value with this tag, and what follows it. Lengths of up to two bytes: no key is larger.
fn value(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = match der.strip_prefix(&[tag])? {
        [0x81, len, rest @ ..] => (usize::from(*len), rest),
        [0x82, high, low, rest @ ..] => (usize::from(*high) << 8 | usize::from(*low), rest),
        [len, rest @ ..] if *len < 0x80 => (usize::from(*len), rest),
        _ => return None,
    };
    rest.split_at_checked(len)
}
