//! ICE credentials, fingerprint and DTLS role of an m-line, at either level of the description.

use crate::limits::ICE_CREDENTIAL_BYTES;
use crate::sdp::attributes::Attributes;
use crate::sdp::offer::SdpError;
use crate::sdp::{DtlsRole, Fingerprint, IceCredentials};

/// What one transport needs.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Transport {
    pub(super) credentials: IceCredentials,
    pub(super) fingerprint: Fingerprint,
    /// Ours.
    pub(super) role: DtlsRole,
}

impl Transport {
    /// `None` where neither level names ICE credentials: such an m-line lives on another one's transport.
    pub(super) fn parse(attributes: Attributes<'_>) -> Result<Option<Self>, SdpError> {
        let ufrag = attributes.inherited("ice-ufrag").next();
        let pwd = attributes.inherited("ice-pwd").next();
        let Some(credentials) = credentials(ufrag, pwd)? else { return Ok(None) };
        let fingerprint = fingerprint(attributes.inherited("fingerprint"))
            .ok_or_else(|| SdpError::invalid("no fingerprint by sha-256, sha-384 or sha-512"))?;
        let role = role(attributes.inherited("setup").next())?;
        Ok(Some(Self { credentials, fingerprint, role }))
    }
}

/// Checks a pair of ICE credentials (RFC 8839 §5.4); none of both is `None`.
pub(super) fn credentials(ufrag: Option<&str>, pwd: Option<&str>) -> Result<Option<IceCredentials>, SdpError> {
    let well_formed = |text: &str, shortest| {
        let ice_char = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
        (shortest..=ICE_CREDENTIAL_BYTES).contains(&text.len()) && text.bytes().all(ice_char)
    };
    match (ufrag, pwd) {
        (None, None) => Ok(None),
        (Some(ufrag), Some(pwd)) if well_formed(ufrag, 4) && well_formed(pwd, 22) => {
            Ok(Some(IceCredentials { ufrag: ufrag.to_owned(), pwd: pwd.to_owned() }))
        }
        (Some(_), Some(_)) => Err(SdpError::invalid("malformed ICE credentials")),
        _ => Err(SdpError::invalid("half a pair of ICE credentials")),
    }
}

/// The fingerprint to check: sha-256, as every client has it; else the next larger one. What is malformed or weaker
/// is passed over.
fn fingerprint<'a>(values: impl Iterator<Item = &'a str>) -> Option<Fingerprint> {
    values.filter_map(digest).min_by_key(|fingerprint| fingerprint.digest.len())
}

/// `sha-256 04:4A:…` (RFC 8122 §5).
fn digest(value: &str) -> Option<Fingerprint> {
    let (algorithm, hex) = value.split_once(' ')?;
    let algorithm = algorithm.to_ascii_lowercase();
    let length = match algorithm.as_str() {
        "sha-256" => 32,
        "sha-384" => 48,
        "sha-512" => 64,
        _ => return None,
    };
    let byte = |pair: &str| {
        let hex = pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit());
        hex.then(|| u8::from_str_radix(pair, 16).ok()).flatten()
    };
    let digest = hex.trim().split(':').map(byte).collect::<Option<Vec<u8>>>()?;
    (digest.len() == length).then_some(Fingerprint { algorithm, digest })
}

/// Our role (RFC 8842 §5.3). Without the attribute the offerer is active (RFC 4145 §4).
fn role(setup: Option<&str>) -> Result<DtlsRole, SdpError> {
    match setup {
        None | Some("actpass" | "active") => Ok(DtlsRole::Server),
        Some("passive") => Ok(DtlsRole::Client),
        Some(_) => Err(SdpError::invalid("a=setup")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ice_credentials() {
        let pwd = "a".repeat(22);
        let long = "a".repeat(257);
        assert!(credentials(None, None).unwrap().is_none());
        assert!(credentials(Some("ab+/"), Some(&pwd)).unwrap().is_some());
        let bad =
            [(Some("abc"), Some(&pwd)), (Some("a:cd"), Some(&pwd)), (Some(&long), Some(&pwd)), (None, Some(&pwd))];
        for (ufrag, pwd) in bad.map(|(ufrag, pwd)| (ufrag, pwd.map(String::as_str))) {
            assert!(credentials(ufrag, pwd).is_err(), "{ufrag:?}");
        }
        assert!(credentials(Some("abcd"), Some("short")).is_err());
    }

    #[test]
    fn fingerprints() {
        let of = |algorithm: &str, bytes: usize| format!("{algorithm} {}", vec!["aB"; bytes].join(":"));
        let (weak, short, odd) = (of("sha-1", 20), of("sha-256", 31), "sha-256 +1:22".to_owned());
        let (small, large) = (of("SHA-256", 32), of("sha-512", 64));
        let cases: [(&[&String], Option<&str>); 5] = [
            (&[&weak], None),
            (&[&short, &odd], None),
            (&[&weak, &short, &large], Some("sha-512")),
            (&[&large, &small], Some("sha-256")),
            (&[], None),
        ];
        for (offered, chosen) in cases {
            let found = fingerprint(offered.iter().map(|value| value.as_str()));
            assert_eq!(found.map(|f| f.algorithm).as_deref(), chosen, "{offered:?}");
        }
    }

    #[test]
    fn roles() {
        for (setup, expected) in [
            (None, Some(DtlsRole::Server)),
            (Some("actpass"), Some(DtlsRole::Server)),
            (Some("active"), Some(DtlsRole::Server)),
            (Some("passive"), Some(DtlsRole::Client)),
            (Some("holdconn"), None),
            (Some(""), None),
        ] {
            assert_eq!(role(setup).ok(), expected, "{setup:?}");
        }
    }
}
