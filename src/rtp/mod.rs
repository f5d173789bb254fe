//! RTP as bytes: packet view and writer, sequence arithmetic, header extensions, and a peek per codec.

pub mod codec;
pub mod extension;
pub mod packet;
pub mod sequence;
