//! Who may be loaded: this machine, and others only by those who say that they are theirs.

use std::net::{IpAddr, ToSocketAddrs as _};

use crate::load::LoadError;

/// Whether the address is one of this machine's loopback.
///
/// # Errors
/// Where it is no `http://host:port`, or the name is unknown.
pub fn is_loopback(url: &str) -> Result<bool, LoadError> {
    let addresses = resolve(url)?;
    Ok(addresses.iter().all(IpAddr::is_loopback))
}

fn resolve(url: &str) -> Result<Vec<IpAddr>, LoadError> {
    let bad = || LoadError::Plan(format!("`{url}` is not an address of the form http://host:port"));
    let (port, rest) = match url.split_once("://").ok_or_else(bad)? {
        ("http", rest) => (80, rest),
        ("https", rest) => (443, rest),
        _ => return Err(bad()),
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    let name = if has_port { authority.to_owned() } else { format!("{authority}:{port}") };
    let addresses = name.to_socket_addrs().map_err(|error| LoadError::Failed(format!("{authority}: {error}")))?;
    let addresses: Vec<IpAddr> = addresses.map(|address| address.ip().to_canonical()).collect();
    if addresses.is_empty() { Err(bad()) } else { Ok(addresses) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        for (url, loopback) in [
            ("http://127.0.0.1:8080", Some(true)),
            ("http://127.9.9.9", Some(true)),
            ("http://[::1]:80/x", Some(true)),
            ("http://[::ffff:127.0.0.1]:80/x", Some(true)),
            ("http://localhost:1", Some(true)),
            ("https://192.0.2.1", Some(false)),
            ("http://127.0.0.1@192.0.2.1:8080/", Some(false)),
            ("http://192.0.2.1#127.0.0.1", Some(false)),
            ("http://", None),
            ("ftp://127.0.0.1", None),
            ("127.0.0.1:8080", None),
        ] {
            assert_eq!(is_loopback(url).ok(), loopback, "{url}");
        }
    }
}
