//! `[auth]`: who may, and what `[[rooms]]` may say of it.

use std::fs;

use crate::auth::jwt::{JwtConfig, Key as PublicKey};
use crate::auth::{AuthConfig, PlayPolicy, RoomAccess};
use crate::config::error::ConfigError;
use crate::config::key::{Key, Section};
use crate::config::parse::{list, one_of, switch, url};
use crate::config::session::{ROOMS, pattern};
use crate::config::source::{Source, Table, Values as _};
use crate::id::RoomPattern;
use crate::secret::Secret;

const TOKEN: Key =
    Key::new("auth.token", "AUTH_TOKEN", "", "token that publishing and playing need; none: everybody may")
        .sample("change me")
        .secret();
const PLAY: Key = Key::new("auth.play", "AUTH_PLAY", "token", "open: everybody may play, whatever publishing needs")
    .expects("open or token");
const PLAY_TOKEN: Key = Key::new("auth.play_token", "PLAY_TOKEN", "", "token that playing needs instead of auth.token")
    .sample("change me")
    .secret();
const PUBLISH_TOKEN: Key =
    Key::new("auth.publish_token", "PUBLISH_TOKEN", "", "token that publishing needs instead of auth.token")
        .sample("change me")
        .secret();
const ROOM_TOKENS: Key = Key::new(
    "auth.room_tokens",
    "ROOM_TOKENS",
    "",
    "tokens of single rooms, which override those of all rooms there: room:token;room2:token2",
)
.expects("room:token pairs separated by semicolons, each room once")
.sample("stage:change me")
.secret();
const ADMIN_TOKEN: Key =
    Key::new("auth.admin_token", "ADMIN_TOKEN", "", "token of the administrator; none: only a JWT can be one")
        .sample("change me")
        .secret();
const JWT_SECRET: Key = Key::new(
    "auth.jwt_secret",
    "JWT_SECRET",
    "",
    "secret of JWTs that are signed by HMAC (HS256, HS384, HS512), 32 random characters at least",
)
.sample("change me")
.secret();
const JWT_PUBLIC_KEYS: Key = Key::new(
    "auth.jwt_public_keys",
    "JWT_PUBLIC_KEYS",
    "",
    "PEM files with the public keys of JWTs that are signed by RS256, ES256 or EdDSA",
)
.expects("files that begin with -----BEGIN PUBLIC KEY-----: RSA from 2048 bits on, P-256 or Ed25519")
.sample("/etc/rillcast/jwt.pub.pem")
.list();
const JWT_KEY_SET_URL: Key = Key::new(
    "auth.jwt_key_set_url",
    "JWT_KEY_SET_URL",
    "",
    "where the public keys of JWTs are published (JWKS); fetched again when a token names an unknown key",
)
.expects("a URL with https:// or http://")
.sample("https://id.example.org/.well-known/jwks.json");
const JWT_ISSUER: Key =
    Key::new("auth.jwt_issuer", "JWT_ISSUER", "", "iss that a JWT must have").expects("a text").sample("my-site");
const JWT_AUDIENCE: Key =
    Key::new("auth.jwt_audience", "JWT_AUDIENCE", "", "aud that a JWT must have, alone or among others")
        .expects("a text")
        .sample("rillcast");
const JWT_REQUIRE_EXPIRY: Key =
    Key::new("auth.jwt_require_expiry", "JWT_REQUIRE_EXPIRY", "false", "true: a JWT without exp is refused").switch();
const OUTLIVES: Key = Key::new(
    "auth.session_outlives_token",
    "SESSION_OUTLIVES_TOKEN",
    "true",
    "false: a session ends when the JWT that it began with expires",
)
.switch();
const WEBHOOK_URL: Key = Key::new(
    "auth.webhook_url",
    "AUTH_WEBHOOK_URL",
    "",
    "is asked by POST who may publish and play where no token says so; no answer means no",
)
.expects("a URL with https:// or http://")
.sample("http://127.0.0.1:9000/auth")
.secret();

/// `[auth]`
pub const AUTH: Section = Section {
    about: "Who may publish, play and administer.",
    keys: &[
        &TOKEN,
        &PLAY,
        &PLAY_TOKEN,
        &PUBLISH_TOKEN,
        &ROOM_TOKENS,
        &ADMIN_TOKEN,
        &JWT_SECRET,
        &JWT_PUBLIC_KEYS,
        &JWT_KEY_SET_URL,
        &JWT_ISSUER,
        &JWT_AUDIENCE,
        &JWT_REQUIRE_EXPIRY,
        &OUTLIVES,
        &WEBHOOK_URL,
    ],
};

const ROOM_TOKEN: Key =
    Key::new("token", "", "", "token that publishing and playing need there").sample("change me").secret();
const ROOM_PLAY: Key = Key::new("play", "", "", "as auth.play").expects("open or token").sample("open");
const ROOM_PLAY_TOKEN: Key = Key::new("play_token", "", "", "as auth.play_token").sample("change me").secret();
const ROOM_PUBLISH_TOKEN: Key = Key::new("publish_token", "", "", "as auth.publish_token").sample("change me").secret();

/// What a `[[rooms]]` table may say of it.
pub const ROOM_KEYS: &[&Key] = &[&ROOM_TOKEN, &ROOM_PLAY, &ROOM_PLAY_TOKEN, &ROOM_PUBLISH_TOKEN];

/// Reads the section and the tables.
///
/// # Errors
/// The first value that does not parse, and a key that cannot be read.
pub fn read(source: &Source<'_>) -> Result<AuthConfig, ConfigError> {
    let mut rooms = room_tokens(source)?;
    for table in source.tables(&ROOMS) {
        rooms.push(room(&table)?);
    }
    // Stable: what is said of a room by its name comes first, and of that what the variable says.
    rooms.sort_by_key(|room| !room.pattern.is_exact());
    Ok(AuthConfig {
        token: source.secret(&TOKEN)?,
        play: source.value(&PLAY, policy)?,
        play_token: source.secret(&PLAY_TOKEN)?,
        publish_token: source.secret(&PUBLISH_TOKEN)?,
        admin_token: source.secret(&ADMIN_TOKEN)?,
        rooms,
        jwt: JwtConfig {
            secret: source.secret(&JWT_SECRET)?,
            public_keys: source.value(&JWT_PUBLIC_KEYS, |text| list(text, public_key))?,
            key_set_url: source.optional(&JWT_KEY_SET_URL, url)?,
            issuer: source.optional(&JWT_ISSUER, |text| Some(text.to_owned()))?,
            audience: source.optional(&JWT_AUDIENCE, |text| Some(text.to_owned()))?,
            require_expiry: source.value(&JWT_REQUIRE_EXPIRY, switch)?,
        },
        webhook_url: source.optional(&WEBHOOK_URL, url)?,
        session_outlives_token: source.value(&OUTLIVES, switch)?,
    })
}

fn room(table: &Table<'_>) -> Result<RoomAccess, ConfigError> {
    Ok(RoomAccess {
        pattern: pattern(table)?,
        token: table.secret(&ROOM_TOKEN)?,
        play: table.optional(&ROOM_PLAY, policy)?,
        play_token: table.secret(&ROOM_PLAY_TOKEN)?,
        publish_token: table.secret(&ROOM_PUBLISH_TOKEN)?,
    })
}

/// They come before the tables: the environment overrides the file.
fn room_tokens(source: &Source<'_>) -> Result<Vec<RoomAccess>, ConfigError> {
    Ok(source.optional(&ROOM_TOKENS, parse_room_tokens)?.unwrap_or_default())
}

/// A token may have colons, but no semicolons.
fn parse_room_tokens(text: &str) -> Option<Vec<RoomAccess>> {
    let mut rooms: Vec<RoomAccess> = Vec::new();
    for pair in text.split(';').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (name, token) = pair.split_once(':')?;
        let (pattern, token) = (RoomPattern::parse(name.trim())?, token.trim());
        if token.is_empty() || rooms.iter().any(|room| room.pattern == pattern) {
            return None;
        }
        let token = Some(Secret::new(token));
        rooms.push(RoomAccess { pattern, token, play: None, play_token: None, publish_token: None });
    }
    Some(rooms)
}

fn policy(text: &str) -> Option<PlayPolicy> {
    one_of(text, &[("open", PlayPolicy::Open), ("token", PlayPolicy::Token)])
}

fn public_key(path: &str) -> Option<PublicKey> {
    PublicKey::from_pem(&fs::read(path).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Pairs<'a> = &'a [(&'a str, &'a str)];

    #[test]
    fn tokens_of_rooms() {
        let table: [(&str, Option<Pairs>); 9] = [
            ("a:x", Some(&[("a", "x")])),
            ("a:x;b:y:z", Some(&[("a", "x"), ("b", "y:z")])),
            (" a : x ; ;", Some(&[("a", "x")])),
            ("stage-*:x", Some(&[("stage-*", "x")])),
            ("a", None),
            ("a:", None),
            (":x", None),
            ("a b:x", None),
            ("a:x;a:y", None),
        ];
        for (text, expected) in table {
            let rooms = parse_room_tokens(text);
            let rooms = rooms.map(|rooms| -> Vec<_> {
                let pair = |room: &RoomAccess| {
                    (room.pattern.as_str().to_owned(), room.token.as_ref().unwrap().expose().to_owned())
                };
                rooms.iter().map(pair).collect()
            });
            let expected =
                expected.map(|pairs| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect());
            assert_eq!(rooms, expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_or_key() {
        for text in ["", "id.example.org", "ftp://id.example.org", "https://", "/keys", "http:keys"] {
            assert!(url(text).is_none(), "{text}");
        }
        assert!(url("https://id.example.org/keys?a=b").is_some());
        let file = |name: &str| format!("{}/tests/data/jwt/{name}", env!("CARGO_MANIFEST_DIR"));
        assert!(public_key(&file("rsa.pub.pem")).is_some());
        for name in ["rsa.pem", "rsa-short.pub.pem", "nothing.pem"] {
            assert!(public_key(&file(name)).is_none(), "{name}");
        }
    }
}
