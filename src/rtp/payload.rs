//! What a payload says of its frame, whatever the codec.

use crate::rtp::codec::Codec;
use crate::rtp::{av1, h264, h265, vp8, vp9};

/// The picture id of VP8 and VP9.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PictureId {
    /// The number: 7 bits, or 15 where `wide`.
    pub value: u16,
    /// The field has 15 bits.
    pub wide: bool,
}

/// What a payload says of its frame. Of a payload that does not parse it says nothing: all fields as by default.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, not a state")]
pub struct PayloadInfo {
    /// A decoder can start here. VP8, VP9, AV1: the first packet of a key frame. H264, H265: the packet carries an
    /// SPS, a VPS or the start of an IDR (IRAP) picture, so several packets of one key frame may say so: the first
    /// of its timestamp counts.
    pub keyframe_start: bool,
    /// The packet begins a frame, as far as the payload alone can tell: parameter sets, SEI and the slice behind
    /// them each say so. Every audio packet does.
    pub frame_start: bool,
    /// VP8, VP9: the picture id, if present.
    pub picture_id: Option<PictureId>,
    /// VP8, VP9: the running number of pictures of temporal layer 0, if present.
    pub tl0_pic_idx: Option<u8>,
    /// Temporal layer, 0 where the payload does not say. H264 never does.
    pub temporal: u8,
    /// Spatial layer, 0 where the payload does not say. VP9 and AV1 only.
    pub spatial: u8,
    /// H264, H265: the packet carries at least one complete SPS, PPS or VPS.
    pub parameter_sets: bool,
    /// H264, H265: the packet carries the first slice of an IDR (IRAP) picture, or the start of it.
    pub idr: bool,
}

/// Looks at the beginning of a payload. Never panics, never allocates.
#[must_use]
pub fn inspect(codec: Codec, payload: &[u8]) -> PayloadInfo {
    match codec {
        Codec::Vp8 => vp8::inspect(payload),
        Codec::Vp9 => vp9::inspect(payload),
        Codec::Av1 => av1::inspect(payload),
        Codec::H264 => h264::inspect(payload),
        Codec::H265 => h265::inspect(payload),
        Codec::Opus | Codec::Pcmu | Codec::Pcma => {
            PayloadInfo { frame_start: !payload.is_empty(), ..PayloadInfo::default() }
        }
    }
}

/// Writes another picture id and TL0PICIDX into the descriptor of a VP8 or VP9 payload. Fields that are not there
/// stay away, widths stay as they are (of `picture_id` as many low bits as fit are written), and other codecs are
/// left alone.
pub fn rewrite_picture_id(codec: Codec, payload: &mut [u8], picture_id: u16, tl0: u8) {
    let fields = match codec {
        Codec::Vp8 => vp8::Descriptor::parse(payload).map(|descriptor| descriptor.fields),
        Codec::Vp9 => vp9::Descriptor::parse(payload).map(|descriptor| descriptor.fields),
        _ => None,
    };
    if let Some(fields) = fields {
        fields.write(payload, picture_id, tl0);
    }
}

/// Where the picture id and TL0PICIDX stand in a VP8 or VP9 payload: offsets into the payload they were parsed from.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct PictureFields {
    /// The first byte of the picture id, and whether it has a second one.
    picture_id: Option<(usize, bool)>,
    /// TL0PICIDX.
    tl0_pic_idx: Option<usize>,
}

impl PictureFields {
    /// Reads the picture id at `*at` (both codecs write it alike: RFC 7741 §4.2, RFC 9628 §4.2) and moves on.
    pub(super) fn take_picture_id(&mut self, payload: &[u8], at: &mut usize) -> Option<()> {
        let wide = payload.get(*at)? & 0x80 != 0;
        self.picture_id = Some((*at, wide));
        *at += 1 + usize::from(wide);
        (*at <= payload.len()).then_some(())
    }

    /// Notes that TL0PICIDX stands at `*at`, and moves on.
    pub(super) fn take_tl0(&mut self, payload: &[u8], at: &mut usize) -> Option<()> {
        self.tl0_pic_idx = Some(*at);
        *at += 1;
        (*at <= payload.len()).then_some(())
    }

    /// The picture id in the payload that the offsets belong to.
    pub(super) fn picture_id(&self, payload: &[u8]) -> Option<PictureId> {
        let (at, wide) = self.picture_id?;
        let first = u16::from(payload[at] & 0x7f);
        let value = if wide { first << 8 | u16::from(payload[at + 1]) } else { first };
        Some(PictureId { value, wide })
    }

    /// TL0PICIDX in the payload that the offsets belong to.
    pub(super) fn tl0_pic_idx(&self, payload: &[u8]) -> Option<u8> {
        self.tl0_pic_idx.map(|at| payload[at])
    }

    fn write(self, payload: &mut [u8], picture_id: u16, tl0: u8) {
        let [high, low] = picture_id.to_be_bytes();
        match self.picture_id {
            Some((at, true)) => {
                payload[at] = 0x80 | high;
                payload[at + 1] = low;
            }
            Some((at, false)) => payload[at] = low & 0x7f,
            None => {}
        }
        if let Some(at) = self.tl0_pic_idx {
            payload[at] = tl0;
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const ALL: [Codec; 8] =
        [Codec::H264, Codec::H265, Codec::Vp8, Codec::Vp9, Codec::Av1, Codec::Opus, Codec::Pcmu, Codec::Pcma];

    /// A packet of a real stream.
    pub struct Recorded {
        pub marker: bool,
        pub timestamp: u32,
        pub payload: Vec<u8>,
    }

    /// Packets as `tests/data/rtp` has them: marker, timestamp and payload in hexadecimal digits, a line each; `#`
    /// opens a comment.
    pub fn recorded(text: &str) -> Vec<Recorded> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines
            .map(|line| {
                let mut words = line.split(' ');
                let mut word = || words.next().unwrap();
                Recorded { marker: word() == "1", timestamp: word().parse().unwrap(), payload: unhex(word()) }
            })
            .collect()
    }

    /// Bytes from hexadecimal digits.
    pub fn unhex(digits: &str) -> Vec<u8> {
        (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
    }

    /// The indices of the frames that begin with a key frame, and how many frames there are: a frame ends at the
    /// marker.
    pub fn key_frames(codec: Codec, packets: &[Recorded]) -> (Vec<usize>, usize) {
        let mut keys = Vec::new();
        let mut frame = 0;
        for packet in packets {
            if inspect(codec, &packet.payload).keyframe_start && keys.last() != Some(&frame) {
                keys.push(frame);
            }
            frame += usize::from(packet.marker);
        }
        (keys, frame)
    }

    /// xorshift64*: the same junk in every run.
    pub struct Junk(pub u64);

    impl Junk {
        pub fn next(&mut self) -> u64 {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
        }

        /// Up to `most` random bytes.
        pub fn bytes(&mut self, most: u64) -> Vec<u8> {
            let length = self.next() % (most + 1);
            (0..length).map(|_| self.next().to_be_bytes()[0]).collect()
        }
    }

    #[test]
    fn junk_never_panics_and_keeps_its_length_and_width() {
        let mut junk = Junk(0x5eed);
        for _ in 0..200_000 {
            let payload = junk.bytes(24);
            for codec in ALL {
                let before = inspect(codec, &payload);
                let mut rewritten = payload.clone();
                rewrite_picture_id(codec, &mut rewritten, 0x1234, 0x56);
                let after = inspect(codec, &rewritten);
                let expected =
                    before.picture_id.map(|id| PictureId { value: if id.wide { 0x1234 } else { 0x34 }, wide: id.wide });
                assert_eq!(after.picture_id, expected, "{codec:?} {payload:02x?}");
                assert_eq!(after.tl0_pic_idx, before.tl0_pic_idx.map(|_| 0x56), "{codec:?} {payload:02x?}");
                let rest = |info| PayloadInfo { picture_id: None, tl0_pic_idx: None, ..info };
                assert_eq!(rest(after), rest(before), "{codec:?} {payload:02x?}");
            }
            for nal in h264::nal_units(&payload) {
                assert!(nal.whole.is_none_or(|whole| whole.len() <= payload.len()));
            }
            let _ = h264::slice_type(&payload);
        }
    }

    #[test]
    fn an_empty_payload_says_nothing() {
        for codec in ALL {
            assert_eq!(inspect(codec, &[]), PayloadInfo::default(), "{codec:?}");
        }
    }

    #[test]
    fn every_audio_packet_is_a_frame() {
        for codec in [Codec::Opus, Codec::Pcmu, Codec::Pcma] {
            let info = inspect(codec, &[0x78, 1, 2, 3]);
            assert_eq!(info, PayloadInfo { frame_start: true, ..PayloadInfo::default() }, "{codec:?}");
        }
    }
}
