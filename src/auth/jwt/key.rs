//! A key that checks signatures, and for which algorithms it may: the key says so, never the token.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;

use crate::auth::jwt::der;
use crate::secret::Secret;

/// What tokens may be signed with (RFC 7518 §3.1, RFC 8037 §3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Algorithm {
    Hs256,
    Hs384,
    Hs512,
    Rs256,
    Es256,
    EdDsa,
}

impl Algorithm {
    /// The one of that name, in this very case (RFC 7515 §4.1.1).
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "HS256" => Self::Hs256,
            "HS384" => Self::Hs384,
            "HS512" => Self::Hs512,
            "RS256" => Self::Rs256,
            "ES256" => Self::Es256,
            "EdDSA" | "Ed25519" => Self::EdDsa,
            _ => return None,
        })
    }

    /// True where who can check a signature cannot make one.
    pub fn is_public(self) -> bool {
        matches!(self, Self::Rs256 | Self::Es256 | Self::EdDsa)
    }
}

/// A key.
#[derive(Clone)]
pub struct Key {
    /// As its set names it (`kid`).
    pub(super) id: Option<String>,
    material: Material,
}

#[derive(Clone)]
enum Material {
    /// For HMAC, and for nothing else.
    Secret(Secret),
    Rsa(RsaPublicKeyComponents<Vec<u8>>),
    /// An uncompressed point of P-256 (SEC 1 §2.3.3).
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl Key {
    /// A secret for HMAC.
    #[must_use]
    pub fn secret(secret: Secret) -> Self {
        Self { id: None, material: Material::Secret(secret) }
    }

    /// A public key (RSA of 2048 bits at least, P-256 or Ed25519) from `-----BEGIN PUBLIC KEY-----`.
    #[must_use]
    pub fn from_pem(pem: &[u8]) -> Option<Self> {
        let info = SubjectPublicKeyInfoDer::from_pem_slice(pem).ok()?;
        let material = match der::public_key(&info)? {
            der::PublicKey::Rsa { n, e } => rsa(n.to_vec(), e.to_vec())?,
            der::PublicKey::P256(point) => Material::P256(point.to_vec()),
            der::PublicKey::Ed25519(key) => Material::Ed25519(key.to_vec()),
        };
        Some(Self { id: None, material })
    }

    /// A public key for signatures from a set (RFC 7517 §4); `None` for what is none, or has an algorithm that is not
    /// taken. A secret does not belong into a set that anybody may read.
    pub(super) fn from_jwk(jwk: Jwk) -> Option<Self> {
        let bytes = |text: Option<String>| URL_SAFE_NO_PAD.decode(text?).ok();
        let (kind, curve) = (jwk.kty.as_str(), jwk.crv.as_deref().unwrap_or_default());
        let (algorithms, material): (&[&str], _) = match (kind, curve) {
            ("RSA", _) => (&["RS256"], rsa(bytes(jwk.n)?, bytes(jwk.e)?)?),
            ("EC", "P-256") => {
                let (x, y) = (bytes(jwk.x)?, bytes(jwk.y)?);
                (&["ES256"], (x.len() == 32 && y.len() == 32).then(|| Material::P256([vec![4], x, y].concat()))?)
            }
            ("OKP", "Ed25519") => {
                let key = bytes(jwk.x)?;
                (&["EdDSA", "Ed25519"], (key.len() == 32).then_some(Material::Ed25519(key))?)
            }
            _ => return None,
        };
        let for_this = jwk.alg.is_none_or(|alg| algorithms.contains(&alg.as_str()));
        let for_signatures = jwk.usage.is_none_or(|usage| usage == "sig");
        let verifies = jwk.key_ops.is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        (for_this && for_signatures && verifies).then_some(Self { id: jwk.kid, material })
    }

    /// True where tokens of that algorithm may be signed with it.
    pub(super) fn fits(&self, algorithm: Algorithm) -> bool {
        matches!(
            (&self.material, algorithm),
            (Material::Secret(_), Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512)
                | (Material::Rsa(_), Algorithm::Rs256)
                | (Material::P256(_), Algorithm::Es256)
                | (Material::Ed25519(_), Algorithm::EdDsa)
        )
    }

    /// True where the signature is the key's; false too where the algorithm does not fit.
    pub(super) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let hmac = |kind, secret: &Secret| {
            hmac::verify(&hmac::Key::new(kind, secret.expose().as_bytes()), message, signature).is_ok()
        };
        match (&self.material, algorithm) {
            (Material::Secret(secret), Algorithm::Hs256) => hmac(hmac::HMAC_SHA256, secret),
            (Material::Secret(secret), Algorithm::Hs384) => hmac(hmac::HMAC_SHA384, secret),
            (Material::Secret(secret), Algorithm::Hs512) => hmac(hmac::HMAC_SHA512, secret),
            (Material::Rsa(key), Algorithm::Rs256) => {
                key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok()
            }
            (Material::P256(point), Algorithm::Es256) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature).is_ok()
            }
            (Material::Ed25519(key), Algorithm::EdDsa) => {
                UnparsedPublicKey::new(&ED25519, key).verify(message, signature).is_ok()
            }
            _ => false,
        }
    }
}

/// Without the zeros that go before the numbers: ring takes none. Shorter keys than 2048 bits are not taken.
fn rsa(n: Vec<u8>, e: Vec<u8>) -> Option<Material> {
    let number = |bytes: Vec<u8>| bytes.into_iter().skip_while(|byte| *byte == 0).collect::<Vec<_>>();
    let (n, e) = (number(n), number(e));
    ((SHORTEST_RSA..=LONGEST_RSA).contains(&n.len()) && (1..=8).contains(&e.len()))
        .then_some(Material::Rsa(RsaPublicKeyComponents { n, e }))
}

const SHORTEST_RSA: usize = 2048 / 8;
const LONGEST_RSA: usize = 8192 / 8;

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.material {
            Material::Secret(_) => "HMAC secret",
            Material::Rsa(_) => "RSA public key",
            Material::P256(_) => "P-256 public key",
            Material::Ed25519(_) => "Ed25519 public key",
        };
        f.write_str(kind)
    }
}

/// A key as a set has it; what is not needed is not read.
#[derive(Deserialize)]
pub(super) struct Jwk {
    kty: String,
    crv: Option<String>,
    alg: Option<String>,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}
