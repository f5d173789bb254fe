//! The addresses of this host's interfaces, and which of them clients are told.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;

use crate::limits;

/// The addresses that a client could reach, in the order of candidates: IPv4, IPv6, then loopback. Interfaces that are
/// down and IPv6 link-local addresses (which mean nothing without a scope) are left out, and what the filter forbids.
///
/// # Errors
/// Where the kernel does not tell.
pub fn addresses(filter: &InterfaceFilter) -> io::Result<Vec<IpAddr>> {
    let mut found: Vec<IpAddr> = getifaddrs()?
        .filter(|interface| interface.flags.contains(InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING))
        .filter_map(|interface| {
            let address = interface.address?;
            let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
            let ip = v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))?;
            filter.allows(&interface.interface_name, ip).then_some(ip)
        })
        .filter(|address| is_usable(*address))
        .collect();
    sort(&mut found);
    Ok(found)
}

/// True for addresses that mean nothing on the internet: loopback, RFC 1918, shared by carriers (RFC 6598), link-local
/// (RFC 3927, RFC 4291 §2.5.6), unique local (RFC 4193).
#[must_use]
pub fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let shared = v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64;
            v4.is_loopback() || v4.is_private() || v4.is_link_local() || shared
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// Which interfaces count: those that a rule names, or all where no rule does, without those that a rule with `!`
/// names.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct InterfaceFilter {
    include: Vec<Rule>,
    exclude: Vec<Rule>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Rule {
    /// An interface's name.
    Name(String),
    /// How an interface's name begins.
    NameBegins(String),
    /// A network: its address, and the bits that count.
    Network(IpAddr, u32),
}

impl InterfaceFilter {
    /// From rules separated by commas: an interface's name (`eth0`, or `docker*` for all that begin so) or a network
    /// (`10.0.0.0/8`, or an address alone), each with `!` in front to exclude it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut filter = Self::default();
        for rule in text.split(',').map(str::trim).filter(|rule| !rule.is_empty()) {
            match rule.strip_prefix('!') {
                Some(rule) => filter.exclude.push(Rule::parse(rule.trim())?),
                None => filter.include.push(Rule::parse(rule)?),
            }
        }
        (filter.include.len() + filter.exclude.len() <= limits::INTERFACE_RULES).then_some(filter)
    }

    /// True where clients are told this address of this interface.
    #[must_use]
    pub fn allows(&self, interface: &str, address: IpAddr) -> bool {
        let hit = |rules: &[Rule]| rules.iter().any(|rule| rule.matches(interface, address));
        (self.include.is_empty() || hit(&self.include)) && !hit(&self.exclude)
    }
}

impl Rule {
    fn parse(text: &str) -> Option<Self> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Some(Self::Network(address, bits(address)));
        }
        if let Some((address, length)) = text.split_once('/') {
            let address: IpAddr = address.parse().ok()?;
            let digits = length.bytes().all(|byte| byte.is_ascii_digit());
            let length = digits.then(|| length.parse().ok()).flatten().filter(|length| *length <= bits(address))?;
            return Some(Self::Network(address, length));
        }
        let name = text.strip_suffix('*').unwrap_or(text);
        // An address that was written wrongly is no interface.
        let named = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.:@".contains(&byte))
            && name.bytes().any(|byte| byte.is_ascii_alphabetic())
            && name.len() < libc::IFNAMSIZ;
        named.then(|| if name == text { Self::Name(name.to_owned()) } else { Self::NameBegins(name.to_owned()) })
    }

    fn matches(&self, interface: &str, address: IpAddr) -> bool {
        match self {
            Self::Name(name) => interface == name,
            Self::NameBegins(begin) => interface.starts_with(begin),
            Self::Network(network, length) => prefix(*network, *length) == prefix(address, *length),
        }
    }
}

fn bits(address: IpAddr) -> u32 {
    if address.is_ipv4() { Ipv4Addr::BITS } else { Ipv6Addr::BITS }
}

/// The first bits of an address, and its family.
fn prefix(address: IpAddr, length: u32) -> (bool, u128) {
    let all = match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    };
    (address.is_ipv4(), all.checked_shr(bits(address).saturating_sub(length)).unwrap_or(0))
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
        let all = InterfaceFilter::default();
        assert!(addresses(&all).unwrap().contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)));
        let none = InterfaceFilter::parse("!127.0.0.0/8").unwrap();
        assert!(!addresses(&none).unwrap().contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)));
    }

    #[test]
    fn private_addresses() {
        let private = "127.0.0.1 10.1.2.3 172.16.0.1 172.31.255.255 192.168.1.1 169.254.1.1 100.64.0.1 100.127.255.255 \
                       ::1 fd00::1 fc00::1 fe80::1 ::ffff:10.0.0.1";
        let public = "172.15.0.1 172.32.0.1 100.63.0.1 100.128.0.1 203.0.113.7 8.8.8.8 2001:db8::1 ::ffff:8.8.8.8";
        for (list, expected) in [(private, true), (public, false)] {
            for address in list.split(' ') {
                assert_eq!(is_private(address.parse().unwrap()), expected, "{address}");
            }
        }
    }

    #[test]
    fn the_filter_takes_names_and_networks() {
        let table = [
            ("", "eth0", "10.0.0.1", true),
            ("eth0", "eth0", "10.0.0.1", true),
            ("eth0", "eth01", "10.0.0.1", false),
            ("eth0, wlan0", "wlan0", "10.0.0.1", true),
            ("eth0", "lo", "127.0.0.1", false),
            ("eth*", "eth7", "10.0.0.1", true),
            ("!docker*, !br-*", "docker0", "172.17.0.1", false),
            ("!docker*, !br-*", "eth0", "172.17.0.1", true),
            ("eth0,!10.0.0.1", "eth0", "10.0.0.1", false),
            ("eth0,!10.0.0.1", "eth0", "10.0.0.2", true),
            ("10.0.0.0/8", "eth0", "10.255.0.1", true),
            ("10.0.0.0/8", "eth0", "11.0.0.1", false),
            ("10.0.0.0/8", "eth0", "a00::1", false),
            ("0.0.0.0/0", "eth0", "11.0.0.1", true),
            ("0.0.0.0/0", "eth0", "2001:db8::1", false),
            ("::/0", "eth0", "2001:db8::1", true),
            ("2001:db8::/32", "eth0", "2001:db8:5::1", true),
            ("! 2001:db8::/32", "eth0", "2001:db8:5::1", false),
        ];
        for (rules, interface, address, allowed) in table {
            let filter = InterfaceFilter::parse(rules).unwrap();
            assert_eq!(filter.allows(interface, address.parse().unwrap()), allowed, "{rules}: {interface} {address}");
        }
        for broken in ["10.0.0.300", "10.0.0.0/33", "10.0.0.0/", "::/129", "10.0.0.0/+8", "eth0/24", "*", "!", "a b"] {
            assert_eq!(InterfaceFilter::parse(broken), None, "{broken}");
        }
        assert_eq!(InterfaceFilter::parse(&"eth0,".repeat(limits::INTERFACE_RULES + 1)), None);
        assert_eq!(InterfaceFilter::parse("an-interface-with-a-long-name"), None);
    }
}
