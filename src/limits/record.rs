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
/// Of one client: a page of recordings has a few.
pub const RECORD_DOWNLOADS_PER_CLIENT: usize = 64;
/// From the question to the folder to its answer. Who is not answered by then comes again.
pub const RECORD_TIME: Duration = Duration::from_secs(5);
/// What is read of a file at a time: a download has one such piece in memory.
pub const RECORD_PIECE_BYTES: usize = 64 << 10;

/// Largest sheet beside a recording: what follows, and 500 gaps, is 200 kB at most.
pub const RECORD_SHEET_BYTES: u64 = 256 << 10;
/// Longest title, in bytes.
pub const RECORD_TITLE_BYTES: usize = 200;
/// Tags of a recording,
pub const RECORD_TAGS: usize = 20;
/// each so many bytes at most.
pub const RECORD_TAG_BYTES: usize = 50;
/// Markers of a recording; they are set by hand.
pub const RECORD_MARKERS: usize = 500;
/// Longest text of a marker, in bytes.
pub const RECORD_MARKER_BYTES: usize = 200;
/// Recordings on a page of the list,
pub const RECORDS_PER_PAGE: usize = 1000;
/// where nothing else is asked for.
pub const RECORDS_PER_PAGE_DEFAULT: usize = 100;
/// Longest text that is searched for, in bytes,
pub const RECORD_SEARCH_BYTES: usize = 200;
/// and how many words of it are looked for.
pub const RECORD_SEARCH_WORDS: usize = 8;
/// The folder is read again after this time even where it looks unchanged: a file that is copied there grows unseen.
pub const RECORD_RESCAN_INTERVAL: Duration = Duration::from_secs(10);
/// A folder that changed so short a time before it was read may have changed since: file systems count time in steps of
/// some milliseconds, old ones of two seconds.
pub const RECORD_FOLDER_STEP: Duration = Duration::from_millis(100);
/// From one look for recordings that are to go to the next.
pub const RETENTION_INTERVAL: Duration = Duration::from_mins(1);
/// Recordings that one look deletes; the next one goes on.
pub const RETENTION_DELETIONS: usize = 1000;
/// How long a link to a recording holds that an administrator makes,
pub const RECORD_LINK_TIME: Duration = Duration::from_hours(24 * 30);
/// and one that somebody makes who may play it: a browser's player cannot show a token.
pub const RECORD_LINK_TIME_OF_READERS: Duration = Duration::from_hours(6);
/// Where nothing else is asked for.
pub const RECORD_LINK_TIME_DEFAULT: Duration = Duration::from_hours(1);

/// Gaps that a recording's sheet has: the longest ones.
pub const RECORD_SHEET_GAPS: usize = 500;
/// Publications that are recorded at a time: each has a thread, a ring and two files.
pub const RECORDINGS: usize = 1_000;
/// Names that are tried for a file that begins in the same second as others of its room.
pub const RECORD_NAME_TRIES: u32 = 1_000;
/// What waits to be written together, in bytes.
pub const RECORD_WRITE_BYTES: usize = 256 << 10;
/// What was recorded is on the disk after this time: so much is lost at most with the machine.
pub const RECORD_FLUSH_INTERVAL: Duration = Duration::from_secs(1);
/// After a failure it is tried again this often.
pub const RECORD_RETRY: Duration = Duration::from_secs(5);
/// Files of one recording that wait for a disk that takes writes. Each failure leaves two at most; who mends finds the
/// rest.
pub const RECORD_LEFT: usize = 16;
/// What was left and could not be mended is tried again this often,
pub const RECORD_MEND_INTERVAL: Duration = Duration::from_mins(1);
/// each time half as often, up to this,
pub const RECORD_MEND_INTERVAL_MOST: Duration = Duration::from_hours(1);
/// and what else is there, where it was not written for so long.
pub const RECORD_MEND_AGE: Duration = Duration::from_mins(1);
/// Names that wait for it.
pub const RECORD_MEND_WAITING: usize = 256;
/// What is left of a recording without a frame is shorter, or begins as one.
pub const RECORD_HEAD_BYTES: u64 = 64 << 10;
/// What runs is compared this often with what should: a notice may have been missed.
pub const RECORD_COMPARE_INTERVAL: Duration = Duration::from_secs(5);
/// Recordings have this long to end when the server stops: a flush, and an index.
pub const RECORD_END_TIME: Duration = Duration::from_secs(10);

const _: () = assert!(
    RECORD_SHEET_BYTES
        > (RECORD_MARKERS * (RECORD_MARKER_BYTES + 64) + RECORD_TAGS * RECORD_TAG_BYTES + RECORD_SHEET_GAPS * 80)
            as u64,
    "all that can be set by hand fits"
);
const _: () = assert!(
    RECORD_DOWNLOADS + RECORD_READS < 512 - 2 * super::FETCHES,
    "tokio has 512 threads for what blocks: a dead disk must leave some of them"
);
const _: () =
    assert!((RECORD_DOWNLOADS + RECORD_READS) as u64 <= super::OTHER_DESCRIPTORS / 2, "descriptors are counted there");
const _: () = assert!(super::ROOM_NAME_BYTES + RECORD_TRACK_BYTES + 48 <= RECORD_NAME_BYTES, "every room fits");

/// Recordings that are uploaded at a time. Each has a piece in memory, or two of them while it is compared.
pub const UPLOADS: usize = 2;
/// What is uploaded at a time: stores take 5 MiB at least, and what is smaller than a piece goes in one request.
pub const UPLOAD_PIECE_BYTES: u64 = 8 << 20;
/// Pieces of a file: stores take 10,000. So pieces are larger where a file has more than 72 GB.
pub const UPLOAD_PIECES: u64 = 9_000;
/// Most that a store may answer: a piece that is read back.
pub const UPLOAD_ANSWER_BYTES: u64 = UPLOAD_PIECE_BYTES + (64 << 10);
/// From a request to the store to its answer: a piece by a line of 30 kB/s.
pub const UPLOAD_REQUEST_TIME: Duration = Duration::from_mins(5);
/// A request is sent again this often at once; then all of it waits.
pub const UPLOAD_REQUEST_RETRIES: usize = 2;
/// The first wait after an upload that failed; it doubles each time,
pub const UPLOAD_RETRY: Duration = Duration::from_secs(2);
/// up to this.
pub const UPLOAD_RETRY_MOST: Duration = Duration::from_mins(15);
/// From one look for what is to be uploaded to the next.
pub const UPLOAD_LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// A file that was written since may be one that is being copied there.
pub const UPLOAD_SETTLE_TIME: Duration = Duration::from_secs(2);

/// What an export has in memory before it is written: a second, and of 60 Mbit/s and more less.
pub const EXPORT_WAITING_BYTES: usize = 8 << 20;
