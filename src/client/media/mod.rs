//! What a client sends of a file and when, and what it makes of packets that come.

mod assemble;
mod pace;
mod packetize;
mod sink;

pub use assemble::{AssembledFrame, Assembler, Reception};
pub use pace::{Pace, Pacer, bursts};
pub use packetize::Packetizer;
pub use sink::Sink;
