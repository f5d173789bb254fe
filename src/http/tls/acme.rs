//! Certificates by themselves (RFC 8555): ordered from a directory such as Let's Encrypt's, kept in a folder, ordered
//! again when a third of their time is left.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use instant_acme::{
    Account, AccountBuilder, AccountCredentials, AuthorizationStatus, ChallengeType, Identifier, NewAccount, NewOrder,
    Order, OrderStatus, RetryPolicy,
};
use rustls::sign::CertifiedKey;
use tokio::time::sleep;
use tracing::{debug, info, warn};

use crate::http::tls::{Tls, TlsConfig, acme_client, files};
use crate::limits;

/// What the operator sets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AcmeConfig {
    /// The names that the certificate is for.
    pub domains: Vec<String>,
    /// Where to write when something is wrong, as `mailto:…`.
    pub contact: Option<String>,
    /// The directory's URL.
    pub directory: String,
    /// Whom to trust for the directory itself, PEM; `None`: those that browsers trust.
    pub root: Option<PathBuf>,
    /// Where account and certificate are kept.
    pub folder: PathBuf,
    /// How the names are proved.
    pub challenge: Challenge,
}

/// How a name is proved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Challenge {
    /// TLS-ALPN-01 (RFC 8737): at port 443, so it works wherever HTTPS does.
    TlsAlpn,
    /// HTTP-01 (RFC 8555 §8.3): at port 80, by the listener that redirects.
    Http,
}

#[derive(Debug, thiserror::Error)]
enum AcmeError {
    #[error("{0}")]
    Protocol(#[from] instant_acme::Error),
    #[error("{path}: {error}", path = .0.display(), error = .1)]
    File(PathBuf, io::Error),
    #[error("{0}")]
    Certificate(#[from] super::TlsError),
    #[error("the directory offers no challenge of this kind for {0}")]
    NoChallenge(String),
    #[error("{0} was not proved: is it this machine, and can the port be reached from there?")]
    NotProved(String),
    #[error("{0}")]
    Other(String),
}

/// Keeps a certificate in use until nobody else holds `tls`.
pub async fn keep(tls: Weak<Tls>, config: AcmeConfig) {
    let mut failures = 0;
    loop {
        let wait = {
            let Some(tls) = tls.upgrade() else { return };
            match renew(&tls, &config).await {
                Ok(wait) => {
                    failures = 0;
                    wait
                }
                Err(error) => {
                    failures += 1;
                    tls.ordered(false);
                    let wait = limits::ACME_RETRY.saturating_mul(1 << (2 * failures.min(6_u32) - 2));
                    let wait = wait.min(limits::ACME_LONGEST_RETRY);
                    warn!(%error, again_in = ?wait, "no certificate from the ACME directory");
                    wait
                }
            }
        };
        sleep(wait).await;
    }
}

/// Uses what is in the folder, or orders anew. How long that will do.
async fn renew(tls: &Tls, config: &AcmeConfig) -> Result<Duration, AcmeError> {
    let files = kept(&config.folder);
    let held = files::read(&files).ok().filter(|certified| certified.is_for(&config.domains));
    let now = crate::notify::now();
    if let Some(held) = held {
        let left = held.renewal().duration_since(now).unwrap_or_default();
        tls.use_kept(&files, held);
        if !left.is_zero() {
            // Not longer than a day: clocks are set, machines sleep.
            return Ok(left.min(limits::ACME_LOOK));
        }
    }
    info!(domains = config.domains.join(" "), directory = config.directory, "ordering a certificate");
    order_patiently(tls, config).await?;
    let fresh = files::read(&files)?;
    let left = fresh.renewal().duration_since(now).unwrap_or_default();
    tls.ordered(true);
    info!(domains = config.domains.join(" "), expires = files::date(fresh.expires), "a certificate was issued");
    tls.use_kept(&files, fresh);
    Ok(left.clamp(limits::ACME_SHORTEST, limits::ACME_LOOK))
}

/// Orders, and anew at once where the directory refused a nonce: it says nothing against the order (RFC 8555 §6.5), and
/// the library asks with another one only three times per request.
async fn order_patiently(tls: &Tls, config: &AcmeConfig) -> Result<(), AcmeError> {
    for _ in 1..limits::ACME_NONCE_TRIES {
        match order(tls, config).await {
            Err(AcmeError::Protocol(instant_acme::Error::Api(problem)))
                if problem.r#type.as_deref() == Some(BAD_NONCE) =>
            {
                debug!(%problem, "the ACME directory refused a nonce");
                sleep(limits::ACME_NONCE_RETRY).await;
            }
            done => return done,
        }
    }
    order(tls, config).await
}

async fn order(tls: &Tls, config: &AcmeConfig) -> Result<(), AcmeError> {
    let mut order = begin(config).await?;
    let _proofs = Proofs { tls };
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let kind = match config.challenge {
            Challenge::TlsAlpn => ChallengeType::TlsAlpn01,
            Challenge::Http => ChallengeType::Http01,
        };
        let name = authorization.identifier().to_string();
        let mut challenge = authorization.challenge(kind).ok_or_else(|| AcmeError::NoChallenge(name.clone()))?;
        let proof = challenge.key_authorization();
        match config.challenge {
            Challenge::TlsAlpn => tls.prove_by_tls(&name, certificate(&name, proof.digest().as_ref())?),
            Challenge::Http => tls.prove_by_http(&challenge.token, proof.as_str()),
        }
        challenge.set_ready().await?;
    }
    let patience = RetryPolicy::new().timeout(limits::ACME_TIME);
    if order.poll_ready(&patience).await? != OrderStatus::Ready {
        return Err(AcmeError::NotProved(config.domains.join(", ")));
    }
    let key = order.finalize().await?;
    let chain = order.poll_certificate(&patience).await?;
    let files = kept(&config.folder);
    // The key first: until its certificate is there too the pair does not fit, and is ordered anew.
    write(&files.key, key.as_bytes())?;
    write(&files.certificate, chain.as_bytes())
}

/// The order, before anything is proved.
async fn begin(config: &AcmeConfig) -> Result<Order, AcmeError> {
    let names: Vec<Identifier> = config.domains.iter().cloned().map(Identifier::Dns).collect();
    let wanted = NewOrder::new(&names);
    match account(config).await?.new_order(&wanted).await {
        // A directory that was set up anew, or that somebody has closed the account at.
        Err(instant_acme::Error::Api(problem)) if problem.r#type.as_deref() == Some(NO_ACCOUNT) => {
            warn!("the ACME directory does not know our account: it gets another one");
            Ok(create_account(config).await?.new_order(&wanted).await?)
        }
        order => Ok(order?),
    }
}

/// RFC 8555 §6.7.
const BAD_NONCE: &str = "urn:ietf:params:acme:error:badNonce";
const NO_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

/// Proofs are shown as long as somebody may look.
struct Proofs<'a> {
    tls: &'a Tls,
}

impl Drop for Proofs<'_> {
    fn drop(&mut self) {
        self.tls.forget_proofs();
    }
}

/// The account of the folder, or a new one.
async fn account(config: &AcmeConfig) -> Result<Account, AcmeError> {
    if let Ok(text) = std::fs::read(account_file(config))
        && let Ok(credentials) = serde_json::from_slice::<AccountCredentials>(&text)
        && text.windows(config.directory.len()).any(|part| part == config.directory.as_bytes())
    {
        return Ok(builder(config)?.from_credentials(credentials).await?);
    }
    create_account(config).await
}

async fn create_account(config: &AcmeConfig) -> Result<Account, AcmeError> {
    let contact: Vec<&str> = config.contact.as_deref().into_iter().collect();
    let wanted = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
    let (account, credentials) = builder(config)?.create(&wanted, config.directory.clone(), None).await?;
    let text = serde_json::to_vec(&credentials).map_err(|error| AcmeError::Other(error.to_string()))?;
    write(&account_file(config), &text)?;
    Ok(account)
}

fn account_file(config: &AcmeConfig) -> PathBuf {
    config.folder.join("account.json")
}

fn builder(config: &AcmeConfig) -> Result<AccountBuilder, AcmeError> {
    Ok(Account::builder_with_http(Box::new(acme_client::Client::new(config.root.as_deref())?)))
}

/// The certificate by which TLS-ALPN-01 proves a name (RFC 8737 §3).
fn certificate(name: &str, digest: &[u8]) -> Result<Arc<CertifiedKey>, AcmeError> {
    let other = |error: rcgen::Error| AcmeError::Other(error.to_string());
    let mut parameters = rcgen::CertificateParams::new([name.to_owned()]).map_err(other)?;
    parameters.custom_extensions = vec![rcgen::CustomExtension::new_acme_identifier(digest)];
    let key = rcgen::KeyPair::generate().map_err(other)?;
    let certificate = parameters.self_signed(&key).map_err(other)?;
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into());
    // Not `CertifiedKey::from_der`: it reads the certificate to see that the key is its own, and refuses the critical
    // extension that makes it a proof.
    let key =
        rustls::crypto::ring::sign::any_supported_type(&key).map_err(|error| AcmeError::Other(error.to_string()))?;
    Ok(Arc::new(CertifiedKey::new(vec![certificate.der().clone()], key)))
}

fn kept(folder: &Path) -> TlsConfig {
    TlsConfig { certificate: folder.join("certificate.pem"), key: folder.join("key.pem") }
}

/// Whole or not at all, and for our eyes only: all but the certificate is secret.
fn write(path: &Path, bytes: &[u8]) -> Result<(), AcmeError> {
    use std::io::Write as _;
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};

    let failed = |error| AcmeError::File(path.to_owned(), error);
    if let Some(folder) = path.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    }
    let new = path.with_extension("new");
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)?;
    std::fs::rename(&new, path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `tests/clients/acme.test.mjs` has the rest, with a directory.
    #[test]
    fn a_proof_has_the_extension_that_makes_it_one() {
        let proof = certificate("live.example.org", &[7; 32]).unwrap();
        // 1.3.6.1.5.5.7.1.31, critical, and an octet string in an octet string.
        let extension =
            [&b"\x06\x08\x2b\x06\x01\x05\x05\x07\x01\x1f\x01\x01\xff\x04\x22\x04\x20"[..], &[7; 32]].concat();
        assert!(proof.cert[0].windows(extension.len()).any(|bytes| bytes == extension));
    }
}
