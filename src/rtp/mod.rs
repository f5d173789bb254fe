//! RTP as bytes: packet view and writer, sequence arithmetic, header extensions, and a peek per codec.

pub mod av1;
pub mod codec;
pub mod extension;
pub mod h264;
pub mod h265;
pub mod packet;
pub mod payload;
pub mod sequence;
pub mod vp8;
pub mod vp9;
