//! `[log]`

use crate::config::error::ConfigError;
use crate::config::key::{Key, Section};
use crate::config::source::{Source, Values as _};
use crate::telemetry::log::LogConfig;

const FILTER: Key =
    Key::new("log.filter", "LOG", "info", "log filter: error, warn, info, debug, or rillcast::http=debug,info")
        .expects("a level (off, error, warn, info, debug, trace) or a filter such as rillcast::http=debug,info");

/// `[log]`
pub const LOG: Section = Section { about: "Lines on standard error.", keys: &[&FILTER] };

/// Reads the section.
///
/// # Errors
/// The first value that does not parse.
pub fn read(source: &Source<'_>) -> Result<LogConfig, ConfigError> {
    source.value(&FILTER, LogConfig::parse)
}
