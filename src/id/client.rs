//! Where a client comes from, and with whom it shares what one client may have.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// Who sent a request: the other end of the connection, or whom a trusted proxy names. An IPv4 address that came mapped
/// into IPv6 (RFC 4291 §2.5.5.2) is the IPv4 address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ClientAddress(IpAddr);

/// Those who share one client's bounds: an IPv4 address, or the /64 of an IPv6 address, because whoever has one address
/// of a /64 can have them all (RFC 6177).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ClientGroup(IpAddr);

impl ClientAddress {
    /// Where nothing is known: a request that came through no socket.
    pub const UNKNOWN: Self = Self(IpAddr::V6(Ipv6Addr::UNSPECIFIED));

    /// The address without any mapping.
    #[must_use]
    pub fn new(address: IpAddr) -> Self {
        Self(address.to_canonical())
    }

    /// The address.
    #[must_use]
    pub fn ip(self) -> IpAddr {
        self.0
    }

    /// With whom it shares its bounds.
    #[must_use]
    pub fn group(self) -> ClientGroup {
        match self.0 {
            IpAddr::V4(_) => ClientGroup(self.0),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                ClientGroup(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into())
            }
        }
    }
}

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ClientGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => address.fmt(f),
            IpAddr::V6(network) => write!(f, "{network}/64"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups() {
        let table = [
            ("203.0.113.7", "203.0.113.7", "203.0.113.7"),
            ("::ffff:203.0.113.7", "203.0.113.7", "203.0.113.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:db8:1:2::", "2001:db8:1:2::", "2001:db8:1:2::/64"),
            ("::1", "::1", "::/64"),
        ];
        for (text, address, group) in table {
            let client = ClientAddress::new(text.parse().unwrap());
            assert_eq!((client.to_string().as_str(), client.group().to_string().as_str()), (address, group));
        }
    }
}
