//! EBML (RFC 8794): elements of an identifier, a size and a body.

/// Identifiers of Matroska (RFC 9559 §5.1), with their markers.
pub mod id {
    pub const EBML: u32 = 0x1a45_dfa3;
    pub const EBML_VERSION: u32 = 0x4286;
    pub const EBML_READ_VERSION: u32 = 0x42f7;
    pub const EBML_MAX_ID: u32 = 0x42f2;
    pub const EBML_MAX_SIZE: u32 = 0x42f3;
    pub const DOC_TYPE: u32 = 0x4282;
    pub const DOC_TYPE_VERSION: u32 = 0x4287;
    pub const DOC_TYPE_READ_VERSION: u32 = 0x4285;
    pub const VOID: u32 = 0xec;
    /// RFC 8794 §11.3.1
    pub const CRC_32: u32 = 0xbf;
    pub const SEGMENT: u32 = 0x1853_8067;
    pub const SEEK_HEAD: u32 = 0x114d_9b74;
    pub const SEEK: u32 = 0x4dbb;
    pub const SEEK_ID: u32 = 0x53ab;
    pub const SEEK_POSITION: u32 = 0x53ac;
    pub const INFO: u32 = 0x1549_a966;
    pub const TIMESTAMP_SCALE: u32 = 0x002a_d7b1;
    pub const DURATION: u32 = 0x4489;
    pub const MUXING_APP: u32 = 0x4d80;
    pub const WRITING_APP: u32 = 0x5741;
    pub const TRACKS: u32 = 0x1654_ae6b;
    pub const TRACK_ENTRY: u32 = 0xae;
    pub const TRACK_NUMBER: u32 = 0xd7;
    pub const TRACK_UID: u32 = 0x73c5;
    pub const TRACK_TYPE: u32 = 0x83;
    pub const FLAG_LACING: u32 = 0x9c;
    pub const CODEC_ID: u32 = 0x86;
    pub const CODEC_PRIVATE: u32 = 0x63a2;
    pub const SEEK_PRE_ROLL: u32 = 0x56bb;
    pub const VIDEO: u32 = 0xe0;
    pub const PIXEL_WIDTH: u32 = 0xb0;
    pub const PIXEL_HEIGHT: u32 = 0xba;
    pub const AUDIO: u32 = 0xe1;
    pub const SAMPLING_FREQUENCY: u32 = 0xb5;
    pub const CHANNELS: u32 = 0x9f;
    pub const CLUSTER: u32 = 0x1f43_b675;
    pub const TIMESTAMP: u32 = 0xe7;
    pub const SIMPLE_BLOCK: u32 = 0xa3;
    pub const CUES: u32 = 0x1c53_bb6b;
    pub const CUE_POINT: u32 = 0xbb;
    pub const CUE_TIME: u32 = 0xb3;
    pub const CUE_TRACK_POSITIONS: u32 = 0xb7;
    pub const CUE_TRACK: u32 = 0xf7;
    pub const CUE_CLUSTER_POSITION: u32 = 0xf1;
}

/// Bytes of a size that says nothing (RFC 8794 §6.2).
pub const UNKNOWN: [u8; 8] = [0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];

/// Appends an element's identifier and size.
pub fn put_head(out: &mut Vec<u8>, id: u32, size: usize) {
    put_id(out, id);
    let size = size as u64;
    if size < 0x7f {
        out.push(0x80 | size.to_be_bytes()[7]);
    } else if size < 0x3fff {
        out.extend_from_slice(&(0x4000 | size).to_be_bytes()[6..]);
    } else if size < 0x0fff_ffff {
        out.extend_from_slice(&(0x1000_0000 | size).to_be_bytes()[4..]);
    } else {
        out.extend_from_slice(&size_in_eight(size));
    }
}

/// A size in as many bytes as [`UNKNOWN`] has.
pub fn size_in_eight(size: u64) -> [u8; 8] {
    (0x0100_0000_0000_0000 | size).to_be_bytes()
}

fn put_id(out: &mut Vec<u8>, id: u32) {
    let bytes = id.to_be_bytes();
    let from = bytes.iter().position(|byte| *byte != 0).unwrap_or(3);
    out.extend_from_slice(&bytes[from..]);
}

/// Appends an element.
pub fn put(out: &mut Vec<u8>, id: u32, body: &[u8]) {
    put_head(out, id, body.len());
    out.extend_from_slice(body);
}

/// Appends an element with a number.
pub fn put_number(out: &mut Vec<u8>, id: u32, number: u64) {
    let bytes = number.to_be_bytes();
    let from = bytes.iter().position(|byte| *byte != 0).unwrap_or(7);
    put(out, id, &bytes[from..]);
}

/// Appends an element with others in it.
pub fn put_master(out: &mut Vec<u8>, id: u32, fill: impl FnOnce(&mut Vec<u8>)) {
    let mut body = Vec::new();
    fill(&mut body);
    put(out, id, &body);
}

/// The head of an element: identifier, size (`None`: unknown), and how many bytes the head has.
pub fn head(data: &[u8]) -> Option<(u32, Option<u64>, usize)> {
    let first = *data.first()?;
    let length = first.leading_zeros() as usize + 1;
    if length > 4 {
        return None;
    }
    let id = data.get(..length)?.iter().fold(0, |id, byte| id << 8 | u32::from(*byte));
    let (size, size_length) = number(data.get(length..)?)?;
    Some((id, size, length + size_length))
}

fn number(data: &[u8]) -> Option<(Option<u64>, usize)> {
    let first = *data.first()?;
    let length = first.leading_zeros() as usize + 1;
    if length > 8 {
        return None;
    }
    let bytes = data.get(..length)?;
    let mask = (1_u64 << (7 * length)) - 1;
    let value = bytes.iter().fold(0, |value: u64, byte| value << 8 | u64::from(*byte)) & mask;
    Some(((value != mask).then_some(value), length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for size in [0, 1, 0x7e, 0x7f, 0x3ffe, 0x3fff, 0x0fff_fffe, 0x0fff_ffff, 1 << 40] {
            for id in [id::VOID, id::SEEK, id::TIMESTAMP_SCALE, id::SEGMENT] {
                let mut out = Vec::new();
                put_head(&mut out, id, size);
                assert_eq!(head(&out), Some((id, Some(size as u64), out.len())), "{size:x}");
                assert_eq!(head(&out[..out.len() - 1]), None);
            }
        }
        let mut out = vec![0xec];
        out.extend_from_slice(&UNKNOWN);
        assert_eq!(head(&out), Some((id::VOID, None, 9)));
        assert_eq!((head(&[]), head(&[0, 1, 2]), head(&[0xec, 0])), (None, None, None));
        assert_eq!(head(&[[0xec].as_slice(), &size_in_eight(7)].concat()), Some((id::VOID, Some(7), 9)));
    }
}
