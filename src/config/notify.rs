//! Who is told of what happens: `[[webhooks]]`.

use crate::config::error::ConfigError;
use crate::config::key::{Key, Tables};
use crate::config::parse::list;
use crate::config::source::{Source, Table, Values as _};
use crate::id::RoomPattern;
use crate::limits;
use crate::notify::webhook::{NotifyConfig, WebhookConfig};
use crate::secret::Secret;

const URL: Key =
    Key::new("url", "", "", "where events are posted; it is never shown, because it may have a secret in it")
        .expects("an address that begins with https:// or http://")
        .sample("https://example.org/hooks/rillcast")
        .secret();
const SECRET: Key = Key::new("secret", "", "", "what signs them: any text, or whsec_ and base64")
    .expects("a text of 16 characters at least")
    .sample("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")
    .secret();
const EVENTS: Key = Key::new("events", "", "", "types of events, * at the end for several; none: all of them")
    .expects("types of events such as publisher.started or room.*")
    .sample("publisher.*,room.closed")
    .list();
const ROOMS: Key =
    Key::new("rooms", "", "", "a room's name, or a pattern with *; nothing: all, and what is of no room")
        .expects("a room name, or a pattern of A-Z, a-z, 0-9, _, - and *")
        .sample("stage-*");

/// `[[webhooks]]`
pub const WEBHOOKS: Tables = Tables {
    name: "webhooks",
    about: "An address that is told what happens, signed by the convention of Standard Webhooks; docs/events.md has \
            more.",
    keys: &[&[&URL, &SECRET, &EVENTS, &ROOMS]],
};

/// Reads the tables.
///
/// # Errors
/// The first value that does not parse.
pub fn read(source: &Source<'_>) -> Result<NotifyConfig, ConfigError> {
    let webhooks: Vec<WebhookConfig> =
        source.tables(&WEBHOOKS).map(|table| webhook(&table)).collect::<Result<_, _>>()?;
    if webhooks.len() > limits::HOOKS {
        let many = format!("at most {} of them", limits::HOOKS);
        return Err(ConfigError::value("[[webhooks]]", webhooks.len(), &many));
    }
    Ok(NotifyConfig { webhooks })
}

fn webhook(table: &Table<'_>) -> Result<WebhookConfig, ConfigError> {
    let event = |text: &str| WebhookConfig::is_event(text).then(|| text.to_owned());
    Ok(WebhookConfig {
        url: table.required(&URL, url)?,
        secret: table.required(&SECRET, secret)?,
        events: table.optional(&EVENTS, |text| list(text, event))?.unwrap_or_default(),
        rooms: table.optional(&ROOMS, RoomPattern::parse)?,
    })
}

fn url(text: &str) -> Option<Secret> {
    let uri: http::Uri = text.parse().ok()?;
    let web = matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty());
    (web && text.len() <= limits::HOOK_TEXT_BYTES).then(|| Secret::new(text))
}

fn secret(text: &str) -> Option<Secret> {
    (16..=limits::HOOK_TEXT_BYTES).contains(&text.len()).then(|| Secret::new(text))
}
