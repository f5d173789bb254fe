//! Asking a STUN server at which address it sees us (RFC 8489 §3, without credentials): the two messages of it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::peer::stun::Transaction;

const HEADER: usize = 20;
const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const XOR_MAPPED_ADDRESS: u16 = 0x0020;

/// The question: a header without attributes.
#[must_use]
pub fn question(transaction: Transaction) -> [u8; HEADER] {
    let mut message = [0; HEADER];
    message[..2].copy_from_slice(&BINDING_REQUEST.to_be_bytes());
    message[4..8].copy_from_slice(&MAGIC_COOKIE);
    message[8..].copy_from_slice(&transaction);
    message
}

/// XOR-MAPPED-ADDRESS of the success response to the question with this transaction; `None` for everything else.
#[must_use]
pub fn mapped_address(datagram: &[u8], transaction: Transaction) -> Option<SocketAddr> {
    let header = datagram.get(..HEADER)?;
    let is_answer = be16(header) == BINDING_SUCCESS && header[4..8] == MAGIC_COOKIE && header[8..] == transaction;
    let mut rest = datagram.get(HEADER..HEADER + usize::from(be16(&header[2..]))).filter(|_| is_answer)?;
    while let Some((head, behind)) = rest.split_at_checked(4) {
        let (kind, size) = (be16(head), usize::from(be16(&head[2..])));
        let value = behind.get(..size)?;
        if kind == XOR_MAPPED_ADDRESS {
            return address(value, &header[4..]);
        }
        rest = behind.get(size.next_multiple_of(4)..)?;
    }
    None
}

/// RFC 8489 §14.2. `mask`: cookie and transaction.
fn address(value: &[u8], mask: &[u8]) -> Option<SocketAddr> {
    let (head, address) = value.split_at_checked(4)?;
    let port = be16(&head[2..]) ^ be16(mask);
    let plain = |at: usize| address[at] ^ mask[at];
    let ip = match (head[1], address.len()) {
        (1, 4) => IpAddr::V4(Ipv4Addr::from(std::array::from_fn(plain))),
        (2, 16) => IpAddr::V6(Ipv6Addr::from(std::array::from_fn::<u8, 16, _>(plain))),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

fn be16(bytes: &[u8]) -> u16 {
    u16::from_be_bytes([bytes[0], bytes[1]])
}

#[cfg(test)]
mod tests {
    use rtc_stun::message::{BINDING_SUCCESS as SUCCESS, Message, Setter, TransactionId};
    use rtc_stun::textattrs::TextAttribute;
    use rtc_stun::xoraddr::XorMappedAddress;

    use super::*;

    const TRANSACTION: Transaction = *b"abcdefghijkl";

    /// What a STUN server of the family's makes.
    fn answer(address: &str, transaction: Transaction) -> Vec<u8> {
        let address: SocketAddr = address.parse().unwrap();
        let mut message = Message::new();
        message.transaction_id = TransactionId(transaction);
        message.set_type(SUCCESS);
        message.write_header();
        // An attribute before it, of a length that needs padding.
        let software = TextAttribute::new(rtc_stun::attributes::ATTR_SOFTWARE, "a server".to_owned() + ".");
        software.add_to(&mut message).unwrap();
        XorMappedAddress { ip: address.ip(), port: address.port() }.add_to(&mut message).unwrap();
        message.raw
    }

    #[test]
    fn the_familys_answers_are_understood() {
        for address in ["203.0.113.7:7000", "[2001:db8::7]:65535", "0.0.0.0:0"] {
            let answer = answer(address, TRANSACTION);
            assert_eq!(mapped_address(&answer, TRANSACTION), Some(address.parse().unwrap()));
            assert_eq!(mapped_address(&answer, *b"abcdefghijkL"), None, "another's transaction");
            for cut in 0..answer.len() {
                assert_eq!(mapped_address(&answer[..cut], TRANSACTION), None, "cut to {cut} bytes");
            }
        }
    }

    #[test]
    fn the_question_is_one_for_the_family() {
        let mut message = Message::new();
        message.unmarshal_binary(&question(TRANSACTION)).unwrap();
        assert_eq!(message.typ, rtc_stun::message::BINDING_REQUEST);
        assert_eq!(message.transaction_id.0, TRANSACTION);
        assert_eq!(mapped_address(&question(TRANSACTION), TRANSACTION), None, "it is no answer");
    }

    #[test]
    fn broken_values_are_none() {
        let whole = answer("203.0.113.7:7000", TRANSACTION);
        let at = whole.len() - 12;
        for (offset, value) in [(5, 2), (5, 0), (3, 7), (3, 200), (0, 9)] {
            let mut broken = whole.clone();
            broken[at + offset] = value;
            assert_eq!(mapped_address(&broken, TRANSACTION), None, "{offset}: {value}");
        }
    }
}
