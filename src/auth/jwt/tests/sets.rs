//! Key sets that change, fail, and are too much, on a server on loopback.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::auth::jwt::der;
use crate::auth::jwt::key_set::{KeySet, Pace};
use crate::auth::testing::Server;
use crate::limits;
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject as _;

/// The public key as an issuer publishes it.
fn jwk(name: &str, kid: &str) -> Value {
    let info = SubjectPublicKeyInfoDer::from_pem_slice(&pem(&format!("{name}.pub"))).unwrap();
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    match der::public_key(&info).unwrap() {
        der::PublicKey::Rsa { n, e } => json!({"kty": "RSA", "kid": kid, "n": text(n), "e": text(e), "use": "sig"}),
        der::PublicKey::P256(point) => {
            json!({"kty": "EC", "crv": "P-256", "kid": kid, "x": text(&point[1..33]), "y": text(&point[33..])})
        }
        der::PublicKey::Ed25519(key) => {
            json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": text(key), "alg": "EdDSA"})
        }
    }
}

fn set(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

fn signed(name: &str, kid: &str) -> String {
    signer(name).sign(&json!({ "kid": kid }), &json!({"exp": now() + 60})).unwrap()
}

async fn server(body: &str) -> (Server, Authenticator) {
    let server = Server::start(200, body).await;
    let auth = with(JwtConfig { key_set_url: Some(server.url.clone()), ..JwtConfig::default() });
    (server, auth)
}

#[tokio::test]
async fn keys_come_from_the_set_and_are_fetched_once() {
    let (server, auth) = server(&set(&[jwk("rsa", "r"), jwk("p256", "p"), jwk("ed25519", "e")])).await;
    for (name, kid) in [("rsa", "r"), ("p256", "p"), ("ed25519", "e")] {
        for _ in 0..3 {
            assert_eq!(ask(&auth, &signed(name, kid)).await, None, "{name}");
        }
        assert_eq!(ask(&auth, &token(&signer(name), &json!({}))).await, None, "a token may name no key");
    }
    assert_eq!(server.count(), 1);
    // A key's name does not lend it to other algorithms, and no key of a set is a secret.
    assert_eq!(ask(&auth, &signed("p256", "r")).await, Some(Refusal::UnknownKey));
    let confused = raw(r#"{"alg":"HS256","kid":"r"}"#, "{}", &pem("rsa.pub"));
    assert_eq!(ask(&auth, &confused).await, Some(Refusal::Algorithm));
    let forged = signed("rsa", "r").rsplit_once('.').unwrap().0.to_owned() + "." + &URL_SAFE_NO_PAD.encode([1; 256]);
    assert_eq!(ask(&auth, &forged).await, Some(Refusal::Signature));
}

#[tokio::test]
async fn unknown_keys_have_the_set_fetched_at_most_once_an_interval() {
    let (server, auth) = server(&set(&[jwk("rsa", "r")])).await;
    let auth = Arc::new(auth);
    let asks = (0..50).map(|n| {
        let auth = auth.clone();
        tokio::spawn(async move { ask(&auth, &signed("ed25519", &format!("k{n}"))).await })
    });
    for verdict in asks.collect::<Vec<_>>() {
        assert_eq!(verdict.await.unwrap(), Some(Refusal::UnknownKey));
    }
    assert_eq!(ask(&auth, &signed("rsa", "r")).await, None);
    assert_eq!(server.count(), 1, "50 unknown keys, and one that is known");
}

#[tokio::test]
async fn rotation_and_failure() {
    let pace = Pace { interval: Duration::ZERO, age: Duration::from_hours(1) };
    let server = Server::start(500, "").await;
    let keys = Arc::new(KeySet::with_pace(&server.url, pace));
    // Never a good one.
    for (status, body) in [(500, String::new()), (200, "junk".into()), (200, "{}".into()), (200, set(&[]))] {
        server.answer(status, &body);
        assert!(keys.current().await.is_empty(), "{body}");
    }
    server.answer(200, &set(&[jwk("rsa", "old")]));
    let first = keys.current().await;
    assert_eq!(first.len(), 1);
    // One that is broken leaves the last good one.
    let many: Vec<_> = (0..=limits::KEY_SET_KEYS).map(|n| jwk("ed25519", &n.to_string())).collect();
    let large = "x".repeat(usize::try_from(limits::KEY_SET_BYTES).unwrap() + 1);
    for (status, body) in [(503, "{}".to_owned()), (200, "{\"keys\":[1]}".into()), (200, set(&many)), (200, large)] {
        server.answer(status, &body);
        assert!(Arc::ptr_eq(&keys.newer_than(first.clone()).await, &first));
    }
    // The issuer has another key now, and beside it what nobody here knows.
    let others = [
        json!({"kty": "oct", "k": "c2VjcmV0", "kid": "secret"}),
        json!({"kty": "EC", "crv": "P-521", "x": "AA", "y": "AA"}),
        json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"}),
        json!({"kty": "OKP", "crv": "Ed25519", "x": "AA"}),
        json!({"kty": 1}),
        json!({"kty": "RSA", "use": "enc", "n": jwk("rsa", "")["n"], "e": "AQAB"}),
        json!({"kty": "RSA", "alg": "RS512", "n": jwk("rsa", "")["n"], "e": "AQAB"}),
        json!({"kty": "RSA", "key_ops": ["encrypt"], "n": jwk("rsa", "")["n"], "e": "AQAB"}),
    ];
    server.answer(200, &set(&[&[jwk("p256", "new")][..], &others].concat()));
    let second = keys.newer_than(first.clone()).await;
    assert_eq!(second.iter().map(|key| key.id.as_deref()).collect::<Vec<_>>(), [Some("new")]);
    // Who still has the old ones gets the new ones without a fetch.
    let asked = server.count();
    assert!(Arc::ptr_eq(&keys.newer_than(first).await, &second));
    assert_eq!(server.count(), asked);
}

#[tokio::test]
async fn an_old_set_counts_no_longer_than_until_there_is_a_new_one() {
    let pace = Pace { interval: Duration::ZERO, age: Duration::ZERO };
    let server = Server::start(200, &set(&[jwk("rsa", "withdrawn")])).await;
    let keys = Arc::new(KeySet::with_pace(&server.url, pace));
    assert_eq!(keys.current().await[0].id.as_deref(), Some("withdrawn"));
    server.answer(200, &set(&[jwk("p256", "new")]));
    let now = keys.current().await;
    assert_eq!(now.iter().map(|key| key.id.as_deref()).collect::<Vec<_>>(), [Some("new")]);
}

#[tokio::test]
async fn where_it_cannot_be_had_only_the_first_waits_for_it() {
    let pace = Pace { interval: Duration::ZERO, age: Duration::ZERO };
    let server = Server::start(200, &set(&[jwk("rsa", "old")])).await;
    let keys = Arc::new(KeySet::with_pace(&server.url, pace));
    keys.current().await;
    server.answer(500, "");
    assert_eq!(keys.current().await.len(), 1);
    assert_eq!(server.count(), 2);
    server.answer(200, &set(&[jwk("p256", "new"), jwk("rsa", "old")]));
    assert_eq!(keys.current().await.len(), 1, "it is fetched behind whoever asks");
    while keys.current().await.len() != 2 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn another_configuration_keeps_the_set_of_the_same_address() {
    let (server, auth) = server(&set(&[jwk("rsa", "r")])).await;
    assert_eq!(ask(&auth, &signed("rsa", "r")).await, None);
    let jwt = JwtConfig { key_set_url: Some(server.url.clone()), issuer: Some("us".into()), ..JwtConfig::default() };
    auth.reload(&AuthConfig { jwt, ..AuthConfig::default() });
    assert_eq!(ask(&auth, &signed("rsa", "r")).await, Some(Refusal::Issuer));
    assert_eq!(server.count(), 1);
}
