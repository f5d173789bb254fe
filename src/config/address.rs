//! An address that clients are told, as the operator writes it.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// An address that clients are told, as the operator writes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PublicAddress {
    /// The address itself.
    Ip(IpAddr),
    /// All addresses that this name has when the server starts.
    Name(String),
    /// What this STUN server sees when the server starts.
    Stun {
        /// Its name or address.
        host: String,
        /// Its UDP port.
        port: u16,
    },
}

/// Where STUN servers listen (RFC 8489 §8).
const STUN_PORT: u16 = 3478;

impl PublicAddress {
    /// From an IP address, a host name, or `stun:host[:port]`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(server) = text.strip_prefix("stun:") {
            let (host, port) = host_and_port(server)?;
            return Some(Self::Stun { host, port });
        }
        match text.parse::<IpAddr>() {
            Ok(address) => (!address.is_unspecified() && !address.is_multicast()).then_some(Self::Ip(address)),
            Err(_) => is_host_name(text).then(|| Self::Name(text.to_owned())),
        }
    }
}

impl fmt::Display for PublicAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Name(name) => f.write_str(name),
            Self::Stun { host, port } if host.contains(':') => write!(f, "stun:[{host}]:{port}"),
            Self::Stun { host, port } => write!(f, "stun:{host}:{port}"),
        }
    }
}

/// `host`, `host:port`, `[address]` or `[address]:port`.
fn host_and_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            host.parse::<Ipv6Addr>().ok()?;
            (host, if port.is_empty() { None } else { Some(port.strip_prefix(':')?) })
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let port = match port {
        None => STUN_PORT,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().ok().filter(|port| *port > 0)?
        }
        Some(_) => return None,
    };
    (is_host_name(host) || host.parse::<IpAddr>().is_ok()).then(|| (host.to_owned(), port))
}

/// Labels of letters, digits and hyphens (RFC 1123 §2.1). The last one begins with a letter: resolvers take what
/// looks like a number for an address, and so a mistyped address for another one.
fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let labels = text.strip_suffix('.').unwrap_or(text);
    let last = labels.rsplit('.').next().unwrap_or_default();
    labels.len() <= 253 && labels.split('.').all(label) && last.starts_with(|c: char| c.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses() {
        let good = [
            ("203.0.113.7", "203.0.113.7"),
            ("2001:db8::7", "2001:db8::7"),
            ("media.example.org", "media.example.org"),
            ("localhost", "localhost"),
            ("stun:stun.example.org", "stun:stun.example.org:3478"),
            ("stun:stun.example.org:19302", "stun:stun.example.org:19302"),
            ("stun:192.0.2.1:3478", "stun:192.0.2.1:3478"),
            ("stun:[2001:db8::1]", "stun:[2001:db8::1]:3478"),
            ("stun:[2001:db8::1]:99", "stun:[2001:db8::1]:99"),
        ];
        for (text, shown) in good {
            assert_eq!(PublicAddress::parse(text).map(|address| address.to_string()).as_deref(), Some(shown));
        }
        for text in [
            "0.0.0.0",
            "224.0.0.1",
            "203.0.113",
            "203.0.113.300",
            "7",
            "a b",
            "-",
            "a..b",
            ".",
            "",
            "http://a",
            "a/b",
            "stun:",
            "stun:a:0",
            "stun:a:70000",
            "stun:a:+1",
            "stun:a:b",
            "stun:2001:db8::1",
            "stun:[a]",
            "stun:[::1]1",
            "a:1",
            "turn:a",
        ] {
            assert_eq!(PublicAddress::parse(text), None, "{text}");
        }
    }
}
