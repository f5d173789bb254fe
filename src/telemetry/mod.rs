//! What the server says of itself.

pub mod log;
