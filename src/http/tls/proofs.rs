//! What proves to an ACME server that names are ours, as long as an order is under way.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use rustls::sign::CertifiedKey;
use tracing::info;

use crate::http::tls::{Certified, Tls, TlsConfig, files};

/// Certificates by name (RFC 8737), and texts by token (RFC 8555 §8.3).
#[derive(Default)]
pub(super) struct Proofs {
    certificates: Mutex<BTreeMap<String, Arc<CertifiedKey>>>,
    texts: Mutex<BTreeMap<String, String>>,
}

impl Proofs {
    pub fn certificate(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        self.certificates.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    pub fn text(&self, token: &str) -> Option<String> {
        self.texts.lock().unwrap_or_else(PoisonError::into_inner).get(token).cloned()
    }
}

impl Tls {
    pub(super) fn prove_by_tls(&self, name: &str, certificate: Arc<CertifiedKey>) {
        let mut certificates = self.store.proofs.certificates.lock().unwrap_or_else(PoisonError::into_inner);
        certificates.insert(name.to_owned(), certificate);
    }

    pub(super) fn prove_by_http(&self, token: &str, text: &str) {
        let mut texts = self.store.proofs.texts.lock().unwrap_or_else(PoisonError::into_inner);
        texts.insert(token.to_owned(), text.to_owned());
    }

    pub(super) fn forget_proofs(&self) {
        self.store.proofs.certificates.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.store.proofs.texts.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// What an order has brought is used, if it is not already.
    pub(super) fn use_kept(&self, files: &TlsConfig, certified: Certified) {
        if self.certificate_expiry() != Some(certified.expires) {
            info!(
                certificate = %Path::display(&files.certificate),
                expires = files::date(certified.expires),
                "a certificate is in use"
            );
            self.store.set(certified);
        }
    }
}

impl Certified {
    /// True where it holds for all these names.
    pub(super) fn is_for(&self, domains: &[String]) -> bool {
        domains.iter().all(|domain| self.names.iter().any(|name| name.eq_ignore_ascii_case(domain)))
    }

    /// When a third of its time is left.
    pub(super) fn renewal(&self) -> SystemTime {
        let whole = self.expires.duration_since(self.begins).unwrap_or_default();
        self.expires.checked_sub(whole / 3).unwrap_or(self.begins)
    }
}
