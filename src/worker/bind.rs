//! A worker's sockets, and the candidates that name them in answers.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr};

use mio::net::TcpListener;

use crate::limits;
use crate::net::interfaces::{self, InterfaceFilter};
use crate::net::tcp::listen;
use crate::net::udp::{SocketBuffers, UdpSocket};
use crate::sdp::{Candidate, Transport};
use crate::worker::StartError;

/// Where a worker listens for ICE over TCP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TcpSetting {
    /// Nowhere.
    Off,
    /// On the number of the UDP port. Where that was left to the kernel and is taken for TCP, on any free one.
    SameAsUdp,
    /// On this one; 0 is any free one.
    Port(u16),
}

/// Sockets, bound: at most one per address family.
pub struct Sockets {
    /// UDP.
    pub udp: Vec<UdpSocket>,
    /// TCP.
    pub tcp: Vec<TcpListener>,
}

impl Sockets {
    /// Binds UDP to these addresses, and TCP to the same ones. IPv6 on the wildcard address is done without where the
    /// machine does not have it.
    ///
    /// # Errors
    /// Which one could not be bound and why.
    pub fn bind(addresses: &[SocketAddr], tcp: TcpSetting) -> Result<Self, StartError> {
        let mut sockets = Self { udp: Vec::new(), tcp: Vec::new() };
        for wanted in addresses {
            if sockets.udp.iter().any(|socket| socket.address().is_ipv4() == wanted.is_ipv4()) {
                return Err(StartError::SameFamily(*wanted));
            }
            // Where any port will do, one number for both families is easier to tell to a firewall.
            let first = sockets.udp.first().map(|socket| socket.address().port());
            let udp = with_preferred_port(*wanted, first, UdpSocket::bind);
            let Some(udp) = unless_missing(*wanted, addresses, udp, "UDP")? else { continue };
            let port = udp.address().port();
            let address = |port| SocketAddr::new(wanted.ip(), port);
            let listener = match tcp {
                TcpSetting::Off => None,
                TcpSetting::SameAsUdp => Some((address(wanted.port()), Some(port))),
                TcpSetting::Port(0) => Some((address(0), sockets.tcp_port())),
                TcpSetting::Port(port) => Some((address(port), None)),
            };
            sockets.udp.push(udp);
            if let Some((wanted, preferred)) = listener {
                let listener = with_preferred_port(wanted, preferred, listen);
                sockets.tcp.extend(unless_missing(wanted, addresses, listener, "TCP")?);
            }
        }
        if sockets.udp.is_empty() { Err(StartError::NoSocket) } else { Ok(sockets) }
    }

    /// What an answer names, the best first: IPv4, IPv6, loopback; UDP before TCP. `public` are the only addresses
    /// named where there are any, otherwise it is those of the interfaces that the filter allows.
    ///
    /// # Errors
    /// Where the interfaces cannot be asked, or nothing is left to be named.
    pub fn candidates(&self, public: &[IpAddr], filter: &InterfaceFilter) -> Result<Vec<Candidate>, StartError> {
        let interfaces =
            if public.is_empty() { interfaces::addresses(filter).map_err(StartError::Interfaces)? } else { vec![] };
        let bound = self.bound()?;
        let candidates = candidates(&bound, public, &interfaces);
        if candidates.is_empty() { Err(StartError::NoAddress) } else { Ok(candidates) }
    }

    /// The smallest of the UDP buffers that the kernel granted.
    #[must_use]
    pub fn buffers(&self) -> SocketBuffers {
        let all = || self.udp.iter().map(UdpSocket::buffers);
        SocketBuffers {
            receive: all().map(|buffers| buffers.receive).min().unwrap_or(0),
            send: all().map(|buffers| buffers.send).min().unwrap_or(0),
        }
    }

    fn tcp_port(&self) -> Option<u16> {
        self.tcp.first().and_then(|listener| listener.local_addr().ok()).map(|address| address.port())
    }

    fn bound(&self) -> Result<Vec<Candidate>, StartError> {
        let udp = self.udp.iter().map(|socket| Ok(Candidate { transport: Transport::Udp, address: socket.address() }));
        let tcp = self
            .tcp
            .iter()
            .map(|listener| Ok(Candidate { transport: Transport::Tcp, address: listener.local_addr()? }));
        udp.chain(tcp).collect::<io::Result<_>>().map_err(StartError::Interfaces)
    }
}

/// Binds to the preferred port where any will do, and to any where that one is taken.
fn with_preferred_port<T>(
    wanted: SocketAddr,
    preferred: Option<u16>,
    bind: impl Fn(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    match preferred {
        Some(port) if wanted.port() == 0 => {
            bind(SocketAddr::new(wanted.ip(), port)).or_else(|_| bind(SocketAddr::new(wanted.ip(), 0)))
        }
        Some(port) => bind(SocketAddr::new(wanted.ip(), port)),
        None => bind(wanted),
    }
}

/// A machine without IPv6 serves the rest.
fn unless_missing<T>(
    address: SocketAddr,
    all: &[SocketAddr],
    bound: io::Result<T>,
    protocol: &'static str,
) -> Result<Option<T>, StartError> {
    let optional = address.ip().is_unspecified() && address.is_ipv6() && all.len() > 1;
    match bound {
        Ok(socket) => Ok(Some(socket)),
        Err(error) if optional && is_missing_family(&error) => Ok(None),
        Err(source) => Err(StartError::Bind { protocol, address, source }),
    }
}

fn is_missing_family(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL | libc::EPROTONOSUPPORT))
}

/// `bound` are the sockets; `public` and `interfaces` are addresses in their order.
fn candidates(bound: &[Candidate], public: &[IpAddr], interfaces: &[IpAddr]) -> Vec<Candidate> {
    let mut addresses: Vec<IpAddr> = if public.is_empty() {
        let given = bound.iter().map(|socket| socket.address.ip()).filter(|ip| !ip.is_unspecified());
        interfaces.iter().copied().chain(given).collect()
    } else {
        public.to_vec()
    };
    addresses.sort_by_key(|ip| (ip.is_loopback(), ip.is_ipv6()));
    let mut seen = BTreeSet::new();
    addresses.retain(|ip| seen.insert(*ip));
    let listens = |socket: &&Candidate, ip: &IpAddr| {
        let here = socket.address.ip();
        here.is_ipv4() == ip.is_ipv4() && (here.is_unspecified() || here == *ip || !public.is_empty())
    };
    let named = addresses.iter().flat_map(|ip| {
        let sockets = bound.iter().filter(move |socket| listens(socket, ip));
        sockets.map(|socket| Candidate { address: SocketAddr::new(*ip, socket.address.port()), ..*socket })
    });
    named.take(limits::ANSWER_CANDIDATES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(list: &[&str]) -> Vec<Candidate> {
        let one = |text: &&str| {
            let (transport, address) = text.split_once(' ').unwrap();
            let transport = if transport == "udp" { Transport::Udp } else { Transport::Tcp };
            Candidate { transport, address: address.parse().unwrap() }
        };
        list.iter().map(one).collect()
    }

    #[test]
    fn candidates_name_what_can_be_reached() {
        type List = &'static [&'static str];
        const BOTH: List = &["udp 0.0.0.0:7000", "udp [::]:7001", "tcp 0.0.0.0:7002", "tcp [::]:7003"];
        const HOST: List = &["10.0.0.1", "fd00::1", "127.0.0.1", "::1"];
        let table: [(List, List, List, List); 6] = [
            (
                BOTH,
                &[],
                HOST,
                &[
                    "udp 10.0.0.1:7000",
                    "tcp 10.0.0.1:7002",
                    "udp [fd00::1]:7001",
                    "tcp [fd00::1]:7003",
                    "udp 127.0.0.1:7000",
                    "tcp 127.0.0.1:7002",
                    "udp [::1]:7001",
                    "tcp [::1]:7003",
                ],
            ),
            // Public addresses need not be this host's.
            (BOTH, &["203.0.113.5"], HOST, &["udp 203.0.113.5:7000", "tcp 203.0.113.5:7002"]),
            (&["udp 0.0.0.0:7000"], &["2001:db8::5", "203.0.113.5"], HOST, &["udp 203.0.113.5:7000"]),
            (&["udp 10.0.0.1:7000"], &["203.0.113.5"], HOST, &["udp 203.0.113.5:7000"]),
            (&["udp 127.0.0.1:7000"], &[], HOST, &["udp 127.0.0.1:7000"]),
            (&["udp [::]:7000"], &[], &["10.0.0.1"], &[]),
        ];
        for (bound, public, interfaces, expected) in table {
            let ips = |list: &[&str]| list.iter().map(|ip| ip.parse().unwrap()).collect::<Vec<IpAddr>>();
            let named = candidates(&parse(bound), &ips(public), &ips(interfaces));
            assert_eq!(named, parse(expected), "{bound:?} {public:?}");
        }
    }

    #[test]
    fn candidates_are_bounded() {
        let interfaces: Vec<IpAddr> = (0..100).map(|n| IpAddr::from([10, 0, 0, n])).collect();
        assert_eq!(candidates(&parse(&["udp 0.0.0.0:1"]), &[], &interfaces).len(), limits::ANSWER_CANDIDATES);
    }

    #[test]
    fn ports() {
        let any: Vec<SocketAddr> = vec!["0.0.0.0:0".parse().unwrap(), "[::]:0".parse().unwrap()];
        let sockets = Sockets::bind(&any, TcpSetting::SameAsUdp).unwrap();
        assert!(sockets.bound().unwrap().iter().all(|socket| socket.address.port() > 0));
        assert!(
            sockets
                .candidates(&[], &InterfaceFilter::default())
                .unwrap()
                .iter()
                .any(|candidate| candidate.address.ip().is_loopback())
        );

        let taken = sockets.udp[0].address();
        let error = Sockets::bind(&[taken], TcpSetting::Off).err().unwrap();
        assert!(matches!(&error, StartError::Bind { protocol: "UDP", address, .. } if *address == taken), "{error}");
        let port = sockets.tcp_port().unwrap();
        let error = Sockets::bind(&any, TcpSetting::Port(port)).err().unwrap();
        assert!(matches!(&error, StartError::Bind { protocol: "TCP", .. }), "{error}");
        let error = Sockets::bind(&[any[0], any[0]], TcpSetting::Off).err().unwrap();
        assert!(matches!(error, StartError::SameFamily(_)), "{error}");
        assert!(Sockets::bind(&any, TcpSetting::Off).unwrap().tcp.is_empty());
    }
}
