//! A certificate from its files.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};
use x509_parser::time::ASN1Time;

use crate::http::tls::{Certified, TlsConfig, TlsError};
use crate::limits;

/// What two files looked like: when they were written, and how long they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stamp([Option<(SystemTime, u64)>; 2]);

impl Stamp {
    pub fn of(config: &TlsConfig) -> Self {
        let stamp = |path: &Path| {
            let data = std::fs::metadata(path).ok()?;
            Some((data.modified().ok()?, data.len()))
        };
        Self([stamp(&config.certificate), stamp(&config.key)])
    }
}

pub(super) fn read(config: &TlsConfig) -> Result<Certified, TlsError> {
    certified(&text(&config.certificate)?, &text(&config.key)?, config)
}

fn certified(chain: &[u8], key: &[u8], config: &TlsConfig) -> Result<Certified, TlsError> {
    let bad = |path: &Path, problem: &str| TlsError::File { path: path.display().to_string(), problem: problem.into() };
    let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<_, _>>()
        .map_err(|_| bad(&config.certificate, "it is no PEM"))?;
    let first = chain.first().ok_or_else(|| bad(&config.certificate, "it has no certificate"))?;
    let (begins, expires, names) =
        validity(first).ok_or_else(|| bad(&config.certificate, "it is no X.509 certificate"))?;
    // What is wrong with a key is not told any closer.
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| bad(&config.key, "it has no private key"))?;
    let provider = rustls::crypto::ring::default_provider();
    let key = CertifiedKey::from_der(chain, key, &provider).map_err(|error| TlsError::Pair(error.to_string()))?;
    Ok(Certified { key: Arc::new(key), begins, expires, names })
}

/// Without the key: when it begins and ends, and for whom it is.
fn validity(certificate: &CertificateDer<'_>) -> Option<(SystemTime, SystemTime, Vec<String>)> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let time = |time: ASN1Time| {
        let seconds = u64::try_from(time.timestamp()).ok()?;
        UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
    };
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let names = alternative.map_or(&[][..], |extension| &extension.value.general_names[..]).iter();
    let names = names.filter_map(|name| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        _ => None,
    });
    let validity = certificate.validity();
    Some((time(validity.not_before)?, time(validity.not_after)?, names.collect()))
}

/// A day for the log.
pub(super) fn date(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let time = i64::try_from(seconds).ok().and_then(|seconds| ASN1Time::from_timestamp(seconds).ok());
    time.map_or_else(String::new, |time| time.to_string())
}

fn text(path: &Path) -> Result<Vec<u8>, TlsError> {
    let bad = |problem: String| TlsError::File { path: path.display().to_string(), problem };
    let file = File::open(path).map_err(|error| bad(error.to_string()))?;
    let mut bytes = Vec::new();
    file.take(limits::CERTIFICATE_BYTES + 1).read_to_end(&mut bytes).map_err(|error| bad(error.to_string()))?;
    if bytes.len() as u64 > limits::CERTIFICATE_BYTES {
        return Err(bad(format!("it has more than {} bytes", limits::CERTIFICATE_BYTES)));
    }
    Ok(bytes)
}
