//! An RTP packet as bytes (RFC 3550 §5.1): a checked view of one that came, and the header of one that goes.

use crate::id::{PayloadType, Ssrc};
use crate::rtp::extension::{Elements, ONE_BYTE_PROFILE};

/// Bytes of the fixed header.
pub const FIXED_HEADER: usize = 12;
/// Room for the longest header that [`Header::write`] makes: fixed header, and two extension elements.
pub const MAX_HEADER: usize = 64;

/// A packet whose lengths have been checked.
#[derive(Clone, Copy)]
pub struct Packet<'a> {
    bytes: &'a [u8],
    extensions: Option<(u16, &'a [u8])>,
    payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// The view, or `None` where the packet is shorter than its own header says.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let first = *bytes.first()?;
        if first >> 6 != 2 {
            return None;
        }
        let mut rest = bytes.get(FIXED_HEADER + 4 * usize::from(first & 0x0f)..)?;
        let mut extensions = None;
        if first & 0x10 != 0 {
            let (head, tail) = rest.split_at_checked(4)?;
            let words = usize::from(u16::from_be_bytes([head[2], head[3]]));
            let (elements, tail) = tail.split_at_checked(4 * words)?;
            extensions = Some((u16::from_be_bytes([head[0], head[1]]), elements));
            rest = tail;
        }
        if first & 0x20 != 0 {
            let padding = usize::from(*rest.last()?);
            let kept = rest.len().checked_sub(padding).filter(|_| padding != 0)?;
            rest = &rest[..kept];
        }
        Some(Self { bytes, extensions, payload: rest })
    }

    /// The marker bit.
    #[must_use]
    pub fn marker(&self) -> bool {
        self.bytes[1] & 0x80 != 0
    }

    /// The payload type.
    #[must_use]
    pub fn payload_type(&self) -> PayloadType {
        PayloadType(self.bytes[1] & 0x7f)
    }

    /// The sequence number.
    #[must_use]
    pub fn sequence(&self) -> u16 {
        u16::from_be_bytes([self.bytes[2], self.bytes[3]])
    }

    /// The timestamp, in units of the format's clock rate.
    #[must_use]
    pub fn timestamp(&self) -> u32 {
        u32::from_be_bytes([self.bytes[4], self.bytes[5], self.bytes[6], self.bytes[7]])
    }

    /// The synchronisation source.
    #[must_use]
    pub fn ssrc(&self) -> Ssrc {
        Ssrc(u32::from_be_bytes([self.bytes[8], self.bytes[9], self.bytes[10], self.bytes[11]]))
    }

    /// The payload without padding; empty for a packet that is padding only.
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// The header extension elements (RFC 8285).
    #[must_use]
    pub fn extensions(&self) -> Elements<'a> {
        match self.extensions {
            Some((profile, bytes)) => Elements::new(profile, bytes),
            None => Elements::new(ONE_BYTE_PROFILE, &[]),
        }
    }

    /// The value of one header extension element.
    #[must_use]
    pub fn extension(&self, id: u8) -> Option<&'a [u8]> {
        self.extensions().find(|(found, _)| *found == id).map(|(_, value)| value)
    }

    /// The whole packet.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

/// The header of an outgoing packet.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    /// The marker bit.
    pub marker: bool,
    /// The padding bit: the payload ends with padding, whose last byte says how long it is.
    pub padding: bool,
    /// The payload type.
    pub payload_type: PayloadType,
    /// The sequence number.
    pub sequence: u16,
    /// The timestamp.
    pub timestamp: u32,
    /// The synchronisation source.
    pub ssrc: Ssrc,
}

impl Header {
    /// Writes the header with one-byte extension elements (id 1 to 14, value of 1 to 16 bytes; others are left out)
    /// and returns its length.
    pub fn write<'e>(&self, elements: impl Iterator<Item = (u8, &'e [u8])>, out: &mut [u8; MAX_HEADER]) -> usize {
        out[0] = 0x80 | u8::from(self.padding) << 5;
        out[1] = u8::from(self.marker) << 7 | self.payload_type.0;
        out[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        out[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        out[8..12].copy_from_slice(&self.ssrc.0.to_be_bytes());
        let start = FIXED_HEADER + 4;
        let mut end = start;
        for (id, value) in elements {
            let fits =
                (1..=14).contains(&id) && (1..=16).contains(&value.len()) && end + 1 + value.len() <= MAX_HEADER - 3;
            if fits {
                out[end] = id << 4 | u8::try_from(value.len() - 1).expect("at most 16 bytes");
                out[end + 1..end + 1 + value.len()].copy_from_slice(value);
                end += 1 + value.len();
            }
        }
        if end == start {
            return FIXED_HEADER;
        }
        while !(end - start).is_multiple_of(4) {
            out[end] = 0;
            end += 1;
        }
        out[0] |= 0x10;
        out[12..14].copy_from_slice(&ONE_BYTE_PROFILE.to_be_bytes());
        let words = u16::try_from((end - start) / 4).expect("at most twelve words");
        out[14..16].copy_from_slice(&words.to_be_bytes());
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header {
        marker: true,
        padding: false,
        payload_type: PayloadType(96),
        sequence: 0xfffe,
        timestamp: 0x0102_0304,
        ssrc: Ssrc(7),
    };

    fn packet(elements: &[(u8, &[u8])], payload: &[u8]) -> Vec<u8> {
        let mut header = [0; MAX_HEADER];
        let length = HEADER.write(elements.iter().copied(), &mut header);
        [&header[..length], payload].concat()
    }

    #[test]
    fn written_headers_read_back() {
        let tables: [&[(u8, &[u8])]; 3] = [&[], &[(1, b"a")], &[(3, b"abc"), (14, b"0123456789abcdef")]];
        for elements in tables {
            let bytes = packet(elements, b"payload");
            let view = Packet::parse(&bytes).unwrap();
            assert_eq!((view.marker(), view.payload_type(), view.sequence()), (true, PayloadType(96), 0xfffe));
            assert_eq!((view.timestamp(), view.ssrc(), view.payload()), (0x0102_0304, Ssrc(7), &b"payload"[..]));
            assert_eq!(view.extensions().collect::<Vec<_>>(), elements);
        }
    }

    #[test]
    fn elements_that_do_not_fit_are_left_out() {
        let bytes = packet(&[(0, b"x"), (15, b"x"), (1, b""), (2, &[0; 17])], b"p");
        assert_eq!(bytes.len(), FIXED_HEADER + 1);
    }

    #[test]
    fn padding_and_sources_are_taken_off() {
        let mut header = [0; MAX_HEADER];
        let length = Header { padding: true, ..HEADER }.write(std::iter::empty(), &mut header);
        let bytes = [&header[..length], b"abc\0\0\x03"].concat();
        assert_eq!(Packet::parse(&bytes).unwrap().payload(), b"abc");
        let mut only = packet(&[], &[0, 0, 3]);
        only[0] |= 0x20;
        assert_eq!(Packet::parse(&only).unwrap().payload(), b"");
        let mut sources = packet(&[], b"12345678abc");
        sources[0] |= 2;
        assert_eq!(Packet::parse(&sources).unwrap().payload(), b"abc");
    }

    #[test]
    fn impossible_lengths_are_refused() {
        let good = packet(&[(1, b"abc")], b"");
        for cut in 0..good.len() {
            assert!(Packet::parse(&good[..cut]).is_none(), "{cut}");
        }
        let mut version = good.clone();
        version[0] &= 0x3f;
        assert!(Packet::parse(&version).is_none());
        for padding in [0, 4] {
            let mut bytes = packet(&[], &[0, 0, padding]);
            bytes[0] |= 0x20;
            assert!(Packet::parse(&bytes).is_none());
        }
    }
}
