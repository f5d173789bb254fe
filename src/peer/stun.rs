//! The STUN messages that our ICE-lite agent reads and writes (RFC 8489), borrowed from the datagram.
//!
//! Ours rather than the family's codec: `demux` looks into messages that nobody has authenticated, and there each
//! attribute would cost an allocation; attributes behind MESSAGE-INTEGRITY, which anyone on the way may append, would
//! be as good as those before it. The family's codec is the oracle of the tests.

use std::net::{IpAddr, SocketAddr};

use hmac::{Hmac, Mac};
use sha1::Sha1;

const HEADER: usize = 20;
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;
const BINDING_ERROR: u16 = 0x0111;

const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
const MESSAGE_INTEGRITY_SHA256: u16 = 0x001c;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const PRIORITY: u16 = 0x0024;
const USE_CANDIDATE: u16 = 0x0025;
const FINGERPRINT: u16 = 0x8028;
const ICE_CONTROLLED: u16 = 0x8029;
const ICE_CONTROLLING: u16 = 0x802a;

/// Unknown attributes that an answer names; more than that nobody sends by mistake.
const UNKNOWN_NAMED: usize = 4;
const INTEGRITY_BYTES: usize = 20;

/// A Binding request. Only what stands before MESSAGE-INTEGRITY is in here.
#[derive(Debug)]
pub struct Request<'a> {
    message: &'a [u8],
    /// USERNAME: `receiver:sender` (RFC 8445 §7.2.2).
    pub username: &'a str,
    /// USE-CANDIDATE: the controlling agent nominates this pair.
    pub use_candidate: bool,
    /// ICE-CONTROLLED: the sender takes itself for the controlled agent, too.
    pub controlled: bool,
    unknown: [u16; UNKNOWN_NAMED],
    unknown_count: usize,
    /// Where MESSAGE-INTEGRITY begins.
    integrity: Option<usize>,
}

impl<'a> Request<'a> {
    /// The request that the datagram is, or `None`: not STUN, no Binding request, truncated, trailing bytes, no
    /// USERNAME, or a FINGERPRINT that does not fit.
    #[must_use]
    pub fn parse(datagram: &'a [u8]) -> Option<Self> {
        let header = datagram.get(..HEADER)?;
        let length = usize::from(be16(&header[2..]));
        if be16(header) != BINDING_REQUEST || header[4..8] != MAGIC_COOKIE {
            return None;
        }
        if !length.is_multiple_of(4) || datagram.len() != HEADER + length {
            return None;
        }
        let mut request = Self {
            message: datagram,
            username: "",
            use_candidate: false,
            controlled: false,
            unknown: [0; UNKNOWN_NAMED],
            unknown_count: 0,
            integrity: None,
        };
        let mut at = HEADER;
        while at < datagram.len() {
            let head = datagram.get(at..at + 4)?;
            let (kind, size) = (be16(head), usize::from(be16(&head[2..])));
            let value = datagram.get(at + 4..at + 4 + size)?;
            let next = at + 4 + size.next_multiple_of(4);
            if next > datagram.len() {
                return None;
            }
            request.attribute(kind, value, at, next == datagram.len())?;
            at = next;
        }
        (!request.username.is_empty()).then_some(request)
    }

    fn attribute(&mut self, kind: u16, value: &'a [u8], at: usize, last: bool) -> Option<()> {
        if kind == FINGERPRINT {
            let expected = crc32(&self.message[..at]) ^ 0x5354_554e;
            return (last && value == expected.to_be_bytes()).then_some(());
        }
        // RFC 8489 §14.5: what follows MESSAGE-INTEGRITY is not covered by it, and ignored.
        if self.integrity.is_some() {
            return Some(());
        }
        match kind {
            USERNAME if self.username.is_empty() => self.username = std::str::from_utf8(value).ok()?,
            MESSAGE_INTEGRITY => {
                self.integrity = Some(at);
                return (value.len() == INTEGRITY_BYTES).then_some(());
            }
            USE_CANDIDATE => self.use_candidate = true,
            ICE_CONTROLLED => self.controlled = true,
            USERNAME | PRIORITY | MESSAGE_INTEGRITY_SHA256 => {}
            required if required < 0x8000 => {
                if let Some(slot) = self.unknown.get_mut(self.unknown_count) {
                    *slot = required;
                    self.unknown_count += 1;
                }
            }
            _ => {}
        }
        Some(())
    }

    /// The part of USERNAME before the colon: the receiver's ufrag.
    #[must_use]
    pub fn ufrag(&self) -> &'a str {
        self.username.split(':').next().unwrap_or_default()
    }

    /// Whether MESSAGE-INTEGRITY is there and was made with this password (RFC 8489 §14.5).
    #[must_use]
    pub fn is_authentic(&self, password: &str) -> bool {
        let Some(at) = self.integrity else {
            return false;
        };
        let claimed = &self.message[at + 4..at + 4 + INTEGRITY_BYTES];
        integrity(&self.message[..at], password).verify_slice(claimed).is_ok()
    }

    /// Comprehension-required attributes that this agent does not know.
    #[must_use]
    pub fn unknown(&self) -> &[u16] {
        &self.unknown[..self.unknown_count]
    }

    /// The success response: XOR-MAPPED-ADDRESS, MESSAGE-INTEGRITY, FINGERPRINT.
    #[must_use]
    pub fn success(&self, source: SocketAddr, password: &str) -> Vec<u8> {
        let mut answer = Writer::new(BINDING_SUCCESS, &self.message[4..HEADER]);
        let mut value = [0; 20];
        let used = xor_address(source, self.message, &mut value);
        answer.attribute(XOR_MAPPED_ADDRESS, &value[..used]);
        answer.finish(password)
    }

    /// 487: the sender must take the controlling role (RFC 8445 §7.3.1.1).
    #[must_use]
    pub fn role_conflict(&self, password: &str) -> Vec<u8> {
        let mut answer = Writer::new(BINDING_ERROR, &self.message[4..HEADER]);
        answer.attribute(ERROR_CODE, b"\0\0\x04\x57Role Conflict");
        answer.finish(password)
    }

    /// 420: names what was not understood (RFC 8489 §14.8).
    #[must_use]
    pub fn unknown_attribute(&self, password: &str) -> Vec<u8> {
        let mut answer = Writer::new(BINDING_ERROR, &self.message[4..HEADER]);
        answer.attribute(ERROR_CODE, b"\0\0\x04\x14Unknown Attribute");
        let mut names = [0; 2 * UNKNOWN_NAMED];
        for (slot, kind) in names.chunks_exact_mut(2).zip(self.unknown()) {
            slot.copy_from_slice(&kind.to_be_bytes());
        }
        answer.attribute(UNKNOWN_ATTRIBUTES, &names[..2 * self.unknown_count]);
        answer.finish(password)
    }
}

/// A transaction identifier (RFC 8489 §5).
pub type Transaction = [u8; 12];

/// A Binding request of our own, as a full agent answers it on whatever path it comes: USERNAME, PRIORITY,
/// ICE-CONTROLLED, MESSAGE-INTEGRITY, FINGERPRINT.
#[must_use]
pub fn request(username: &str, transaction: Transaction, password: &str) -> Vec<u8> {
    let mut request = Writer::new(BINDING_REQUEST, [MAGIC_COOKIE.as_slice(), &transaction].concat().as_slice());
    request.attribute(USERNAME, username.as_bytes());
    // That of a peer-reflexive host candidate (RFC 8445 §5.1.2). The tie-breaker decides nothing: a lite agent yields.
    request.attribute(PRIORITY, &0x6e00_01ff_u32.to_be_bytes());
    request.attribute(ICE_CONTROLLED, &[0; 8]);
    request.finish(password)
}

/// The check of a controlling agent that nominates its one pair (RFC 8445 §7.1): as [`request`], with USE-CANDIDATE
/// and ICE-CONTROLLING.
#[must_use]
pub fn nomination(username: &str, transaction: Transaction, tie_breaker: u64, password: &str) -> Vec<u8> {
    let mut request = Writer::new(BINDING_REQUEST, [MAGIC_COOKIE.as_slice(), &transaction].concat().as_slice());
    request.attribute(USERNAME, username.as_bytes());
    request.attribute(PRIORITY, &0x6e00_01ff_u32.to_be_bytes());
    request.attribute(USE_CANDIDATE, &[]);
    request.attribute(ICE_CONTROLLING, &tie_breaker.to_be_bytes());
    request.finish(password)
}

/// True for the success response to the request with this transaction, sealed with this password.
#[must_use]
pub fn is_success(datagram: &[u8], transaction: Transaction, password: &str) -> bool {
    let Some(header) = datagram.get(..HEADER) else { return false };
    let named = be16(header) == BINDING_SUCCESS && header[4..8] == MAGIC_COOKIE && header[8..] == transaction;
    let mut at = HEADER;
    while let Some(head) = datagram.get(at..at + 4).filter(|_| named) {
        let (kind, size) = (be16(head), usize::from(be16(&head[2..])));
        let value = datagram.get(at + 4..at + 4 + size);
        if kind == MESSAGE_INTEGRITY {
            let sealed = |claimed: &[u8]| integrity(&datagram[..at], password).verify_slice(claimed).is_ok();
            return value.is_some_and(sealed);
        }
        at += 4 + size.next_multiple_of(4);
    }
    false
}

struct Writer(Vec<u8>);

impl Writer {
    /// `identity`: cookie and transaction.
    fn new(kind: u16, identity: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(96);
        bytes.extend_from_slice(&kind.to_be_bytes());
        bytes.extend_from_slice(&[0, 0]);
        bytes.extend_from_slice(identity);
        Self(bytes)
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) {
        // Values are those of this file, none over 100 bytes.
        self.0.extend_from_slice(&kind.to_be_bytes());
        self.0.extend_from_slice(&u16::try_from(value.len()).unwrap_or_default().to_be_bytes());
        self.0.extend_from_slice(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self.set_length(0);
    }

    fn set_length(&mut self, more: usize) {
        let length = u16::try_from(self.0.len() - HEADER + more).unwrap_or_default();
        self.0[2..4].copy_from_slice(&length.to_be_bytes());
    }

    fn finish(mut self, password: &str) -> Vec<u8> {
        let tag = integrity(&self.0, password).finalize().into_bytes();
        self.attribute(MESSAGE_INTEGRITY, &tag);
        // The length that the CRC covers counts FINGERPRINT itself (RFC 8489 §14.7).
        self.set_length(8);
        let fingerprint = crc32(&self.0) ^ 0x5354_554e;
        self.attribute(FINGERPRINT, &fingerprint.to_be_bytes());
        self.0
    }
}

/// HMAC-SHA1 over what stands before MESSAGE-INTEGRITY, with the length that ends behind it.
fn integrity(before: &[u8], password: &str) -> Hmac<Sha1> {
    let length = u16::try_from(before.len() - HEADER + 4 + INTEGRITY_BYTES).unwrap_or_default();
    let mut mac = Hmac::<Sha1>::new_from_slice(password.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(&before[..2]);
    mac.update(&length.to_be_bytes());
    mac.update(&before[4..]);
    mac
}

fn xor_address(address: SocketAddr, request: &[u8], value: &mut [u8; 20]) -> usize {
    let port = address.port() ^ 0x2112;
    value[2..4].copy_from_slice(&port.to_be_bytes());
    let used = match address.ip().to_canonical() {
        IpAddr::V4(ip) => {
            value[1] = 1;
            value[4..8].copy_from_slice(&ip.octets());
            8
        }
        IpAddr::V6(ip) => {
            value[1] = 2;
            value[4..20].copy_from_slice(&ip.octets());
            20
        }
    };
    // Cookie and transaction, one behind the other as in the header.
    for (byte, mask) in value[4..used].iter_mut().zip(&request[4..HEADER]) {
        *byte ^= mask;
    }
    used
}

fn be16(bytes: &[u8]) -> u16 {
    u16::from_be_bytes([bytes[0], bytes[1]])
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, &byte| CRC_TABLE[usize::from(crc.to_le_bytes()[0] ^ byte)] ^ (crc >> 8))
}

/// CRC-32 of ISO 3309 (V.42), as FINGERPRINT wants it.
static CRC_TABLE: [u32; 256] = {
    let mut table = [0u32; 256];
    let mut index = 0u32;
    while index < 256 {
        let mut value = index;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ 0xedb8_8320 } else { value >> 1 };
            bit += 1;
        }
        table[index as usize] = value;
        index += 1;
    }
    table
};

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use rtc_dtls::crypto_provider::default_provider;
    use rtc_stun::attributes::{ATTR_ERROR_CODE, ATTR_UNKNOWN_ATTRIBUTES, ATTR_USERNAME, AttrType};
    use rtc_stun::fingerprint::FINGERPRINT as FINGERPRINT_SETTER;
    use rtc_stun::integrity::MessageIntegrity;
    use rtc_stun::message::{BINDING_REQUEST as REQUEST, Getter, Message, Setter, TransactionId};
    use rtc_stun::textattrs::TextAttribute;
    use rtc_stun::xoraddr::XorMappedAddress;

    /// A full agent's answer to a request of ours, by the family's codec; the request is checked on the way.
    pub fn answer(request: &[u8], username: &str, password: &str) -> Vec<u8> {
        let provider = default_provider().unwrap();
        let mut message = Message::new();
        message.unmarshal_binary(request).unwrap();
        MessageIntegrity::check(&mut message, password.as_bytes(), provider.crypto()).unwrap();
        FINGERPRINT_SETTER.check(&message).unwrap();
        assert_eq!(message.get(ATTR_USERNAME).unwrap(), username.as_bytes());
        let mut response = Message::new();
        response.transaction_id = message.transaction_id;
        response.set_type(rtc_stun::message::BINDING_SUCCESS);
        response.write_header();
        let key = MessageIntegrity::new_short_term_integrity_with_provider(password.to_owned(), provider.crypto());
        key.add_to(&mut response).unwrap();
        FINGERPRINT_SETTER.add_to(&mut response).unwrap();
        response.raw
    }

    /// A check as the family's codec writes it.
    pub fn check(username: &str, password: &str, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let provider = default_provider().unwrap();
        let mut message = Message::new();
        let user = TextAttribute::new(ATTR_USERNAME, username.to_owned());
        message.build(&[Box::new(REQUEST), Box::new(TransactionId::new()), Box::new(user)]).unwrap();
        for (kind, value) in attributes {
            message.add(AttrType(*kind), value);
        }
        let key = MessageIntegrity::new_short_term_integrity_with_provider(password.to_owned(), provider.crypto());
        key.add_to(&mut message).unwrap();
        FINGERPRINT_SETTER.add_to(&mut message).unwrap();
        message.raw
    }

    fn decode(bytes: &[u8], password: &str) -> Message {
        let provider = default_provider().unwrap();
        let mut message = Message::new();
        message.unmarshal_binary(bytes).unwrap();
        MessageIntegrity::check(&mut message, password.as_bytes(), provider.crypto()).unwrap();
        FINGERPRINT_SETTER.check(&message).unwrap();
        message
    }

    #[test]
    fn reads_what_the_family_writes() {
        let plain = check("ours:theirs", "secret", &[]);
        let request = Request::parse(&plain).unwrap();
        assert_eq!((request.username, request.ufrag()), ("ours:theirs", "ours"));
        assert!(request.is_authentic("secret"));
        assert!(!request.is_authentic("Secret"));
        assert!(!request.use_candidate && !request.controlled);
        assert!(request.unknown().is_empty());

        let nominated = check("a:b", "p", &[(PRIORITY, &[1, 2, 3, 4]), (USE_CANDIDATE, &[]), (0xc057, &[0; 4])]);
        let request = Request::parse(&nominated).unwrap();
        assert!(request.use_candidate && request.unknown().is_empty());

        let strange = check("a:b", "p", &[(0x7001, &[9]), (ICE_CONTROLLED, &[0; 8])]);
        let request = Request::parse(&strange).unwrap();
        assert!(request.controlled);
        assert_eq!(request.unknown(), [0x7001]);
    }

    #[test]
    fn the_family_reads_what_we_write() {
        for source in ["203.0.113.9:41234", "[2001:db8::17]:9", "[::ffff:192.0.2.1]:77"] {
            let source: SocketAddr = source.parse().unwrap();
            let bytes = check("a:b", "p", &[]);
            let request = Request::parse(&bytes).unwrap();
            let message = decode(&request.success(source, "p"), "p");
            assert_eq!(message.transaction_id.0, bytes[8..20]);
            let mut mapped = XorMappedAddress::default();
            mapped.get_from(&message).unwrap();
            assert_eq!((mapped.ip, mapped.port), (source.ip().to_canonical(), source.port()));
        }
        let bytes = check("a:b", "p", &[(0x7001, &[]), (0x7002, &[])]);
        let request = Request::parse(&bytes).unwrap();
        let message = decode(&request.unknown_attribute("p"), "p");
        assert_eq!(message.get(ATTR_ERROR_CODE).unwrap()[..4], [0, 0, 4, 20]);
        assert_eq!(message.get(ATTR_UNKNOWN_ATTRIBUTES).unwrap(), [0x70, 1, 0x70, 2]);
        let message = decode(&request.role_conflict("p"), "p");
        assert_eq!(message.get(ATTR_ERROR_CODE).unwrap()[..4], [0, 0, 4, 87]);
    }

    #[test]
    fn refuses_what_is_no_check() {
        let good = check("a:b", "p", &[]);
        assert!(Request::parse(&good).is_some());
        for length in 0..good.len() {
            assert!(Request::parse(&good[..length]).is_none(), "cut at {length}");
        }
        let mut trailing = good.clone();
        trailing.extend_from_slice(&[0; 4]);
        assert!(Request::parse(&trailing).is_none());
        for (at, what) in
            [(0, "indication or response"), (1, "method"), (4, "cookie"), (21, "no user name"), (30, "crc")]
        {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            assert!(Request::parse(&bad).is_none(), "{what}");
        }
    }

    #[test]
    fn what_follows_the_integrity_is_ignored() {
        let mut bytes = check("a:b", "p", &[]);
        bytes.truncate(bytes.len() - 8);
        bytes.extend_from_slice(&[0, 0x25, 0, 0]);
        let length = u16::try_from(bytes.len() - HEADER).unwrap();
        bytes[2..4].copy_from_slice(&length.to_be_bytes());
        let request = Request::parse(&bytes).unwrap();
        assert!(request.is_authentic("p"));
        assert!(!request.use_candidate);
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let good = check("a:b", "p", &[(PRIORITY, &[1, 2, 3, 4]), (0x7001, &[1, 2, 3])]);
        // The last eight bytes are FINGERPRINT: not covered, and ignored once they are another attribute.
        for at in 0..good.len() - 8 {
            for flip in [1, 4, 0x20, 0x80, 0xff] {
                let mut bad = good.clone();
                bad[at] ^= flip;
                if let Some(request) = Request::parse(&bad) {
                    assert!(!request.is_authentic("p"), "byte {at} is not covered");
                }
            }
        }
    }
}
