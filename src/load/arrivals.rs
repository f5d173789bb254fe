//! Transport-wide feedback: when each packet of a session arrived
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).

use std::time::Duration;

use crate::rtp::sequence::{SequenceExtender, low16};

/// Packets of one report: more than a session gets in a report's time; the rest waits for the next one.
const MOST: usize = 512;
/// Numbers that one report may reach over.
const SPAN: u64 = 1_024;
/// Units of deltas (250 µs) in one unit of reference times (64 ms).
const TICKS_PER_REFERENCE: u64 = 256;

/// Arrivals that were not reported yet.
#[derive(Default)]
pub struct Arrivals {
    extender: SequenceExtender,
    /// Numbers, and times in 250 µs.
    packets: Vec<(u64, u64)>,
    reports: u8,
}

impl Arrivals {
    /// A packet with this transport-wide number came.
    pub fn note(&mut self, sequence: u16, arrival: Duration) {
        if self.packets.len() < MOST {
            let ticks = u64::try_from(arrival.as_micros() / 250).unwrap_or(u64::MAX);
            self.packets.push((self.extender.extend(sequence), ticks));
        }
    }

    /// Replaces `body` by what stands behind the SSRCs of a feedback packet; false where there is nothing to report.
    pub fn write(&mut self, body: &mut Vec<u8>) -> bool {
        body.clear();
        self.packets.sort_unstable();
        let Some((base, first)) = self.packets.first().copied() else { return false };
        let reference = first / TICKS_PER_REFERENCE;
        let mut symbols = Vec::with_capacity(self.packets.len());
        let mut deltas = Vec::with_capacity(2 * self.packets.len());
        let mut last = reference * TICKS_PER_REFERENCE;
        let mut reported = 0;
        for (number, at) in &self.packets {
            let Ok(delta) = i16::try_from(at.cast_signed().wrapping_sub(last.cast_signed())) else { break };
            let Some(place) = usize::try_from(number - base).ok().filter(|_| number - base < SPAN) else { break };
            reported += 1;
            if place < symbols.len() {
                // The same number twice: the first arrival counts.
                continue;
            }
            symbols.resize(place, 0_u16);
            if let Ok(small) = u8::try_from(delta) {
                symbols.push(1);
                deltas.push(small);
            } else {
                symbols.push(2);
                deltas.extend_from_slice(&delta.to_be_bytes());
            }
            last = *at;
        }
        self.packets.drain(..reported.max(1));
        body.extend_from_slice(&low16(base).to_be_bytes());
        body.extend_from_slice(&u16::try_from(symbols.len()).expect("at most SPAN").to_be_bytes());
        body.extend_from_slice(&reference.to_be_bytes()[5..]);
        body.push(self.reports);
        self.reports = self.reports.wrapping_add(1);
        // Vectors of seven symbols of two bits.
        for seven in symbols.chunks(7) {
            let vector = (0..7).fold(0b11, |vector, at| vector << 2 | seven.get(at).unwrap_or(&0));
            body.extend_from_slice(&vector.to_be_bytes());
        }
        body.extend_from_slice(&deltas);
        true
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use rtcp::transport_feedbacks::transport_layer_cc::{PacketStatusChunk, TransportLayerCc};

    use super::*;
    use crate::load::rtcp::Compound;

    fn read(arrivals: &mut Arrivals) -> Option<TransportLayerCc> {
        let mut body = Vec::new();
        if !arrivals.write(&mut body) {
            return None;
        }
        let mut compound = Compound::default();
        compound.begin(1, std::iter::empty()).transport_cc(1, 2, &body);
        let packets = rtcp::packet::unmarshal(&mut Bytes::copy_from_slice(compound.as_bytes())).unwrap();
        packets[1].as_any().downcast_ref::<TransportLayerCc>().cloned()
    }

    fn symbols(feedback: &TransportLayerCc) -> Vec<u16> {
        let symbols = feedback.packet_chunks.iter().flat_map(|chunk| match chunk {
            PacketStatusChunk::StatusVectorChunk(chunk) => chunk.symbol_list.iter().map(|s| *s as u16).collect(),
            PacketStatusChunk::RunLengthChunk(_) => vec![],
        });
        symbols.take(feedback.packet_status_count.into()).collect()
    }

    #[test]
    fn the_family_reads_the_report() {
        let mut arrivals = Arrivals::default();
        let milliseconds = |ms: u64| Duration::from_millis(64_000 + ms);
        for (number, at) in [(65_535, 10), (65_534, 5), (1, 9), (2, 200), (2, 300)] {
            arrivals.note(number, milliseconds(at));
        }
        let feedback = read(&mut arrivals).unwrap();
        assert_eq!((feedback.media_ssrc, feedback.base_sequence_number, feedback.reference_time), (2, 65_534, 1_000));
        assert_eq!(symbols(&feedback), [1, 1, 0, 2, 2]);
        let deltas: Vec<_> = feedback.recv_deltas.iter().map(|delta| delta.delta).collect();
        assert_eq!(deltas, [5_000, 5_000, -1_000, 191_000]);
        assert!(read(&mut arrivals).is_none());
    }

    #[test]
    fn what_does_not_fit_waits() {
        let mut arrivals = Arrivals::default();
        for (number, at) in [(1, 0), (2, 20), (3, 1), (2_000, 20)] {
            arrivals.note(number, Duration::from_secs(at));
        }
        let counts: Vec<_> =
            std::iter::from_fn(|| read(&mut arrivals)).map(|feedback| feedback.packet_status_count).collect();
        assert_eq!(counts, [1, 1, 1, 1]);
    }
}
