//! A subscriber that checks every packet it gets against the invariants, and asks for what it misses.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rillcast::id::{Mid, PayloadType, Ssrc};
use rillcast::rtp::codec::{Codec, Format, MediaKind};
use rillcast::rtp::extension::ExtensionMap;
use rillcast::rtp::packet::Packet;
use rillcast::sfu::track::{Feedback, PlayTrack};
use rtc_shared::marshal::Marshal;
use rtcp::transport_feedbacks::transport_layer_nack::{TransportLayerNack, nack_pairs_from_sequence_numbers};

use crate::publisher::Stamp;

/// Who begins before this frame lost nothing to a late start: a key frame is asked for and comes within a round trip.
const PROMPT_START: usize = 5;

pub const PT: u8 = 102;

/// What left the room for one subscriber, checked packet by packet.
#[derive(Default)]
pub struct Ledger {
    /// Bytes behind each packet index: the same index must mean the same bytes for ever.
    sealed: BTreeMap<u64, Vec<u8>>,
    pub repeated: u64,
}

impl Ledger {
    pub fn note(&mut self, index: u64, header: &[u8], payload: &[u8], ssrc: Ssrc, room: u8) {
        let bytes = [header, payload].concat();
        let packet = Packet::parse(&bytes).expect("a valid packet");
        assert_eq!(packet.sequence(), index as u16, "the sequence number is the low part of the index");
        assert_eq!((packet.ssrc(), packet.payload_type()), (ssrc, PayloadType(PT)));
        if !payload.is_empty() {
            assert_eq!(Stamp::read(payload).0.room, room, "nothing from another room");
        }
        if let Some(before) = self.sealed.get(&index) {
            assert_eq!(*before, bytes, "one index, one plaintext");
            self.repeated += 1;
            return;
        }
        if self.sealed.is_empty() {
            let (stamp, _) = Stamp::read(payload);
            assert!(stamp.keyframe && stamp.packet == 0, "nothing before a key frame: {stamp:?}");
        }
        self.sealed.insert(index, bytes);
    }

    /// Indexes between the first and the last one that never went out.
    pub fn gaps(&self) -> u64 {
        let (Some(first), Some(last)) = (self.sealed.keys().next(), self.sealed.keys().last()) else { return 0 };
        last - first + 1 - self.sealed.len() as u64
    }

    pub fn packets(&self) -> u64 {
        self.sealed.len() as u64
    }

    /// Index, timestamp, stamp and picture id of each packet with a payload, in the order of the indexes.
    pub fn media(&self) -> impl Iterator<Item = (u64, u32, Stamp, u16)> + '_ {
        self.sealed.iter().filter_map(|(index, bytes)| {
            let packet = Packet::parse(bytes).unwrap();
            (!packet.payload().is_empty()).then(|| {
                let (stamp, picture_id) = Stamp::read(packet.payload());
                (*index, packet.timestamp(), stamp, picture_id)
            })
        })
    }

    /// Timestamps and picture ids go forward with the indexes, sources change at key frames only, and a frame has
    /// one timestamp.
    pub fn check_order(&self) {
        let mut last: Option<(u64, u32, Stamp, u16)> = None;
        for (index, timestamp, stamp, picture_id) in self.media() {
            if let Some((last_index, last_timestamp, last_stamp, last_picture)) = last {
                let source = |stamp: &Stamp| (stamp.publisher, stamp.layer);
                let same_frame = source(&stamp) == source(&last_stamp) && stamp.frame == last_stamp.frame;
                let forward = timestamp.wrapping_sub(last_timestamp).cast_signed();
                assert_eq!(forward == 0, same_frame, "one timestamp per frame: {stamp:?} after {last_stamp:?}");
                assert!(forward >= 0, "timestamps go forward: {last_timestamp} → {timestamp} at {stamp:?}");
                if source(&stamp) != source(&last_stamp) && index == last_index + 1 {
                    assert!(stamp.keyframe && stamp.packet == 0, "a source begins with a key frame: {stamp:?}");
                }
                let step = picture_id.wrapping_sub(last_picture) & 0x7fff;
                assert!(
                    same_frame == (step == 0) && step < 0x4000,
                    "picture ids go forward: {last_picture} → {picture_id}"
                );
            }
            last = Some((index, timestamp, stamp, picture_id));
        }
    }
}

/// The far end.
pub struct Subscriber {
    pub ssrc: Ssrc,
    pub received: HashMap<(u8, u8, u32), (BTreeSet<u8>, u8)>,
    pub first_whole_frame: Option<u64>,
    sequences: BTreeSet<u64>,
    highest: Option<u64>,
    nacks: HashMap<u64, u32>,
    next_nack: u64,
    /// Arrival (µs) and timestamp of each frame's first packet.
    pub arrivals: Vec<(u64, u32, u32)>,
}

impl Subscriber {
    pub fn new(ssrc: u32) -> Self {
        Self {
            ssrc: Ssrc(ssrc),
            received: HashMap::new(),
            first_whole_frame: None,
            sequences: BTreeSet::new(),
            highest: None,
            nacks: HashMap::new(),
            next_nack: 0,
            arrivals: Vec::new(),
        }
    }

    pub fn tracks(&self) -> Vec<PlayTrack> {
        vec![PlayTrack {
            mid: Mid("v".into()),
            kind: MediaKind::Video,
            ssrc: self.ssrc,
            cname: *b"rillcastrillcast",
            formats: vec![(Format { codec: Codec::Vp8, fmtp: String::new() }, PayloadType(PT))],
            extensions: ExtensionMap::default(),
            feedback: Feedback { nack: true, pli: true, ..Feedback::default() },
        }]
    }

    pub fn handle(&mut self, now: u64, bytes: &[u8]) {
        let packet = Packet::parse(bytes).unwrap();
        let sequence = packet.sequence();
        let extended = match self.highest {
            None => 65_536 + u64::from(sequence),
            Some(highest) => {
                highest.wrapping_add_signed(i64::from(sequence.wrapping_sub(highest as u16).cast_signed()))
            }
        };
        self.highest = Some(self.highest.map_or(extended, |highest| highest.max(extended)));
        self.sequences.insert(extended);
        self.nacks.remove(&extended);
        if packet.payload().is_empty() {
            return;
        }
        let (stamp, _) = Stamp::read(packet.payload());
        let frame = self
            .received
            .entry((stamp.publisher, stamp.layer, stamp.frame))
            .or_insert((BTreeSet::new(), stamp.packets));
        if frame.0.is_empty() {
            self.arrivals.push((now, packet.timestamp(), stamp.frame));
        }
        frame.0.insert(stamp.packet);
        if frame.0.len() == usize::from(frame.1) {
            self.first_whole_frame.get_or_insert(now);
        }
    }

    /// A NACK for what is missing, every 20 ms, ten times at most per packet.
    pub fn poll_nack(&mut self, now: u64) -> Option<Vec<u8>> {
        if now < self.next_nack {
            return None;
        }
        self.next_nack = now + 20_000;
        let first = *self.sequences.first()?;
        let from = first.max(self.highest?.saturating_sub(500));
        let missing: Vec<u64> = (from..self.highest?).filter(|sequence| !self.sequences.contains(sequence)).collect();
        let wanted: Vec<u16> = missing
            .into_iter()
            .filter(|sequence| {
                let asked = self.nacks.entry(*sequence).or_insert(0);
                *asked += 1;
                *asked <= 10
            })
            .map(|sequence| sequence as u16)
            .collect();
        if wanted.is_empty() {
            return None;
        }
        let nack = TransportLayerNack {
            sender_ssrc: 1,
            media_ssrc: self.ssrc.0,
            nacks: nack_pairs_from_sequence_numbers(&wanted),
        };
        Some(nack.marshal().unwrap().to_vec())
    }

    /// How many frames of this publisher went by before it had one; 0 where it began as soon as it could.
    pub fn late_start(&self, publisher: u8) -> usize {
        let numbers = self.received.keys().filter(|(from, ..)| *from == publisher).map(|(.., number)| *number);
        let first = numbers.min().map_or(usize::MAX, |number| number as usize);
        if first < PROMPT_START { 0 } else { first }
    }

    pub fn whole_frames(&self, publisher: u8) -> usize {
        let whole = self
            .received
            .iter()
            .filter(|((from, ..), (packets, all))| *from == publisher && packets.len() == usize::from(*all));
        whole.count()
    }
}
