//! Candidate lines (RFC 8839 §5.1, RFC 6544 §4.5).

use crate::limits::ANSWER_CANDIDATES;
use crate::sdp::{Candidate, Transport};

/// The values of our `a=candidate` lines: all UDP ones before all TCP ones (FFmpeg takes the first line and wants
/// UDP), otherwise in the order given, and component 1 alone because of rtcp-mux.
pub(super) fn values(candidates: &[Candidate]) -> Vec<String> {
    let by = |transport| candidates.iter().filter(move |candidate| candidate.transport == transport).enumerate();
    by(Transport::Udp)
        .chain(by(Transport::Tcp))
        .take(ANSWER_CANDIDATES)
        .map(|(rank, candidate)| value(candidates, rank, candidate))
        .collect()
}

fn value(all: &[Candidate], rank: usize, candidate: &Candidate) -> String {
    // Candidates of one address and one transport share a foundation (RFC 8445 §5.1.1.3).
    let alike =
        |other: &Candidate| (other.transport, other.address.ip()) == (candidate.transport, candidate.address.ip());
    let foundation = 1 + all.iter().position(alike).unwrap_or_default();
    let (name, tail) = match candidate.transport {
        Transport::Udp => ("udp", ""),
        Transport::Tcp => ("tcp", " tcptype passive"),
    };
    let (priority, address) = (priority(candidate.transport, rank), candidate.address);
    // A socket for both families names IPv4 addresses in their mapped form, which no client takes.
    let ip = address.ip().to_canonical();
    format!("{foundation} 1 {name} {priority} {ip} {} typ host{tail}", address.port())
}

/// RFC 8445 §5.1.2.1, with TCP's type preference below that of UDP and the direction preference of passive host
/// candidates (RFC 6544 §4.2). `rank` counts within the transport from the best one, 0.
fn priority(transport: Transport, rank: usize) -> u32 {
    let rank = u32::try_from(rank.min(ANSWER_CANDIDATES)).unwrap_or_default();
    let (type_preference, local_preference) = match transport {
        Transport::Udp => (126, 65_535 - rank),
        Transport::Tcp => (90, (4 << 13) + 8_191 - rank),
    };
    (type_preference << 24) + (local_preference << 8) + 255
}

/// True for the value of a candidate line of any client: addresses may be names (mDNS), which nobody looks up.
pub(super) fn is_well_formed(value: &str) -> bool {
    let mut words = value.split_ascii_whitespace();
    let mut next = || words.next();
    let (
        Some(foundation),
        Some(component),
        Some(_transport),
        Some(priority),
        Some(_address),
        Some(port),
        Some(typ),
        Some(_),
    ) = (next(), next(), next(), next(), next(), next(), next(), next())
    else {
        return false;
    };
    let component = component.parse().is_ok_and(|component: u16| (1..=256).contains(&component));
    foundation.len() <= 32
        && component
        && priority.parse::<u32>().is_ok()
        && port.parse::<u16>().is_ok()
        && typ == "typ"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(transport: Transport, address: &str) -> Candidate {
        Candidate { transport, address: address.parse().unwrap() }
    }

    #[test]
    fn lines() {
        let candidates = [
            candidate(Transport::Tcp, "192.0.2.1:7000"),
            candidate(Transport::Udp, "192.0.2.1:7000"),
            candidate(Transport::Udp, "[2001:db8::1]:7000"),
            candidate(Transport::Udp, "[::ffff:198.51.100.7]:7000"),
            candidate(Transport::Udp, "192.0.2.1:7001"),
            candidate(Transport::Tcp, "[2001:db8::1]:7000"),
        ];
        let expected = [
            "2 1 udp 2130706431 192.0.2.1 7000 typ host",
            "3 1 udp 2130706175 2001:db8::1 7000 typ host",
            "4 1 udp 2130705919 198.51.100.7 7000 typ host",
            "2 1 udp 2130705663 192.0.2.1 7001 typ host",
            "1 1 tcp 1520435199 192.0.2.1 7000 typ host tcptype passive",
            "6 1 tcp 1520434943 2001:db8::1 7000 typ host tcptype passive",
        ];
        assert_eq!(values(&candidates), expected);
        assert!(values(&candidates).iter().all(|value| is_well_formed(value)));
        let many = [candidates[0]; 100];
        assert_eq!(values(&many).len(), ANSWER_CANDIDATES);
    }

    #[test]
    fn forms() {
        for good in [
            "1 1 UDP 2015363327 192.0.2.2 57082 typ host",
            "1 2 udp 1 0b2f5b1e-3a5c.local 9 typ host generation 0 ufrag F8cG network-cost 50",
            "2 1 TCP 1015021823 192.0.2.2 9 typ host tcptype active",
        ] {
            assert!(is_well_formed(good), "{good}");
        }
        for bad in [
            "",
            "1 1 udp 1 192.0.2.2 9 typ",
            "1 0 udp 1 192.0.2.2 9 typ host",
            "1 1 udp -1 192.0.2.2 9 typ host",
            "1 1 udp 1 192.0.2.2 70000 typ host",
            "1 1 udp 1 192.0.2.2 9 type host",
            "123456789012345678901234567890123 1 udp 1 192.0.2.2 9 typ host",
        ] {
            assert!(!is_well_formed(bad), "{bad}");
        }
    }
}
