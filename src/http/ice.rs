//! STUN and TURN servers as clients are told of them: `Link` headers (RFC 9725 §4.6) and JSON.

use http::HeaderValue;
use serde::Serialize;

use crate::secret::Secret;

/// A server that clients may use for ICE.
#[derive(Clone, Debug)]
pub struct IceServer {
    url: String,
    /// User name and password; TURN has them.
    credentials: Option<(String, Secret)>,
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
    pub fn turn(url: String, user: &str, password: &Secret) -> Self {
        Self { url, credentials: Some((user.to_owned(), password.clone())) }
    }

    /// True where it has credentials, which only those may know who may publish or play.
    #[must_use]
    pub fn is_turn(&self) -> bool {
        self.credentials.is_some()
    }

    fn link(&self) -> HeaderValue {
        let url = &self.url;
        let link = match &self.credentials {
            None => format!("<{url}>; rel=\"ice-server\""),
            Some((user, password)) => {
                let (user, password) = (quoted(user), quoted(password.expose()));
                format!(
                    "<{url}>; rel=\"ice-server\"; username={user}; credential={password}; credential-type=\"password\""
                )
            }
        };
        HeaderValue::from_str(&link).expect("the configuration takes printable characters only")
    }

    fn json(&self) -> IceServerJson {
        let (username, credential) = match &self.credentials {
            Some((user, password)) => (Some(user.clone()), Some(password.expose().to_owned())),
            None => (None, None),
        };
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

/// All servers, ready to be sent.
pub struct IceLinks {
    all: Vec<(bool, HeaderValue, IceServerJson)>,
}

impl IceLinks {
    /// In the order of the configuration.
    #[must_use]
    pub fn new(servers: &[IceServer]) -> Self {
        Self { all: servers.iter().map(|server| (server.is_turn(), server.link(), server.json())).collect() }
    }

    /// `Link` headers; TURN only where the caller was authorised.
    pub fn links(&self, authorised: bool) -> impl Iterator<Item = &HeaderValue> {
        self.all.iter().filter(move |(turn, ..)| authorised || !turn).map(|(_, link, _)| link)
    }

    /// JSON; TURN only where the caller was authorised.
    #[must_use]
    pub fn json(&self, authorised: bool) -> Vec<IceServerJson> {
        self.all.iter().filter(|(turn, ..)| authorised || !turn).map(|(_, _, json)| json.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links() {
        let servers = [
            IceServer::stun("stun:s.example:3478").unwrap(),
            IceServer::turn("turn:t.example?transport=udp".into(), "me \"x\"", &Secret::new("a\\b;c")),
        ];
        let links = IceLinks::new(&servers);
        let text = |authorised| links.links(authorised).map(|l| l.to_str().unwrap().to_owned()).collect::<Vec<_>>();
        let stun = "<stun:s.example:3478>; rel=\"ice-server\"".to_owned();
        let turn = "<turn:t.example?transport=udp>; rel=\"ice-server\"; username=\"me \\\"x\\\"\"; \
                    credential=\"a\\\\b;c\"; credential-type=\"password\"";
        assert_eq!(text(false), std::slice::from_ref(&stun));
        assert_eq!(text(true), [stun, turn.to_owned()]);
        assert_eq!(
            serde_json::to_value(links.json(false)).unwrap(),
            serde_json::json!([{"urls": ["stun:s.example:3478"]}])
        );
        assert_eq!(links.json(true).len(), 2);
    }
}
