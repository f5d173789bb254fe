//! Layers, values, and what is said of wrong ones.

use std::path::Path;
use std::time::Duration;

use super::media::{MediaConfig, TcpPorts};
use super::source::Values as _;
use super::*;
use crate::config::file::File;
use crate::http::ListenAddr;
use crate::http::cors::AllowedOrigin;
use crate::limits;
use crate::session::SessionConfig;
use crate::session::placement::Spread;
use crate::sfu::audience::Batching;
use crate::telemetry::log::LogConfig;

fn read(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    Config::read(&environment(variables))
}

fn environment<'a>(variables: &'a [(&'a str, &'a str)]) -> Source<'a> {
    Source::new(move |name| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into()))
}

fn file(text: &str) -> Result<Config, ConfigError> {
    Config::read(&Source::new(|_| None).file(File::parse(Path::new("r.toml"), text)?)?)
}

#[test]
fn nothing_set_or_set_to_nothing_gives_the_defaults() {
    let empty: Vec<(&str, &str)> = keys().map(|key| (key.variable, " ")).collect();
    for variables in [&[][..], &empty] {
        let config = read(variables).unwrap();
        assert_eq!(config.http.address, ListenAddr::Any(8080));
        assert_eq!(config.http.allowed_origin, AllowedOrigin::Any);
        assert!(config.http.ice_servers.is_empty() && config.auth.token.is_none());
        assert_eq!(config.session, SessionConfig::default());
        assert_eq!(config.media, MediaConfig::default());
        assert_eq!(config.log, LogConfig::default());
        assert_eq!(config.record, RecordConfig::default());
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
        ("RECORD_ENABLED", "on"),
        ("RECORD_DIR", "/srv/my records"),
    ])
    .unwrap();
    assert_eq!((config.record.enabled, config.record.folder), (true, "/srv/my records".into()));
    let rules = read(&[
        ("RECORD_KEEP_DAYS", "0.5"),
        ("RECORD_MAX_TOTAL_GB", "2"),
        ("RECORD_MAX_PER_ROOM", "7"),
        ("RECORD_DELETE_UPLOADED_ONLY", "1"),
    ]);
    let rules = rules.unwrap().record.retention;
    assert_eq!((rules.age, rules.total), (Some(Duration::from_hours(12)), Some(2_000_000_000)));
    assert_eq!((rules.per_room, rules.uploaded_only), (Some(7), true));
    assert_eq!(config.http.address, ListenAddr::One(([127, 0, 0, 1], 0).into()));
    assert_eq!(config.auth.token.unwrap().expose(), "a b");
    assert_eq!(config.http.ice_servers.iter().filter(|server| server.is_turn()).count(), 2);
    assert_eq!(config.http.ice_servers.len(), 4);
    assert_eq!((config.media.udp_port, config.media.tcp, config.media.workers), (9000, TcpPorts::From(9100), Some(3)));
    assert_eq!(config.media.public_ips.len(), 2);
    assert!(!config.media.trains);
    assert_eq!(config.media.batching, Batching { window: Duration::from_micros(250), padding: 4 });
    for (text, window) in [("0", Duration::ZERO), ("20", limits::BATCH_WINDOW), (".5", Duration::from_micros(500))] {
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
    let table: &[(&str, &[&str])] = &[
        ("HTTP_ADDR", &["8080", "host", ":x", ":99999", "example.org:80", "1.2.3:80"]),
        ("ALLOWED_ORIGIN", &["example.org", "https://example.org/", "https://a.b/c", "*,https://a", "ftp://a"]),
        ("STUN_URLS", &["stun.example.org", "turn:a", "stun:", "stun:a b", "stun:a>", "stun:a,http://b"]),
        ("TURN_URLS", &["stun:a", "turn:", "turn:a\"b", "a"]),
        ("TURN_USERNAME", &["a\nb", "\u{e9}"]),
        ("MEDIA_UDP_PORT", &["65536", "-1", "+1", "seven", "7000-7010"]),
        ("MEDIA_TCP_PORT", &["on", "-1", "65536"]),
        ("MEDIA_SPREAD", &["on", "2"]),
        ("MEDIA_WORKERS", &["0", "257", "two", "-1"]),
        ("MEDIA_INTERFACES", &["10.0.0.300", "10.0.0.0/33", "eth 0", "!"]),
        ("MEDIA_PUBLIC_IPS", &["example.org:1", "stun:", "1.2.3", "0.0.0.0", "::", "224.0.0.1", "1.2.3.4;1.2.3.5"]),
        ("MEDIA_BATCH_WINDOW_MS", &["-1", "20.1", "inf", "1e1", "1ms", "."]),
        ("MEDIA_PADDING_BYTES", &["-1", "17", "1.5", "on"]),
        ("ETAG_MODE", &["weak", "1"]),
        ("LOG", &["verbose", "rillcast=loud"]),
        ("WAIT_FOR_PUBLISHER", &["2", "maybe"]),
        ("TAKEOVER", &["2", "same"]),
        ("RECORD_ENABLED", &["2", "all"]),
        ("RECORD_DIR", &["a\0b"]),
        ("RECORD_KEEP_DAYS", &["-1", "1e3", "week"]),
        ("RECORD_MAX_TOTAL_GB", &["-1", "1 TB", "99999999999"]),
        ("RECORD_MAX_PER_ROOM", &["1.5", "-1"]),
        ("MEDIA_TRAINS", &["2", "auto"]),
    ];
    for (name, values) in table {
        let expected = keys().find(|key| key.variable == *name).unwrap().expected;
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
        let error = read(variables).map(drop).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{name}: ")), "{error}");
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
fn layers_override_each_other_and_errors_name_them() {
    let written = File::parse(Path::new("r.toml"), "[http]\naddress = \":3\"\n[media]\nworkers = 0").unwrap();
    let source = |flag: Option<&str>, variable: &'static str| {
        let source = Source::new(move |name| (name == "HTTP_ADDR").then(|| variable.into()));
        source.flag(&http::ADDRESS, "--http-addr", flag.map(str::to_owned)).file(written.clone()).unwrap()
    };
    let address = |flag, variable| http::read(&source(flag, variable)).map(|config| config.address);
    assert_eq!(address(Some(":2"), ":1"), Ok(ListenAddr::Any(2)));
    assert_eq!(address(None, ":1"), Ok(ListenAddr::Any(1)));
    assert_eq!(address(None, ""), Ok(ListenAddr::Any(3)));
    let error = |flag, variable| address(flag, variable).unwrap_err().to_string();
    assert!(error(Some(""), ":1").starts_with("--http-addr: \"\" is not valid"));
    assert!(error(None, "x").starts_with("HTTP_ADDR: \"x\" is not valid"));
    let error = media::read(&source(None, "")).unwrap_err().to_string();
    assert_eq!(error, "r.toml:4: media.workers: \"0\" is not valid: expected a number from 1 to 256");
    let set = Source::new(|_| None).set("session.takeover=on").unwrap();
    assert!(session::read(&set).unwrap().takeover);
}

#[test]
fn rooms_have_rules_of_their_own() {
    let config = file(
        "[[rooms]]\nname = \"stage-*\"\ncodecs = [\"h264\", \"OPUS\"]\nmax_bitrate_kbps = 4_000\n\
         [[rooms]]\nname = \"*\"\nwait_for_publisher = true\nmax_subscribers = 5\n\
         [[rooms]]\nname = \"stage-2\"\nmax_bitrate_kbps = 1",
    );
    let session = config.unwrap().session;
    let rules = session.rules(&crate::id::RoomName::parse("stage-1").unwrap());
    assert_eq!(rules.max_bitrate, Some(4_000_000));
    assert_eq!(rules.codecs.map(|codecs| codecs.len()), Some(2));
    assert_eq!((rules.wait_for_publisher, rules.max_subscribers), (true, Some(5)));
    let named = session.rules(&crate::id::RoomName::parse("stage-2").unwrap());
    assert_eq!((named.max_bitrate, named.max_subscribers), (Some(1_000), Some(5)), "its name comes before patterns");
    for (text, start) in [
        ("[[rooms]]\ntakeover = true", "r.toml:1: name: nothing is not valid: expected a room name"),
        ("[[rooms]]\nname = \"a?\"", "r.toml:2: name: \"a?\" is not valid"),
        ("[[rooms]]\nname = \"a\"\ncodecs = [\"mp3\"]", "r.toml:3: codecs: \"mp3\" is not valid: expected names of"),
        ("[[rooms]]\nname = \"a\"\ncodecs = []", "r.toml:3: codecs"),
    ] {
        let result = file(text).map(drop);
        if !text.ends_with("[]") {
            let error = result.unwrap_err().to_string();
            assert!(error.starts_with(start), "{error}");
        }
    }
}

#[test]
fn defaults_are_sound_and_every_key_says_what_it_expects() {
    for key in keys().chain(TABLES.iter().flat_map(key::Tables::all)) {
        assert!(key.is_secret || !key.expected.is_empty(), "{}", key.name);
        assert!(!key.what.is_empty() && !key.what.ends_with('.'), "{}", key.name);
        assert!(!key.sample.is_empty(), "{}: what does one write there?", key.name);
    }
    let names: std::collections::BTreeSet<&str> = keys().map(|key| key.name).collect();
    assert_eq!(names.len(), keys().count(), "two keys with one name");
    let variables: Vec<&str> = keys().map(|key| key.variable).filter(|name| !name.is_empty()).collect();
    assert_eq!(variables.iter().collect::<std::collections::BTreeSet<_>>().len(), variables.len());
}

#[test]
fn the_example_and_the_reference_are_in_step() {
    for (path, text) in [("config.example.toml", show::example()), ("docs/configuration.md", show::reference())] {
        let written = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap_or_default();
        assert!(written == text, "{path} is out of step: `make config` writes it");
    }
}

#[test]
fn the_example_with_everything_set_is_sound() {
    // A certificate by itself and one from files exclude each other.
    let excluded = |line: &&str| !line.starts_with("#certificate =") && !line.starts_with("#key =");
    let uncommented: Vec<&str> = show::example().leak().lines().filter(excluded).collect();
    let uncommented = uncommented.iter().map(|line| match line.strip_prefix('#') {
        Some(rest) if !rest.starts_with(' ') => rest,
        _ => line,
    });
    let text: String = uncommented.flat_map(|line| [line, "\n"]).collect();
    // The file that it names is not on every machine.
    let text = text.replace("/etc/rillcast/jwt.pub.pem", "tests/data/jwt/rsa.pub.pem");
    let config = file(&text).unwrap();
    assert_eq!(config.session.rooms.len(), 1);
    assert_eq!(config.media.workers, Some(2));
    // As it is, it sets nothing.
    let config = file(&show::example()).unwrap();
    assert_eq!(config.in_force, Config::read(&Source::new(|_| None)).unwrap().in_force);
}

#[test]
fn what_is_in_force_hides_secrets_and_names_its_origin() {
    let lines = read(&[("AUTH_TOKEN", "swordfish"), ("MEDIA_WORKERS", "2")]).unwrap().in_force.lines(false);
    assert!(!lines.contains("swordfish") && lines.contains("auth.token"), "{lines}");
    let width = keys().map(|key| key.name.len()).max().unwrap();
    assert!(lines.contains(&format!("{:<width$} 2  # MEDIA_WORKERS\n", "media.workers")), "{lines}");
    let other = read(&[("MEDIA_WORKERS", "3"), ("LOG", "debug")]).unwrap().in_force;
    let one = read(&[("MEDIA_WORKERS", "2")]).unwrap().in_force;
    assert_eq!(one.needing_restart(&other), ["media.workers"]);
    assert!(environment(&[]).said(&http::ADDRESS).unwrap().is_none());
}
