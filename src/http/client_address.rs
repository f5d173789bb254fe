//! Who sent a request: the other end of the connection, unless that is a proxy which the operator trusts to say for
//! whom it asks. Such a proxy adds to `Forwarded` (RFC 7239) or to `X-Forwarded-For`, each at the end; what stands
//! before that a client may have written itself. So the list is read from its end, and the first address that is no
//! trusted proxy's is the client.

use std::net::{IpAddr, SocketAddr};

use http::header::FORWARDED;
use http::{Extensions, HeaderMap, HeaderName};
use ipnet::IpNet;

use crate::id::ClientAddress;
use crate::limits;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The networks of proxies that may say for whom they ask.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// From networks (`10.0.0.0/8`) and addresses, separated by commas.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.split(',').map(|entry| network(entry.trim())).collect::<Option<_>>().map(Self)
    }

    /// True where nobody is trusted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// True for a proxy of the list.
    #[must_use]
    pub fn contains(&self, address: ClientAddress) -> bool {
        self.0.iter().any(|network| network.contains(&address.ip()))
    }

    /// The client of a request that came from `peer`.
    #[must_use]
    pub fn client(&self, peer: ClientAddress, headers: &HeaderMap) -> ClientAddress {
        if !self.contains(peer) {
            return peer;
        }
        let forwarded = list(headers, &FORWARDED).map(|elements| self.rightmost(peer, elements, forwarded_for));
        let x_forwarded = list(headers, &X_FORWARDED_FOR).map(|entries| self.rightmost(peer, entries, node));
        match (forwarded, x_forwarded) {
            // A proxy writes one of them and may pass the other on as the client sent it. Where they disagree the
            // proxy itself is taken for the client: so nobody gains another's address.
            (Some(one), Some(other)) => {
                if one == other {
                    one
                } else {
                    peer
                }
            }
            (Some(client), None) | (None, Some(client)) => client,
            (None, None) => peer,
        }
    }

    fn rightmost<'a>(
        &self,
        peer: ClientAddress,
        list: impl Iterator<Item = &'a str>,
        address: impl Fn(&str) -> Option<ClientAddress>,
    ) -> ClientAddress {
        let mut client = peer;
        for entry in list.take(limits::FORWARDED_ENTRIES) {
            // "unknown" and hidden names: the proxy that says so is as far as one can see.
            let Some(address) = address(entry) else { break };
            client = address;
            if !self.contains(client) {
                break;
            }
        }
        client
    }
}

/// The client of a request, as the server put it into the request's extensions.
#[must_use]
pub fn of(extensions: &Extensions) -> ClientAddress {
    extensions.get().copied().unwrap_or(ClientAddress::UNKNOWN)
}

fn network(text: &str) -> Option<IpNet> {
    let address = || text.parse::<IpAddr>().ok().map(|address| IpNet::from(address.to_canonical()));
    let network = text.parse().ok().or_else(address)?;
    // Addresses are compared as IPv4 where they are that.
    match network {
        IpNet::V6(network) if network.addr().to_ipv4_mapped().is_some() => None,
        network => Some(network),
    }
}

/// The entries of all lines of that name, the last first. `None` where there is no such line.
fn list<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<impl Iterator<Item = &'a str>> {
    let mut lines: Vec<&str> = headers.get_all(name).iter().map(|line| line.to_str().unwrap_or_default()).collect();
    lines.reverse();
    let there = !lines.is_empty();
    // A comma between quotes would be part of an entry, but what is quoted in these headers are IPv6 addresses and
    // names that nobody looks up: an entry cut in two is two that are not understood.
    there.then(|| lines.into_iter().flat_map(|line| line.rsplit(',')).map(str::trim))
}

/// The `for` of an element of `Forwarded` (RFC 7239 §4).
fn forwarded_for(element: &str) -> Option<ClientAddress> {
    let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    let value = value.trim();
    node(value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value))
}

/// An address with or without a port; IPv6 with or without brackets, because not every proxy follows RFC 7239 §6.
fn node(text: &str) -> Option<ClientAddress> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse::<IpAddr>().ok().or_else(|| text.parse().ok().map(|address: SocketAddr| address.ip()))?;
    Some(ClientAddress::new(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> ClientAddress {
        ClientAddress::new(text.parse().unwrap())
    }

    /// Who connected, what headers came, who is the client.
    type Row = (&'static str, &'static [(&'static str, &'static str)], &'static str);
    const F: &str = "forwarded";
    const X: &str = "x-forwarded-for";

    #[test]
    fn who_is_believed() {
        let proxies = TrustedProxies::parse("10.0.0.0/8, 192.0.2.1,2001:db8:ffff::/48").unwrap();
        let table: &[Row] = &[
            // Nobody but a proxy.
            ("203.0.113.7", &[], "203.0.113.7"),
            ("203.0.113.7", &[(X, "198.51.100.1")], "203.0.113.7"),
            ("203.0.113.7", &[(F, "for=198.51.100.1")], "203.0.113.7"),
            ("192.0.2.2", &[(X, "198.51.100.1")], "192.0.2.2"),
            ("10.1.2.3", &[], "10.1.2.3"),
            ("10.1.2.3", &[(X, "198.51.100.1")], "198.51.100.1"),
            ("::ffff:10.1.2.3", &[(X, "198.51.100.1")], "198.51.100.1"),
            ("192.0.2.1", &[(X, "198.51.100.1:1234")], "198.51.100.1"),
            // The last one that is no proxy.
            ("10.1.2.3", &[(X, "1.1.1.1, 198.51.100.1")], "198.51.100.1"),
            ("10.1.2.3", &[(X, "1.1.1.1,198.51.100.1 , 10.9.9.9, 192.0.2.1")], "198.51.100.1"),
            ("10.1.2.3", &[(X, "1.1.1.1"), (X, "198.51.100.1")], "198.51.100.1"),
            ("10.1.2.3", &[(X, "198.51.100.1"), (X, "10.0.0.9")], "198.51.100.1"),
            ("10.1.2.3", &[(X, "10.0.0.8, 10.0.0.9")], "10.0.0.8"),
            ("10.1.2.3", &[(X, "::ffff:198.51.100.1")], "198.51.100.1"),
            ("10.1.2.3", &[(X, "2001:db8::7")], "2001:db8::7"),
            ("10.1.2.3", &[(X, "[2001:db8::7]:443, 2001:db8:ffff::1")], "2001:db8::7"),
            // What is no address ends it.
            ("10.1.2.3", &[(X, "1.1.1.1, unknown")], "10.1.2.3"),
            ("10.1.2.3", &[(X, "1.1.1.1, unknown, 10.0.0.9")], "10.0.0.9"),
            ("10.1.2.3", &[(X, "")], "10.1.2.3"),
            ("10.1.2.3", &[(X, "example.org")], "10.1.2.3"),
            ("10.1.2.3", &[(X, "198.51.100.1\u{e9}")], "10.1.2.3"),
            // RFC 7239, with its own examples.
            ("10.1.2.3", &[(F, "for=198.51.100.1")], "198.51.100.1"),
            ("10.1.2.3", &[(F, "For=\"[2001:db8:cafe::17]:4711\"")], "2001:db8:cafe::17"),
            ("10.1.2.3", &[(F, "for=192.0.2.60;proto=http;by=203.0.113.43")], "192.0.2.60"),
            ("10.1.2.3", &[(F, "proto=https ; FOR = \"198.51.100.17:80\"")], "198.51.100.17"),
            ("10.1.2.3", &[(F, "for=1.1.1.1, for=198.51.100.17")], "198.51.100.17"),
            ("10.1.2.3", &[(F, "for=1.1.1.1"), (F, "for=198.51.100.17, for=10.2.2.2")], "198.51.100.17"),
            ("10.1.2.3", &[(F, "for=1.1.1.1, for=_hidden")], "10.1.2.3"),
            ("10.1.2.3", &[(F, "for=1.1.1.1, for=unknown")], "10.1.2.3"),
            ("10.1.2.3", &[(F, "by=10.0.0.1")], "10.1.2.3"),
            // A comma between quotes forges nothing that is read before what the proxy added.
            ("10.1.2.3", &[(F, "for=\"a, for=1.1.1.1, for=198.51.100.17")], "198.51.100.17"),
            // Both: they agree, or neither is believed.
            ("10.1.2.3", &[(F, "for=198.51.100.1"), (X, "198.51.100.1")], "198.51.100.1"),
            ("10.1.2.3", &[(F, "for=1.1.1.1"), (X, "198.51.100.1")], "10.1.2.3"),
        ];
        for (peer, lines, expected) in table {
            let mut headers = HeaderMap::new();
            for (name, value) in *lines {
                let value = http::HeaderValue::from_bytes(value.as_bytes()).unwrap();
                headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value);
            }
            assert_eq!(proxies.client(address(peer), &headers), address(expected), "{peer} {lines:?}");
        }
    }

    #[test]
    fn a_list_has_an_end() {
        let proxies = TrustedProxies::parse("10.0.0.0/8").unwrap();
        let mut headers = HeaderMap::new();
        let many = format!("198.51.100.1{}", ", 10.0.0.1".repeat(limits::FORWARDED_ENTRIES));
        headers.insert(X_FORWARDED_FOR, many.parse().unwrap());
        assert_eq!(proxies.client(address("10.9.9.9"), &headers), address("10.0.0.1"));
    }

    #[test]
    fn networks() {
        for good in ["10.0.0.0/8", "10.1.2.3/8", "127.0.0.1", "::1", "fd00::/8,10.0.0.1", "::ffff:10.0.0.1"] {
            assert!(TrustedProxies::parse(good).is_some(), "{good}");
        }
        for bad in ["", "10.0.0.0/33", "example.org", "10.0.0", "10.0.0.1;10.0.0.2", "10.0.0.1,", "::ffff:10.0.0.0/104"]
        {
            assert!(TrustedProxies::parse(bad).is_none(), "{bad}");
        }
    }
}
