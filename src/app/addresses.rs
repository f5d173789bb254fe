//! At which addresses clients reach this machine, where the operator says so: addresses, host names, or what a STUN
//! server of theirs sees. Found out once, at the start.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};

use tokio::net::UdpSocket;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tracing::{info, warn};

use crate::config::address::PublicAddress;
use crate::config::media::MediaConfig;
use crate::limits;
use crate::net::interfaces::is_private;
use crate::peer::binding;

/// Why the addresses are not known. Clients could not be told anything, so the server does not start.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AddressError {
    /// A host name.
    #[error("MEDIA_PUBLIC_IPS: cannot resolve {name}: {reason}")]
    Name {
        /// The name.
        name: String,
        /// Why not.
        reason: String,
    },
    /// A STUN server.
    #[error("MEDIA_PUBLIC_IPS: {server} does not tell our address: {reason}")]
    Stun {
        /// As it was written.
        server: String,
        /// Why not, for each address family.
        reason: String,
    },
}

/// The addresses behind what the operator named, in that order, each once. All are found out at the same time.
///
/// # Errors
/// The first one that cannot be found out.
pub(super) async fn resolve(named: &[PublicAddress]) -> Result<Vec<IpAddr>, AddressError> {
    let tasks: Vec<_> = named.iter().cloned().map(|one| tokio::spawn(find(one))).collect();
    let mut addresses = Vec::new();
    for task in tasks {
        addresses.extend(task.await.expect("it neither panics nor is aborted")?);
    }
    let mut seen = BTreeSet::new();
    addresses.retain(|address| seen.insert(*address));
    Ok(addresses)
}

/// What to tell the operator of an internet server whose clients are told `told` and nothing else. Addresses that the
/// operator wrote down are meant.
#[must_use]
pub(super) fn warning(config: &MediaConfig, told: &[IpAddr]) -> Option<String> {
    let meant = |one: &PublicAddress| matches!(one, PublicAddress::Ip(_));
    let asked = config.public_ips.is_empty() || !config.public_ips.iter().all(meant);
    (asked && told.iter().all(|address| is_private(*address))).then(|| {
        let list = told.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        format!(
            "clients are told private addresses only ({list}): whoever is not in the same network gets no media. Set \
             MEDIA_PUBLIC_IPS to the public address, to a host name that has it, or to stun:host:port; or to {list}, \
             where that is meant"
        )
    })
}

async fn find(named: PublicAddress) -> Result<Vec<IpAddr>, AddressError> {
    match named {
        PublicAddress::Ip(address) => Ok(vec![address]),
        PublicAddress::Name(name) => match lookup(&name, 0).await {
            Ok(found) => {
                let addresses: Vec<_> = found.iter().map(SocketAddr::ip).collect();
                info!(name, ?addresses, "public addresses of a name");
                Ok(addresses)
            }
            Err(reason) => Err(AddressError::Name { name, reason }),
        },
        PublicAddress::Stun { ref host, port } => {
            let error = |reason| AddressError::Stun { server: named.to_string(), reason };
            let servers = lookup(host, port).await.map_err(error)?;
            let addresses = ask_each_family(&servers).await.map_err(error)?;
            info!(server = %named, ?addresses, "public addresses as a STUN server sees them");
            Ok(addresses)
        }
    }
}

/// The addresses of a name, at least one.
async fn lookup(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    if let Ok(address) = host.parse() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let host = host.to_owned();
    let (tell, told) = oneshot::channel();
    // A thread of its own: at its end the runtime waits for the blocking threads that it lends, and the system's
    // resolver may take minutes.
    let resolve = move || {
        let found = (host.as_str(), port).to_socket_addrs().map(Iterator::collect::<Vec<_>>);
        // Nobody waits any longer.
        let _ = tell.send(found);
    };
    std::thread::Builder::new().name("resolve".into()).spawn(resolve).map_err(|error| error.to_string())?;
    match timeout(limits::RESOLVE_TIME, told).await {
        Err(_) => Err(format!("no answer within {} s", limits::RESOLVE_TIME.as_secs())),
        Ok(Err(_)) => Err("the resolver failed".to_owned()),
        Ok(Ok(Err(error))) => Err(error.to_string()),
        Ok(Ok(Ok(found))) => {
            let found: Vec<_> = found.into_iter().filter(|address| is_address_of_a_host(address.ip())).collect();
            if found.is_empty() { Err("the name has no address".to_owned()) } else { Ok(found) }
        }
    }
}

fn is_address_of_a_host(address: IpAddr) -> bool {
    !address.is_unspecified() && !address.is_multicast()
}

/// What the server sees at its first address of each family; one answer is enough.
async fn ask_each_family(servers: &[SocketAddr]) -> Result<Vec<IpAddr>, String> {
    let first = |v4: bool| servers.iter().copied().find(|server| server.is_ipv4() == v4);
    let asked = [true, false].into_iter().filter_map(first).map(|server| (server, tokio::spawn(ask(server))));
    let (mut addresses, mut failures) = (Vec::new(), Vec::new());
    for (server, task) in asked.collect::<Vec<_>>() {
        match task.await.expect("it neither panics nor is aborted") {
            Ok(address) => addresses.push(address),
            Err(reason) => failures.push(format!("{server}: {reason}")),
        }
    }
    let failures = failures.join("; ");
    if addresses.is_empty() {
        return Err(failures);
    }
    if !failures.is_empty() {
        warn!(failures, "a STUN server answers in one address family only");
    }
    Ok(addresses)
}

/// Asks a STUN server which address we have, again and again with growing waits.
async fn ask(server: SocketAddr) -> Result<IpAddr, String> {
    let local: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((local, 0)).await.map_err(|error| error.to_string())?;
    // From now on the kernel drops what others send, and tells of refusals.
    socket.connect(server).await.map_err(|error| error.to_string())?;
    let mut transaction = [0; 12];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut transaction)
        .map_err(|_| "the kernel gives no random numbers".to_owned())?;
    let (mut wait, mut reason) = (limits::STUN_FIRST_WAIT, None);
    for _ in 0..limits::STUN_TRIES {
        let deadline = Instant::now() + wait;
        match timeout_at(deadline, exchange(&socket, transaction)).await {
            Ok(Ok(address)) if is_address_of_a_host(address) => return Ok(address),
            Ok(Ok(address)) => return Err(format!("it says {address}")),
            // Refused: perhaps it starts only now.
            Ok(Err(error)) => {
                reason = Some(error.to_string());
                sleep_until(deadline).await;
            }
            Err(_) => {}
        }
        wait *= 2;
    }
    Err(reason.unwrap_or_else(|| format!("no answer to {} questions", limits::STUN_TRIES)))
}

/// One question, and the answer to it; whatever else comes is overlooked.
async fn exchange(socket: &UdpSocket, transaction: [u8; 12]) -> io::Result<IpAddr> {
    socket.send(&binding::question(transaction)).await?;
    let mut datagram = [0; limits::DATAGRAM_BYTES];
    loop {
        let len = socket.recv(&mut datagram).await?;
        if let Some(address) = binding::mapped_address(&datagram[..len], transaction) {
            return Ok(address.ip());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A STUN server that hears `deaf` questions before it answers, first with junk.
    async fn server(deaf: usize) -> PublicAddress {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = socket.local_addr().unwrap().port();
        tokio::spawn(async move {
            let mut question = [0; 64];
            for heard in 0.. {
                let (len, source) = socket.recv_from(&mut question).await.unwrap();
                assert_eq!((len, &question[..4]), (20, &[0, 1, 0, 0][..]));
                if heard >= deaf {
                    socket.send_to(b"junk", source).await.unwrap();
                    // 203.0.113.7, masked with the cookie.
                    let mut answer = vec![1, 1, 0, 12];
                    answer.extend(&question[4..20]);
                    answer.extend([0, 0x20, 0, 8, 0, 1, 0, 0, 0xea, 0x12, 0xd5, 0x45]);
                    socket.send_to(&answer, source).await.unwrap();
                }
            }
        });
        PublicAddress::Stun { host: "127.0.0.1".into(), port }
    }

    fn ips(list: &[&str]) -> Vec<IpAddr> {
        list.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[tokio::test]
    async fn addresses_names_and_servers_keep_their_order() {
        let named = [
            PublicAddress::Ip("198.51.100.1".parse().unwrap()),
            server(1).await,
            PublicAddress::Name("localhost".into()),
            PublicAddress::Ip("198.51.100.1".parse().unwrap()),
        ];
        let found = resolve(&named).await.unwrap();
        assert_eq!(found[..2], ips(&["198.51.100.1", "203.0.113.7"]));
        assert!(found[2..].iter().all(IpAddr::is_loopback) && found.len() > 2, "{found:?}");
        assert_eq!(resolve(&[]).await, Ok(vec![]));
    }

    #[tokio::test]
    async fn what_cannot_be_found_out_is_named() {
        // RFC 6761 §6.4: no resolver knows it.
        let error = resolve(&[PublicAddress::Name("rillcast.invalid".into())]).await.unwrap_err();
        assert!(error.to_string().starts_with("MEDIA_PUBLIC_IPS: cannot resolve rillcast.invalid: "), "{error}");
    }

    /// On a paused clock, which advances when everybody waits: the waits are the real ones.
    #[tokio::test(start_paused = true)]
    async fn a_silent_server_is_asked_a_bounded_number_of_times() {
        let silent = server(usize::MAX).await;
        let begun = Instant::now();
        let error = resolve(std::slice::from_ref(&silent)).await.unwrap_err();
        assert!(error.to_string().contains("no answer to 4 questions"), "{error}");
        assert!(error.to_string().contains(&silent.to_string()), "{error}");
        assert_eq!(begun.elapsed().as_millis(), 500 + 1000 + 2000 + 4000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_told() {
        let unused = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = unused.local_addr().unwrap().port();
        drop(unused);
        let error = resolve(&[PublicAddress::Stun { host: "127.0.0.1".into(), port }]).await.unwrap_err();
        assert!(error.to_string().contains("refused"), "{error}");
    }

    #[test]
    fn private_addresses_alone_are_warned_of_unless_they_were_written_down() {
        let config = |public_ips: &[&str]| MediaConfig {
            public_ips: public_ips.iter().map(|text| PublicAddress::parse(text).unwrap()).collect(),
            ..MediaConfig::default()
        };
        let table: [(&[&str], &[&str], bool); 6] = [
            (&[], &["192.168.1.2", "127.0.0.1"], true),
            (&[], &["192.168.1.2", "203.0.113.7"], false),
            (&[], &["127.0.0.1"], true),
            (&["192.168.1.2"], &["192.168.1.2"], false),
            (&["stun:stun.example.org"], &["100.64.0.7"], true),
            (&["stun.example.org"], &["203.0.113.7"], false),
        ];
        for (public, told, warned) in table {
            let warning = warning(&config(public), &ips(told));
            assert_eq!(warning.is_some(), warned, "{public:?} {told:?}");
            assert!(warning.is_none_or(|text| text.contains("MEDIA_PUBLIC_IPS") && text.contains(told[0])));
        }
    }
}
