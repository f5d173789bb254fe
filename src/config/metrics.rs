//! `[metrics]`

use crate::config::error::ConfigError;
use crate::config::key::{Key, Section};
use crate::config::source::{Source, Values as _};
use crate::http::ListenAddr;

const ADDRESS: Key = Key::new(
    "metrics.address",
    "METRICS_ADDR",
    "",
    "a listener of its own for /metrics, which then answers nowhere else: address:port, or :port for all addresses",
)
.expects("address:port or :port, such as 127.0.0.1:9090 or :9090")
.sample("127.0.0.1:9090")
.restart();

/// `[metrics]`
pub const METRICS: Section = Section { about: "What Prometheus scrapes.", keys: &[&ADDRESS] };

/// Reads the section.
///
/// # Errors
/// The first value that does not parse.
pub fn read(source: &Source<'_>) -> Result<Option<ListenAddr>, ConfigError> {
    source.optional(&ADDRESS, ListenAddr::parse)
}
