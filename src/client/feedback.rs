//! What is said by RTCP, in both directions: counted on its way through the interceptors.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use interceptor::{Interceptor, Packet, StreamInfo, TaggedPacket};
use rtc::sansio::Protocol;
use rtc::shared::error::Error;
use rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtcp::receiver_report::ReceiverReport;
use rtcp::sender_report::SenderReport;
use rtcp::transport_feedbacks::transport_layer_cc::TransportLayerCc;
use rtcp::transport_feedbacks::transport_layer_nack::TransportLayerNack;

/// How many RTCP packets of each kind went one way.
#[derive(Debug, Default)]
pub struct Feedback {
    keyframe_requests: AtomicU64,
    nacks: AtomicU64,
    nacked_packets: AtomicU64,
    receiver_reports: AtomicU64,
    sender_reports: AtomicU64,
    transport_wide: AtomicU64,
}

/// [`Feedback`] at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, serde::Serialize)]
pub struct FeedbackSnapshot {
    /// PLI (RFC 4585 §6.3.1) and FIR (RFC 5104 §4.3.1).
    pub keyframe_requests: u64,
    /// Generic NACKs (RFC 4585 §6.2.1).
    pub nacks: u64,
    /// Packets that they name.
    pub nacked_packets: u64,
    /// Receiver reports (RFC 3550 §6.4.2).
    pub receiver_reports: u64,
    /// Sender reports (RFC 3550 §6.4.1).
    pub sender_reports: u64,
    /// Transport-wide congestion control feedback.
    pub transport_feedback: u64,
}

impl Feedback {
    /// The counters now.
    pub fn snapshot(&self) -> FeedbackSnapshot {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        FeedbackSnapshot {
            keyframe_requests: read(&self.keyframe_requests),
            nacks: read(&self.nacks),
            nacked_packets: read(&self.nacked_packets),
            receiver_reports: read(&self.receiver_reports),
            sender_reports: read(&self.sender_reports),
            transport_feedback: read(&self.transport_wide),
        }
    }

    fn count_all(&self, packet: &TaggedPacket) {
        if let Packet::Rtcp(packets) = &packet.message.packet {
            for packet in packets {
                self.count(packet.as_ref());
            }
        }
    }

    fn count(&self, packet: &dyn rtcp::Packet) {
        let packet = packet.as_any();
        let add = |counter: &AtomicU64, count: u64| {
            counter.fetch_add(count, Ordering::Relaxed);
        };
        if packet.is::<PictureLossIndication>() || packet.is::<FullIntraRequest>() {
            add(&self.keyframe_requests, 1);
        } else if let Some(nack) = packet.downcast_ref::<TransportLayerNack>() {
            add(&self.nacks, 1);
            let packets = nack.nacks.iter().map(|pair| 1 + u64::from(pair.lost_packets.count_ones()));
            add(&self.nacked_packets, packets.sum());
        } else if packet.is::<ReceiverReport>() {
            add(&self.receiver_reports, 1);
        } else if packet.is::<SenderReport>() {
            add(&self.sender_reports, 1);
        } else if packet.is::<TransportLayerCc>() {
            add(&self.transport_wide, 1);
        }
    }
}

/// Counts what comes in and what goes out; passes everything on.
pub(super) struct Counter {
    received: Arc<Feedback>,
    sent: Arc<Feedback>,
    incoming: VecDeque<TaggedPacket>,
    outgoing: VecDeque<TaggedPacket>,
}

impl Counter {
    pub(super) fn new(received: Arc<Feedback>, sent: Arc<Feedback>) -> Self {
        Self { received, sent, incoming: VecDeque::new(), outgoing: VecDeque::new() }
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for Counter {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        self.received.count_all(&packet);
        self.incoming.push_back(packet);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.incoming.pop_front()
    }

    fn handle_write(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        self.sent.count_all(&packet);
        self.outgoing.push_back(packet);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.outgoing.pop_front()
    }
}

impl Interceptor for Counter {
    fn bind_local_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _info: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _info: &StreamInfo) {}
}
