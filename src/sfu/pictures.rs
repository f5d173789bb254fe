//! The running numbers in VP8 and VP9 payloads (picture id, TL0PICIDX): continuous over a change of publisher or layer.

use crate::rtp::codec::Codec;
use crate::rtp::payload::{PayloadInfo, rewrite_picture_id};

/// What is added to a publisher's numbers.
#[derive(Debug, Default)]
pub struct Pictures {
    /// Set by the first packet of a source.
    deltas: Option<(u16, u8)>,
    /// The last numbers that went out.
    last: Option<(u16, u8)>,
}

impl Pictures {
    /// Another source begins: its first picture follows the last one that went out.
    pub fn begin(&mut self) {
        self.deltas = None;
    }

    /// Rewrites the numbers of one payload, whose `info` has been read already.
    pub fn rewrite(&mut self, codec: Codec, info: &PayloadInfo, payload: &mut [u8]) {
        let Some(picture_id) = info.picture_id else { return };
        let tl0 = info.tl0_pic_idx.unwrap_or(0);
        let last = self.last;
        let (picture_delta, tl0_delta) = *self.deltas.get_or_insert_with(|| {
            last.map_or((0, 0), |(last_id, last_tl0)| {
                (last_id.wrapping_add(1).wrapping_sub(picture_id.value), last_tl0.wrapping_add(1).wrapping_sub(tl0))
            })
        });
        // The field takes as many low bits as it has, so the sum may run over.
        let rewritten = (picture_id.value.wrapping_add(picture_delta), tl0.wrapping_add(tl0_delta));
        if (picture_delta, tl0_delta) != (0, 0) {
            rewrite_picture_id(codec, payload, rewritten.0 & 0x7fff, rewritten.1);
        }
        let mask: u16 = if picture_id.wide { 0x7fff } else { 0x7f };
        let newer = last.is_none_or(|(last_id, _)| rewritten.0.wrapping_sub(last_id) & mask <= mask / 2);
        if newer {
            self.last = Some(rewritten);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::payload::inspect;

    /// A VP8 payload with a 15-bit picture id and TL0PICIDX.
    fn vp8(picture_id: u16, tl0: u8) -> Vec<u8> {
        let [high, low] = picture_id.to_be_bytes();
        vec![0x90, 0xc0, 0x80 | high, low, tl0, 0, 0, 0]
    }

    #[test]
    fn numbers_go_on_from_source_to_source() {
        let mut pictures = Pictures::default();
        let mut pass = |picture_id, tl0, begins: bool| {
            if begins {
                pictures.begin();
            }
            let mut payload = vp8(picture_id, tl0);
            let info = inspect(Codec::Vp8, &payload);
            pictures.rewrite(Codec::Vp8, &info, &mut payload);
            let info = inspect(Codec::Vp8, &payload);
            (info.picture_id.unwrap().value, info.tl0_pic_idx.unwrap())
        };
        let table = [
            ((0x7ffe, 254, true), (0x7ffe, 254)),
            ((0x7fff, 255, false), (0x7fff, 255)),
            ((500, 7, true), (0, 0)),
            ((502, 9, false), (2, 2)),
            ((501, 8, false), (1, 1)),
            ((9, 9, true), (3, 3)),
        ];
        for ((picture_id, tl0, begins), expected) in table {
            assert_eq!(pass(picture_id, tl0, begins), expected, "{picture_id}");
        }
    }
}
