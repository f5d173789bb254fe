//! What can be wrong with a configuration.

use std::fmt::Display;
use std::path::PathBuf;

/// What is wrong. None of the texts shows a secret.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ConfigError {
    /// A value that does not parse, or does not fit the others.
    #[error("{place}: {value} is not valid: expected {expected}")]
    Value {
        /// The flag, the variable, or the file's line and key.
        place: String,
        /// What it says, in quotes; not for secrets.
        value: String,
        /// What it could say.
        expected: String,
    },
    /// A key that nobody knows.
    #[error("{place}: there is no {key}{}", suggestion(nearest.as_deref()))]
    Unknown {
        /// The file's line, or the flag.
        place: String,
        /// What it says.
        key: String,
        /// What it may have meant.
        nearest: Option<String>,
    },
    /// A file that is no TOML, or has a value of a kind that no key has.
    #[error("{place}: {message}")]
    Syntax {
        /// The file's line.
        place: String,
        /// What the parser says.
        message: String,
    },
    /// A file that cannot be read.
    #[error("cannot read {}: {why}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why not.
        why: String,
    },
}

impl ConfigError {
    /// A value that is none.
    pub fn value(place: impl Display, value: impl Display, expected: impl Display) -> Self {
        Self::Value { place: place.to_string(), value: value.to_string(), expected: expected.to_string() }
    }
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest.map(|name| format!("; did you mean {name}?")).unwrap_or_default()
}
