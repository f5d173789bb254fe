//! STUN and TURN servers as clients are told of them: `Link` headers (RFC 9725 §4.6) and JSON. Who is told of TURN has
//! been authorised before.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::Serialize;

use crate::secret::Secret;

/// A server that clients may use for ICE.
#[derive(Clone, Debug)]
pub struct IceServer {
    url: String,
    /// TURN has them.
    credentials: Option<TurnCredentials>,
}

/// How a TURN server knows its users.
#[derive(Clone, Debug)]
pub enum TurnCredentials {
    /// By one name and password for all.
    Fixed {
        /// The name.
        user: String,
        /// The password.
        password: Secret,
    },
    /// By a secret that it shares with us ("A REST API For Access To TURN Services", draft-uberti-behave-turn-rest-00
    /// §2.2; coturn's `use-auth-secret`): each session gets a name and a password of its own, which end.
    Shared {
        /// The secret.
        secret: Secret,
        /// How long a name is good for. TURN asks at each refresh, so a session that is relayed ends with it.
        lifetime: Duration,
    },
}

impl TurnCredentials {
    fn make(&self, now: SystemTime) -> (String, String) {
        match self {
            Self::Fixed { user, password } => (user.clone(), password.expose().to_owned()),
            Self::Shared { secret, lifetime } => {
                let end = (now + *lifetime).duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
                shared(secret, &format!("{end}:{:08x}", session_number()))
            }
        }
    }
}

/// A name, and the password that belongs to it.
fn shared(secret: &Secret, user: &str) -> (String, String) {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.expose().as_bytes());
    (user.to_owned(), STANDARD.encode(hmac::sign(&key, user.as_bytes())))
}

/// Tells the sessions of one second apart: TURN servers count by name.
fn session_number() -> u32 {
    let mut bytes = [0; 4];
    SystemRandom::new().fill(&mut bytes).expect("the kernel has random numbers");
    u32::from_be_bytes(bytes)
}

impl IceServer {
    /// A STUN server from `stun:host[:port]` (RFC 7064).
    #[must_use]
    pub fn stun(url: &str) -> Option<Self> {
        is_url(url, &["stun:", "stuns:"]).then(|| Self { url: url.to_owned(), credentials: None })
    }

    /// The text where it is `turn:host[:port][?transport=…]` (RFC 7065).
    #[must_use]
    pub fn turn_url(url: &str) -> Option<String> {
        is_url(url, &["turn:", "turns:"]).then(|| url.to_owned())
    }

    /// A TURN server.
    #[must_use]
    pub fn turn(url: String, credentials: TurnCredentials) -> Self {
        Self { url, credentials: Some(credentials) }
    }

    /// True where it has credentials, which only those may know who may publish or play.
    #[must_use]
    pub fn is_turn(&self) -> bool {
        self.credentials.is_some()
    }

    /// The server with credentials for one session that begins now.
    fn told(&self, now: SystemTime) -> IceServerJson {
        let (username, credential) = self.credentials.as_ref().map(|credentials| credentials.make(now)).unzip();
        IceServerJson { urls: vec![self.url.clone()], username, credential }
    }
}

fn is_url(url: &str, schemes: &[&str]) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]?=%".contains(&byte);
    schemes
        .iter()
        .any(|scheme| url.strip_prefix(scheme).is_some_and(|host| !host.is_empty() && host.bytes().all(plain)))
}

/// A quoted string (RFC 9110 §5.6.4).
fn quoted(text: &str) -> String {
    let escaped = text.chars().flat_map(|c| matches!(c, '"' | '\\').then_some('\\').into_iter().chain([c]));
    format!("\"{}\"", escaped.collect::<String>())
}

/// A server as `RTCPeerConnection` takes it.
#[derive(Clone, Serialize)]
pub struct IceServerJson {
    urls: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<String>,
}

impl IceServerJson {
    fn link(&self) -> HeaderValue {
        let url = &self.urls[0];
        let mut link = format!("<{url}>; rel=\"ice-server\"");
        if let (Some(user), Some(password)) = (&self.username, &self.credential) {
            let (user, password) = (quoted(user), quoted(password));
            link = format!("{link}; username={user}; credential={password}; credential-type=\"password\"");
        }
        let mut link = HeaderValue::from_str(&link).expect("the configuration takes printable characters only");
        link.set_sensitive(self.credential.is_some());
        link
    }
}

/// All servers, ready to be told of.
pub struct IceLinks {
    servers: Vec<IceServer>,
}

impl IceLinks {
    /// In the order of the configuration.
    #[must_use]
    pub fn new(servers: &[IceServer]) -> Self {
        Self { servers: servers.to_vec() }
    }

    /// `Link` headers; TURN only where the caller was authorised.
    #[must_use]
    pub fn links(&self, authorised: bool, now: SystemTime) -> Vec<HeaderValue> {
        self.json(authorised, now).iter().map(IceServerJson::link).collect()
    }

    /// JSON; TURN only where the caller was authorised.
    #[must_use]
    pub fn json(&self, authorised: bool, now: SystemTime) -> Vec<IceServerJson> {
        let told = self.servers.iter().filter(|server| authorised || !server.is_turn());
        told.map(|server| server.told(now)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn links() {
        let fixed = TurnCredentials::Fixed { user: "me \"x\"".into(), password: Secret::new("a\\b;c") };
        let servers = [
            IceServer::stun("stun:s.example:3478").unwrap(),
            IceServer::turn("turn:t.example?transport=udp".into(), fixed),
        ];
        let links = IceLinks::new(&servers);
        let text = |authorised| -> Vec<_> {
            links.links(authorised, at(0)).iter().map(|link| link.to_str().unwrap().to_owned()).collect()
        };
        let stun = "<stun:s.example:3478>; rel=\"ice-server\"".to_owned();
        let turn = "<turn:t.example?transport=udp>; rel=\"ice-server\"; username=\"me \\\"x\\\"\"; \
                    credential=\"a\\\\b;c\"; credential-type=\"password\"";
        assert_eq!(text(false), std::slice::from_ref(&stun));
        assert_eq!(text(true), [stun, turn.to_owned()]);
        assert_eq!(
            serde_json::to_value(links.json(false, at(0))).unwrap(),
            serde_json::json!([{"urls": ["stun:s.example:3478"]}])
        );
        assert_eq!(links.json(true, at(0)).len(), 2);
    }

    #[test]
    fn a_shared_secret_makes_a_name_and_a_password_for_each_session() {
        // By `echo -n 1700003600:00000001 | openssl dgst -sha1 -hmac north -binary | base64`.
        let (_, password) = shared(&Secret::new("north"), "1700003600:00000001");
        assert_eq!(password, "dB2Yof6h/AyeBCrxRVeU5uYpw2M=");
        let secret = Secret::new("north");
        let shared_secret = TurnCredentials::Shared { secret: secret.clone(), lifetime: Duration::from_hours(1) };
        let links = IceLinks::new(&[IceServer::turn("turn:t.example".into(), shared_secret)]);
        let mut names = Vec::new();
        for _ in 0..3 {
            let told = links.json(true, at(1_700_000_000)).remove(0);
            let name = told.username.unwrap();
            assert!(name.starts_with("1700003600:"), "{name}");
            assert_eq!(told.credential.unwrap(), shared(&secret, &name).1);
            assert!(links.links(true, at(1_700_000_000))[0].is_sensitive());
            names.push(name);
        }
        names.dedup();
        assert_eq!(names.len(), 3, "each session has its own");
        assert!(links.json(false, at(0)).is_empty());
    }
}
