//! The configuration read again while the server runs: all of it holds from then on, or nothing changes.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use tracing::{error, info, warn};

use crate::config::show::InForce;
use crate::config::{Config, ConfigError};
use crate::http::Api;
use crate::http::operations::{self, OperationError, Operations};
use crate::telemetry::log::{self, LogError};

/// Reads the configuration from where it came from.
pub type Read = Arc<dyn Fn() -> Result<Config, ConfigError> + Send + Sync>;

/// Reads the configuration again, and puts it into force.
pub struct Reloader {
    read: Read,
    /// It holds this one.
    api: Weak<Api>,
    /// What was in force at the start, of the keys that need a restart.
    started: InForce,
    /// One at a time, so that the last one who reads is the last one who writes.
    turn: Mutex<()>,
}

/// What came of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reloaded {
    /// Keys that differ, and keep their value until a restart.
    pub needs_restart: Vec<&'static str>,
}

impl Reloader {
    pub(super) fn new(read: Read, api: Weak<Api>, started: InForce) -> Self {
        Self { read, api, started, turn: Mutex::new(()) }
    }

    /// Reads everything; where all of it is sound it holds from now on.
    ///
    /// # Errors
    /// What is wrong with it; nothing has changed then.
    pub fn reload(&self) -> Result<Reloaded, ConfigError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let config = (self.read)().inspect_err(|error| error!(%error, "the configuration was not reloaded"))?;
        if let Some(api) = self.api.upgrade() {
            api.reload(&config.http, &config.auth, config.session.clone(), &config.notify);
            api.library().reload(&config.record);
            api.recorder().reload(&config.record);
        }
        // In a process whose log is another's, that stays as it is.
        let _ = log::set(&config.log);
        let needs_restart = self.started.needing_restart(&config.in_force);
        if !needs_restart.is_empty() {
            warn!(keys = needs_restart.join(" "), "these keep their value until a restart");
        }
        config.auth.warn();
        info!("the configuration was reloaded");
        Ok(Reloaded { needs_restart })
    }
}

/// The administrator's way to the same.
impl Operations for Reloader {
    fn reload(&self) -> Result<operations::Reloaded, OperationError> {
        let Reloaded { needs_restart } =
            Reloader::reload(self).map_err(|error| OperationError::Invalid(error.to_string()))?;
        Ok(operations::Reloaded { needs_restart })
    }

    fn set_log_filter(&self, filter: &str) -> Result<(), OperationError> {
        log::set_filter(filter).map_err(|error| match error {
            LogError::Filter => OperationError::Invalid(error.to_string()),
            LogError::NotStarted => OperationError::Unsupported,
        })
    }
}
