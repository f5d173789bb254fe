//! A look into the ClientHello before the handshake begins: which SRTP profiles the client has. Browsers list
//! AES-CM first, and the family's server takes the client's order, so AES-GCM has to be chosen here. The message
//! comes in fragments (RFC 6347 §4.2.3): Chromium's is longer than a datagram.

use crate::limits;
use crate::peer::keys::Profile;

const RECORD_HEADER: usize = 13;
const HANDSHAKE_HEADER: usize = 12;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const USE_SRTP: u16 = 14;
/// Pieces that a message may come in.
const PIECES: usize = 64;

/// Puts the message together.
#[derive(Default)]
pub struct Assembler {
    body: Vec<u8>,
    /// Which bytes are there: ranges as they came.
    pieces: Vec<(usize, usize)>,
}

impl Assembler {
    /// Takes the handshake fragments of a datagram. The profile once the message is whole; what is no ClientHello
    /// is passed over.
    pub fn handle(&mut self, datagram: &[u8]) -> Option<Profile> {
        let mut rest = datagram;
        while let Some((header, tail)) = rest.split_at_checked(RECORD_HEADER) {
            let length = usize::from(u16::from_be_bytes([header[11], header[12]]));
            let (record, tail) = tail.split_at_checked(length)?;
            if header[0] == HANDSHAKE && header[3..5] == [0, 0] {
                self.handle_record(record);
            }
            rest = tail;
        }
        self.is_whole().then(|| profile(&self.body)).flatten()
    }

    fn handle_record(&mut self, mut record: &[u8]) {
        while let Some((header, tail)) = record.split_at_checked(HANDSHAKE_HEADER) {
            let number = |at: usize| {
                usize::from(header[at]) << 16 | usize::from(header[at + 1]) << 8 | usize::from(header[at + 2])
            };
            let (length, offset, piece) = (number(1), number(6), number(9));
            let Some((bytes, tail)) = tail.split_at_checked(piece) else { return };
            record = tail;
            let fits = offset + piece <= length && length <= limits::CLIENT_HELLO_BYTES && self.pieces.len() < PIECES;
            if header[0] != CLIENT_HELLO || !fits || piece == 0 {
                continue;
            }
            if self.body.len() != length {
                self.body = vec![0; length];
                self.pieces.clear();
            }
            self.body[offset..offset + piece].copy_from_slice(bytes);
            self.pieces.push((offset, offset + piece));
        }
    }

    fn is_whole(&mut self) -> bool {
        self.pieces.sort_unstable();
        let mut covered = 0;
        for (start, end) in &self.pieces {
            if *start > covered {
                return false;
            }
            covered = covered.max(*end);
        }
        !self.body.is_empty() && covered == self.body.len()
    }
}

/// The best profile of a ClientHello (RFC 5246 §7.4.1.2 with the cookie of RFC 6347 §4.2.1, RFC 5764 §4.1).
fn profile(body: &[u8]) -> Option<Profile> {
    let mut reader = Reader(body);
    reader.skip(2 + 32)?;
    for width in [1, 1, 2, 1] {
        // Session identifier, cookie, cipher suites, compression methods.
        reader.vector(width)?;
    }
    let mut extensions = Reader(reader.vector(2)?);
    while !extensions.0.is_empty() {
        let kind = extensions.number(2)?;
        let mut value = Reader(extensions.vector(2)?);
        if kind == usize::from(USE_SRTP) {
            let profiles = value.vector(2)?;
            let has = |wanted: u16| profiles.chunks_exact(2).any(|profile| profile == wanted.to_be_bytes());
            return if has(7) { Some(Profile::Gcm) } else { has(1).then_some(Profile::Cm) };
        }
    }
    None
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn skip(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self, width: usize) -> Option<usize> {
        Some(self.skip(width)?.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }

    fn vector(&mut self, width: usize) -> Option<&'a [u8]> {
        let length = self.number(width)?;
        self.skip(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ClientHello with these SRTP profiles and a long extension, as Chromium's key share is.
    fn hello(profiles: &[u16]) -> Vec<u8> {
        let two = |length: usize| u16::try_from(length).unwrap().to_be_bytes();
        let mut body = vec![0xfe, 0xfd];
        body.extend([7; 32]);
        body.extend([0, 0, 0, 2, 0xc0, 0x2b, 1, 0]);
        let mut extensions = vec![0, 51, 4, 0];
        extensions.extend([9; 1024]);
        extensions.extend(USE_SRTP.to_be_bytes());
        extensions.extend(two(2 * profiles.len() + 3));
        extensions.extend(two(2 * profiles.len()));
        extensions.extend(profiles.iter().flat_map(|profile| profile.to_be_bytes()));
        extensions.push(0);
        body.extend(two(extensions.len()));
        body.extend(extensions);
        body
    }

    fn fragment(body: &[u8], offset: usize, length: usize) -> Vec<u8> {
        let three = |number: usize| u32::try_from(number).unwrap().to_be_bytes()[1..].to_vec();
        let mut message = [vec![CLIENT_HELLO], three(body.len()), vec![0, 0], three(offset), three(length)].concat();
        message.extend(&body[offset..offset + length]);
        let mut record = vec![HANDSHAKE, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0];
        record.extend(u16::try_from(message.len()).unwrap().to_be_bytes());
        record.extend(message);
        record
    }

    #[test]
    fn the_best_profile_is_found_whatever_its_place() {
        let table: [(&[u16], Option<Profile>); 5] = [
            (&[1, 2, 8, 7], Some(Profile::Gcm)),
            (&[7], Some(Profile::Gcm)),
            (&[2, 1], Some(Profile::Cm)),
            (&[8, 2], None),
            (&[], None),
        ];
        for (profiles, expected) in table {
            let body = hello(profiles);
            assert_eq!(Assembler::default().handle(&fragment(&body, 0, body.len())), expected, "{profiles:?}");
        }
    }

    #[test]
    fn fragments_come_in_any_order_and_more_than_once() {
        let body = hello(&[1, 7]);
        let cuts = [0, 255, 300, 900, body.len()];
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
            let mut assembler = Assembler::default();
            let mut found = None;
            for (step, piece) in order.iter().enumerate() {
                assert_eq!(found, None, "not before all are there");
                let record = fragment(&body, cuts[*piece], cuts[*piece + 1] - cuts[*piece]);
                if step < 3 {
                    assert_eq!(assembler.handle(&record), None);
                }
                found = assembler.handle(&record);
            }
            assert_eq!(found, Some(Profile::Gcm), "{order:?}");
        }
    }

    #[test]
    fn junk_is_passed_over_within_bounds() {
        let body = hello(&[7]);
        let mut assembler = Assembler::default();
        for _ in 0..10_000 {
            let mut empty = fragment(&body, 0, 0);
            empty[14] = 0;
            assert_eq!(assembler.handle(&empty), None);
        }
        assert!(assembler.pieces.is_empty());
        let whole = fragment(&body, 0, body.len());
        for cut in 0..whole.len() {
            let _ = Assembler::default().handle(&whole[..cut]);
            let mut bad = whole.clone();
            bad[cut] ^= 0xff;
            let _ = Assembler::default().handle(&bad);
        }
        assert_eq!(assembler.handle(&whole), Some(Profile::Gcm));
    }
}
