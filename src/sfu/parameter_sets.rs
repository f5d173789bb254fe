//! H264 parameter sets: the last SPS and PPS, kept for key frames that come without (RFC 6184 §8.4 recommends them
//! in-band, but GStreamer by default sends them once).

use base64::Engine as _;

use crate::limits;
use crate::rtp::h264;

/// The last sets of one publisher, and both in one packet.
#[derive(Debug, Default)]
pub struct ParameterSets {
    sps: Vec<u8>,
    pps: Vec<u8>,
    aggregate: Vec<u8>,
}

impl ParameterSets {
    /// Forgets them.
    pub fn clear(&mut self) {
        self.sps.clear();
        self.pps.clear();
        self.aggregate.clear();
    }

    /// Keeps what a payload carries.
    pub fn handle(&mut self, payload: &[u8]) {
        for (_, set) in h264::parameter_sets(payload) {
            self.keep(set);
        }
    }

    /// Keeps what the format's parameters carry (`sprop-parameter-sets`, RFC 6184 §8.2.1).
    pub fn handle_fmtp(&mut self, fmtp: &str) {
        let value = fmtp.split(';').find_map(|parameter| parameter.trim().strip_prefix("sprop-parameter-sets="));
        for set in value.unwrap_or_default().split(',') {
            // What does not decode is not there.
            if let Ok(set) = base64::engine::general_purpose::STANDARD.decode(set.trim()) {
                self.keep(&set);
            }
        }
    }

    /// A STAP-A payload with both, once both are known.
    #[must_use]
    pub fn aggregate(&self) -> Option<&[u8]> {
        (!self.aggregate.is_empty()).then_some(self.aggregate.as_slice())
    }

    fn keep(&mut self, set: &[u8]) {
        let kept = match set.first().map(|byte| byte & 0x1f) {
            Some(7) => &mut self.sps,
            Some(8) => &mut self.pps,
            _ => return,
        };
        if set.len() > limits::PARAMETER_SET_BYTES || kept.as_slice() == set {
            return;
        }
        kept.clear();
        kept.extend_from_slice(set);
        self.aggregate.clear();
        if !self.sps.is_empty() && !self.pps.is_empty() {
            h264::stap_a(&self.sps, &self.pps, &mut self.aggregate);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_kept_and_aggregated() {
        let mut sets = ParameterSets::default();
        sets.handle(&[0x67, 1, 2]);
        assert_eq!(sets.aggregate(), None, "no PPS yet");
        sets.handle(&[0x68, 3]);
        assert_eq!(sets.aggregate().unwrap()[1..], [0, 3, 0x67, 1, 2, 0, 2, 0x68, 3]);
        sets.handle(&[0x65, 9, 9]);
        assert_eq!(sets.aggregate().unwrap().len(), 10);
        let mut long = vec![0x67; limits::PARAMETER_SET_BYTES + 1];
        long[1] = 0;
        sets.handle(&long);
        assert_eq!(sets.aggregate().unwrap().len(), 10, "too long to keep");
        sets.clear();
        assert_eq!(sets.aggregate(), None);
    }

    #[test]
    fn sets_come_from_the_offer_too() {
        let table = [
            ("packetization-mode=1;sprop-parameter-sets=Z0IAKeKQFge2AtwEBAaQeJEV,aM48gA==", true),
            ("sprop-parameter-sets=Z0IA", false),
            ("sprop-parameter-sets=%%,aM48gA==", false),
            ("", false),
        ];
        for (fmtp, known) in table {
            let mut sets = ParameterSets::default();
            sets.handle_fmtp(fmtp);
            assert_eq!(sets.aggregate().is_some(), known, "{fmtp}");
        }
    }
}
