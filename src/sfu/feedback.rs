//! Feedback to the publisher: NACK, transport-wide congestion control and receiver reports, by the `interceptor`
//! crate, one chain per publisher. A browser's bit rate never rises without it.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use interceptor::{
    AttributedPacket, Interceptor, NackGeneratorBuilder, Packet as Intercepted, RTCPFeedback, RTPHeaderExtension,
    ReceiverReportBuilder, Registry, Slot, StreamInfo, TaggedPacket, TwccReceiverBuilder,
};
use rtc_shared::marshal::Marshal;

use crate::id::Ssrc;
use crate::rtp::extension::Extension;
use crate::rtp::packet::Packet;
use crate::sfu::reception::{self, Block, Reception};
use crate::sfu::rtcp::{self as parts, SenderReport};
use crate::sfu::track::PublishTrack;

/// A NACK is repeated so often until the packet comes: the retransmission may be lost as well.
const NACK_INTERVAL: Duration = Duration::from_millis(25);
/// After so many NACKs a packet is given up: three quarters of a second at the interval above.
const NACKS_PER_PACKET: u16 = 30;
/// While nothing is missing feedback may wait so long for a packet to leave with: the chain asks to be called every 25
/// ms, and a worker with many rooms would do little else than wake up.
const PATIENCE: Duration = Duration::from_millis(30);
/// Sequence numbers that the loss detection looks back over.
const NACK_WINDOW: u16 = 1024;
/// Transport-wide feedback, as browsers send it.
const TWCC_INTERVAL: Duration = Duration::from_millis(50);
/// Receiver reports: often enough that the publisher's round trip time is worth something.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// The chain of one publisher.
pub struct PublisherFeedback {
    chain: Box<dyn Interceptor>,
    bound: Vec<Bound>,
    /// Until then packets may be missing.
    restless_until: Option<Instant>,
}

/// A stream that the chain knows.
struct Bound {
    ssrc: Ssrc,
    /// The sequence number that came last.
    last: u16,
    clock_rate: u32,
    /// Retransmissions: what is lost of them is lost media already.
    rtx: bool,
    /// What our reports say of it.
    reception: Reception,
}

impl PublisherFeedback {
    /// A chain that knows no stream yet.
    #[must_use]
    pub fn new() -> Self {
        let nack = NackGeneratorBuilder::new()
            .with_size(NACK_WINDOW)
            .with_interval(NACK_INTERVAL)
            .with_max_nacks_per_packet(NACKS_PER_PACKET)
            .build();
        let chain = Registry::new()
            .with(Slot::NackGenerator, nack)
            .with(Slot::TwccReceiver, TwccReceiverBuilder::new().with_interval(TWCC_INTERVAL).build())
            .with(Slot::ReceiverReport, ReceiverReportBuilder::new().with_interval(REPORT_INTERVAL).build())
            .build();
        Self { chain: Box::new(chain), bound: Vec::new(), restless_until: None }
    }

    /// One packet as it came, retransmissions included: transport-wide numbers count them all.
    pub fn handle_rtp(&mut self, now: Instant, packet: &Packet<'_>, track: &PublishTrack, rtx: bool) {
        let ssrc = packet.ssrc();
        if let Some(bound) = self.bound.iter_mut().find(|bound| bound.ssrc == ssrc) {
            if packet.sequence() != bound.last.wrapping_add(1) {
                self.restless_until = Some(now + NACK_INTERVAL * u32::from(NACKS_PER_PACKET));
            }
            bound.last = packet.sequence();
        } else {
            let (last, clock_rate) = (packet.sequence(), track.format.codec.clock_rate());
            self.bound.push(Bound { ssrc, last, clock_rate, rtx, reception: Reception::default() });
            self.chain.bind_remote_stream(&stream_info(ssrc, track, rtx));
        }
        let transport_cc = track.extensions.id(Extension::TransportCc);
        let number = transport_cc.and_then(|id| packet.extension(id).map(|value| (id, value)));
        self.read(now, Intercepted::Rtp(header_only(packet, packet.sequence(), ssrc, number)));
    }

    /// A packet that a retransmission brought: it is not missing any more.
    pub fn handle_recovered(&mut self, now: Instant, packet: &Packet<'_>, sequence: u16, ssrc: Ssrc) {
        if self.bound.iter().any(|bound| bound.ssrc == ssrc) {
            self.read(now, Intercepted::Rtp(header_only(packet, sequence, ssrc, None)));
        }
    }

    /// A sender report: its time comes back in our receiver reports, and the publisher learns its round trip.
    pub fn handle_report(&mut self, now: Instant, report: SenderReport) {
        self.read(now, Intercepted::Rtcp(vec![Box::new(report)]));
    }

    /// The SSRC counts anew.
    pub fn forget(&mut self, ssrc: Ssrc) {
        if let Some(at) = self.bound.iter().position(|bound| bound.ssrc == ssrc) {
            self.bound.swap_remove(at);
            self.chain.unbind_remote_stream(&StreamInfo { ssrc: ssrc.0, ..StreamInfo::default() });
        }
    }

    /// When [`PublisherFeedback::poll`] has something to do.
    pub fn next_timeout(&mut self) -> Option<Instant> {
        let due = self.chain.poll_timeout()?;
        let is_restless = self.restless_until.is_some_and(|until| due <= until);
        Some(if is_restless { due } else { due + PATIENCE })
    }

    /// What our reports say of all that the publisher sends.
    #[must_use]
    pub fn reception(&self) -> Reception {
        let media = self.bound.iter().filter(|bound| !bound.rtx);
        media.fold(Reception::default(), |sum, bound| sum.with(&bound.reception))
    }

    /// Hands every compound packet that is due to `send`. Returns how many packets it asks for again.
    pub fn poll(&mut self, now: Instant, mut send: impl FnMut(&[u8])) -> u64 {
        let mut asked = 0;
        // A timer that fails leaves its feedback out; the next one comes.
        let _ = self.chain.handle_timeout(now);
        while let Some(tagged) = self.chain.poll_write() {
            if let Intercepted::Rtcp(packets) = tagged.message.packet
                && let Ok(bytes) = rtcp::packet::marshal(&packets)
            {
                send(&bytes);
                asked += self.note(now, &bytes);
            }
        }
        asked
    }

    /// Takes note of what we say. Returns how many packets we ask for again.
    fn note(&mut self, now: Instant, compound: &[u8]) -> u64 {
        for block in reception::blocks(compound) {
            if let Some(bound) = self.bound.iter_mut().find(|bound| bound.ssrc == block.ssrc) {
                // The round trip is the publisher's to know: it is not told in its sender reports.
                bound.reception.handle(now, &Block { last_report: 0, ..block }, 0, bound.clock_rate);
            }
        }
        let nacks = parts::feedback(compound).filter_map(|feedback| match feedback {
            parts::Feedback::Nack(nack) => Some(nack.nacks),
            _ => None,
        });
        nacks.flatten().map(|pair| 1 + u64::from(pair.lost_packets.count_ones())).sum()
    }

    fn read(&mut self, now: Instant, packet: Intercepted) {
        let message = AttributedPacket::new(packet);
        // What the chain refuses is not counted by it; the packet itself is forwarded all the same.
        let _ =
            self.chain.handle_read(TaggedPacket { now, transport: rtc_shared::TransportContext::default(), message });
        while self.chain.poll_read().is_some() {}
    }
}

impl Default for PublisherFeedback {
    fn default() -> Self {
        Self::new()
    }
}

/// The chain reads headers only, so it gets no payload.
fn header_only(packet: &Packet<'_>, sequence: u16, ssrc: Ssrc, number: Option<(u8, &[u8])>) -> rtp::Packet {
    let mut header = rtp::header::Header {
        version: 2,
        marker: packet.marker(),
        payload_type: packet.payload_type().0,
        sequence_number: sequence,
        timestamp: packet.timestamp(),
        ssrc: ssrc.0,
        ..Default::default()
    };
    if let Some((id, value)) = number {
        // Cannot fail: the number and the length have been parsed from a header.
        let _ = header.set_extension(id, Bytes::copy_from_slice(value));
    }
    rtp::Packet { header, payload: Bytes::new() }
}

fn stream_info(ssrc: Ssrc, track: &PublishTrack, rtx: bool) -> StreamInfo {
    let feedback = |typ: &str, parameter: &str, on: bool| {
        on.then(|| RTCPFeedback { typ: typ.to_owned(), parameter: parameter.to_owned() })
    };
    let feedback =
        [feedback("nack", "", track.feedback.nack && !rtx), feedback("transport-cc", "", track.feedback.transport_cc)];
    let transport_cc = track.extensions.id(Extension::TransportCc).filter(|_| track.feedback.transport_cc);
    let extension = |id: u8| RTPHeaderExtension { uri: Extension::TransportCc.uri().to_owned(), id: u16::from(id) };
    StreamInfo {
        ssrc: ssrc.0,
        payload_type: track.payload_type.0,
        mime_type: track.format.codec.name().to_owned(),
        clock_rate: track.format.codec.clock_rate(),
        rtcp_feedback: feedback.into_iter().flatten().collect(),
        rtp_header_extensions: transport_cc.map(extension).into_iter().collect(),
        ..StreamInfo::default()
    }
}

/// A picture loss indication (RFC 4585 §6.3.1) or, where only that was agreed, a full intra request (RFC 5104
/// §4.3.1), as a compound packet that begins with an empty receiver report (RFC 3550 §6.1).
#[must_use]
pub fn keyframe_request(track: &PublishTrack, media: Ssrc, sequence: u8) -> Option<Vec<u8>> {
    use rtcp::payload_feedbacks::full_intra_request::{FirEntry, FullIntraRequest};
    use rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
    let mut bytes = rtcp::receiver_report::ReceiverReport::default().marshal().ok()?;
    let request: BytesMut = if track.feedback.pli {
        PictureLossIndication { sender_ssrc: 0, media_ssrc: media.0 }.marshal().ok()?
    } else if track.feedback.fir {
        let fir = vec![FirEntry { ssrc: media.0, sequence_number: sequence }];
        FullIntraRequest { sender_ssrc: 0, media_ssrc: media.0, fir }.marshal().ok()?
    } else {
        return None;
    };
    bytes.extend_from_slice(&request);
    Some(bytes.to_vec())
}
