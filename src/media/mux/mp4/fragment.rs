//! The head of a fragment (ISO/IEC 14496-12 §8.8).

use super::boxes::{put, put_full, put_list, put_u32, put_u64};
use super::index::Entry;

/// `default-base-is-moof`
const TFHD_FLAGS: u32 = 0x02_0000;
/// Data offset; of each sample duration, size, flags and composition offset.
const TRUN_FLAGS: u32 = 0x0001 | 0x0100 | 0x0200 | 0x0400 | 0x0800;
/// Depends on no other, and others do on it.
const KEY: u32 = 0x0200_0000;
/// Depends on others; no point to begin at.
const OTHER: u32 = 0x0101_0000;

/// Appends `moof`, behind which the media of these tracks come, one track after the other.
pub fn put_head(out: &mut Vec<u8>, number: u32, tracks: &[(u32, Vec<Entry>)]) {
    let at = out.len();
    let mut offsets = Vec::new();
    put(out, b"moof", |out| {
        put_full(out, b"mfhd", 0, 0, |out| put_u32(out, number));
        for (id, entries) in tracks.iter().filter(|(_, entries)| !entries.is_empty()) {
            put(out, b"traf", |out| {
                put_full(out, b"tfhd", 0, TFHD_FLAGS, |out| put_u32(out, *id));
                put_full(out, b"tfdt", 1, 0, |out| put_u64(out, entries[0].decode));
                put_full(out, b"trun", 1, TRUN_FLAGS, |out| {
                    let body = out.len();
                    put_list(out, entries, |_, _| {});
                    // The first offset comes behind the count.
                    offsets.push((body + 4, entries.iter().map(|entry| entry.size).sum::<u32>()));
                    put_u32(out, 0);
                    for entry in entries {
                        put_u32(out, entry.length);
                        put_u32(out, entry.size);
                        put_u32(out, if entry.is_key { KEY } else { OTHER });
                        out.extend_from_slice(&entry.offset.to_be_bytes());
                    }
                });
            });
        }
    });
    let mut media = u32::try_from(out.len() - at + 8).unwrap_or(u32::MAX);
    for (place, size) in offsets {
        out[place..place + 4].copy_from_slice(&media.to_be_bytes());
        media = media.saturating_add(size);
    }
}

/// Appends a free box with a checksum over the fragment, which is what is there from `at` on: who mends a file that was
/// cut off knows by it which fragments are whole.
pub fn put_sum(out: &mut Vec<u8>, at: usize) {
    let sum = crc32fast::hash(&out[at..]);
    put(out, b"free", |out| {
        out.extend_from_slice(SIGN);
        put_u32(out, sum);
    });
}

/// Says that it is such a box.
pub const SIGN: &[u8; 4] = b"crc3";

/// The bytes of a sample in `trun`.
pub const SAMPLE: usize = 16;

/// From a sample's flags.
pub fn is_key(flags: u32) -> bool {
    flags == KEY
}
