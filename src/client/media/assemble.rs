//! Packets as they arrive into frames in order, and what was lost on the way.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::limits::{CLIENT_FRAME_PACKETS, CLIENT_REORDER_PACKETS};
use crate::media::{frame_of, is_key_frame};
use crate::rtp::codec::{Codec, MediaKind};

/// How long a missing packet is waited for: a retransmission takes a round trip and a NACK interval of 100 ms.
const PATIENCE: Duration = Duration::from_millis(400);

/// A frame all of whose packets arrived.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AssembledFrame {
    /// What it is encoded with.
    pub codec: Codec,
    /// The frame, as in [`crate::media::Frame`].
    pub data: Bytes,
    /// From the track's first packet on, in units of the RTP clock.
    pub time: u64,
    /// Decoding can begin here.
    pub key: bool,
    /// When its last packet came.
    pub arrival: Instant,
}

/// Counters of one track.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, serde::Serialize)]
pub struct Reception {
    /// RTP packets, without those that came twice or too late.
    pub packets: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// Packets that never came, or came too late to be of use.
    pub lost: u64,
    /// Packets that came twice, or too late.
    pub late_or_twice: u64,
    /// Packets that came after one with a higher number.
    pub out_of_order: u64,
    /// Frames of which every packet came.
    pub frames: u64,
    /// Those of them at which decoding can begin.
    pub key_frames: u64,
    /// Frames of which something is missing.
    pub broken_frames: u64,
    /// Packets without a payload: padding.
    pub empty: u64,
    /// Packets that end with padding (RFC 3550 §5.1).
    pub padded: u64,
}

/// Puts one track's packets in order and joins them.
#[derive(Debug, Default)]
pub struct Assembler {
    counters: Reception,
    ssrc: Option<u32>,
    /// The extended number that comes next, and the highest that came.
    next: u64,
    highest: u64,
    waiting: BTreeMap<u64, Arrived>,
    open: Option<OpenFrame>,
    /// The timestamp of the last frame of this source, and its time.
    clock: (Option<u32>, u64),
}

#[derive(Debug)]
struct Arrived {
    codec: Codec,
    timestamp: u32,
    marker: bool,
    payload: Bytes,
    at: Instant,
}

#[derive(Debug)]
struct OpenFrame {
    codec: Codec,
    timestamp: u32,
    payloads: Vec<Bytes>,
    broken: bool,
}

impl Assembler {
    /// What was counted so far.
    pub fn reception(&self) -> Reception {
        self.counters
    }

    /// Takes a packet of the codec that its payload type names, and appends the frames that are complete now.
    pub fn push(&mut self, codec: Codec, packet: &rtp::Packet, now: Instant, frames: &mut Vec<AssembledFrame>) {
        let header = &packet.header;
        if self.ssrc != Some(header.ssrc) {
            self.begin(header.ssrc, header.sequence_number, frames);
        }
        let number = self.extended(header.sequence_number);
        if number < self.next || self.waiting.contains_key(&number) {
            self.counters.late_or_twice += 1;
            return;
        }
        self.counters.out_of_order += u64::from(number < self.highest);
        self.highest = self.highest.max(number);
        self.counters.packets += 1;
        self.counters.bytes += packet.payload.len() as u64;
        self.counters.padded += u64::from(header.padding);
        let (timestamp, marker, payload) = (header.timestamp, header.marker, packet.payload.clone());
        self.waiting.insert(number, Arrived { codec, timestamp, marker, payload, at: now });
        self.release(now, frames);
    }

    /// A new source: what was open stays incomplete.
    fn begin(&mut self, ssrc: u32, sequence: u16, frames: &mut Vec<AssembledFrame>) {
        while let Some((number, arrived)) = self.waiting.pop_first() {
            self.skip_to(number);
            self.take(arrived, frames);
        }
        self.counters.broken_frames += u64::from(self.open.take().is_some());
        self.ssrc = Some(ssrc);
        // Far from zero, so that a packet from before the first one has a number too.
        self.next = (1 << 32) + u64::from(sequence);
        self.highest = self.next;
        self.clock.0 = None;
    }

    /// The number nearest to the highest one that ends in these 16 bits.
    fn extended(&self, sequence: u16) -> u64 {
        #[expect(clippy::cast_possible_truncation, reason = "the low 16 bits are meant")]
        let distance = i64::from(sequence.wrapping_sub(self.highest as u16).cast_signed());
        self.highest.saturating_add_signed(distance)
    }

    fn release(&mut self, now: Instant, frames: &mut Vec<AssembledFrame>) {
        while let Some(entry) = self.waiting.first_entry() {
            let in_order = *entry.key() == self.next;
            let overdue = now.duration_since(entry.get().at) > PATIENCE;
            if !in_order && !overdue && self.waiting.len() <= CLIENT_REORDER_PACKETS {
                return;
            }
            let (number, arrived) = self.waiting.pop_first().expect("there is a first entry");
            self.skip_to(number);
            self.take(arrived, frames);
        }
    }

    fn skip_to(&mut self, number: u64) {
        let gap = number - self.next;
        if gap > 0 {
            self.counters.lost += gap;
            if let Some(open) = &mut self.open {
                open.broken = true;
            }
        }
        self.next = number + 1;
    }

    fn take(&mut self, arrived: Arrived, frames: &mut Vec<AssembledFrame>) {
        if arrived.payload.is_empty() {
            self.counters.empty += 1;
            return;
        }
        if self.open.as_ref().is_some_and(|open| open.timestamp != arrived.timestamp) {
            // No packet of it was marked as the last one: it is as whole as it gets.
            self.close(arrived.at, frames);
        }
        let (codec, timestamp) = (arrived.codec, arrived.timestamp);
        let open = self.open.get_or_insert_with(|| OpenFrame { codec, timestamp, payloads: Vec::new(), broken: false });
        if open.payloads.len() < CLIENT_FRAME_PACKETS {
            open.payloads.push(arrived.payload);
        } else {
            open.broken = true;
        }
        if arrived.marker || codec.kind() == MediaKind::Audio {
            self.close(arrived.at, frames);
        }
    }

    fn close(&mut self, arrival: Instant, frames: &mut Vec<AssembledFrame>) {
        let Some(open) = self.open.take() else { return };
        let time = self.time_of(open.timestamp);
        let data = if open.broken { None } else { frame_of(open.codec, &open.payloads) };
        let Some(data) = data else {
            self.counters.broken_frames += 1;
            return;
        };
        let key = is_key_frame(open.codec, &data);
        self.counters.frames += 1;
        self.counters.key_frames += u64::from(key);
        frames.push(AssembledFrame { codec: open.codec, data: data.into(), time, key, arrival });
    }

    /// Unwraps a timestamp; one that lies before the last one (by a B-frame, say) gets the earlier time. A new source
    /// goes on where the one before it ended.
    fn time_of(&mut self, timestamp: u32) -> u64 {
        let step = timestamp.wrapping_sub(self.clock.0.unwrap_or(timestamp)).cast_signed();
        let time = self.clock.1.saturating_add_signed(i64::from(step));
        self.clock = (Some(timestamp), time);
        time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet of VP8: `begins` sets the S bit, `marker` ends the frame.
    fn packet(sequence: u16, timestamp: u32, begins: bool, marker: bool) -> rtp::Packet {
        let header =
            rtp::header::Header { sequence_number: sequence, timestamp, marker, ssrc: 1, ..Default::default() };
        let body = if begins { [0x10, 0x10] } else { [0x00, 0x22] };
        rtp::Packet { header, payload: Bytes::copy_from_slice(&body) }
    }

    /// Frames of two packets each, from the packets in the given order (by index), 10 ms apart.
    fn run(order: &[u16]) -> (Vec<u64>, Reception) {
        let mut assembler = Assembler::default();
        let mut frames = Vec::new();
        let start = Instant::now();
        for (tick, index) in order.iter().enumerate() {
            let packet =
                packet(65_530_u16.wrapping_add(*index), u32::from(index / 2) * 3_000, index % 2 == 0, index % 2 == 1);
            let now = start + Duration::from_millis(10) * u32::try_from(tick).unwrap();
            assembler.push(Codec::Vp8, &packet, now, &mut frames);
        }
        (frames.iter().map(|frame| frame.time / 3_000).collect(), assembler.reception())
    }

    #[test]
    fn in_order_across_the_wrap() {
        let (frames, counters) = run(&(0..20).collect::<Vec<_>>());
        assert_eq!(frames, (0..10).collect::<Vec<_>>());
        assert_eq!((counters.packets, counters.lost, counters.frames, counters.broken_frames), (20, 0, 10, 0));
        assert_eq!(counters.key_frames, 10);
    }

    #[test]
    fn reordered_and_twice() {
        let (frames, counters) = run(&[0, 2, 1, 3, 3, 5, 4, 7, 6, 0]);
        assert_eq!(frames, [0, 1, 2, 3]);
        assert_eq!((counters.packets, counters.lost, counters.late_or_twice, counters.out_of_order), (8, 0, 2, 3));
    }

    #[test]
    fn padded_packets_are_counted() {
        let mut assembler = Assembler::default();
        for (sequence, padding) in [(1, true), (2, false), (3, true)] {
            let mut packet = packet(sequence, 0, sequence == 1, sequence == 3);
            packet.header.padding = padding;
            assembler.push(Codec::Vp8, &packet, Instant::now(), &mut Vec::new());
        }
        let counters = assembler.reception();
        assert_eq!((counters.packets, counters.padded, counters.frames, counters.empty), (3, 2, 1, 0));
    }

    #[test]
    fn a_loss_breaks_its_frame_only() {
        let order: Vec<u16> = (0..120).filter(|index| *index != 3).collect();
        let (frames, counters) = run(&order);
        assert_eq!(frames[..3], [0, 2, 3]);
        assert_eq!((counters.packets, counters.lost, counters.broken_frames), (119, 1, 1));
    }

    #[test]
    fn what_never_ends_is_bounded() {
        let mut assembler = Assembler::default();
        let mut frames = Vec::new();
        let now = Instant::now();
        for index in 0..20_000_u16 {
            assembler.push(Codec::Vp8, &packet(index, 0, index == 0, false), now, &mut frames);
            assembler.push(Codec::Vp8, &packet(index.wrapping_add(30_000), 0, false, false), now, &mut frames);
            assert!(assembler.waiting.len() <= CLIENT_REORDER_PACKETS + 1);
            assert!(assembler.open.as_ref().is_none_or(|open| open.payloads.len() <= CLIENT_FRAME_PACKETS));
        }
        assert!(frames.is_empty());
    }
}
