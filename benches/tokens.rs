//! What it costs to look at a token, good or forged: whoever sends forgeries must not make the server work for them.
//! CPU time of one verdict; the server's own keys are a secret, an RSA, a P-256 and an Ed25519 key.

mod common;

use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use common::{Effort, Table, nanoseconds_each};
use rillcast::auth::jwt::sign::Signer;
use rillcast::auth::jwt::{JwtConfig, Key};
use rillcast::auth::{Action, AuthConfig, Authenticator, Need, Presented};
use rillcast::id::{ClientAddress, RoomName};
use rillcast::secret::Secret;
use serde_json::{Value, json};

const SECRET: &str = "a secret of thirty-two characters";
const FUTURE: u64 = 4_000_000_000;

fn main() {
    let effort = Effort::from_arguments();
    let auth = authenticator();
    let room = RoomName::parse("stage").expect("a name");
    let mut table = Table::new(&["token", "bytes", "ns"]);
    for (name, token, is_good) in tokens() {
        let shown = format!("Bearer {token}");
        let judge = || {
            let presented = Presented::new(Some(&shown), None, ClientAddress::UNKNOWN);
            at_once(auth.judge(&presented, Need::in_room(Action::Publish, &room))).is_ok()
        };
        assert_eq!(judge(), is_good, "{name}");
        let cost = nanoseconds_each(effort, || u64::from(judge() == is_good));
        let verdict = if is_good { "yes" } else { "no" };
        #[allow(clippy::cast_precision_loss, reason = "figures for people to read")]
        table.row(format!("{name} ({verdict})"), &[token.len() as f64, cost]);
    }
    table.print("A verdict:");
}

fn authenticator() -> Authenticator {
    let keys = ["rsa", "p256", "ed25519"];
    let keys = keys.map(|name| Key::from_pem(&pem(&format!("{name}.pub"))).expect("a public key"));
    let jwt = JwtConfig { secret: Some(Secret::new(SECRET)), public_keys: keys.into(), ..JwtConfig::default() };
    Authenticator::new(&AuthConfig { token: Some(Secret::new("static")), jwt, ..AuthConfig::default() })
}

fn tokens() -> Vec<(&'static str, String, bool)> {
    let good = json!({"exp": FUTURE, "room": "stage"});
    let sign = |signer: &Signer, header: Value, claims: &Value| signer.sign(&header, claims).expect("it signs");
    let by = |name: &str, claims: &Value| sign(&signer(name), json!({}), claims);
    let secret = |text: &str| Signer::Secret(Secret::new(text));
    let hmac = by("secret", &good);
    let (unsigned, _) = hmac.rsplit_once('.').expect("three parts");
    let public_as_secret = secret(&String::from_utf8_lossy(&pem("rsa.pub")));
    vec![
        ("the static one", "static".into(), true),
        ("HS256", hmac.clone(), true),
        ("RS256", by("rsa", &good), true),
        ("ES256", by("p256", &good), true),
        ("EdDSA", by("ed25519", &good), true),
        ("no signature", format!("{unsigned}."), false),
        ("none", sign(&secret(SECRET), json!({"alg": "none"}), &good), false),
        ("a public key as the secret", sign(&public_as_secret, json!({}), &good), false),
        ("another secret", sign(&secret("another"), json!({}), &good), false),
        ("HMAC called RS256", sign(&secret(SECRET), json!({"alg": "RS256"}), &good), false),
        ("HMAC called ES256", sign(&secret(SECRET), json!({"alg": "ES256"}), &good), false),
        ("HMAC called EdDSA", sign(&secret(SECRET), json!({"alg": "EdDSA"}), &good), false),
        ("a file as kid", sign(&secret(""), json!({"kid": "../../dev/null"}), &good), false),
        ("expired", by("secret", &json!({"exp": 1})), false),
        ("not yet", by("secret", &json!({"nbf": FUTURE})), false),
        ("another room", by("secret", &json!({"room": "other"})), false),
        ("8 kB of junk", "x".repeat(8_000), false),
        ("8 kB of claims, forged", sign(&secret("another"), json!({}), &json!({"x": "y".repeat(5_900)})), false),
        ("1 MB", "x".repeat(1 << 20), false),
    ]
}

fn signer(name: &str) -> Signer {
    match name {
        "secret" => Signer::Secret(Secret::new(SECRET)),
        name => Signer::from_pem(&pem(name)).expect("a private key"),
    }
}

fn pem(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/jwt/{name}.pem"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Nothing is asked of anybody else here, so nothing waits.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits for somebody"),
    }
}
