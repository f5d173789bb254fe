//! `[http]`: the listener, and what clients are told.

use std::time::Duration;

use crate::config::error::ConfigError;
use crate::config::key::{Key, Section};
use crate::config::limits;
use crate::config::parse::{PRINTABLE, list, number, printable, switch};
use crate::config::source::{Source, Values as _};
use crate::config::tls;
use crate::http::client_address::TrustedProxies;
use crate::http::cors::AllowedOrigin;
use crate::http::ice::{IceServer, TurnCredentials};
use crate::http::{HttpConfig, ListenAddr};

/// Where it listens.
pub const ADDRESS: Key = Key::new(
    "http.address",
    "HTTP_ADDR",
    ":8080",
    "where pages and API listen: address:port, or :port for all addresses",
)
.expects("address:port or :port, such as 127.0.0.1:8080, [::1]:8080 or :8080")
.restart();
const ALLOWED_ORIGIN: Key = Key::new(
    "http.allowed_origin",
    "ALLOWED_ORIGIN",
    "*",
    "origins whose pages may use the API, comma-separated, or *",
)
.expects("* or origins separated by commas, such as https://example.org (no path, no slash at the end)")
.list();
const TRUSTED_PROXIES: Key = Key::new(
    "http.trusted_proxies",
    "TRUSTED_PROXIES",
    "",
    "networks of proxies in front, comma-separated; only they are believed in Forwarded and X-Forwarded-For",
)
.expects("networks or addresses separated by commas, such as 10.0.0.0/8,::1")
.sample("127.0.0.1,::1")
.list();
const PROXY_PROTOCOL: Key = Key::new(
    "http.proxy_protocol",
    "PROXY_PROTOCOL",
    "false",
    "true: those proxies begin each connection with a header of the PROXY protocol, version 1 or 2; never those to \
     metrics.address",
)
.switch();

const STUN_URLS: Key =
    Key::new("ice.stun_urls", "STUN_URLS", "", "STUN servers told to clients, comma-separated: stun:host:port")
        .expects("URLs separated by commas, such as stun:stun.example.org:3478")
        .sample("stun:stun.example.org:3478")
        .list();
const TURN_URLS: Key = Key::new(
    "ice.turn_urls",
    "TURN_URLS",
    "",
    "TURN servers told to clients, comma-separated: turn:host:port?transport=udp",
)
.expects("URLs separated by commas, such as turn:turn.example.org:3478?transport=udp")
.sample("turn:turn.example.org:3478?transport=udp")
.list();
const TURN_USERNAME: Key = Key::new("ice.turn_username", "TURN_USERNAME", "", "user name for the TURN servers")
    .expects(PRINTABLE)
    .sample("rillcast");
const TURN_PASSWORD: Key = Key::new("ice.turn_password", "TURN_PASSWORD", "", "password for the TURN servers")
    .expects(PRINTABLE)
    .sample("change me")
    .secret();
const TURN_SECRET: Key = Key::new(
    "ice.turn_secret",
    "TURN_SECRET",
    "",
    "secret shared with the TURN servers (coturn's use-auth-secret), instead of name and password: each session gets \
     its own",
)
.sample("change me")
.secret();
const TURN_LIFETIME: Key = Key::new(
    "ice.turn_lifetime_s",
    "TURN_LIFETIME_S",
    "86400",
    "seconds after which the TURN credentials of a session end, and with them what is relayed",
)
.expects("a number of seconds from 60 to 31536000")
.number();

/// `[http]`
pub const HTTP: Section = Section {
    about: "The listener of pages and API.",
    keys: &[&ADDRESS, &ALLOWED_ORIGIN, &TRUSTED_PROXIES, &PROXY_PROTOCOL],
};
/// `[ice]`
pub const ICE: Section = Section {
    about: "STUN and TURN servers that clients are told of.",
    keys: &[&STUN_URLS, &TURN_URLS, &TURN_USERNAME, &TURN_PASSWORD, &TURN_SECRET, &TURN_LIFETIME],
};

const TURN_CREDENTIALS: &str = "a user name and a password, or TURN_SECRET, because TURN_URLS is set";

/// Reads both sections.
///
/// # Errors
/// The first value that does not parse.
pub fn read(source: &Source<'_>) -> Result<HttpConfig, ConfigError> {
    let http = HttpConfig {
        address: source.value(&ADDRESS, ListenAddr::parse)?,
        allowed_origin: source.value(&ALLOWED_ORIGIN, AllowedOrigin::parse)?,
        ice_servers: ice_servers(source)?,
        private_address: super::metrics::read(source)?,
        trusted_proxies: source.optional(&TRUSTED_PROXIES, TrustedProxies::parse)?.unwrap_or_default(),
        proxy_protocol: source.value(&PROXY_PROTOCOL, switch)?,
        rate: limits::rate(source)?,
        connections: limits::connections(source)?,
        ..HttpConfig::default()
    };
    tls::read(source, http)
}

fn ice_servers(source: &Source<'_>) -> Result<Vec<IceServer>, ConfigError> {
    let mut servers = source.value(&STUN_URLS, |text| list(text, IceServer::stun))?;
    let user = source.optional(&TURN_USERNAME, printable)?;
    let password = source.secret(&TURN_PASSWORD)?;
    if password.as_ref().is_some_and(|password| printable(password.expose()).is_none()) {
        return Err(source.misfit(&TURN_PASSWORD, PRINTABLE));
    }
    let lifetime = |text: &str| number(text).filter(|seconds| (60..=31_536_000).contains(seconds));
    let lifetime = Duration::from_secs(source.value(&TURN_LIFETIME, lifetime)?);
    let turn = source.value(&TURN_URLS, |text| list(text, IceServer::turn_url))?;
    let credentials = match (source.secret(&TURN_SECRET)?, user, password) {
        _ if turn.is_empty() => return Ok(servers),
        (Some(secret), _, _) => TurnCredentials::Shared { secret, lifetime },
        (None, Some(user), Some(password)) => TurnCredentials::Fixed { user, password },
        // Browsers refuse a TURN server without both.
        (None, None, _) => return Err(source.misfit(&TURN_USERNAME, TURN_CREDENTIALS)),
        (None, _, None) => return Err(source.misfit(&TURN_PASSWORD, TURN_CREDENTIALS)),
    };
    servers.extend(turn.into_iter().map(|url| IceServer::turn(url, credentials.clone())));
    Ok(servers)
}
