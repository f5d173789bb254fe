//! A publisher that sends VP8-shaped frames with stamps in them, answers NACKs, and key frame requests if it is
//! told to.

use std::collections::{BTreeMap, VecDeque};

use rillcast::id::{Mid, PayloadType, Rid, Ssrc};
use rillcast::rtp::codec::{Codec, Format};
use rillcast::rtp::extension::{Extension, ExtensionMap};
use rillcast::rtp::packet::{Header, MAX_HEADER};
use rillcast::sfu::track::{Feedback, PublishTrack};

use crate::network::Random;

pub const VIDEO_PT: u8 = 96;

/// What stands behind the VP8 descriptor of each packet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Stamp {
    pub room: u8,
    pub publisher: u8,
    pub layer: u8,
    pub frame: u32,
    pub packet: u8,
    pub packets: u8,
    pub keyframe: bool,
}

impl Stamp {
    fn write(self, picture_id: u16, size: usize) -> Vec<u8> {
        let [high, low] = picture_id.to_be_bytes();
        let start = u8::from(self.packet == 0) << 4;
        // VP8 descriptor with a 15-bit picture id; the first payload byte says whether the frame is an inter frame.
        let mut bytes = vec![0x80 | start, 0x80, 0x80 | high, low, u8::from(!self.keyframe)];
        bytes.extend([self.room, self.publisher, self.layer, self.packet, self.packets, u8::from(self.keyframe)]);
        bytes.extend(self.frame.to_be_bytes());
        bytes.resize(size.max(bytes.len()), 0x5a);
        bytes
    }

    /// The stamp and the picture id of a payload.
    pub fn read(payload: &[u8]) -> (Self, u16) {
        let number = u32::from_be_bytes(payload[11..15].try_into().unwrap());
        let stamp = Self {
            room: payload[5],
            publisher: payload[6],
            layer: payload[7],
            packet: payload[8],
            packets: payload[9],
            keyframe: payload[10] == 1,
            frame: number,
        };
        (stamp, u16::from_be_bytes([payload[2] & 0x7f, payload[3]]))
    }
}

#[derive(Clone, Copy)]
pub struct Plan {
    pub room: u8,
    pub publisher: u8,
    /// Frames per group of pictures.
    pub group: u32,
    pub answers_requests: bool,
    pub layers: u8,
    /// Padding-only packets per thousand media packets.
    pub padding_per_mille: u64,
}

impl Default for Plan {
    fn default() -> Self {
        Self { room: 1, publisher: 1, group: 60, answers_requests: true, layers: 1, padding_per_mille: 0 }
    }
}

/// One layer's counters.
struct Layer {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    picture_id: u16,
    frame: u32,
    keyframe_wanted: bool,
    sent: BTreeMap<u16, Vec<u8>>,
    order: VecDeque<u16>,
}

pub struct Publisher {
    plan: Plan,
    layers: Vec<Layer>,
    random: Random,
    next_frame: u64,
    pub requests: Vec<u64>,
    pub media_packets: u64,
}

pub const FRAME_INTERVAL: u64 = 33_333;
/// Media packets that are kept for retransmission.
const KEPT: usize = 2_000;

impl Publisher {
    pub fn new(plan: Plan, now: u64, seed: u64) -> Self {
        let mut random = Random(seed);
        let layers = (0..plan.layers).map(|_| Layer {
            ssrc: random.next() as u32,
            sequence: random.next() as u16,
            timestamp: random.next() as u32,
            picture_id: random.next() as u16 & 0x7fff,
            frame: 0,
            keyframe_wanted: false,
            sent: BTreeMap::new(),
            order: VecDeque::new(),
        });
        let layers = layers.collect();
        Self { plan, layers, random, next_frame: now, requests: Vec::new(), media_packets: 0 }
    }

    pub fn tracks(&self) -> Vec<PublishTrack> {
        let mut extensions = ExtensionMap::default();
        extensions.set(Extension::Mid, 1);
        extensions.set(Extension::Rid, 2);
        let simulcast = self.plan.layers > 1;
        vec![PublishTrack {
            mid: Mid("0".into()),
            format: Format { codec: Codec::Vp8, fmtp: String::new() },
            payload_type: PayloadType(VIDEO_PT),
            rtx: None,
            red: None,
            extensions,
            rids: if simulcast { (0..self.plan.layers).map(|n| Rid(n.to_string().into())).collect() } else { vec![] },
            ssrc: (!simulcast).then(|| Ssrc(self.layers[0].ssrc)),
            rtx_ssrc: None,
            feedback: Feedback { nack: true, pli: true, fir: false, transport_cc: false },
        }]
    }

    /// The encoder counts on from elsewhere, in sequence numbers and timestamps.
    pub fn jump(&mut self, sequences: u16, ticks: u32) {
        for layer in &mut self.layers {
            layer.sequence = layer.sequence.wrapping_add(sequences);
            layer.timestamp = layer.timestamp.wrapping_add(ticks);
        }
    }

    /// The packets of the frames that are due.
    pub fn poll(&mut self, now: u64) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        while self.next_frame <= now {
            self.next_frame += FRAME_INTERVAL;
            for layer in 0..self.layers.len() {
                self.frame(layer, &mut packets);
            }
        }
        packets
    }

    fn frame(&mut self, index: usize, out: &mut Vec<Vec<u8>>) {
        let layer = &mut self.layers[index];
        let keyframe = layer.frame.is_multiple_of(self.plan.group) || std::mem::take(&mut layer.keyframe_wanted);
        // Higher layers have more packets per frame.
        let packets = (if keyframe { 8 } else { 2 + (layer.frame % 3) as u8 }) + 3 * index as u8;
        for packet in 0..packets {
            let stamp = Stamp {
                room: self.plan.room,
                publisher: self.plan.publisher,
                layer: index as u8,
                frame: layer.frame,
                packet,
                packets,
                keyframe,
            };
            // Pieces of one frame differ by a byte, the shorter ones first, as encoders cut them.
            let payload = stamp.write(layer.picture_id, 400 + usize::from(packet > packets / 2));
            let bytes = Self::packet(layer, index, self.plan.layers > 1, packet + 1 == packets, &payload, 0);
            out.push(bytes);
            self.media_packets += 1;
            if self.random.per_mille(self.plan.padding_per_mille) {
                out.push(Self::packet(layer, index, self.plan.layers > 1, false, &[], 200));
            }
        }
        layer.frame += 1;
        layer.picture_id = (layer.picture_id + 1) & 0x7fff;
        layer.timestamp = layer.timestamp.wrapping_add(3_000);
    }

    fn packet(layer: &mut Layer, index: usize, rid: bool, marker: bool, payload: &[u8], padding: u8) -> Vec<u8> {
        let header = Header {
            padding: false,
            marker,
            payload_type: PayloadType(VIDEO_PT),
            sequence: layer.sequence,
            timestamp: layer.timestamp,
            ssrc: Ssrc(layer.ssrc),
        };
        let name = index.to_string();
        let element = rid.then_some((2, name.as_bytes()));
        let mut head = [0; MAX_HEADER];
        let length = header.write(element.into_iter(), &mut head);
        let mut bytes = [&head[..length], payload].concat();
        if padding > 0 {
            bytes[0] |= 0x20;
            bytes.extend(std::iter::repeat_n(0, usize::from(padding) - 1));
            bytes.push(padding);
        }
        layer.sent.insert(layer.sequence, bytes.clone());
        layer.order.push_back(layer.sequence);
        if layer.order.len() > KEPT {
            let oldest = layer.order.pop_front().unwrap();
            layer.sent.remove(&oldest);
        }
        layer.sequence = layer.sequence.wrapping_add(1);
        bytes
    }

    /// Takes RTCP of the server; returns what it sends again.
    pub fn handle_rtcp(&mut self, now: u64, packet: &[u8]) -> Vec<Vec<u8>> {
        use rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
        use rtcp::transport_feedbacks::transport_layer_nack::{NackPair, TransportLayerNack};
        let mut again = Vec::new();
        for packet in rtcp::packet::unmarshal(&mut bytes::Bytes::copy_from_slice(packet)).unwrap() {
            if let Some(nack) = packet.as_any().downcast_ref::<TransportLayerNack>() {
                let layer =
                    self.layers.iter().find(|layer| layer.ssrc == nack.media_ssrc).expect("a NACK for an SSRC of ours");
                let wanted = nack.nacks.iter().flat_map(NackPair::packet_list);
                again.extend(wanted.filter_map(|sequence| layer.sent.get(&sequence).cloned()));
            }
            if let Some(pli) = packet.as_any().downcast_ref::<PictureLossIndication>() {
                self.requests.push(now);
                let layer = self
                    .layers
                    .iter_mut()
                    .find(|layer| layer.ssrc == pli.media_ssrc)
                    .expect("a PLI for an SSRC of ours");
                layer.keyframe_wanted |= self.plan.answers_requests;
            }
        }
        again
    }
}
