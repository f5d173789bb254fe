//! The RTCP that a light subscriber writes: receiver reports, NACKs, key frame requests.

/// What a receiver report says of one source (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct ReportBlock {
    /// Whose packets.
    pub ssrc: u32,
    /// Of those expected since the last report, in 256ths.
    pub fraction_lost: u8,
    /// In all.
    pub lost: u32,
    /// Extended.
    pub highest: u32,
    /// In units of the clock rate.
    pub jitter: u32,
    /// The middle of the last sender report's NTP time.
    pub last_report: u32,
    /// Since then, in 65,536ths of a second.
    pub delay: u32,
}

/// A compound packet that is put together.
#[derive(Default)]
pub struct Compound(Vec<u8>);

impl Compound {
    /// Begins anew with a receiver report of up to 31 sources.
    pub fn begin(&mut self, sender: u32, blocks: impl Iterator<Item = ReportBlock>) -> &mut Self {
        self.0.clear();
        self.0.extend_from_slice(&[0x80, 201, 0, 0]);
        self.word(sender);
        for block in blocks.take(31) {
            self.0[0] += 1;
            self.word(block.ssrc);
            self.word(u32::from(block.fraction_lost) << 24 | block.lost.min(0x7f_ffff));
            self.word(block.highest);
            self.word(block.jitter);
            self.word(block.last_report);
            self.word(block.delay);
        }
        self.close(0)
    }

    /// Adds a generic NACK (RFC 4585 §6.2.1); the numbers rise, and there is at least one.
    pub fn nack(&mut self, sender: u32, media: u32, missing: impl Iterator<Item = u16>) -> &mut Self {
        let start = self.open(0x81, 205, sender, media);
        let mut pair: Option<(u16, u16)> = None;
        for number in missing {
            pair = match pair {
                Some((first, mask)) if (1..=16).contains(&number.wrapping_sub(first)) => {
                    Some((first, mask | 1 << (number.wrapping_sub(first) - 1)))
                }
                other => {
                    self.pair(other);
                    Some((number, 0))
                }
            };
        }
        self.pair(pair);
        self.close(start)
    }

    /// Adds a key frame request (PLI, RFC 4585 §6.3.1).
    pub fn picture_loss(&mut self, sender: u32, media: u32) -> &mut Self {
        let start = self.open(0x81, 206, sender, media);
        self.close(start)
    }

    /// Adds transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1) with this content.
    pub fn transport_cc(&mut self, sender: u32, media: u32, body: &[u8]) -> &mut Self {
        let start = self.open(0x8f, 205, sender, media);
        self.0.extend_from_slice(body);
        let padding = self.0.len().next_multiple_of(4) - self.0.len();
        if padding > 0 {
            self.0[start] |= 0x20;
            self.0.resize(self.0.len() + padding - 1, 0);
            self.0.push(u8::try_from(padding).expect("below 4"));
        }
        self.close(start)
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn open(&mut self, first: u8, kind: u8, sender: u32, media: u32) -> usize {
        let start = self.0.len();
        self.0.extend_from_slice(&[first, kind, 0, 0]);
        self.word(sender);
        self.word(media);
        start
    }

    fn close(&mut self, start: usize) -> &mut Self {
        let words = u16::try_from((self.0.len() - start) / 4 - 1).expect("a compound packet fits a datagram");
        self.0[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());
        self
    }

    fn pair(&mut self, pair: Option<(u16, u16)>) {
        if let Some((first, mask)) = pair {
            self.word(u32::from(first) << 16 | u32::from(mask));
        }
    }

    fn word(&mut self, word: u32) {
        self.0.extend_from_slice(&word.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use rtcp::receiver_report::ReceiverReport;
    use rtcp::transport_feedbacks::transport_layer_nack::{NackPair, TransportLayerNack};

    use super::*;

    #[test]
    fn the_family_reads_what_is_written() {
        let block =
            ReportBlock { ssrc: 7, fraction_lost: 64, lost: 3, highest: 70_000, jitter: 5, last_report: 6, delay: 8 };
        let missing = [65_534, 65_535, 14, 15, 31];
        let mut compound = Compound::default();
        compound.begin(1, [block, block].into_iter()).nack(1, 7, missing.into_iter()).picture_loss(1, 7);
        let packets = rtcp::packet::unmarshal(&mut Bytes::copy_from_slice(compound.as_bytes())).unwrap();
        let report = packets[0].as_any().downcast_ref::<ReceiverReport>().unwrap();
        assert_eq!((report.ssrc, report.reports.len()), (1, 2));
        let read = &report.reports[1];
        assert_eq!((read.ssrc, read.fraction_lost, read.total_lost), (7, 64, 3));
        assert_eq!((read.last_sequence_number, read.jitter, read.last_sender_report, read.delay), (70_000, 5, 6, 8));
        let nack = packets[1].as_any().downcast_ref::<TransportLayerNack>().unwrap();
        let asked: Vec<u16> = nack.nacks.iter().flat_map(NackPair::packet_list).collect();
        assert_eq!((nack.media_ssrc, asked.as_slice()), (7, &missing[..]));
        assert_eq!(packets.len(), 3);
    }
}
