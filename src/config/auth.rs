//! `[auth]`: who may.

use crate::auth::AuthConfig;
use crate::config::error::ConfigError;
use crate::config::key::{Key, Section};
use crate::config::source::{Source, Values as _};

const TOKEN: Key =
    Key::new("auth.token", "AUTH_TOKEN", "", "token that publishing and playing need; none: everybody may")
        .sample("change me")
        .secret();

/// `[auth]`
pub const AUTH: Section = Section { about: "Who may publish, play and administer.", keys: &[&TOKEN] };

/// What a `[[rooms]]` table may say of it.
pub const ROOM_KEYS: &[&Key] = &[];

/// Reads the section.
///
/// # Errors
/// The first value that does not parse.
pub fn read(source: &Source<'_>) -> Result<AuthConfig, ConfigError> {
    Ok(AuthConfig { token: source.secret(&TOKEN)?, ..AuthConfig::default() })
}
