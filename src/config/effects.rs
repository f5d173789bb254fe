//! Each variable, and what it does: none is read for nothing, and none without a row here.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::media::TcpPorts;
use super::source::Source;
use super::{Config, keys};
use crate::auth::PlayPolicy;
use crate::http::cors::AllowedOrigin;
use crate::http::ice::IceServer;
use crate::http::tls::TlsConfig;
use crate::http::{HttpConfig, ListenAddr};
use crate::record::take::format::Format;
#[cfg(feature = "upload")]
use crate::record::upload::{BucketConfig, TargetConfig};
use crate::secret::Secret;
use crate::session::placement::Spread;
use crate::telemetry::log::LogFormat;

/// A variable, a value of it, what else must be set, and what is then true that was not before.
type Row = (&'static str, &'static str, &'static [(&'static str, &'static str)], fn(&Config) -> bool);

const TURN: (&str, &str) = ("TURN_URLS", "turn:a.example");
const USER: (&str, &str) = ("TURN_USERNAME", "me");
const PASSWORD: (&str, &str) = ("TURN_PASSWORD", "pass");
const DOMAINS: (&str, &str) = ("ACME_DOMAINS", "a.example");
const RSA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/jwt/rsa.pub.pem");

const ROWS: &[Row] = &[
    ("HTTP_ADDR", "127.0.0.1:9", &[], |c| c.http.address == ListenAddr::One(([127, 0, 0, 1], 9).into())),
    ("ALLOWED_ORIGIN", "https://a.example", &[], |c| c.http.allowed_origin != AllowedOrigin::Any),
    ("TRUSTED_PROXIES", "10.0.0.0/8", &[], |c| !c.http.trusted_proxies.is_empty()),
    ("PROXY_PROTOCOL", "true", &[], |c| c.http.proxy_protocol),
    ("TLS_CERT_FILE", "c.pem", &[("TLS_KEY_FILE", "k")], |c| has_file(&c.http, |tls| &tls.certificate, "c.pem")),
    ("TLS_KEY_FILE", "k.pem", &[("TLS_CERT_FILE", "c")], |c| has_file(&c.http, |tls| &tls.key, "k.pem")),
    ("TLS_ADDR", ":9", &[("TLS_CERT_FILE", "c"), ("TLS_KEY_FILE", "k")], |c| {
        c.http.tls_address == Some(ListenAddr::Any(9))
    }),
    ("TLS_HSTS_SECONDS", "9", &[], |c| c.http.hsts == Some(Duration::from_secs(9))),
    ("STUN_URLS", "stun:a.example", &[], |c| c.http.ice_servers.iter().any(|server| !server.is_turn())),
    ("TURN_URLS", TURN.1, &[USER, PASSWORD], |c| c.http.ice_servers.iter().any(IceServer::is_turn)),
    ("TURN_USERNAME", "someone", &[TURN, PASSWORD], |c| debug(c).contains("\"someone\"")),
    ("TURN_PASSWORD", "pass", &[TURN, USER], |c| debug(c).contains("Fixed")),
    ("TURN_SECRET", "secret", &[TURN], |c| debug(c).contains("Shared")),
    ("TURN_LIFETIME_S", "61", &[TURN, ("TURN_SECRET", "s")], |c| debug(c).contains("lifetime: 61s")),
    ("AUTH_TOKEN", "secret", &[], |c| is(c.auth.token.as_ref())),
    ("AUTH_PLAY", "open", &[], |c| c.auth.play == PlayPolicy::Open),
    ("PLAY_TOKEN", "secret", &[], |c| is(c.auth.play_token.as_ref())),
    ("PUBLISH_TOKEN", "secret", &[], |c| is(c.auth.publish_token.as_ref())),
    ("ROOM_TOKENS", "a:secret;b:other", &[], |c| is(c.auth.rooms.first().and_then(|room| room.token.as_ref()))),
    ("ADMIN_TOKEN", "secret", &[], |c| is(c.auth.admin_token.as_ref())),
    ("JWT_SECRET", "secret", &[], |c| is(c.auth.jwt.secret.as_ref())),
    ("JWT_PUBLIC_KEYS", RSA, &[], |c| c.auth.jwt.public_keys.len() == 1),
    ("JWT_KEY_SET_URL", "https://a.example/", &[], |c| c.auth.jwt.key_set_url.is_some()),
    ("JWT_ISSUER", "me", &[], |c| c.auth.jwt.issuer.as_deref() == Some("me")),
    ("JWT_AUDIENCE", "you", &[], |c| c.auth.jwt.audience.as_deref() == Some("you")),
    ("JWT_REQUIRE_EXPIRY", "true", &[], |c| c.auth.jwt.require_expiry),
    ("SESSION_OUTLIVES_TOKEN", "false", &[], |c| !c.auth.session_outlives_token),
    ("AUTH_WEBHOOK_URL", "http://a.example/", &[], |c| c.auth.webhook_url.is_some()),
    ("WAIT_FOR_PUBLISHER", "true", &[], |c| c.session.wait_for_publisher),
    ("TAKEOVER", "true", &[], |c| c.session.takeover),
    ("ETAG_MODE", "strict", &[], |c| c.session.strict_etag),
    ("MEDIA_SPREAD", "always", &[], |c| c.session.spread == Spread::Always),
    ("MAX_BITRATE_KBPS", "9", &[], |c| c.session.max_bitrate == 9_000),
    ("DRAIN_TIMEOUT", "9", &[], |c| c.session.drain_timeout == Duration::from_secs(9)),
    ("RATE_LIMIT_RPS", "0.5", &[], |c| (c.http.rate.per_second - 0.5).abs() < f64::EPSILON),
    ("RATE_LIMIT_BURST", "9", &[], |c| c.http.rate.burst == 9),
    ("MAX_SUBS_PER_ROOM", "9", &[], |c| c.session.max_subscribers == 9),
    ("MAX_SESSIONS", "9", &[], |c| c.session.quotas.sessions == 9),
    ("MAX_ROOMS", "9", &[], |c| c.session.quotas.rooms == 9),
    ("MAX_PUBLISHERS", "9", &[], |c| c.session.quotas.publishers == 9),
    ("MAX_PENDING_PER_CLIENT", "9", &[], |c| c.session.quotas.pending_per_client == 9),
    ("MAX_CONNECTIONS", "9", &[], |c| c.http.connections.all == 9),
    ("MAX_CONNECTIONS_PER_CLIENT", "9", &[], |c| c.http.connections.per_client == 9),
    ("MEDIA_UDP_PORT", "9000", &[], |c| c.media.udp_port == 9_000),
    ("MEDIA_TCP_PORT", "off", &[], |c| c.media.tcp == TcpPorts::Off),
    ("MEDIA_WORKERS", "3", &[], |c| c.media.workers == Some(3)),
    ("MEDIA_PUBLIC_IPS", "203.0.113.7,2001:db8::7", &[], |c| c.media.public_ips.len() == 2),
    ("MEDIA_INTERFACES", "eth0", &[], |c| debug(c).contains("eth0")),
    ("MEDIA_BATCH_WINDOW_MS", "0.25", &[], |c| c.media.batching.window == Duration::from_micros(250)),
    ("MEDIA_TRAINS", "false", &[], |c| !c.media.trains),
    ("MEDIA_PADDING_BYTES", "4", &[], |c| c.media.batching.padding == 4),
    ("RECORD_ENABLED", "true", &[], |c| c.record.enabled),
    ("RECORD_DIR", "elsewhere", &[], |c| c.record.folder == Path::new("elsewhere")),
    ("RECORD_ROOMS", "some", &[], |c| !c.record.every_room),
    ("RECORD_FORMAT", "webm", &[], |c| c.record.cutting.format == Format::WebM),
    ("RECORD_MAX_MINUTES", "0.5", &[], |c| c.record.cutting.length == Some(Duration::from_secs(30))),
    ("RECORD_MAX_MB", "9", &[], |c| c.record.cutting.bytes == Some(9_000_000)),
    ("RECORD_RESERVE_MB", "9", &[], |c| c.record.reserve == 9_000_000),
    ("RECORD_KEEP_DAYS", "0.5", &[], |c| c.record.retention.age == Some(Duration::from_hours(12))),
    ("RECORD_MAX_TOTAL_GB", "2", &[], |c| c.record.retention.total == Some(2_000_000_000)),
    ("RECORD_MAX_PER_ROOM", "9", &[], |c| c.record.retention.per_room == Some(9)),
    ("RECORD_DELETE_UPLOADED_ONLY", "true", &[], |c| c.record.retention.uploaded_only),
    ("METRICS_ADDR", ":9", &[], |c| c.http.private_address == Some(ListenAddr::Any(9))),
    ("LOG", "debug", &[], |c| debug(c).contains("filter: \"debug")),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a.example:4318", &[], |c| c.log.collector.is_some()),
    ("LOG_FORMAT", "json", &[], |c| c.log.format == LogFormat::Json),
];

#[cfg(feature = "acme")]
const ACME: &[Row] = &[
    ("ACME_DOMAINS", "a.example,b.example", &[], |c| c.http.acme.as_ref().is_some_and(|acme| acme.domains.len() == 2)),
    ("ACME_CONTACT", "mailto:me@a.example", &[DOMAINS], |c| debug(c).contains("mailto:me@a.example")),
    ("ACME_DIRECTORY", "https://ca.example/", &[DOMAINS], |c| debug(c).contains("https://ca.example/")),
    ("ACME_ROOT_FILE", "root.pem", &[DOMAINS], |c| debug(c).contains("root.pem")),
    ("ACME_FOLDER", "state", &[DOMAINS], |c| debug(c).contains("folder: \"state\"")),
    ("ACME_CHALLENGE", "http-01", &[DOMAINS, ("TLS_ADDR", ":9")], |c| debug(c).contains("challenge: Http")),
];

#[cfg(feature = "upload")]
const BUCKET: &[(&str, &str)] = &[
    ("RECORD_ENABLED", "true"),
    ("UPLOAD_RECORDINGS", "true"),
    ("S3_ENDPOINT", "a.example"),
    ("S3_BUCKET", "bucket"),
    ("S3_ACCESS_KEY", "me"),
    ("S3_SECRET_KEY", "mine"),
];
#[cfg(feature = "upload")]
const PRESIGNED: &[(&str, &str)] = &[
    ("RECORD_ENABLED", "true"),
    ("UPLOAD_RECORDINGS", "true"),
    ("S3_BUCKET", "bucket"),
    ("S3_ACCESS_KEY", "me"),
    ("S3_SECRET_KEY", "mine"),
    ("S3_PRESIGNED_DOWNLOAD", "true"),
];
#[cfg(feature = "upload")]
const FOLDER: &[(&str, &str)] = &[("RECORD_ENABLED", "true"), ("UPLOAD_RECORDINGS", "true")];
#[cfg(feature = "upload")]
const UPLOAD: &[Row] = &[
    ("UPLOAD_RECORDINGS", "true", BUCKET, |c| c.upload.is_some()),
    ("DELETE_RECORDING_AFTER_UPLOAD", "true", BUCKET, |c| c.upload.as_ref().is_some_and(|u| u.delete_after)),
    ("S3_ENDPOINT", "b.example:9", BUCKET, |c| bucket(c).is_some_and(|b| b.endpoint == "https://b.example:9")),
    ("S3_REGION", "eu-1", BUCKET, |c| bucket(c).is_some_and(|b| b.region == "eu-1")),
    ("S3_BUCKET", "other", BUCKET, |c| bucket(c).is_some_and(|b| b.bucket == "other")),
    ("S3_ACCESS_KEY", "secret", BUCKET, |c| is(bucket(c).map(|b| &b.access_key))),
    ("S3_SECRET_KEY", "secret", BUCKET, |c| is(bucket(c).map(|b| &b.secret_key))),
    ("S3_USE_SSL", "0", BUCKET, |c| bucket(c).is_some_and(|b| b.endpoint == "http://a.example")),
    ("S3_PATH_STYLE", "1", BUCKET, |c| bucket(c).is_some_and(|b| b.path_style)),
    ("S3_PREFIX", "/live/", BUCKET, |c| bucket(c).is_some_and(|b| b.prefix == "live")),
    ("S3_ROOT_FILE", "root.pem", BUCKET, |c| bucket(c).is_some_and(|b| b.root == Some("root.pem".into()))),
    ("S3_PRESIGNED_DOWNLOAD", "1", BUCKET, |c| {
        bucket(c).is_some_and(|b| b.presigned == Some("https://a.example".into()))
    }),
    ("S3_PUBLIC_ENDPOINT", "https://c.example/", PRESIGNED, |c| {
        bucket(c).is_some_and(|b| b.presigned == Some("https://c.example".into()))
    }),
    ("UPLOAD_FOLDER", "/mnt/a", FOLDER, |c| folder(c).is_some_and(|folder| folder == Path::new("/mnt/a"))),
];

#[cfg(feature = "upload")]
fn bucket(config: &Config) -> Option<&BucketConfig> {
    match &config.upload.as_ref()?.target {
        TargetConfig::Bucket(bucket) => Some(bucket),
        TargetConfig::Folder(_) => None,
    }
}

#[cfg(feature = "upload")]
fn folder(config: &Config) -> Option<&PathBuf> {
    match &config.upload.as_ref()?.target {
        TargetConfig::Folder(folder) => Some(folder),
        TargetConfig::Bucket(_) => None,
    }
}

fn debug(config: &Config) -> String {
    format!("{:?} {:?} {:?}", config.http, config.media, config.log)
}

fn is(secret: Option<&Secret>) -> bool {
    secret.is_some_and(|secret| secret.expose() == "secret")
}

fn has_file(http: &HttpConfig, which: fn(&TlsConfig) -> &PathBuf, name: &str) -> bool {
    http.tls.as_ref().is_some_and(|tls| which(tls) == Path::new(name))
}

fn read(variables: &[(&str, &str)]) -> Config {
    // What comes last counts.
    let value = |name: &str| variables.iter().rev().find(|(n, _)| *n == name).map(|(_, value)| value.into());
    Config::read(&Source::new(value)).unwrap_or_else(|error| panic!("{variables:?}: {error}"))
}

fn rows() -> Vec<Row> {
    let mut rows = ROWS.to_vec();
    #[cfg(feature = "acme")]
    rows.extend(ACME);
    #[cfg(feature = "upload")]
    rows.extend(UPLOAD);
    rows
}

#[test]
fn each_variable_takes_effect() {
    let nothing = read(&[]);
    for (name, value, others, has_effect) in rows() {
        assert!(!has_effect(&nothing), "{name}: it is so by itself");
        let variables: Vec<_> = others.iter().copied().chain([(name, value)]).collect();
        assert!(has_effect(&read(&variables)), "{name}={value}");
    }
}

#[test]
fn no_variable_is_forgotten() {
    let tested: BTreeSet<&str> = rows().iter().map(|(name, ..)| *name).collect();
    let known: BTreeSet<&str> = keys().map(|key| key.variable).filter(|name| !name.is_empty()).collect();
    if cfg!(all(feature = "acme", feature = "upload")) {
        assert_eq!(tested, known);
    }
}
