//! The environment's variables, and the flags that override some of them. One table: [`VARIABLES`].

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Display;
use std::time::Duration;

use crate::config::media::{MediaConfig, PublicAddress, TcpPorts};
use crate::config::{Config, ConfigError};
use crate::http::cors::AllowedOrigin;
use crate::http::ice::IceServer;
use crate::http::{HttpConfig, ListenAddr};
use crate::limits;
use crate::net::interfaces::InterfaceFilter;
use crate::secret::Secret;
use crate::session::placement::Spread;
use crate::sfu::audience::Batching;
use crate::telemetry::log::LogConfig;

/// Every variable that is read: name, default, what it sets.
pub const VARIABLES: &[(&str, &str, &str)] = &[
    ("HTTP_ADDR", ":8080", "where pages and API listen: address:port, or :port for all addresses"),
    ("ALLOWED_ORIGIN", "*", "origins whose pages may use the API, comma-separated, or *"),
    ("AUTH_TOKEN", "", "token that publishing and playing need; empty: everybody may"),
    ("STUN_URLS", "", "STUN servers told to clients, comma-separated: stun:host:port"),
    ("TURN_URLS", "", "TURN servers told to clients, comma-separated: turn:host:port?transport=udp"),
    ("TURN_USERNAME", "", "user name for the TURN servers"),
    ("TURN_PASSWORD", "", "password for the TURN servers"),
    ("MEDIA_UDP_PORT", "7000", "UDP port of worker 0, worker i has this plus i; 0: any free ones"),
    ("MEDIA_TCP_PORT", "auto", "ICE over TCP: auto (the UDP numbers), a number, or off"),
    ("MEDIA_WORKERS", "one per core", "worker threads"),
    ("MEDIA_SPREAD", "auto", "a room's subscribers: auto (other workers where its own is busy), always, never"),
    (
        "MEDIA_PUBLIC_IPS",
        "",
        "the only addresses told to clients, comma-separated: addresses, host names, stun:host:port; empty: the \
         interfaces'",
    ),
    (
        "MEDIA_INTERFACES",
        "",
        "interfaces whose addresses are told to clients: names (docker*) and networks, ! excludes; empty: all",
    ),
    (
        "MEDIA_BATCH_WINDOW_MS",
        "1",
        "how long a packet may wait for others of its room, in ms, 0 to 20; fractions are allowed",
    ),
    ("MEDIA_TRAINS", "true", "false: each packet leaves alone, for network cards that mistreat UDP segmentation"),
    (
        "MEDIA_PADDING_BYTES",
        "16",
        "most bytes of padding that let packets of one frame leave together, 0 to 16; 0: none",
    ),
    ("ETAG_MODE", "lenient", "strict: a PATCH needs If-Match"),
    ("LOG", "info", "log filter: error, warn, info, debug, or rillcast::http=debug,info"),
    ("WAIT_FOR_PUBLISHER", "false", "true: subscribers may come before the publisher"),
    ("TAKEOVER", "false", "true: a second publisher with the same token replaces the first"),
];

type Variables<'a> = Box<dyn Fn(&str) -> Option<OsString> + 'a>;

/// Where values come from: flags first, then the environment.
pub struct Source<'a> {
    variables: Variables<'a>,
    flags: BTreeMap<&'static str, (&'static str, String)>,
}

impl<'a> Source<'a> {
    /// Values from `variables` alone.
    #[must_use]
    pub fn new(variables: impl Fn(&str) -> Option<OsString> + 'a) -> Self {
        Self { variables: Box::new(variables), flags: BTreeMap::new() }
    }

    /// Values from the process's environment.
    #[must_use]
    pub fn environment() -> Self {
        Self::new(|name| std::env::var_os(name))
    }

    /// Overrides a variable, where the flag was given. Errors name the flag then.
    #[must_use]
    pub fn flag(mut self, variable: &'static str, flag: &'static str, value: Option<String>) -> Self {
        if let Some(value) = value {
            self.flags.insert(variable, (flag, value));
        }
        self
    }

    /// The configuration; what is not set, or set to nothing, has its default.
    ///
    /// # Errors
    /// The first value that does not parse.
    pub fn read(&self) -> Result<Config, ConfigError> {
        Ok(Config {
            http: self.http()?,
            auth: crate::auth::AuthConfig { token: self.secret("AUTH_TOKEN")?, ..Default::default() },
            session: crate::session::SessionConfig {
                strict_etag: self.parse("ETAG_MODE", ETAG_MODES, etag_mode)?.unwrap_or(false),
                wait_for_publisher: self.parse("WAIT_FOR_PUBLISHER", BOOLEAN, boolean)?.unwrap_or(false),
                takeover: self.parse("TAKEOVER", BOOLEAN, boolean)?.unwrap_or(false),
                spread: self.parse("MEDIA_SPREAD", SPREAD, spread)?.unwrap_or_default(),
                quotas: crate::session::quota::Quotas::default(),
                max_bitrate: None,
            },
            media: self.media()?,
            log: self.parse("LOG", LOG_FILTER, LogConfig::parse)?.unwrap_or_default(),
        })
    }

    fn http(&self) -> Result<HttpConfig, ConfigError> {
        let default = HttpConfig::default();
        let stun = self.parse("STUN_URLS", STUN_URLS, |text| list(text, IceServer::stun))?.unwrap_or_default();
        let user = self.parse("TURN_USERNAME", PRINTABLE, printable)?;
        let password = self.secret("TURN_PASSWORD")?;
        if password.as_ref().is_some_and(|password| printable(password.expose()).is_none()) {
            return Err(error("TURN_PASSWORD", "(not shown)", PRINTABLE));
        }
        let turn = self.parse("TURN_URLS", TURN_URLS, |text| list(text, IceServer::turn_url))?.unwrap_or_default();
        let turn: Vec<IceServer> = match (turn.is_empty(), user, password) {
            (true, _, _) => Vec::new(),
            (false, Some(user), Some(password)) => {
                turn.into_iter().map(|url| IceServer::turn(url, &user, &password)).collect()
            }
            // Browsers refuse a TURN server without both.
            (false, None, _) => return Err(error("TURN_USERNAME", "nothing", TURN_CREDENTIALS)),
            (false, _, None) => return Err(error("TURN_PASSWORD", "nothing", TURN_CREDENTIALS)),
        };
        Ok(HttpConfig {
            address: self.parse("HTTP_ADDR", HTTP_ADDR, ListenAddr::parse)?.unwrap_or(default.address),
            allowed_origin: self
                .parse("ALLOWED_ORIGIN", ALLOWED_ORIGIN, AllowedOrigin::parse)?
                .unwrap_or(default.allowed_origin),
            ice_servers: stun.into_iter().chain(turn).collect(),
            ..default
        })
    }

    fn media(&self) -> Result<MediaConfig, ConfigError> {
        let default = MediaConfig::default();
        let media = MediaConfig {
            udp_port: self.parse("MEDIA_UDP_PORT", PORT, number)?.unwrap_or(default.udp_port),
            tcp: self.parse("MEDIA_TCP_PORT", TCP_PORT, tcp_ports)?.unwrap_or(default.tcp),
            workers: self.parse("MEDIA_WORKERS", WORKERS, workers)?,
            public_ips: self
                .parse("MEDIA_PUBLIC_IPS", IPS, |text| list(text, PublicAddress::parse))?
                .unwrap_or_default(),
            interfaces: self.parse("MEDIA_INTERFACES", INTERFACES, InterfaceFilter::parse)?.unwrap_or_default(),
            trains: self.parse("MEDIA_TRAINS", BOOLEAN, boolean)?.unwrap_or(default.trains),
            batching: Batching {
                window: self.parse("MEDIA_BATCH_WINDOW_MS", WINDOW, window)?.unwrap_or(default.batching.window),
                padding: self.parse("MEDIA_PADDING_BYTES", PADDING, padding)?.unwrap_or(default.batching.padding),
            },
        };
        let fits = |port: u16| port == 0 || u16::try_from(usize::from(port) + media.worker_count() - 1).is_ok();
        if !fits(media.udp_port) {
            return Err(self.error("MEDIA_UDP_PORT", media.udp_port, PORT_RANGE));
        }
        if let TcpPorts::From(port) = media.tcp
            && !fits(port)
        {
            return Err(self.error("MEDIA_TCP_PORT", port, PORT_RANGE));
        }
        Ok(media)
    }

    fn parse<T>(
        &self,
        variable: &'static str,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(text) = self.text(variable, false)? else { return Ok(None) };
        parse(text.trim()).map(Some).ok_or_else(|| self.error(variable, format_args!("\"{text}\""), expected))
    }

    /// A secret is taken as it is: its spaces may belong to it.
    fn secret(&self, variable: &'static str) -> Result<Option<Secret>, ConfigError> {
        Ok(self.text(variable, true)?.map(Secret::new))
    }

    fn text(&self, variable: &'static str, secret: bool) -> Result<Option<String>, ConfigError> {
        if let Some((_, value)) = self.flags.get(variable) {
            return Ok(Some(value.clone()));
        }
        match (self.variables)(variable).map(OsString::into_string) {
            None => Ok(None),
            Some(Ok(text)) => Ok(Some(text).filter(|text| !text.trim().is_empty())),
            Some(Err(_)) if secret => Err(error(variable, "(not shown)", "UTF-8")),
            Some(Err(raw)) => Err(error(variable, raw.display(), "UTF-8")),
        }
    }

    fn error(&self, variable: &'static str, value: impl Display, expected: &'static str) -> ConfigError {
        error(self.flags.get(variable).map_or(variable, |(flag, _)| flag), value, expected)
    }
}

const HTTP_ADDR: &str = "address:port or :port, such as 127.0.0.1:8080, [::1]:8080 or :8080";
const ALLOWED_ORIGIN: &str =
    "* or origins separated by commas, such as https://example.org (no path, no slash at the end)";
const STUN_URLS: &str = "URLs separated by commas, such as stun:stun.example.org:3478";
const TURN_URLS: &str = "URLs separated by commas, such as turn:turn.example.org:3478?transport=udp";
const TURN_CREDENTIALS: &str = "a user name and a password, because TURN_URLS is set";
const PRINTABLE: &str = "printable ASCII characters";
const PORT: &str = "a port from 0 to 65535";
const PORT_RANGE: &str = "a port low enough for one per worker below 65536";
const TCP_PORT: &str = "auto, off, or a port from 0 to 65535";
const WORKERS: &str = "a number from 1 to 256";
const IPS: &str = "IP addresses, host names or stun:host:port separated by commas, such as 203.0.113.7,2001:db8::7";
const INTERFACES: &str = "names and networks separated by commas, such as eth0,!10.0.0.0/8 or !docker* (! excludes)";
const WINDOW: &str = "milliseconds from 0 to 20, such as 1 or 0.5";
const PADDING: &str = "a number from 0 to 16";
const SPREAD: &str = "auto, always or never";
const ETAG_MODES: &str = "lenient or strict";
const LOG_FILTER: &str = "a level (off, error, warn, info, debug, trace) or a filter such as rillcast::http=debug,info";
const BOOLEAN: &str = "true or false";

const _: () = assert!(limits::WORKERS == 256, "the message says so");
const _: () = assert!(limits::BATCH_WINDOW.as_millis() == 20, "the message says so");
const _: () = assert!(limits::PADDING_BYTES == 16, "the message says so");

fn error(name: &str, value: impl Display, expected: &'static str) -> ConfigError {
    ConfigError { name: name.to_owned(), value: value.to_string(), expected }
}

/// A list with commas; empty entries are none.
fn list<T>(text: &str, parse: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(parse).collect()
}

fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    // `parse` takes a sign too.
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn window(text: &str) -> Option<Duration> {
    // `parse` takes infinity, signs and exponents too.
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let milliseconds: f64 = plain.then(|| text.parse().ok()).flatten()?;
    let window = Duration::try_from_secs_f64(milliseconds / 1_000.0).ok()?;
    (window <= limits::BATCH_WINDOW).then_some(window)
}

fn padding(text: &str) -> Option<usize> {
    number(text).filter(|padding| *padding <= limits::PADDING_BYTES)
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Some(true),
        "0" | "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

fn etag_mode(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "strict" => Some(true),
        "lenient" => Some(false),
        _ => None,
    }
}

fn spread(text: &str) -> Option<Spread> {
    match text.to_ascii_lowercase().as_str() {
        "auto" => Some(Spread::Auto),
        "always" => Some(Spread::Always),
        "never" => Some(Spread::Never),
        _ => None,
    }
}

fn tcp_ports(text: &str) -> Option<TcpPorts> {
    match text.to_ascii_lowercase().as_str() {
        "auto" => Some(TcpPorts::Auto),
        "off" => Some(TcpPorts::Off),
        port => number(port).map(TcpPorts::From),
    }
}

fn workers(text: &str) -> Option<usize> {
    number(text).filter(|count| (1..=limits::WORKERS).contains(count))
}

/// What may stand in a header between quotes.
fn printable(text: &str) -> Option<String> {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Source::new(|name| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into())).read()
    }

    #[test]
    fn nothing_set_or_set_to_nothing_gives_the_defaults() {
        let empty: Vec<(&str, &str)> = VARIABLES.iter().map(|(name, ..)| (*name, " ")).collect();
        for variables in [&[][..], &empty] {
            let config = read(variables).unwrap();
            assert_eq!(config.http.address, ListenAddr::Any(8080));
            assert_eq!(config.http.allowed_origin, AllowedOrigin::Any);
            assert!(config.http.ice_servers.is_empty() && config.auth.token.is_none());
            assert_eq!(config.session, crate::session::SessionConfig::default());
            assert_eq!(config.media, MediaConfig::default());
            assert_eq!(config.log, LogConfig::default());
        }
    }

    #[test]
    fn good_values() {
        let config = read(&[
            ("HTTP_ADDR", "127.0.0.1:0"),
            ("AUTH_TOKEN", "a b"),
            ("STUN_URLS", "stun:a.example:3478, stun:b.example"),
            ("TURN_URLS", "turn:t.example:3478?transport=udp,turns:t.example:5349"),
            ("TURN_USERNAME", "me"),
            ("TURN_PASSWORD", "pass"),
            ("MEDIA_UDP_PORT", "9000"),
            ("MEDIA_TCP_PORT", "9100"),
            ("MEDIA_WORKERS", "3"),
            ("MEDIA_SPREAD", "Always"),
            ("MEDIA_PUBLIC_IPS", "203.0.113.7, 2001:db8::7"),
            ("MEDIA_BATCH_WINDOW_MS", "0.25"),
            ("MEDIA_PADDING_BYTES", "4"),
            ("MEDIA_TRAINS", "off"),
            ("ETAG_MODE", "STRICT"),
            ("LOG", "debug"),
            ("WAIT_FOR_PUBLISHER", "1"),
            ("TAKEOVER", "Yes"),
        ])
        .unwrap();
        assert_eq!(config.http.address, ListenAddr::One(([127, 0, 0, 1], 0).into()));
        assert_eq!(config.auth.token.unwrap().expose(), "a b");
        assert_eq!(config.http.ice_servers.iter().filter(|server| server.is_turn()).count(), 2);
        assert_eq!(config.http.ice_servers.len(), 4);
        assert_eq!(
            (config.media.udp_port, config.media.tcp, config.media.workers),
            (9000, TcpPorts::From(9100), Some(3))
        );
        assert_eq!(config.media.public_ips.len(), 2);
        assert!(!config.media.trains);
        assert_eq!(config.media.batching, Batching { window: Duration::from_micros(250), padding: 4 });
        for (text, window) in [("0", Duration::ZERO), ("20", limits::BATCH_WINDOW), (".5", Duration::from_micros(500))]
        {
            assert_eq!(read(&[("MEDIA_BATCH_WINDOW_MS", text)]).unwrap().media.batching.window, window);
        }
        let session = config.session;
        assert_eq!(session.spread, Spread::Always);
        assert!(session.strict_etag && session.wait_for_publisher && session.takeover);
        assert_eq!(read(&[("MEDIA_TCP_PORT", "off")]).unwrap().media.tcp, TcpPorts::Off);
        assert_eq!(read(&[("MEDIA_UDP_PORT", "0"), ("MEDIA_WORKERS", "256")]).unwrap().media.udp_port, 0);
    }

    #[test]
    fn bad_values_are_named() {
        let table: &[(&str, &[&str], &str)] = &[
            ("HTTP_ADDR", &["8080", "host", ":x", ":99999", "example.org:80", "1.2.3:80"], HTTP_ADDR),
            (
                "ALLOWED_ORIGIN",
                &["example.org", "https://example.org/", "https://a.b/c", "*,https://a", "ftp://a"],
                ALLOWED_ORIGIN,
            ),
            (
                "STUN_URLS",
                &["stun.example.org", "turn:a", "stun:", "stun:a b", "stun:a>", "stun:a,http://b"],
                STUN_URLS,
            ),
            ("TURN_URLS", &["stun:a", "turn:", "turn:a\"b", "a"], TURN_URLS),
            ("TURN_USERNAME", &["a\nb", "\u{e9}"], PRINTABLE),
            ("MEDIA_UDP_PORT", &["65536", "-1", "+1", "seven", "7000-7010"], PORT),
            ("MEDIA_TCP_PORT", &["on", "-1", "65536"], TCP_PORT),
            ("MEDIA_SPREAD", &["on", "2"], SPREAD),
            ("MEDIA_WORKERS", &["0", "257", "two", "-1"], WORKERS),
            ("MEDIA_INTERFACES", &["10.0.0.300", "10.0.0.0/33", "eth 0", "!"], INTERFACES),
            (
                "MEDIA_PUBLIC_IPS",
                &["example.org:1", "stun:", "1.2.3", "0.0.0.0", "::", "224.0.0.1", "1.2.3.4;1.2.3.5"],
                IPS,
            ),
            ("MEDIA_BATCH_WINDOW_MS", &["-1", "20.1", "inf", "1e1", "1ms", "."], WINDOW),
            ("MEDIA_PADDING_BYTES", &["-1", "17", "1.5", "on"], PADDING),
            ("ETAG_MODE", &["weak", "1"], ETAG_MODES),
            ("LOG", &["verbose", "rillcast=loud"], LOG_FILTER),
            ("WAIT_FOR_PUBLISHER", &["2", "maybe"], BOOLEAN),
            ("TAKEOVER", &["2", "same"], BOOLEAN),
            ("MEDIA_TRAINS", &["2", "auto"], BOOLEAN),
        ];
        for (name, values, expected) in table {
            for value in *values {
                let error = read(&[(name, value)]).map(drop).unwrap_err();
                assert_eq!(error.to_string(), format!("{name}: \"{value}\" is not valid: expected {expected}"));
            }
        }
    }

    #[test]
    fn values_that_do_not_fit_together() {
        let table: &[(&[(&str, &str)], &str)] = &[
            (&[("TURN_URLS", "turn:a")], "TURN_USERNAME"),
            (&[("TURN_URLS", "turn:a"), ("TURN_USERNAME", "b")], "TURN_PASSWORD"),
            (&[("MEDIA_UDP_PORT", "65535"), ("MEDIA_WORKERS", "2")], "MEDIA_UDP_PORT"),
            (&[("MEDIA_TCP_PORT", "65500"), ("MEDIA_WORKERS", "100")], "MEDIA_TCP_PORT"),
        ];
        for (variables, name) in table {
            assert_eq!(read(variables).map(drop).unwrap_err().name, *name, "{variables:?}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let error = read(&[("TURN_PASSWORD", "pass\u{7}word")]).map(drop).unwrap_err();
        assert!(!error.to_string().contains("word"), "{error}");
        let config = read(&[("AUTH_TOKEN", "swordfish"), ("TURN_URLS", "turn:a"), ("TURN_USERNAME", "u")]);
        assert!(!format!("{config:?}").contains("swordfish"));
    }

    #[test]
    fn flags_override_and_are_named() {
        let source = |port: &str| {
            Source::new(|name| (name == "HTTP_ADDR").then(|| ":1".into())).flag(
                "HTTP_ADDR",
                "--http-addr",
                Some(port.into()),
            )
        };
        assert_eq!(source(":2").read().unwrap().http.address, ListenAddr::Any(2));
        assert_eq!(source("").read().map(drop).unwrap_err().name, "--http-addr");
        let absent =
            Source::new(|name| (name == "HTTP_ADDR").then(|| ":1".into())).flag("HTTP_ADDR", "--http-addr", None);
        assert_eq!(absent.read().unwrap().http.address, ListenAddr::Any(1));
    }
}
