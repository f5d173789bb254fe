//! What the head of a key frame says of the pictures behind it: their size, and what a container must say of the codec.

mod av1;
mod h264;
mod h265;
mod reader;
mod vp;

use super::annexb::nal_units;
use crate::rtp::codec::Codec;

/// See the module.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Description {
    /// In pixels.
    pub width: u16,
    /// In pixels.
    pub height: u16,
    /// The body of the box that MP4 has for the codec (`avcC`, `hvcC`, `av1C`, `vpcC`); empty for VP8. Of AV1 it is
    /// WebM's `CodecPrivate` too.
    pub configuration: Vec<u8>,
}

/// What a key frame says, in the form that [`super::Frame`] has; `None` where it is none, or cannot be read.
#[must_use]
pub fn describe(codec: Codec, frame: &[u8]) -> Option<Description> {
    let units = || nal_units(frame).collect::<Vec<_>>();
    let description = match codec {
        Codec::Vp8 => vp::vp8(frame)?,
        Codec::Vp9 => vp::vp9(frame)?,
        Codec::Av1 => av1::av1(frame)?,
        Codec::H264 => h264::h264(&units())?,
        Codec::H265 => h265::h265(&units())?,
        Codec::Opus | Codec::Pcmu | Codec::Pcma => return None,
    };
    (description.width > 0 && description.height > 0).then_some(description)
}

/// Width and height of a key frame, in pixels.
#[must_use]
pub fn frame_size(codec: Codec, frame: &[u8]) -> Option<(u16, u16)> {
    describe(codec, frame).map(|description| (description.width, description.height))
}
