//! One room, sans-IO: RTP of one publisher in, rewritten RTP for many subscribers out.
//!
//! A packet is written once, into the history of its [`stream`]; each subscriber has a cursor into it ([`egress`]).
//! Live forwarding, the burst for a newcomer and the answer to a NACK are the same thing at different places of the
//! same history.

pub mod audience;
pub mod bitrate_limit;
pub mod burst;
pub mod continuity;
pub mod counts;
pub mod drop;
pub mod egress;
pub mod feedback;
pub mod histogram;
pub mod history;
pub mod ingress;
pub mod intake;
pub mod keyframe;
pub mod level;
pub mod meter;
pub mod parameter_sets;
pub mod pictures;
pub mod publisher;
pub mod random;
pub mod rate;
pub mod reception;
pub mod relay;
pub mod replica;
pub mod report;
pub mod room;
pub mod rtcp;
pub mod select;
pub mod sink;
pub mod stream;
pub mod streams;
pub mod subscriber;
pub mod timeline;
pub mod track;
