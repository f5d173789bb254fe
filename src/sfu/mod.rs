//! One room, sans-IO: RTP of one publisher in, rewritten RTP for many subscribers out.

pub mod drop;
pub mod room;
pub mod track;
