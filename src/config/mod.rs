//! What the operator sets, as written and as resolved. As written it is a table of keys ([`key`]), which each part has
//! in a file of its own here, and texts that come from flags, the environment and the file ([`source`]). As resolved it
//! is [`Config`]: one field per part, and each part owns its type.

pub mod address;
pub mod auth;
#[cfg(test)]
mod effects;
pub mod error;
pub mod file;
pub mod http;
pub mod key;
pub mod limits;
pub mod log;
pub mod media;
pub mod metrics;
pub mod notify;
mod parse;
pub mod record;
pub mod session;
pub mod show;
pub mod source;
#[cfg(test)]
mod tests;
pub mod tls;
pub mod upload;

use crate::auth::AuthConfig;
use crate::config::key::{Key, Section, Tables};
use crate::config::media::MediaConfig;
use crate::config::show::InForce;
use crate::config::source::Source;
use crate::http::HttpConfig;
use crate::notify::webhook::NotifyConfig;
use crate::record::RecordConfig;
use crate::session::SessionConfig;
use crate::telemetry::log::LogConfig;

pub use crate::config::error::ConfigError;

/// The sections of the file, in the order in which they are shown.
pub const SECTIONS: &[Section] = &[
    http::HTTP,
    tls::TLS,
    http::ICE,
    auth::AUTH,
    session::SESSION,
    limits::LIMITS,
    record::RECORD,
    upload::UPLOAD,
    media::MEDIA,
    metrics::METRICS,
    log::LOG,
];

/// The tables of which the file may have many.
pub const TABLES: &[Tables] = &[session::ROOMS, notify::WEBHOOKS];

/// The whole configuration, resolved.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The listener for pages and the API.
    pub http: HttpConfig,
    /// Who may.
    pub auth: AuthConfig,
    /// The rules of sessions.
    pub session: SessionConfig,
    /// Who is told of what happens.
    pub notify: NotifyConfig,
    /// Recordings.
    pub record: RecordConfig,
    /// Where recordings go.
    #[cfg(feature = "upload")]
    pub upload: Option<crate::record::upload::UploadConfig>,
    /// The workers and their ports.
    pub media: MediaConfig,
    /// The log.
    pub log: LogConfig,
    /// What was said of each key.
    pub in_force: InForce,
}

impl Config {
    /// Reads everything.
    ///
    /// # Errors
    /// The first value that does not parse, or does not fit the others.
    pub fn read(source: &Source<'_>) -> Result<Self, ConfigError> {
        let record = record::read(source)?;
        #[cfg(not(feature = "upload"))]
        upload::refuse(source)?;
        Ok(Self {
            http: http::read(source)?,
            auth: auth::read(source)?,
            session: session::read(source)?,
            notify: notify::read(source)?,
            #[cfg(feature = "upload")]
            upload: upload::read(source, &record)?,
            record,
            media: media::read(source)?,
            log: log::read(source)?,
            in_force: InForce::of(source)?,
        })
    }
}

/// All keys of all sections.
pub fn keys() -> impl Iterator<Item = &'static Key> {
    SECTIONS.iter().flat_map(|section| section.keys.iter().copied())
}
