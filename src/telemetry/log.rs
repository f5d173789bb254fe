//! The log: lines on standard error, filtered by `LOG`, as text or JSON by `LOG_FORMAT`. The filter may change while it
//! runs.

use std::io::IsTerminal as _;
use std::sync::OnceLock;

use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::{EnvFilter, Registry};

/// What is logged where nothing is configured.
pub const DEFAULT_FILTER: &str = "info";

/// What the operator sets: a filter as `tracing_subscriber::EnvFilter` reads it (`info`, `rillcast=debug,info`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogConfig {
    filter: String,
    /// How lines are written.
    pub format: LogFormat,
    /// Where spans go ([`crate::traces`]).
    pub collector: Option<String>,
}

impl LogConfig {
    /// The configuration, or `None` where the text is no filter.
    #[must_use]
    pub fn parse(filter: &str) -> Option<Self> {
        // Any single word parses as the name of a module, so `LOG=verbose` would silence the server without a word.
        let level = |word: &str| {
            ["off", "error", "warn", "info", "debug", "trace"].iter().any(|level| word.eq_ignore_ascii_case(level))
        };
        let words: Vec<&str> = filter.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
        let plausible = !words.is_empty() && words.iter().all(|word| word.contains(['=', ':', '[']) || level(word));
        let filter = words.join(",");
        (plausible && EnvFilter::try_new(&filter).is_ok()).then_some(Self { filter, ..Self::default() })
    }

    /// The same filter, written so.
    #[must_use]
    pub fn with_format(self, format: LogFormat) -> Self {
        Self { format, ..self }
    }

    /// The same, with spans for this collector.
    #[must_use]
    pub fn with_collector(self, collector: Option<String>) -> Self {
        Self { collector, ..self }
    }

    fn filter(&self) -> EnvFilter {
        EnvFilter::try_new(&self.filter).expect("it parsed when the configuration was read")
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { filter: DEFAULT_FILTER.to_owned(), format: LogFormat::default(), collector: None }
    }
}

/// How lines are written.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum LogFormat {
    /// For people.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

/// Why the filter was not changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LogError {
    /// The text is no filter.
    #[error("expected a level, or parts with their levels (info, rillcast=debug,info)")]
    Filter,
    /// Nobody started the log.
    #[error("the log is not the server's own")]
    NotStarted,
}

/// The filter of the log that [`start`] began.
static FILTER: OnceLock<Handle<EnvFilter, Registry>> = OnceLock::new();

/// Starts logging for the whole process; what comes second changes nothing.
pub fn start(config: &LogConfig) {
    let (filter, handle) = reload::Layer::new(config.filter());
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match config.format {
        LogFormat::Human => lines.with_target(false).with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
    };
    let subscriber = tracing_subscriber::registry().with(filter).with(lines);
    if tracing::subscriber::set_global_default(subscriber).is_ok() {
        // Nobody else sets it: who comes second does not get here.
        let _ = FILTER.set(handle);
    } else {
        tracing::debug!("the log was started before");
    }
}

/// Changes what is logged from now on.
///
/// # Errors
/// [`LogError`]; the filter is as before then.
pub fn set_filter(filter: &str) -> Result<(), LogError> {
    set(&LogConfig::parse(filter).ok_or(LogError::Filter)?)?;
    tracing::info!(filter, "the log's filter was changed");
    Ok(())
}

/// The same, from the configuration.
///
/// # Errors
/// [`LogError::NotStarted`]
pub fn set(config: &LogConfig) -> Result<(), LogError> {
    let handle = FILTER.get().ok_or(LogError::NotStarted)?;
    handle.reload(config.filter()).map_err(|_| LogError::NotStarted)
}

/// What is logged now, as it was set last; `None` where nobody started the log.
#[must_use]
pub fn filter() -> Option<String> {
    FILTER.get()?.with_current(ToString::to_string).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters() {
        for good in ["info", "WARN", "off", "rillcast=debug", "rillcast::http=trace,info", "info, rillcast=debug"] {
            assert!(LogConfig::parse(good).is_some(), "{good}");
        }
        for bad in ["", " ", ",", "verbose", "rillcast=loud", "info,verbose", "=info="] {
            assert!(LogConfig::parse(bad).is_none(), "{bad}");
        }
    }
}
