//! Making tokens, for `rillcast token`; the server itself signs none.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use ring::{hmac, signature};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use crate::secret::Secret;

/// What signs.
pub enum Signer {
    /// HS256
    Secret(Secret),
    /// RS256
    Rsa(Box<RsaKeyPair>),
    /// ES256
    P256(EcdsaKeyPair),
    /// EdDSA
    Ed25519(Ed25519KeyPair),
}

impl Signer {
    /// A private key (RSA, P-256 or Ed25519) from `-----BEGIN PRIVATE KEY-----` (PKCS #8).
    #[must_use]
    pub fn from_pem(pem: &[u8]) -> Option<Self> {
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem).ok()?;
        let der = key.secret_pkcs8_der();
        // The form of RFC 5958 has the public key in it, that of RFC 5208 (OpenSSL's) does not.
        if let Ok(key) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
            return Some(Self::Ed25519(key));
        }
        if let Ok(key) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, &SystemRandom::new()) {
            return Some(Self::P256(key));
        }
        RsaKeyPair::from_pkcs8(der).ok().map(|key| Self::Rsa(Box::new(key)))
    }

    /// The token for these claims, with further members of the header; `None` where the kernel has no random numbers.
    #[must_use]
    pub fn sign(&self, header: &Value, claims: &Value) -> Option<String> {
        let mut whole = json!({"typ": "JWT", "alg": self.algorithm()});
        if let (Some(whole), Some(header)) = (whole.as_object_mut(), header.as_object()) {
            whole.extend(header.clone());
        }
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&whole), part(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.signature(message.as_bytes())?);
        Some(format!("{message}.{signature}"))
    }

    /// As the header names it.
    #[must_use]
    pub fn algorithm(&self) -> &'static str {
        match self {
            Self::Secret(_) => "HS256",
            Self::Rsa(_) => "RS256",
            Self::P256(_) => "ES256",
            Self::Ed25519(_) => "EdDSA",
        }
    }

    fn signature(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match self {
            Self::Secret(secret) => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
                Some(hmac::sign(&key, message).as_ref().to_vec())
            }
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).ok()?;
                Some(signature)
            }
            Self::P256(key) => {
                key.sign(&random, message).ok().as_ref().map(signature::Signature::as_ref).map(<[u8]>::to_vec)
            }
            Self::Ed25519(key) => Some(key.sign(message).as_ref().to_vec()),
        }
    }
}
