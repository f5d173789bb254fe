//! `[tls]`: HTTPS.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::error::ConfigError;
use crate::config::key::{Key, Section};
#[cfg(feature = "acme")]
use crate::config::parse::one_of;
use crate::config::parse::{list, number};
use crate::config::source::{Source, Values as _};
use crate::http::tls::TlsConfig;
#[cfg(feature = "acme")]
use crate::http::tls::acme::{AcmeConfig, Challenge};
use crate::http::{HttpConfig, ListenAddr};

const CERTIFICATE: Key = Key::new(
    "tls.certificate",
    "TLS_CERT_FILE",
    "",
    "file with the certificate and those that sign it (PEM); read again when it changes",
)
.expects("a path")
.sample("/etc/rillcast/certificate.pem");
const KEY: Key = Key::new("tls.key", "TLS_KEY_FILE", "", "file with the certificate's private key (PEM)")
    .expects("a path, because the other of TLS_CERT_FILE and TLS_KEY_FILE is set")
    .sample("/etc/rillcast/key.pem");
const ADDRESS: Key = Key::new(
    "tls.address",
    "TLS_ADDR",
    "",
    "where HTTPS listens; HTTP_ADDR then redirects there. Where it is empty, HTTP_ADDR itself speaks HTTPS",
)
.expects("address:port or :port, such as :8443, with TLS_CERT_FILE and TLS_KEY_FILE set")
.sample(":8443")
.restart();
const HSTS: Key = Key::new(
    "tls.hsts_seconds",
    "TLS_HSTS_SECONDS",
    "0",
    "for how long browsers come by HTTPS alone, whatever a link says; 0: they are not told",
)
.expects("a number of seconds")
.number();

const DOMAINS: Key = Key::new(
    "tls.acme_domains",
    "ACME_DOMAINS",
    "",
    "names for which a certificate is ordered and renewed by itself (ACME), comma-separated, instead of files",
)
.expects("host names separated by commas, without TLS_CERT_FILE, in a build with the feature acme")
.sample("live.example.org")
.list()
.restart();
const CONTACT: Key = Key::new("tls.acme_contact", "ACME_CONTACT", "", "whom the directory may write to")
    .expects("an address such as mailto:admin@example.org")
    .sample("mailto:admin@example.org")
    .restart();
const DIRECTORY: Key = Key::new(
    "tls.acme_directory",
    "ACME_DIRECTORY",
    "https://acme-v02.api.letsencrypt.org/directory",
    "who signs; Let's Encrypt, whose terms of service you agree to by setting the names",
)
.expects("an https URL")
.restart();
const ROOT: Key = Key::new(
    "tls.acme_root",
    "ACME_ROOT_FILE",
    "",
    "file with the certificates that are trusted for the directory itself (PEM); empty: those that browsers trust",
)
.expects("a path")
.sample("/etc/rillcast/root.pem")
.restart();
const FOLDER: Key = Key::new(
    "tls.acme_folder",
    "ACME_FOLDER",
    "/var/lib/rillcast/acme",
    "where the account and the certificate are kept; only the server may read it",
)
.expects("a path")
.restart();
const CHALLENGE: Key = Key::new(
    "tls.acme_challenge",
    "ACME_CHALLENGE",
    "tls-alpn-01",
    "how the names are proved: tls-alpn-01 (at port 443) or http-01 (at port 80, by the listener that redirects)",
)
.expects("tls-alpn-01, or http-01 with TLS_ADDR set")
.restart();

/// `[tls]`
pub const TLS: Section = Section {
    about: "HTTPS. A certificate that is turned on or off needs a restart; one that is replaced does not.",
    keys: &[&CERTIFICATE, &KEY, &ADDRESS, &HSTS, &DOMAINS, &CONTACT, &DIRECTORY, &ROOT, &FOLDER, &CHALLENGE],
};

/// Reads the section.
///
/// # Errors
/// The first value that does not parse, or half of a pair.
pub fn read(source: &Source<'_>, http: HttpConfig) -> Result<HttpConfig, ConfigError> {
    let path = |text: &str| Some(PathBuf::from(text));
    let tls = match (source.optional(&CERTIFICATE, path)?, source.optional(&KEY, path)?) {
        (Some(certificate), Some(key)) => Some(TlsConfig { certificate, key }),
        (None, None) => None,
        (None, Some(_)) => return Err(source.misfit(&CERTIFICATE, KEY.expected)),
        (Some(_), None) => return Err(source.misfit(&KEY, KEY.expected)),
    };
    let tls_address = source.optional(&ADDRESS, ListenAddr::parse)?;
    let hsts = Some(source.value(&HSTS, number)?).filter(|seconds| *seconds > 0).map(Duration::from_secs);
    let domains = source.optional(&DOMAINS, |text| list(text, host))?;
    if domains.is_some() && (tls.is_some() || cfg!(not(feature = "acme"))) {
        return Err(source.misfit(&DOMAINS, DOMAINS.expected));
    }
    let http = HttpConfig { tls_address, tls, hsts, ..http };
    let http = acme(source, http, domains)?;
    if !http.has_tls() && http.tls_address.is_some() {
        return Err(source.misfit(&ADDRESS, ADDRESS.expected));
    }
    Ok(http)
}

#[cfg(feature = "acme")]
fn acme(source: &Source<'_>, http: HttpConfig, domains: Option<Vec<String>>) -> Result<HttpConfig, ConfigError> {
    let path = |text: &str| Some(PathBuf::from(text));
    let challenges = [("tls-alpn-01", Challenge::TlsAlpn), ("http-01", Challenge::Http)];
    let starting = |start: &'static str| move |text: &str| text.starts_with(start).then(|| text.to_owned());
    let contact = source.optional(&CONTACT, starting("mailto:"))?;
    let directory = source.value(&DIRECTORY, starting("https://"))?;
    let root = source.optional(&ROOT, path)?;
    let folder = source.value(&FOLDER, path)?;
    let challenge = source.value(&CHALLENGE, |text| one_of(text, &challenges))?;
    let Some(domains) = domains else { return Ok(http) };
    if challenge == Challenge::Http && http.tls_address.is_none() {
        return Err(source.misfit(&CHALLENGE, CHALLENGE.expected));
    }
    Ok(HttpConfig { acme: Some(AcmeConfig { domains, contact, directory, root, folder, challenge }), ..http })
}

#[cfg(not(feature = "acme"))]
fn acme(_: &Source<'_>, http: HttpConfig, _: Option<Vec<String>>) -> Result<HttpConfig, ConfigError> {
    Ok(http)
}

fn host(text: &str) -> Option<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    (!text.is_empty() && text.bytes().all(plain)).then(|| text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Row<'a> = (&'a [(&'a str, &'a str)], Result<bool, &'a str>);

    #[test]
    fn a_certificate_has_a_key() {
        let (certificate, key, address) = (("TLS_CERT_FILE", "c"), ("TLS_KEY_FILE", "k"), ("TLS_ADDR", ":1"));
        let table: &[Row<'_>] = &[
            (&[], Ok(false)),
            (&[certificate, key], Ok(true)),
            (&[certificate, key, address], Ok(true)),
            (&[certificate], Err("TLS_KEY_FILE")),
            (&[key], Err("TLS_CERT_FILE")),
            (&[address], Err("TLS_ADDR")),
            (&[("ACME_DOMAINS", "a.example")], Ok(false)),
            (&[("ACME_DOMAINS", "a.example, b.example"), address], Ok(false)),
            (&[("ACME_DOMAINS", "a b")], Err("ACME_DOMAINS")),
            (&[("ACME_DOMAINS", "a.example"), certificate, key], Err("ACME_DOMAINS")),
            (&[("ACME_DOMAINS", "a.example"), ("ACME_CHALLENGE", "http-01")], Err("ACME_CHALLENGE")),
            (&[("ACME_DIRECTORY", "http://a.example")], Err("ACME_DIRECTORY")),
            (&[("TLS_HSTS_SECONDS", "a year")], Err("TLS_HSTS_SECONDS")),
        ];
        for (variables, expected) in table {
            let source = Source::new(|name| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into()));
            match (read(&source, HttpConfig::default()), expected) {
                (Ok(http), Ok(has)) => assert_eq!(http.tls.is_some(), *has, "{variables:?}"),
                (Err(error), Err(name)) => assert!(error.to_string().contains(name), "{error}"),
                (result, _) => panic!("{variables:?}: {:?}", result.map(drop)),
            }
        }
    }
}
