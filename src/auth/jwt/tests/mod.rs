//! Signed tokens, by the one who decides.

mod attacks;
mod sets;

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::sign::Signer;
use super::{JwtConfig, Key};
use crate::auth::{Action, AuthConfig, Authenticator, Need, PlayPolicy, Presented, Refusal, RoomAccess};
use crate::id::{ClientAddress, RoomName, RoomPattern};
use crate::secret::Secret;

pub(super) const SECRET: &str = "a secret of the operator, long enough";

pub(super) fn pem(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/data/jwt/{name}.pem", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

pub(super) fn signer(name: &str) -> Signer {
    if name == "secret" { Signer::Secret(Secret::new(SECRET)) } else { Signer::from_pem(&pem(name)).unwrap() }
}

pub(super) fn public(name: &str) -> Key {
    Key::from_pem(&pem(&format!("{name}.pub"))).unwrap()
}

pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

pub(super) fn token(signer: &Signer, claims: &Value) -> String {
    signer.sign(&json!({}), claims).unwrap()
}

/// A token with any header and claims, as text, signed by HMAC with any bytes.
pub(super) fn raw(header: &str, claims: &str, secret: &[u8]) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
    let signature = URL_SAFE_NO_PAD.encode(ring::hmac::sign(&key, message.as_bytes()));
    format!("{message}.{signature}")
}

pub(super) fn with(jwt: JwtConfig) -> Authenticator {
    Authenticator::new(&AuthConfig { jwt, ..AuthConfig::default() })
}

pub(super) async fn ask(auth: &Authenticator, token: &str) -> Option<Refusal> {
    ask_for(auth, token, Action::Publish).await
}

pub(super) async fn ask_for(auth: &Authenticator, token: &str, action: Action) -> Option<Refusal> {
    let room = RoomName::parse("room").unwrap();
    let bearer = format!("Bearer {token}");
    let presented = Presented::new(Some(&bearer), None, ClientAddress::UNKNOWN);
    auth.authorize(&presented, Need::in_room(action, &room)).await.err()
}

#[tokio::test]
async fn a_list_has_what_is_open_and_what_the_token_adds() {
    let closed = |name| RoomAccess {
        pattern: RoomPattern::parse(name).unwrap(),
        token: Some(Secret::new("t")),
        play: None,
        play_token: None,
        publish_token: None,
    };
    let auth = Authenticator::new(&AuthConfig {
        play: PlayPolicy::Open,
        rooms: vec![closed("mine"), closed("other")],
        jwt: JwtConfig { secret: Some(Secret::new(SECRET)), ..JwtConfig::default() },
        ..AuthConfig::default()
    });
    let claims = json!({"room": "mine", "actions": ["play"], "exp": now() + 60});
    let expired = json!({"room": "mine", "actions": ["play"], "exp": now() - 600});
    for (claims, sees_mine) in [(Some(claims), true), (Some(expired), false), (None, false)] {
        let bearer = claims.map(|claims| format!("Bearer {}", token(&signer("secret"), &claims)));
        let presented = Presented::new(bearer.as_deref(), None, ClientAddress::UNKNOWN);
        let grant = auth.authorize(&presented, Need::anywhere(Action::Read)).await.unwrap();
        let seen = ["public", "mine", "other"].map(|room| auth.covers(&grant, &RoomName::parse(room).unwrap()));
        assert_eq!(seen, [true, sees_mine, false]);
    }
}
