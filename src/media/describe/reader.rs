//! Bits, the highest first.

pub(super) struct Reader<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    /// A number of up to 32 bits.
    pub fn bits(&mut self, count: u32) -> Option<u32> {
        (0..count).try_fold(0, |value, _| {
            let byte = *self.data.get(self.at / 8)?;
            let bit = byte >> (7 - self.at % 8) & 1;
            self.at += 1;
            Some(value << 1 | u32::from(bit))
        })
    }

    pub fn flag(&mut self) -> Option<bool> {
        self.bits(1).map(|bit| bit == 1)
    }

    pub fn skip(&mut self, count: u32) -> Option<()> {
        self.at += count as usize;
        (self.at <= self.data.len() * 8).then_some(())
    }

    /// Exp-Golomb, `ue(v)` (ITU-T H.264 §9.1); `uvlc()` of AV1 (§4.10.3) is the same.
    pub fn golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1 << zeros) - 1 + self.bits(zeros)?)
    }

    /// `se(v)`, of which only the length matters here.
    pub fn skip_signed_golomb(&mut self) -> Option<()> {
        self.golomb().map(|_| ())
    }
}

/// What is in a NAL unit, without the bytes that keep start codes out of it (ITU-T H.264 §7.4.1).
pub(super) fn unescaped(unit: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(unit.len());
    let mut zeros = 0;
    for byte in unit {
        if zeros >= 2 && *byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        bytes.push(*byte);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        // 1 010 011 00100 0001000 and nothing more.
        let mut reader = Reader::new(&[0b1010_0110, 0b0100_0001, 0b0000_0000]);
        let read: Vec<_> = std::iter::from_fn(|| reader.golomb()).collect();
        assert_eq!(read, [0, 1, 2, 3, 7]);
        let mut reader = Reader::new(&[0xab, 0xcd]);
        assert_eq!((reader.bits(4), reader.bits(12), reader.bits(1)), (Some(0xa), Some(0xbcd), None));
        assert_eq!(Reader::new(&[0; 9]).golomb(), None);
        assert_eq!((Reader::new(&[1]).skip(8), Reader::new(&[1]).skip(9)), (Some(()), None));
    }

    #[test]
    fn escapes_go() {
        assert_eq!(unescaped(&[0, 0, 3, 1, 0, 0, 3, 0, 0, 3, 3]), [0, 0, 1, 0, 0, 0, 0, 3]);
    }
}
