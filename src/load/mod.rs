//! The load generator: light subscribers by the thousand, light publishers, statistics, a report.
//!
//! [`run`] publishes, waits, lets subscribers join, measures one window, and ends all sessions. One thread publishes,
//! one or a few receive, some wait for HTTP answers; this one looks at what they count.

mod arrivals;
mod board;
mod crew;
mod full;
mod histogram;
pub mod html;
mod keysearch;
mod link;
mod media;
mod missing;
mod observe;
mod offer;
mod pace;
pub mod plan;
mod ports;
mod process;
pub mod progress;
mod publisher;
mod receivers;
pub mod report;
mod requests;
mod rtcp;
mod senders;
mod sequence;
mod stage;
mod stamp;
mod stream;
mod subscriber;
pub mod target;
pub mod text;

pub use observe::Second;
pub use stage::run;

/// Why a run could not be made.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LoadError {
    /// The plan does not hold together.
    #[error("{0}")]
    Plan(String),
    /// There is nothing to measure: the text says what failed.
    #[error("{0}")]
    Failed(String),
}
