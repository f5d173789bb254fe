//! What the server says of itself: metrics for Prometheus, and the log.

mod families;
pub mod log;
pub mod metrics;
mod process;
mod recording;
pub mod requests;
mod traffic;
mod workers;
