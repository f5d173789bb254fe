//! The log: lines on standard error, filtered by `LOG`.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// What is logged where nothing is configured.
pub const DEFAULT_FILTER: &str = "info";

/// What the operator sets: a filter as `tracing_subscriber::EnvFilter` reads it (`info`, `rillcast=debug,info`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogConfig {
    filter: String,
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
        (plausible && EnvFilter::try_new(&filter).is_ok()).then_some(Self { filter })
    }

    fn filter(&self) -> EnvFilter {
        EnvFilter::try_new(&self.filter).expect("it parsed when the configuration was read")
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { filter: DEFAULT_FILTER.to_owned() }
    }
}

/// Starts logging for the whole process; what comes second changes nothing.
pub fn start(config: &LogConfig) {
    let colours = std::io::stderr().is_terminal();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(config.filter())
        .with_ansi(colours)
        .with_target(false)
        .with_writer(std::io::stderr)
        .finish();
    if tracing::subscriber::set_global_default(subscriber).is_err() {
        tracing::debug!("the log was started before");
    }
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
