//! What the publisher writes at the end of each payload, so that a subscriber can tell whether the packet is the one
//! that was sent, to the room that it was sent to, and how long it took.
//!
//! At the end, because what stands in front of it may be rewritten on the way (the picture id of a VP8 descriptor).

use crate::rtp::codec::Codec;

/// Bytes of a stamp.
pub const STAMP_BYTES: usize = 32;

const MAGIC: [u8; 4] = *b"Rill";

/// One packet's identity.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// The number of the room that it was sent to.
    pub room: u32,
    /// The number of the packet in its track.
    pub number: u32,
    /// When it was sent, in nanoseconds since 1970.
    pub sent: u64,
    /// The number of bytes before the stamp that its checksum covers.
    covered: u16,
    /// Another number for each run, so that packets of an older one are not taken for ours.
    pub run: u16,
}

/// What a payload says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// A stamp, and the bytes that it covers are as they were.
    Whole(Stamp),
    /// A stamp, and other bytes than were sent.
    Corrupt,
    /// None. Where we publish, the packet was damaged.
    Missing,
    /// None, but the packet is one that servers make themselves.
    OfServer,
}

impl Stamp {
    /// A stamp that covers nothing yet.
    #[must_use]
    pub fn new(room: u32, number: u32, sent: u64, run: u16) -> Self {
        Self { room, number, sent, covered: 0, run }
    }

    /// Writes the stamp into the last [`STAMP_BYTES`] of a payload. `from`: the first byte that must arrive as it is.
    ///
    /// # Panics
    /// Where the payload is shorter than a stamp behind `from`.
    pub fn write(mut self, payload: &mut [u8], from: usize) {
        let (before, place) = payload.split_at_mut(payload.len() - STAMP_BYTES);
        let covered = &before[from..];
        self.covered = u16::try_from(covered.len()).expect("a payload fits a datagram");
        place[..4].copy_from_slice(&MAGIC);
        place[4..8].copy_from_slice(&self.room.to_be_bytes());
        place[8..12].copy_from_slice(&self.number.to_be_bytes());
        place[12..20].copy_from_slice(&self.sent.to_be_bytes());
        place[20..22].copy_from_slice(&self.covered.to_be_bytes());
        place[22..24].copy_from_slice(&self.run.to_be_bytes());
        let sum = checksum(covered, &place[..24]);
        place[24..].copy_from_slice(&sum.to_be_bytes());
    }

    /// Reads the stamp at the end of a payload (without RTP padding).
    #[must_use]
    pub fn read(codec: Codec, payload: &[u8]) -> Found {
        let missing = if is_of_server(codec, payload) { Found::OfServer } else { Found::Missing };
        let Some((before, place)) = payload.split_last_chunk::<STAMP_BYTES>() else { return missing };
        if place[..4] != MAGIC {
            return missing;
        }
        let covered = u16::from_be_bytes([place[20], place[21]]);
        let Some(from) = before.len().checked_sub(covered.into()) else { return Found::Corrupt };
        if checksum(&before[from..], &place[..24]).to_be_bytes() != place[24..] {
            return Found::Corrupt;
        }
        let be32 = |at: usize| u32::from_be_bytes([place[at], place[at + 1], place[at + 2], place[at + 3]]);
        Found::Whole(Self {
            room: be32(4),
            number: be32(8),
            sent: u64::from(be32(12)) << 32 | u64::from(be32(16)),
            covered,
            run: u16::from_be_bytes([place[22], place[23]]),
        })
    }
}

/// A server may repeat the parameter sets of H264 in a packet of its own.
fn is_of_server(codec: Codec, payload: &[u8]) -> bool {
    let kind = payload.first().map_or(0, |header| header & 0x1f);
    payload.is_empty() || codec == Codec::H264 && matches!(kind, 7 | 8 | 24)
}

/// Two multiplications for each eight bytes: damage must be found, nobody forges.
fn checksum(covered: &[u8], head: &[u8]) -> u64 {
    let mix = |sum: u64, word: u64| (sum.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    [covered, head].into_iter().fold(0x5241_494c, |sum, bytes| {
        let (words, rest) = bytes.as_chunks::<8>();
        let sum = words.iter().fold(sum, |sum, word| mix(sum, u64::from_le_bytes(*word)));
        rest.iter().fold(mix(sum, bytes.len() as u64), |sum, byte| mix(sum, u64::from(*byte)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload() -> Vec<u8> {
        let mut payload: Vec<u8> = (0..=255).collect();
        Stamp::new(7, 9, 1 << 60, 3).write(&mut payload, 4);
        payload
    }

    #[test]
    fn what_is_written_is_read() {
        let Found::Whole(stamp) = Stamp::read(Codec::Vp8, &payload()) else { panic!("no stamp") };
        assert_eq!((stamp.room, stamp.number, stamp.sent, stamp.run), (7, 9, 1 << 60, 3));
        assert_eq!(usize::from(stamp.covered), 256 - STAMP_BYTES - 4);
    }

    #[test]
    fn every_covered_bit_counts_and_the_descriptor_does_not() {
        for at in 0..256 {
            let mut payload = payload();
            payload[at] ^= 0x10;
            let magic = 256 - STAMP_BYTES..256 - STAMP_BYTES + 4;
            let expected = match at {
                0..4 => Stamp::read(Codec::Vp8, &self::payload()),
                _ if magic.contains(&at) => Found::Missing,
                _ => Found::Corrupt,
            };
            assert_eq!(Stamp::read(Codec::Vp8, &payload), expected, "byte {at}");
        }
    }

    #[test]
    fn parameter_sets_of_the_server_are_not_taken_for_damage() {
        for (codec, payload, expected) in [
            (Codec::H264, &[0x78, 0, 1, 0x67][..], Found::OfServer),
            (Codec::H264, &[0x7c, 0x85, 1], Found::Missing),
            (Codec::Vp8, &[0x78, 0, 1], Found::Missing),
            (Codec::Vp8, &[], Found::OfServer),
        ] {
            assert_eq!(Stamp::read(codec, payload), expected, "{payload:?}");
        }
    }
}
