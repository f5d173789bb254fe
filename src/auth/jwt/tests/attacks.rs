//! What attackers send, each refused under its name.

use super::*;
use crate::limits;

fn keys(secret: bool, public_keys: &[&str]) -> JwtConfig {
    JwtConfig {
        secret: secret.then(|| Secret::new(SECRET)),
        public_keys: public_keys.iter().map(|name| public(name)).collect(),
        ..JwtConfig::default()
    }
}

#[tokio::test]
async fn each_key_takes_its_own_tokens_and_no_others() {
    let all = ["secret", "rsa", "p256", "ed25519"];
    let claims = json!({"exp": now() + 60, "sub": "me"});
    for configured in all {
        let files: Vec<_> = Some(configured).filter(|name| *name != "secret").into_iter().collect();
        let auth = with(keys(configured == "secret", &files));
        for signed_by in all {
            let verdict = ask(&auth, &token(&signer(signed_by), &claims)).await;
            let expected = (configured != signed_by).then_some(Refusal::Algorithm);
            assert_eq!(verdict, expected, "{configured} {signed_by}");
        }
    }
    let auth = with(keys(true, &["rsa", "p256", "ed25519"]));
    for signed_by in all {
        assert_eq!(ask(&auth, &token(&signer(signed_by), &claims)).await, None, "{signed_by}");
    }
}

#[test]
fn keys_that_are_not_taken() {
    for name in ["p384.pub", "rsa-short.pub", "rsa", "ed25519"] {
        assert!(Key::from_pem(&pem(name)).is_none(), "{name}");
    }
    assert!(Key::from_pem(b"").is_none() && Key::from_pem(b"-----BEGIN PUBLIC KEY-----\nAAAA\n").is_none());
    assert!(Signer::from_pem(&pem("rsa.pub")).is_none());
    // Cut off anywhere, and with any byte changed: an answer, never a panic.
    let whole = pem("rsa.pub");
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        let _ = (Key::from_pem(&whole[..at]), Key::from_pem(&changed));
    }
}

#[tokio::test]
async fn headers() {
    let auth = with(keys(true, &["rsa", "p256", "ed25519"]));
    let claims = format!("{{\"exp\":{}}}", now() + 60);
    let public_pem = pem("rsa.pub");
    let secret = SECRET.as_bytes();
    let kid = |kid: &str| format!("{{\"alg\":\"HS256\",\"kid\":{}}}", json!(kid));
    let huge = kid(&"k".repeat(5000));
    let deep = format!("{{\"alg\":\"HS256\",\"x\":{}{}}}", "[".repeat(1000), "]".repeat(1000));
    let table: Vec<(String, &[u8], Option<Refusal>)> = vec![
        (r#"{"alg":"HS256"}"#.into(), secret, None),
        (r#"{"alg":"HS256","typ":"anything"}"#.into(), secret, None),
        // No signature, in every spelling.
        (r#"{"alg":"none"}"#.into(), secret, Some(Refusal::Algorithm)),
        (r#"{"alg":"None"}"#.into(), secret, Some(Refusal::Algorithm)),
        (r#"{"alg":"NONE"}"#.into(), secret, Some(Refusal::Algorithm)),
        (r#"{"alg":"nOnE"}"#.into(), secret, Some(Refusal::Algorithm)),
        (r#"{"alg":""}"#.into(), secret, Some(Refusal::Algorithm)),
        // A public key as the secret of HMAC.
        (r#"{"alg":"HS256"}"#.into(), &public_pem, Some(Refusal::Signature)),
        (r#"{"alg":"HS256"}"#.into(), b"", Some(Refusal::Signature)),
        // A signature by HMAC under another name.
        (r#"{"alg":"RS256"}"#.into(), &public_pem, Some(Refusal::Signature)),
        (r#"{"alg":"ES256"}"#.into(), secret, Some(Refusal::Signature)),
        (r#"{"alg":"EdDSA"}"#.into(), secret, Some(Refusal::Signature)),
        (r#"{"alg":"HS512"}"#.into(), secret, Some(Refusal::Signature)),
        (r#"{"alg":"PS256"}"#.into(), secret, Some(Refusal::Algorithm)),
        (r#"{"alg":"ES384"}"#.into(), secret, Some(Refusal::Algorithm)),
        (r#"{"alg":"hs256"}"#.into(), secret, Some(Refusal::Algorithm)),
        (r#"{"alg":"dir","enc":"A256GCM"}"#.into(), secret, Some(Refusal::Algorithm)),
        // Keys that the token brings or names count for nothing: the secret's signature holds, an attacker's does not.
        (kid("../../../../dev/null"), secret, None),
        (kid("../../../../dev/null"), b"", Some(Refusal::Signature)),
        (kid("x' UNION SELECT 'key"), b"key", Some(Refusal::Signature)),
        (kid("| /bin/sh"), b"", Some(Refusal::Signature)),
        (huge, b"", Some(Refusal::Signature)),
        (r#"{"alg":"HS256","kid":7}"#.into(), secret, Some(Refusal::Malformed)),
        (r#"{"alg":"HS256","jwk":{"kty":"oct","k":"a2V5"}}"#.into(), b"key", Some(Refusal::Signature)),
        (r#"{"alg":"HS256","jku":"http://127.0.0.1:1/"}"#.into(), b"key", Some(Refusal::Signature)),
        (r#"{"alg":"HS256","x5u":"http://127.0.0.1:1/"}"#.into(), b"key", Some(Refusal::Signature)),
        (r#"{"alg":"HS256","x5c":["MA=="]}"#.into(), b"key", Some(Refusal::Signature)),
        // Extensions.
        (r#"{"alg":"HS256","crit":["b64"],"b64":false}"#.into(), secret, Some(Refusal::Critical)),
        (r#"{"alg":"HS256","crit":[]}"#.into(), secret, Some(Refusal::Critical)),
        (r#"{"alg":"HS256","crit":"exp"}"#.into(), secret, Some(Refusal::Critical)),
        // Junk.
        (r#"{"alg":"none","alg":"HS256"}"#.into(), secret, Some(Refusal::Malformed)),
        (r#"{"alg":["HS256"]}"#.into(), secret, Some(Refusal::Malformed)),
        (r#"{"alg":null}"#.into(), secret, Some(Refusal::Malformed)),
        ("{}".into(), secret, Some(Refusal::Malformed)),
        ("[]".into(), secret, Some(Refusal::Malformed)),
        (String::new(), secret, Some(Refusal::Malformed)),
        (r#"{"alg":"HS256"} x"#.into(), secret, Some(Refusal::Malformed)),
        (r#"["HS256"]"#.into(), secret, Some(Refusal::Malformed)),
        // What nobody reads may be as deep as it likes.
        (deep, b"", Some(Refusal::Signature)),
    ];
    for (header, secret, expected) in &table {
        let short = &header[..header.len().min(80)];
        assert_eq!(ask(&auth, &raw(header, &claims, secret)).await, *expected, "{short}");
    }
    println!("{} headers", table.len());
}

#[tokio::test]
async fn claims() {
    let auth = with(keys(true, &[]));
    let soon = now() + 60;
    let deep = format!("{}{}", "[".repeat(2000), "]".repeat(2000));
    let table: Vec<(String, Option<Refusal>)> = vec![
        ("{}".into(), None),
        (format!("{{\"exp\":{soon}}}"), None),
        (format!("{{\"exp\":{}}}", now() - 31), Some(Refusal::Expired)),
        (format!("{{\"nbf\":{soon}}}"), Some(Refusal::NotYet)),
        (format!("{{\"exp\":\"{soon}\"}}"), Some(Refusal::Malformed)),
        (format!("{{\"exp\":{soon}.5}}"), Some(Refusal::Malformed)),
        ("{\"exp\":1e400}".into(), Some(Refusal::Malformed)),
        ("{\"exp\":-1}".into(), Some(Refusal::Malformed)),
        ("{\"exp\":18446744073709551615}".into(), Some(Refusal::Malformed)),
        ("{\"exp\":99999999999999999999999}".into(), Some(Refusal::Malformed)),
        ("{\"exp\":NaN}".into(), Some(Refusal::Malformed)),
        (format!("{{\"exp\":1,\"exp\":{soon}}}"), Some(Refusal::Malformed)),
        (format!("{{\"exp\":{soon},\"\\u0065xp\":1}}"), Some(Refusal::Malformed)),
        ("{\"room\":\"other\"}".into(), Some(Refusal::Room)),
        ("{\"room\":\"other\",\"room\":\"room\"}".into(), Some(Refusal::Malformed)),
        ("{\"actions\":[\"play\"]}".into(), Some(Refusal::Action)),
        ("[]".into(), Some(Refusal::Malformed)),
        ("\"admin\"".into(), Some(Refusal::Malformed)),
        (String::new(), Some(Refusal::Malformed)),
        (format!("[{soon}]"), Some(Refusal::Malformed)),
        (format!("{{\"role\":{deep}}}"), Some(Refusal::Malformed)),
        (format!("{{\"nobody reads it\":{deep}}}"), None),
    ];
    for (claims, expected) in &table {
        let token = raw(r#"{"alg":"HS256"}"#, claims, SECRET.as_bytes());
        assert_eq!(ask(&auth, &token).await, *expected, "{}", &claims[..claims.len().min(80)]);
    }
    println!("{} payloads", table.len());
}

#[tokio::test]
async fn what_is_changed_after_signing() {
    let auth = with(keys(true, &["rsa", "p256", "ed25519"]));
    for name in ["secret", "rsa", "p256", "ed25519"] {
        let good = token(&signer(name), &json!({"exp": now() + 60, "actions": ["publish"]}));
        assert_eq!(ask(&auth, &good).await, None);
        let (message, signature) = good.rsplit_once('.').unwrap();
        let (header, payload) = message.split_once('.').unwrap();
        let other = URL_SAFE_NO_PAD.encode("{}");
        let padded = format!("{message}.{signature}=");
        let zeros = URL_SAFE_NO_PAD.encode([0; 64]);
        for (broken, what) in [
            (format!("{message}."), "no signature"),
            (format!("{message}.{}", &signature[..signature.len() - 4]), "a short one"),
            (format!("{message}.{signature}AAAA"), "a long one"),
            (format!("{message}.{zeros}"), "zeros"),
            (format!("{header}.{other}.{signature}"), "other claims"),
            (format!("{other}.{payload}.{signature}"), "another header"),
            (padded, "padding"),
            (format!("{message}.{signature}."), "one dot more"),
            (format!(".{message}.{signature}"), "one dot before"),
            (message.to_owned(), "one dot less"),
            (format!("{header}..{signature}"), "no claims"),
            ("..".to_owned(), "nothing"),
        ] {
            assert!(ask(&auth, &broken).await.is_some(), "{name}: {what}");
        }
    }
}

#[tokio::test]
async fn what_is_too_long_is_not_looked_at() {
    let auth = with(keys(true, &[]));
    let claims = format!("{{\"x\":\"{}\"}}", "x".repeat(limits::TOKEN_BYTES));
    let long = raw(r#"{"alg":"HS256"}"#, &claims, SECRET.as_bytes());
    for long in [long, "a".repeat(1 << 20), ".".repeat(1 << 20)] {
        assert_eq!(ask(&auth, &long).await, Some(Refusal::TooLong));
    }
}

#[tokio::test]
async fn administrators() {
    let auth = with(keys(true, &[]));
    let signer = signer("secret");
    for (claims, refusal) in [
        (json!({"role": "admin"}), None),
        (json!({"admin": true}), None),
        (json!({"admin": 1}), None),
        (json!({"role": "admin", "room": "room"}), None),
        (json!({"role": "admin", "room": "other"}), Some(Refusal::Room)),
        (json!({"role": "admin", "exp": 1}), Some(Refusal::Expired)),
        (json!({"role": "user", "actions": ["admin"]}), Some(Refusal::NotAdmin)),
        (json!({}), Some(Refusal::NotAdmin)),
    ] {
        assert_eq!(ask_for(&auth, &token(&signer, &claims), Action::Admin).await, refusal, "{claims}");
    }
}

#[tokio::test]
async fn a_signed_token_is_an_alternative_in_every_tier_and_looked_for_in_both_headers() {
    let config = AuthConfig { token: Some(Secret::new("static")), jwt: keys(true, &[]), ..AuthConfig::default() };
    let auth = Authenticator::new(&config);
    let room = RoomName::parse("room").unwrap();
    let signed = token(&signer("secret"), &json!({"sub": "me", "room": "ro*"}));
    let stale = token(&signer("secret"), &json!({"exp": 1}));
    let bearer = |token: &str| format!("Bearer {token}");
    for (authorization, x_auth_token, refusal) in [
        (bearer(&signed), None, None),
        (String::new(), Some(&signed[..]), None),
        (bearer("static"), None, None),
        // The wrong static token does not hide the signed one, nor the other way round.
        (bearer(&signed), Some("wrong"), None),
        (bearer("wrong"), Some(&signed), None),
        (bearer(&stale), Some("static"), None),
        (bearer(&signed), Some(&stale), None),
        // But of two static ones that of X-Auth-Token decides.
        (bearer("static"), Some(&stale), Some(Refusal::Expired)),
        (bearer("static"), Some("wrong"), Some(Refusal::WrongToken)),
        (bearer(&stale), None, Some(Refusal::Expired)),
    ] {
        let presented = Presented::new(Some(&authorization), x_auth_token, ClientAddress::UNKNOWN);
        let verdict = auth.authorize(&presented, Need::in_room(Action::Play, &room)).await;
        assert_eq!(verdict.err(), refusal, "{authorization} {x_auth_token:?}");
    }
}

#[tokio::test]
async fn a_session_ends_with_its_token_where_that_is_asked_for() {
    let claims = json!({"exp": now() + 60});
    let late = json!({"exp": now() - 10});
    let room = RoomName::parse("room").unwrap();
    for (outlives, claims, end) in [(true, &claims, None), (false, &claims, Some(60)), (false, &late, Some(20))] {
        let config = AuthConfig { jwt: keys(true, &[]), session_outlives_token: outlives, ..AuthConfig::default() };
        let token = token(&signer("secret"), claims);
        let presented = Presented::new(None, Some(&token), ClientAddress::UNKNOWN);
        let grant =
            Authenticator::new(&config).authorize(&presented, Need::in_room(Action::Play, &room)).await.unwrap();
        assert!(grant.expires_at.is_some());
        let left = grant.session_until.map(|end| end.duration_since(SystemTime::now()).unwrap().as_secs());
        assert!(left.zip(end).is_none_or(|(left, end)| end - 5 <= left && left <= end), "{left:?} {end:?}");
        assert_eq!(left.is_some(), end.is_some());
    }
}
