//! Recordings: their files, the list of them, who downloads them.

use std::time::Duration;

/// Longest name of a recording's file: a room, a track, two numbers, an extension; file systems take 255.
pub const RECORD_NAME_BYTES: usize = 160;
/// Longest track within that name.
pub const RECORD_TRACK_BYTES: usize = 32;
/// Files of the folder that are looked at: 200 rooms that record an hour each around the clock fill it in three weeks.
/// Beyond that the list is not whole, and the log says so.
pub const RECORDS: usize = 100_000;
/// Requests that read the folder at a time. Each has a thread, perhaps until a slow disk answers.
pub const RECORD_READS: usize = 8;
/// Downloads at a time: each has a descriptor, and a thread while its disk is slow.
pub const RECORD_DOWNLOADS: usize = 256;
/// From the question to the folder to its answer. Who is not answered by then comes again.
pub const RECORD_TIME: Duration = Duration::from_secs(5);
/// What is read of a file at a time: a download has one such piece in memory.
pub const RECORD_PIECE_BYTES: usize = 64 << 10;

const _: () = assert!(
    RECORD_DOWNLOADS + RECORD_READS < 512 - 2 * super::FETCHES,
    "tokio has 512 threads for what blocks: a dead disk must leave some of them"
);
const _: () =
    assert!((RECORD_DOWNLOADS + RECORD_READS) as u64 <= super::OTHER_DESCRIPTORS / 2, "descriptors are counted there");
const _: () = assert!(super::ROOM_NAME_BYTES + RECORD_TRACK_BYTES + 48 <= RECORD_NAME_BYTES, "every room fits");
