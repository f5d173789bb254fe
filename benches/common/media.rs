//! What is published and played: one H264 track, in packets that look like an encoder's.

use rillcast::id::{Mid, PayloadType, Ssrc};
use rillcast::rtp::codec::{Codec, Format, MediaKind};
use rillcast::rtp::extension::ExtensionMap;
use rillcast::rtp::packet::{FIXED_HEADER, Header, MAX_HEADER};
use rillcast::sfu::track::{Feedback, PlayTrack, PublishTrack};

const PT: PayloadType = PayloadType(102);
const SSRC: Ssrc = Ssrc(0x1234_5678);

/// Of one packet, header and SRTP tag left out: with them it is a datagram of 1,200 bytes.
pub const PAYLOAD: usize = 1_200 - FIXED_HEADER - 16;

pub fn format() -> Format {
    Format { codec: Codec::H264, fmtp: "packetization-mode=1;profile-level-id=42e01f".to_owned() }
}

pub fn published() -> Vec<PublishTrack> {
    vec![PublishTrack {
        mid: Mid("0".into()),
        format: format(),
        payload_type: PT,
        rtx: None,
        red: None,
        extensions: ExtensionMap::default(),
        rids: Vec::new(),
        ssrc: Some(SSRC),
        rtx_ssrc: None,
        feedback: Feedback { nack: true, pli: true, ..Feedback::default() },
    }]
}

pub fn played(ssrc: u32) -> Vec<PlayTrack> {
    vec![PlayTrack {
        mid: Mid("0".into()),
        kind: MediaKind::Video,
        ssrc: Ssrc(ssrc),
        cname: *b"rillcastrillcast",
        formats: vec![(format(), PT)],
        extensions: ExtensionMap::default(),
        feedback: Feedback { nack: true, pli: true, ..Feedback::default() },
    }]
}

/// An encoder: frames of equal packets, one after the other.
pub struct Encoder {
    sequence: u16,
    timestamp: u32,
}

impl Encoder {
    pub fn new() -> Self {
        Self { sequence: 1, timestamp: 1 }
    }

    /// The packets of the next frame, as long as each other; the last one has the marker bit.
    pub fn frame(&mut self, packets: usize, keyframe: bool) -> Vec<Vec<u8>> {
        let mut frame = vec![vec![0x5a; FIXED_HEADER + PAYLOAD]; packets];
        self.renew(&mut frame, keyframe);
        frame
    }

    /// Makes the packets of an old frame those of the next one.
    pub fn renew(&mut self, frame: &mut [Vec<u8>], keyframe: bool) {
        self.timestamp = self.timestamp.wrapping_add(3_000);
        let last = frame.len() - 1;
        for (place, packet) in frame.iter_mut().enumerate() {
            self.sequence = self.sequence.wrapping_add(1);
            let header = Header {
                marker: place == last,
                padding: false,
                payload_type: PT,
                sequence: self.sequence,
                timestamp: self.timestamp,
                ssrc: SSRC,
            };
            let mut bytes = [0; MAX_HEADER];
            let length = header.write(std::iter::empty(), &mut bytes);
            packet[..length].copy_from_slice(&bytes[..length]);
            let beginning = beginning(place == 0, keyframe);
            packet[length..length + beginning.len()].copy_from_slice(beginning);
        }
    }
}

/// How a payload begins: a key frame with parameter sets (STAP-A), the others as fragments (FU-A) of a slice.
fn beginning(first: bool, keyframe: bool) -> &'static [u8] {
    match (first, keyframe) {
        // SPS, PPS, and an IDR slice of what is left: PAYLOAD - 1 - 3 × 2 - 4 - 2 = 1,159 (0x487) bytes.
        (true, true) => &[0x78, 0, 4, 0x67, 0x42, 0xe0, 0x1f, 0, 2, 0x68, 0xce, 4, 0x87, 0x65, 0x88],
        (true, false) => &[0x5c, 0x81, 0x9a],
        (false, true) => &[0x5c, 5],
        (false, false) => &[0x5c, 1],
    }
}

const _: () = assert!(PAYLOAD - 1 - 3 * 2 - 4 - 2 == 0x487);
