//! `[log]`

use crate::config::error::ConfigError;
use crate::config::key::{Key, Section};
use crate::config::parse::one_of;
use crate::config::source::{Source, Values as _};
use crate::telemetry::log::{LogConfig, LogFormat};

const FORMATS: [(&str, LogFormat); 2] = [("human", LogFormat::Human), ("json", LogFormat::Json)];

const FILTER: Key =
    Key::new("log.filter", "LOG", "info", "log filter: error, warn, info, debug, or rillcast::http=debug,info")
        .expects("a level (off, error, warn, info, debug, trace) or a filter such as rillcast::http=debug,info");

const FORMAT: Key = Key::new("log.format", "LOG_FORMAT", "human", "how lines are written: human or json")
    .expects("human or json")
    .restart();

/// `[log]`
pub const LOG: Section = Section { about: "Lines on standard error.", keys: &[&FILTER, &FORMAT] };

/// Reads the section.
///
/// # Errors
/// The first value that does not parse.
pub fn read(source: &Source<'_>) -> Result<LogConfig, ConfigError> {
    let format = source.value(&FORMAT, |text| one_of(text, &FORMATS))?;
    Ok(source.value(&FILTER, LogConfig::parse)?.with_format(format))
}
