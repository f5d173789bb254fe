//! `[log]`

use crate::config::error::ConfigError;
use crate::config::key::{Key, Section};
use crate::config::parse::{one_of, url};
use crate::config::source::{Source, Values as _};
use crate::telemetry::log::{LogConfig, LogFormat};

const FORMATS: [(&str, LogFormat); 2] = [("human", LogFormat::Human), ("json", LogFormat::Json)];

const FILTER: Key =
    Key::new("log.filter", "LOG", "info", "log filter: error, warn, info, debug, or rillcast::http=debug,info")
        .expects("a level (off, error, warn, info, debug, trace) or a filter such as rillcast::http=debug,info");

const FORMAT: Key = Key::new("log.format", "LOG_FORMAT", "human", "how lines are written: human or json")
    .expects("human or json")
    .restart();

const COLLECTOR: Key = Key::new(
    "log.otlp_endpoint",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "",
    "a collector of OpenTelemetry that is sent a trace of each request by HTTP; in binaries with the feature traces",
)
.expects("http://host:port or https://host:port")
.sample("http://127.0.0.1:4318")
.restart();

/// `[log]`
pub const LOG: Section = Section { about: "Lines on standard error.", keys: &[&FILTER, &FORMAT, &COLLECTOR] };

/// Reads the section.
///
/// # Errors
/// The first value that does not parse.
pub fn read(source: &Source<'_>) -> Result<LogConfig, ConfigError> {
    let format = source.value(&FORMAT, |text| one_of(text, &FORMATS))?;
    let collector = source.optional(&COLLECTOR, url)?;
    Ok(source.value(&FILTER, LogConfig::parse)?.with_format(format).with_collector(collector))
}
