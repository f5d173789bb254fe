//! The addresses of this host's interfaces.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;

/// The addresses that a client could reach, in the order of candidates: IPv4, IPv6, then loopback. Interfaces that are
/// down and IPv6 link-local addresses (which mean nothing without a scope) are left out.
///
/// # Errors
/// Where the kernel does not tell.
pub fn addresses() -> io::Result<Vec<IpAddr>> {
    let mut found: Vec<IpAddr> = getifaddrs()?
        .filter(|interface| interface.flags.contains(InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING))
        .filter_map(|interface| {
            let address = interface.address?;
            let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
        })
        .filter(|address| is_usable(*address))
        .collect();
    sort(&mut found);
    Ok(found)
}

fn is_usable(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4 != Ipv4Addr::UNSPECIFIED,
        IpAddr::V6(v6) => v6 != Ipv6Addr::UNSPECIFIED && !v6.is_unicast_link_local(),
    }
}

/// Candidates' order, otherwise as the kernel has them; each address once.
fn sort(addresses: &mut Vec<IpAddr>) {
    let mut seen = std::collections::BTreeSet::new();
    addresses.retain(|address| seen.insert(*address));
    addresses.sort_by_key(|address| (address.is_loopback(), address.is_ipv6()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_ipv4_ipv6_loopback() {
        let parse = |list: &[&str]| list.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpAddr>>();
        let mut addresses =
            parse(&["127.0.0.1", "::1", "2001:db8::2", "10.0.0.2", "2001:db8::1", "10.0.0.1", "10.0.0.2"]);
        sort(&mut addresses);
        assert_eq!(addresses, parse(&["10.0.0.2", "10.0.0.1", "2001:db8::2", "2001:db8::1", "127.0.0.1", "::1"]));
    }

    #[test]
    fn unusable_addresses() {
        for (address, usable) in [
            ("0.0.0.0", false),
            ("::", false),
            ("fe80::1", false),
            ("fd00::1", true),
            ("192.168.0.1", true),
            ("::1", true),
        ] {
            assert_eq!(is_usable(address.parse().unwrap()), usable, "{address}");
        }
    }

    #[test]
    fn this_host_has_loopback() {
        assert!(addresses().unwrap().contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)));
    }
}
