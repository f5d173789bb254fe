//! What an administrator may ask of parts of the server that HTTP does not know.

/// Asked by the admin API. The calls may block: they are made where that does no harm.
pub trait Operations: Send + Sync {
    /// Reads the configuration again and puts into force what can be.
    ///
    /// # Errors
    /// What is wrong with it, for the operator; nothing has changed then.
    fn reload(&self) -> Result<Reloaded, OperationError>;

    /// Logs by another filter, as `LOG` has it, until the next start or reload.
    ///
    /// # Errors
    /// What is wrong with the filter.
    fn set_log_filter(&self, filter: &str) -> Result<(), OperationError>;
}

/// What a reload did.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Reloaded {
    /// Keys that differ, and keep their value until a restart.
    pub needs_restart: Vec<&'static str>,
}

/// Why something was not done.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OperationError {
    /// What was asked for cannot be; the text says why, and has no secret in it.
    #[error("{0}")]
    Invalid(String),
    /// The server cannot do that.
    #[error("not supported")]
    Unsupported,
}

/// For servers without such parts.
pub struct Unsupported;

impl Operations for Unsupported {
    fn reload(&self) -> Result<Reloaded, OperationError> {
        Err(OperationError::Unsupported)
    }

    fn set_log_filter(&self, _: &str) -> Result<(), OperationError> {
        Err(OperationError::Unsupported)
    }
}
