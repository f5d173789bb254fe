//! Frames into RTP packets.
//!
//! H.264, H.265, AV1 and Opus go through the payloaders of the `rtp` crate. VP8 and VP9 do not: its VP8 payloader
//! changes the length of the picture id as it counts, and its VP9 payloader marks every picture as independent of
//! the ones before, so that a server would take each one for a key frame.
//!
//! Pieces are as equal as can be, as browsers cut them: packets of one length travel on as one train.

use bytes::Bytes;
use rtp::codec::av1::Av1Payloader;
use rtp::codec::h264::H264Payloader;
use rtp::codec::h265::HevcPayloader;
use rtp::codec::opus::OpusPayloader;
use rtp::packetizer::Payloader;

use crate::limits::CLIENT_PAYLOAD_BYTES;
use crate::media::{Frame, MediaError, nal_units};
use crate::rtp::codec::{Codec, MediaKind};

/// What H.264's FU-A (RFC 6184 §5.8) puts before each piece; AV1's aggregation header has one byte.
const PIECE_HEADER_BYTES: usize = 2;

/// Cuts the frames of one track into packets with running sequence numbers. SSRC and payload type stay 0: the
/// connection sets them.
#[derive(Debug)]
pub struct Packetizer {
    codec: Codec,
    payloader: Option<Box<dyn Payloader>>,
    sequence: u16,
    picture: u16,
}

impl Packetizer {
    /// A packetizer whose first packet gets the number `first_sequence`.
    pub fn new(codec: Codec, first_sequence: u16) -> Self {
        let payloader: Option<Box<dyn Payloader>> = match codec {
            Codec::Vp8 | Codec::Vp9 => None,
            Codec::Av1 => Some(Box::new(Av1Payloader::default())),
            Codec::H264 => Some(Box::new(H264Payloader::default())),
            Codec::H265 => Some(Box::new(HevcPayloader)),
            Codec::Opus | Codec::Pcmu | Codec::Pcma => Some(Box::new(OpusPayloader)),
        };
        Self { codec, payloader, sequence: first_sequence, picture: first_sequence & 0x7fff }
    }

    /// The packets of one frame, with payloads of at most [`CLIENT_PAYLOAD_BYTES`]; the last one of a picture is
    /// marked.
    ///
    /// # Errors
    ///
    /// Where the frame is not one of the codec.
    pub fn packetize(&mut self, frame: &Frame, timestamp: u32) -> Result<Vec<rtp::Packet>, MediaError> {
        let payloads = self.payloads(frame)?;
        let last = payloads.len().saturating_sub(1);
        let packets = payloads.into_iter().enumerate().map(|(index, payload)| {
            let header = rtp::header::Header {
                version: 2,
                marker: index == last && self.codec.kind() == MediaKind::Video,
                sequence_number: self.sequence,
                timestamp,
                ..Default::default()
            };
            self.sequence = self.sequence.wrapping_add(1);
            rtp::Packet { header, payload }
        });
        Ok(packets.collect())
    }

    fn payloads(&mut self, frame: &Frame) -> Result<Vec<Bytes>, MediaError> {
        if let Some(payloader) = &mut self.payloader {
            let mut payloads = Vec::new();
            for (unit, longest) in units(self.codec, &frame.data) {
                let pieces = payloader.payload(longest, &unit);
                payloads.extend(pieces.map_err(|error| MediaError::Payload(error.to_string()))?);
            }
            return Ok(payloads);
        }
        self.picture = (self.picture + 1) & 0x7fff;
        let [high, low] = (self.picture | 0x8000).to_be_bytes();
        let descriptor: &[u8] = match (self.codec, frame.key) {
            // RFC 7741 §4.2: extended, with a picture id of 15 bits.
            (Codec::Vp8, _) => &[0x80, 0x80, high, low],
            // RFC 9628 §4.2: picture id, flexible mode; a picture that is not a key frame needs the one before.
            (_, true) => &[0x90, high, low],
            (_, false) => &[0xd0, high, low, 0x02],
        };
        Ok(even_pieces(&frame.data, descriptor, self.codec))
    }
}

/// What a payloader gets at a time, and the longest payload it may make of that. The payloaders fill each packet before
/// they begin the next, so where the last one would be shorter, all are told to be.
fn units(codec: Codec, frame: &Bytes) -> Vec<(Bytes, usize)> {
    match codec {
        Codec::H264 => nal_units(frame).map(|unit| (frame.slice_ref(unit), even_size(unit.len()))).collect(),
        Codec::Av1 => vec![(frame.clone(), even_size(frame.len()))],
        _ => vec![(frame.clone(), CLIENT_PAYLOAD_BYTES)],
    }
}

/// The size of payloads that cut so many bytes into pieces of one length, and into no more of them than are needed.
fn even_size(length: usize) -> usize {
    if length <= CLIENT_PAYLOAD_BYTES {
        return CLIENT_PAYLOAD_BYTES;
    }
    let count = length.div_ceil(CLIENT_PAYLOAD_BYTES - PIECE_HEADER_BYTES);
    length.div_ceil(count) + PIECE_HEADER_BYTES
}

/// The pieces of a VP8 or VP9 frame.
fn even_pieces(frame: &Bytes, descriptor: &[u8], codec: Codec) -> Vec<Bytes> {
    let (begin, end) = if codec == Codec::Vp8 { (0x10, 0) } else { (0x08, 0x04) };
    let count = frame.len().div_ceil(CLIENT_PAYLOAD_BYTES - descriptor.len()).max(1);
    let border = |index: usize| frame.len() * index / count;
    let piece = |index: usize| {
        let mut payload = descriptor.to_vec();
        payload[0] |= if index == 0 { begin } else { 0 } | if index + 1 == count { end } else { 0 };
        payload.extend_from_slice(&frame[border(index)..border(index + 1)]);
        Bytes::from(payload)
    };
    (0..count).map(piece).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{Clip, frame_of, nal_units};
    use rtp::codec::av1::Av1Depacketizer;
    use rtp::codec::h264::H264Packet;
    use rtp::codec::vp8::Vp8Packet;
    use rtp::codec::vp9::Vp9Packet;
    use rtp::packetizer::Depacketizer;

    fn clip(name: &str) -> Clip {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/clips").join(name);
        Clip::open(&path, 30.0).unwrap()
    }

    /// Every clip through packets and back: by our own depacketizer, and by the crate's.
    #[test]
    fn frames_come_back() {
        for (name, codec) in [
            ("vp8.ivf", Codec::Vp8),
            ("vp9.ivf", Codec::Vp9),
            ("av1.ivf", Codec::Av1),
            ("h264.h264", Codec::H264),
            ("h265.h265", Codec::H265),
            ("opus.ogg", Codec::Opus),
        ] {
            let clip = clip(name);
            assert_eq!(clip.codec, codec);
            let mut packetizer = Packetizer::new(codec, 65_530);
            let mut sequence = 65_530_u16;
            for frame in &clip.frames {
                let packets = packetizer.packetize(frame, 7).unwrap();
                for packet in &packets {
                    assert_eq!(packet.header.sequence_number, sequence);
                    assert!(packet.payload.len() <= CLIENT_PAYLOAD_BYTES);
                    sequence = sequence.wrapping_add(1);
                }
                assert_eq!(
                    packets.iter().filter(|packet| packet.header.marker).count(),
                    usize::from(name != "opus.ogg")
                );
                let payloads: Vec<_> = packets.iter().map(|packet| packet.payload.clone()).collect();
                let back = frame_of(codec, &payloads).unwrap();
                assert_eq!(comparable(codec, &back), comparable(codec, &frame.data), "{name}");
                if let Some(theirs) = by_the_crate(codec, &payloads) {
                    assert_eq!(comparable(codec, &theirs), comparable(codec, &frame.data), "{name}");
                }
            }
        }
    }

    /// What must survive: delimiters need not.
    fn comparable(codec: Codec, frame: &[u8]) -> Vec<Vec<u8>> {
        match codec {
            Codec::H264 => nal_units(frame).filter(|unit| unit[0] & 0x1f != 9).map(<[u8]>::to_vec).collect(),
            Codec::H265 => nal_units(frame).map(<[u8]>::to_vec).collect(),
            Codec::Av1 => vec![frame.strip_prefix(&[0x12, 0x00]).unwrap_or(frame).to_vec()],
            _ => vec![frame.to_vec()],
        }
    }

    fn by_the_crate(codec: Codec, payloads: &[Bytes]) -> Option<Vec<u8>> {
        // Its VP9 depacketizer cannot be used twice: it never forgets a reference.
        let vp9 = |payload| Vp9Packet::default().depacketize(payload).unwrap();
        let mut depacketizer: Box<dyn Depacketizer> = match codec {
            Codec::Vp8 => Box::new(Vp8Packet::default()),
            Codec::Vp9 => return Some(payloads.iter().flat_map(vp9).collect()),
            Codec::Av1 => Box::new(Av1Depacketizer::default()),
            Codec::H264 => Box::new(H264Packet::default()),
            _ => return None,
        };
        Some(payloads.iter().flat_map(|payload| depacketizer.depacketize(payload).unwrap().to_vec()).collect())
    }

    #[test]
    fn vp9_says_which_pictures_are_independent() {
        let mut packetizer = Packetizer::new(Codec::Vp9, 1);
        for (key, first) in [(true, 0x9c), (false, 0xdc)] {
            let frame = Frame { data: Bytes::from_static(&[0x82, 1, 2]), time: 0, key };
            let packets = packetizer.packetize(&frame, 0).unwrap();
            let mut parsed = Vp9Packet::default();
            parsed.depacketize(&packets[0].payload).unwrap();
            assert_eq!((packets[0].payload[0], parsed.p, parsed.b, parsed.e), (first, !key, true, true));
        }
    }

    #[test]
    fn pieces_are_even() {
        // A slice that is not an IDR picture; a frame OBU (type 6) that does not say its size.
        let table: [(Codec, &[u8], &[usize]); 4] = [
            (Codec::Vp8, &[1], &[1_004, 1_004, 1_005]),
            (Codec::Vp9, &[1], &[1_004, 1_004, 1_005]),
            (Codec::H264, &[0, 0, 0, 1, 0x61], &[1_003, 1_003, 1_000]),
            (Codec::Av1, &[0x30], &[1_003, 1_003, 998]),
        ];
        for (codec, begin, expected) in table {
            let data = [begin, &[1; 3_000]].concat();
            let frame = Frame { data: data.into(), time: 0, key: false };
            let packets = Packetizer::new(codec, 0).packetize(&frame, 0).unwrap();
            let lengths: Vec<_> = packets.iter().map(|packet| packet.payload.len()).collect();
            assert_eq!(lengths, expected, "{}", codec.name());
        }
    }
}
