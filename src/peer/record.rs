//! DTLS 1.2 records and handshake fragments (RFC 6347 §4.1 and §4.2.2), borrowed from the datagram.

/// Content types.
pub const CHANGE_CIPHER_SPEC: u8 = 20;
pub const ALERT: u8 = 21;
pub const HANDSHAKE: u8 = 22;

/// Handshake types.
pub const CLIENT_HELLO: u8 = 1;
pub const HELLO_VERIFY_REQUEST: u8 = 3;
pub const SERVER_HELLO_DONE: u8 = 14;

const RECORD_HEADER: usize = 13;
const HANDSHAKE_HEADER: usize = 12;

/// One record.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Content type.
    pub kind: u8,
    /// 0 until ChangeCipherSpec.
    pub epoch: u16,
    /// With its header.
    pub bytes: &'a [u8],
}

/// The records of a datagram, up to the first that does not parse.
pub struct Records<'a>(pub &'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let header = self.0.get(..RECORD_HEADER)?;
        let length = usize::from(be16(&header[11..]));
        let bytes = self.0.get(..RECORD_HEADER + length)?;
        // DTLS 1.0 and 1.2 both begin with 254; a ClientHello may say 1.0.
        if header[1] != 254 {
            return None;
        }
        self.0 = &self.0[bytes.len()..];
        Some(Record { kind: header[0], epoch: be16(&header[3..]), bytes })
    }
}

/// A piece of a handshake message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fragment<'a> {
    /// Handshake type.
    pub kind: u8,
    /// Of the whole message.
    pub length: usize,
    /// The message's number.
    pub sequence: u16,
    /// Where the piece belongs.
    pub offset: usize,
    /// The piece.
    pub data: &'a [u8],
}

/// The fragments in a plaintext handshake record, up to the first that does not parse.
pub struct Fragments<'a>(&'a [u8]);

impl<'a> Record<'a> {
    /// The fragments in it.
    #[must_use]
    pub fn fragments(&self) -> Fragments<'a> {
        Fragments(&self.bytes[RECORD_HEADER..])
    }
}

impl<'a> Iterator for Fragments<'a> {
    type Item = Fragment<'a>;

    fn next(&mut self) -> Option<Fragment<'a>> {
        let header = self.0.get(..HANDSHAKE_HEADER)?;
        let end = HANDSHAKE_HEADER + be24(&header[9..]);
        let data = self.0.get(HANDSHAKE_HEADER..end)?;
        self.0 = &self.0[end..];
        let (length, offset) = (be24(&header[1..]), be24(&header[6..]));
        Some(Fragment { kind: header[0], length, sequence: be16(&header[4..]), offset, data })
    }
}

/// A whole handshake message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// Handshake type.
    pub kind: u8,
    /// Its number.
    pub sequence: u16,
    /// Without a header.
    pub body: Vec<u8>,
}

/// Appends a plaintext record with the message in one piece. The body is under
/// [`crate::limits::HANDSHAKE_MESSAGE_BYTES`].
pub fn write_message(out: &mut Vec<u8>, number: u64, message: &Message) {
    write_header(out, HANDSHAKE, number, HANDSHAKE_HEADER + message.body.len());
    let length = &(message.body.len() as u64).to_be_bytes()[5..];
    out.push(message.kind);
    out.extend_from_slice(length);
    out.extend_from_slice(&message.sequence.to_be_bytes());
    out.extend_from_slice(&[0; 3]);
    out.extend_from_slice(length);
    out.extend_from_slice(&message.body);
}

/// Appends a plaintext ChangeCipherSpec record.
pub fn write_change_cipher_spec(out: &mut Vec<u8>, number: u64) {
    write_header(out, CHANGE_CIPHER_SPEC, number, 1);
    out.push(1);
}

fn write_header(out: &mut Vec<u8>, kind: u8, number: u64, length: usize) {
    out.extend_from_slice(&[kind, 254, 253, 0, 0]);
    out.extend_from_slice(&number.to_be_bytes()[2..]);
    out.extend_from_slice(&(length as u64).to_be_bytes()[6..]);
}

fn be16(bytes: &[u8]) -> u16 {
    u16::from_be_bytes([bytes[0], bytes[1]])
}

fn be24(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 16 | usize::from(be16(&bytes[1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let message = Message { kind: 11, sequence: 0x0203, body: vec![7; 300] };
        let mut datagram = Vec::new();
        write_message(&mut datagram, 5, &message);
        write_change_cipher_spec(&mut datagram, 6);
        datagram.extend_from_slice(&[ALERT, 254, 253, 0, 1, 0, 0, 0, 0, 0, 9, 0, 2, 1]);
        let records: Vec<_> = Records(&datagram).collect();
        let kinds: Vec<_> = records.iter().map(|record| (record.kind, record.epoch)).collect();
        assert_eq!(kinds, [(HANDSHAKE, 0), (CHANGE_CIPHER_SPEC, 0)], "the cut one is not there");
        let fragments: Vec<_> = records[0].fragments().collect();
        let expected = Fragment { kind: 11, length: 300, sequence: 0x0203, offset: 0, data: &message.body };
        assert_eq!(fragments, [expected]);
    }

    #[test]
    fn cut_bytes_do_not_panic() {
        let mut datagram = Vec::new();
        write_message(&mut datagram, 1, &Message { kind: 1, sequence: 0, body: vec![0; 50] });
        for length in 0..datagram.len() {
            assert_eq!(Records(&datagram[..length]).count(), 0);
        }
        for at in 0..datagram.len() {
            let mut bad = datagram.clone();
            bad[at] ^= 0xff;
            let pieces = Records(&bad).flat_map(|record| record.fragments()).count();
            assert!(pieces <= 1);
        }
    }
}
