//! Encoded media, at rest: what payloads make up a frame, and the files that hold frames.
//!
//! A file is read whole into a [`Clip`]: frames with their times, in units of the codec's RTP clock.

mod annexb;
mod bits;
mod depacketize;
pub mod describe;
pub mod export;
mod ivf;
pub mod mux;
mod ogg;

use std::fs;
use std::path::Path;

use bytes::Bytes;

pub use annexb::nal_units;
pub use bits::is_key_frame;
pub use depacketize::frame_of;
pub use describe::frame_size;
pub use ivf::IvfWriter;
pub use mux::{Container, MuxError, Muxer, Output, Reader, Repair, Sample, TrackSeen, TrackSetup, repair};
pub use ogg::{OggWriter, opus_ticks};

use crate::limits::CLIENT_FILE_BYTES;
use crate::rtp::codec::{Codec, MediaKind};

/// Why a media file could not be read or written.
#[derive(thiserror::Error, Debug)]
pub enum MediaError {
    /// The operating system refused.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The file is larger than [`CLIENT_FILE_BYTES`].
    #[error("the file has {0} bytes, at most {CLIENT_FILE_BYTES} are read")]
    TooLarge(u64),
    /// Neither the content nor the file's ending names a format that is read.
    #[error("not a format that can be published: IVF (VP8, VP9, AV1), Annex B (.h264, .264, .h265, .265), Ogg Opus")]
    UnknownFormat,
    /// An IVF file of another codec.
    #[error("IVF with the codec `{0}`, expected VP80, VP90 or AV01")]
    UnknownCodec(String),
    /// The content does not keep to the format.
    #[error("broken {format} file: {what}")]
    Broken {
        /// Name of the format.
        format: &'static str,
        /// What was found.
        what: &'static str,
    },
    /// A frame that the codec's payload format cannot carry.
    #[error("a frame cannot be put into packets: {0}")]
    Payload(String),
}

/// One encoded picture, or one packet of sound.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// The encoded bytes: one IVF frame, one access unit with four-byte start codes, or one Opus packet.
    pub data: Bytes,
    /// From the clip's first frame, in units of the codec's RTP clock.
    pub time: u64,
    /// Decoding can begin here.
    pub key: bool,
}

/// A file's frames in decoding order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Clip {
    /// What the frames are encoded with.
    pub codec: Codec,
    /// Parameters for `a=fmtp`, where the file says something that a player must know.
    pub fmtp: Option<String>,
    /// The frames; never empty, times never fall.
    pub frames: Vec<Frame>,
    /// When the clip would begin again, in units of the codec's RTP clock; later than the last frame.
    pub duration: u64,
}

impl Clip {
    /// Reads a file. `frames_per_second` is for Annex B, which has no times; the other formats have their own.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read, is too large, or is not of a known format.
    pub fn open(path: &Path, frames_per_second: f64) -> Result<Self, MediaError> {
        let bytes = fs::metadata(path)?.len();
        if bytes > CLIENT_FILE_BYTES {
            return Err(MediaError::TooLarge(bytes));
        }
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or("").to_ascii_lowercase();
        Self::read(&Bytes::from(fs::read(path)?), &ending, frames_per_second)
    }

    /// Reads a file's content: IVF and Ogg are known by their first bytes, Annex B by the file's ending.
    ///
    /// # Errors
    ///
    /// Where the content is not of a known format, or breaks it.
    pub fn read(content: &Bytes, ending: &str, frames_per_second: f64) -> Result<Self, MediaError> {
        if content.starts_with(b"DKIF") {
            return ivf::read(content);
        }
        if content.starts_with(b"OggS") {
            return ogg::read(content);
        }
        match ending {
            "h264" | "264" | "avc" => annexb::read(content, Codec::H264, frames_per_second),
            "h265" | "265" | "hevc" => annexb::read(content, Codec::H265, frames_per_second),
            _ => Err(MediaError::UnknownFormat),
        }
    }

    /// Audio or video.
    pub fn kind(&self) -> MediaKind {
        self.codec.kind()
    }

    /// The duration in seconds.
    #[expect(clippy::cast_precision_loss, reason = "files are shorter than 2^52 ticks")]
    pub fn seconds(&self) -> f64 {
        self.duration as f64 / f64::from(self.codec.clock_rate())
    }
}

/// From the times of the frames to when the clip would begin again: one usual interval after the last one.
fn duration_of(frames: &[Frame], clock_rate: u32) -> u64 {
    let last = frames.last().map_or(0, |frame| frame.time);
    let intervals = u64::try_from(frames.len()).unwrap_or(u64::MAX).saturating_sub(1);
    let usual =
        if intervals == 0 || last == 0 { u64::from(clock_rate) / 30 } else { (last + intervals / 2) / intervals };
    last + usual.max(1)
}
