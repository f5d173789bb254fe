//! What the operator sets, as resolved: one field per part, and each part owns its type. [`env`] reads the variables.

pub mod env;
pub mod media;

use crate::auth::AuthConfig;
use crate::config::media::MediaConfig;
use crate::http::HttpConfig;
use crate::session::SessionConfig;
use crate::telemetry::log::LogConfig;

/// The whole configuration.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The listener for pages and the API.
    pub http: HttpConfig,
    /// Who may.
    pub auth: AuthConfig,
    /// The rules of sessions.
    pub session: SessionConfig,
    /// The workers and their ports.
    pub media: MediaConfig,
    /// The log.
    pub log: LogConfig,
}

/// A value that does not parse.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{name}: {value} is not valid: expected {expected}")]
pub struct ConfigError {
    /// The variable, or the flag that overrides it.
    pub name: String,
    /// What it says, in quotes; not for secrets.
    pub value: String,
    /// What it could say.
    pub expected: &'static str,
}
