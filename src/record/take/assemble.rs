//! Packets of a track become its frames. A frame that lacks a packet is left out, and told as lost: half a picture
//! decodes to rubbish, and what follows is on the way anyhow.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;

use crate::limits;
use crate::media::{frame_of, is_key_frame};
use crate::record::tap::Packet;
use crate::rtp::codec::{Codec, MediaKind};
use crate::rtp::payload::inspect;

/// Takes a track's packets in order, and the holes between them; gives its frames.
pub struct Assembler {
    codec: Codec,
    /// The frame that has begun: its timestamp, when its first packet came, its payloads.
    open: Option<(i64, Instant)>,
    payloads: Vec<Bytes>,
    bytes: usize,
    /// A packet of it is missing.
    broken: bool,
    /// Packets are missing before what comes next.
    torn: bool,
    /// The sender marks the last packet of a frame; not all do.
    marks: bool,
    /// Frames in a row that ended without a mark, and lacked nothing.
    unmarked: u8,
    ready: VecDeque<Assembled>,
}

/// What became of packets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Assembled {
    /// A whole frame.
    Frame(Unit),
    /// At this place at least one frame is missing.
    Lost,
}

/// A frame of video or a packet of sound, as [`crate::media::Frame`] has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unit {
    /// In the track's timeline, in units of the clock rate.
    pub timestamp: i64,
    /// When its first packet came.
    pub arrival: Instant,
    /// Decoding can begin here.
    pub is_key: bool,
    /// The encoded bytes.
    pub data: Bytes,
}

/// A sender that ends so many frames in a row without a mark does not mark.
const UNMARKED: u8 = 3;

impl Assembler {
    /// Of a track of this codec.
    #[must_use]
    pub fn new(codec: Codec) -> Self {
        Self {
            codec,
            open: None,
            payloads: Vec::new(),
            bytes: 0,
            broken: false,
            torn: false,
            marks: false,
            unmarked: 0,
            ready: VecDeque::new(),
        }
    }

    /// What is ready.
    pub fn poll(&mut self) -> Option<Assembled> {
        self.ready.pop_front()
    }

    /// The next packet.
    pub fn handle(&mut self, packet: &Packet) {
        if self.open.is_some_and(|(timestamp, _)| timestamp != packet.timestamp) {
            self.break_off();
        }
        if self.open.is_none() {
            self.open = Some((packet.timestamp, packet.arrival));
            // What was lost may have been its beginning.
            self.broken = self.torn && !inspect(self.codec, &packet.payload).frame_start;
            self.torn = false;
        }
        self.bytes += packet.payload.len();
        if self.bytes > limits::TAKE_FRAME_BYTES {
            self.broken = true;
            self.payloads.clear();
        } else {
            self.payloads.push(packet.payload.clone());
        }
        // Every packet of sound is one frame, whatever its marker says (RFC 3551 §4.1).
        if packet.marker {
            (self.marks, self.unmarked) = (true, 0);
        }
        if packet.marker || self.codec.kind() == MediaKind::Audio {
            self.close();
        }
    }

    /// Packets are missing for good.
    pub fn handle_gap(&mut self) {
        self.torn = true;
        if self.open.is_some() {
            self.broken = true;
        } else {
            self.ready.push_back(Assembled::Lost);
        }
    }

    /// Nothing follows.
    pub fn finish(&mut self) {
        self.break_off();
    }

    /// No more of the frame follows. Where another simulcast layer takes over, the rest of it is never sent.
    fn break_off(&mut self) {
        if self.open.is_some() && self.marks && !self.broken {
            // It happens now and then; who leaves them all without has marked one by mistake.
            self.unmarked += 1;
            self.marks = self.unmarked < UNMARKED;
            self.broken = self.marks;
        }
        self.close();
    }

    fn close(&mut self) {
        let Some((timestamp, arrival)) = self.open.take() else { return };
        let payloads = std::mem::take(&mut self.payloads);
        self.bytes = 0;
        // Sound without a byte is how some senders say that there is none.
        if self.codec.kind() == MediaKind::Audio && payloads.iter().all(Bytes::is_empty) {
            return;
        }
        let frame = if self.broken { None } else { frame_of(self.codec, &payloads) };
        self.ready.push_back(frame.map_or(Assembled::Lost, |data| {
            let is_key = is_key_frame(self.codec, &data);
            Assembled::Frame(Unit { timestamp, arrival, is_key, data: data.into() })
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a line like `1:sb 1:em`: timestamp, then `s` where the payload begins a frame, `m` for the marker, `-` for a
    /// hole, `0` for nothing inside.
    fn run(codec: Codec, line: &str) -> Vec<String> {
        let mut assembler = Assembler::new(codec);
        let arrival = Instant::now();
        for (number, word) in (1..).zip(line.split(' ')) {
            let Some((timestamp, flags)) = word.split_once(':') else {
                assembler.handle_gap();
                continue;
            };
            let first: u8 = if flags.contains('s') { 0x10 } else { 0 };
            let payload = match codec {
                _ if flags.contains('0') => Bytes::new(),
                Codec::Vp8 => Bytes::copy_from_slice(&[first, 0, number]),
                _ => Bytes::copy_from_slice(&[number]),
            };
            let timestamp = timestamp.parse().unwrap();
            assembler.handle(&Packet {
                number: number.into(),
                timestamp,
                arrival,
                marker: flags.contains('m'),
                keyframe_start: false,
                payload,
            });
        }
        assembler.finish();
        let told = |assembled| match assembled {
            Assembled::Frame(unit) => format!("{}:{}", unit.timestamp, unit.data.len()),
            Assembled::Lost => "lost".to_owned(),
        };
        std::iter::from_fn(|| assembler.poll()).map(told).collect()
    }

    #[test]
    fn frames_and_what_is_lost_of_them() {
        for (codec, packets, frames) in [
            (Codec::Vp8, "1:s 1:m 2:sm", "1:4 2:2"),
            // A sender without markers, and an end without one.
            (Codec::Vp8, "1:s 1: 2:s", "1:4 2:2"),
            // One that marks was broken off.
            (Codec::Vp8, "1:sm 2:s 3:sm 4:s", "1:2 lost 3:2 lost"),
            // One that marked one by mistake.
            (Codec::Vp8, "1:sm 2:s 3:s 4:s 5:s 6:s", "1:2 lost lost 4:2 5:2 6:2"),
            (Codec::Vp8, "1:s - 1:m 2:sm", "lost 2:2"),
            (Codec::Vp8, "1:s - 2:sm", "lost 2:2"),
            (Codec::Vp8, "1:sm - 2:sm", "1:2 lost 2:2"),
            (Codec::Vp8, "1:sm - 2:m 3:sm", "1:2 lost lost 3:2"),
            (Codec::Vp8, "1:s - 1: - 2:m", "lost lost"),
            // The beginning of no frame.
            (Codec::Vp8, "1:m 2:sm", "lost 2:2"),
            (Codec::Opus, "1: 2: - 4: 5:0 6:", "1:1 2:1 lost 4:1 6:1"),
            (Codec::Opus, "1:m 1:", "1:1 1:1"),
        ] {
            assert_eq!(run(codec, packets).join(" "), frames, "{packets}");
        }
    }

    #[test]
    fn a_frame_without_an_end_is_given_up() {
        let mut assembler = Assembler::new(Codec::Vp8);
        let (arrival, payload) = (Instant::now(), Bytes::from(vec![0x10; 60_000]));
        let packets = u64::try_from(limits::TAKE_FRAME_BYTES / payload.len()).unwrap() + 2;
        for number in 0..packets {
            let payload = payload.clone();
            let packet = Packet { number, timestamp: 1, arrival, marker: false, keyframe_start: false, payload };
            assembler.handle(&packet);
        }
        assert!(assembler.payloads.is_empty());
        assembler.finish();
        assert_eq!((assembler.poll(), assembler.poll()), (Some(Assembled::Lost), None));
    }
}
