//! Who may what: every route × every method × every kind of credential, through the real router. A route that this
//! table does not know fails the test.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use super::*;
use crate::auth::jwt::JwtConfig;
use crate::auth::jwt::sign::Signer;
use crate::auth::testing::Server;
use crate::auth::{PlayPolicy, RoomAccess};
use crate::id::RoomPattern;

/// What a route asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Gate {
    /// Nothing.
    Open,
    /// To publish in the room.
    Publish,
    /// To play in the room, which is also to learn of it.
    Play,
    /// To play somewhere.
    List,
    /// To play in the room, or to be its administrator.
    Record,
    /// To play somewhere, or to be the administrator.
    Records,
    /// To be the administrator of the server.
    Admin,
    /// To be the administrator of the room at least.
    AdminOfRoom,
}

const GATES: &[(&str, Gate)] = &[
    ("/api/whip/publish/{room}", Gate::Publish),
    ("/whip/{room}", Gate::Publish),
    ("/api/whep/play/{room}", Gate::Play),
    ("/whep/{room}", Gate::Play),
    // Their names cannot be guessed.
    ("/api/whip/session/{id}", Gate::Open),
    ("/api/whep/session/{id}", Gate::Open),
    ("/api/bootstrap", Gate::Open),
    ("/api/rooms", Gate::List),
    ("/api/rooms/{room}", Gate::Play),
    ("/api/records", Gate::Records),
    ("/api/records/{name}", Gate::AdminOfRoom),
    ("/api/records/{name}/markers", Gate::AdminOfRoom),
    ("/api/records/{name}/link", Gate::Record),
    ("/api/records/{name}/upload", Gate::AdminOfRoom),
    ("/records/{name}", Gate::Record),
    ("/api/openapi.json", Gate::Open),
    ("/api/admin/status", Gate::Admin),
    ("/api/admin/overview", Gate::Admin),
    ("/api/admin/history", Gate::Admin),
    ("/api/admin/rooms/{room}/history", Gate::AdminOfRoom),
    ("/api/admin/rooms/{room}/close", Gate::AdminOfRoom),
    ("/api/admin/rooms/{room}/block", Gate::AdminOfRoom),
    ("/api/admin/rooms/{room}/record", Gate::AdminOfRoom),
    ("/api/admin/blocks", Gate::Admin),
    ("/api/admin/sessions", Gate::Admin),
    ("/api/admin/sessions/{key}", Gate::Admin),
    ("/api/admin/retention", Gate::Admin),
    ("/api/admin/drain", Gate::Admin),
    ("/api/admin/reload", Gate::Admin),
    ("/api/admin/log", Gate::Admin),
    ("/metrics", Gate::Open),
    ("/api/events", Gate::Admin),
    ("/healthz", Gate::Open),
    ("/readyz", Gate::Open),
    ("/", Gate::Open),
    ("/web/{name}", Gate::Open),
    ("/watch/{room}", Gate::Open),
];

/// `other` has the global token, `own` one of its own, `split` one for each action, and everybody may play in `public`.
const ROOMS: [&str; 4] = ["other", "own", "split", "public"];

const SECRET: &str = "jwt-secret-of-this-test-0123456789";

fn config() -> AuthConfig {
    let secret = |text: &str| (!text.is_empty()).then(|| Secret::new(text));
    let room = |name: &str, [token, play, publish]: [&str; 3], policy| RoomAccess {
        pattern: RoomPattern::parse(name).unwrap(),
        token: secret(token),
        play: policy,
        play_token: secret(play),
        publish_token: secret(publish),
    };
    AuthConfig {
        token: secret("global-token"),
        admin_token: secret("admin-token"),
        rooms: vec![
            room("own", ["own-token", "", ""], None),
            room("split", ["", "split-play", "split-publish"], None),
            room("public", ["", "", ""], Some(PlayPolicy::Open)),
        ],
        jwt: JwtConfig { secret: secret(SECRET), ..JwtConfig::default() },
        ..AuthConfig::default()
    }
}

/// A credential, and what it opens.
struct Row {
    name: &'static str,
    token: String,
    /// `p`: publish, `v`: play and read; by room.
    rooms: [&'static str; 4],
    list: bool,
    admin: bool,
    /// The administrator of this room, also where not of all.
    admin_of: &'static str,
}

fn rows() -> Vec<Row> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let by = |secret: &str, claims: Value| Signer::Secret(Secret::new(secret)).sign(&json!({}), &claims).unwrap();
    let jwt = |claims| by(SECRET, claims);
    let good = jwt(json!({"exp": now + 60}));
    let none = ["", "", "", "v"];
    let all = ["pv"; 4];
    let row = |name, token: String, rooms, list| Row { name, token, rooms, list, admin: false, admin_of: "" };
    let admin = |row| Row { admin: true, ..row };
    vec![
        row("nothing", String::new(), none, false),
        row("wrong", "wrong".into(), none, false),
        row("global", "global-token".into(), ["pv", "", "", "pv"], true),
        row("a room's own", "own-token".into(), ["", "pv", "", "v"], true),
        row("to play", "split-play".into(), ["", "", "v", "v"], true),
        row("to publish", "split-publish".into(), ["", "", "p", "v"], false),
        admin(row("administrator", "admin-token".into(), none, false)),
        row("JWT", good.clone(), all, true),
        row("JWT for a room", jwt(json!({"room": "own"})), ["", "pv", "", "v"], true),
        row("JWT for a pattern", jwt(json!({"room": "o*"})), ["pv", "pv", "", "v"], true),
        row("JWT for two", jwt(json!({"room": ["split", "own"]})), ["", "pv", "pv", "v"], true),
        row("JWT to publish", jwt(json!({"actions": ["publish"]})), ["p", "p", "p", "pv"], false),
        row("JWT to play", jwt(json!({"actions": ["play"]})), ["v"; 4], true),
        row("JWT for nothing", jwt(json!({"actions": []})), none, false),
        admin(row("JWT, role admin", jwt(json!({"role": "admin"})), all, true)),
        admin(row("JWT, admin", jwt(json!({"admin": 1})), all, true)),
        Row {
            admin_of: "own",
            ..row("JWT, admin of a room", jwt(json!({"admin": true, "room": "own"})), ["", "pv", "", "v"], true)
        },
        row("JWT, expired", jwt(json!({"exp": now - 60, "admin": true})), none, false),
        row("JWT, not yet", jwt(json!({"nbf": now + 600, "admin": true})), none, false),
        row("JWT, exp as text", jwt(json!({"exp": (now + 60).to_string(), "admin": true})), none, false),
        row("JWT, another secret", by("another", json!({"admin": true})), none, false),
        row("JWT, the admin token as secret", by("admin-token", json!({"admin": true})), none, false),
        row("JWT, no signature", format!("{}.", good.rsplit_once('.').unwrap().0), none, false),
        row("JWT, alg none", "eyJhbGciOiJub25lIn0.eyJhZG1pbiI6dHJ1ZX0.".into(), none, false),
        row("JWT, alg RS256", "eyJhbGciOiJSUzI1NiJ9.eyJhZG1pbiI6dHJ1ZX0.AAAA".into(), none, false),
        row("1 MB", "x".repeat(1 << 20), none, false),
    ]
}

impl Row {
    fn opens(&self, gate: Gate, room: Option<usize>) -> bool {
        let in_room = |letter| room.is_some_and(|room| self.rooms[room].contains(letter));
        match gate {
            Gate::Open => true,
            Gate::Publish => in_room('p'),
            Gate::Play => in_room('v'),
            Gate::List => self.list,
            Gate::Record => in_room('v') || self.opens(Gate::AdminOfRoom, room),
            Gate::Records => self.list || self.admin,
            Gate::Admin => self.admin,
            Gate::AdminOfRoom => self.admin || room.is_some_and(|room| ROOMS[room] == self.admin_of),
        }
    }

    /// The same token in each way to show it.
    fn headers(&self) -> Vec<(&'static str, String)> {
        match &self.token {
            token if token.is_empty() => vec![("x-auth-token", String::new())],
            token => vec![
                ("authorization", format!("Bearer {token}")),
                ("authorization", format!("bEARER  {token}")),
                ("x-auth-token", token.clone()),
            ],
        }
    }
}

/// What the path is for each room, or once.
fn paths(path: &str) -> Vec<(Option<usize>, String)> {
    let path = path.replace("{id}", "00112233445566778899aabbccddeeff").replace("{key}", "0011223344556677");
    let path = if path.contains("/records/") { path.replace("{name}", "{room}_av_1.mp4") } else { path };
    let path = path.replace("{name}", "style.css");
    if path.contains("{room}") {
        (0..ROOMS.len()).map(|room| (Some(room), path.replace("{room}", ROOMS[room]))).collect()
    } else {
        vec![(None, path)]
    }
}

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[test]
fn the_table_has_every_route() {
    let routes: BTreeSet<&str> = crate::http::routes::table().into_iter().map(|(path, _)| path).collect();
    let table: BTreeSet<&str> = GATES.iter().map(|(path, _)| *path).collect();
    assert_eq!(table, routes);
    assert_eq!(GATES.len(), table.len(), "one line each");
}

/// And nothing of any token in what is logged or answered.
#[tokio::test]
async fn every_route_with_every_credential() {
    let log = Captured::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    tracing::info!("captured");
    let (rows, mut cells, mut refused) = (rows(), 0, 0);
    let mut answers = Vec::new();
    for row in &rows {
        // Of its own: what an administrator does here must not be felt there.
        let fixture = Fixture::with_auth(SessionConfig::default(), &config());
        for (path, allow) in crate::http::routes::table() {
            let gate = GATES.iter().find(|(known, _)| *known == path).unwrap().1;
            for (room, url) in paths(path) {
                for (header, value) in row.headers() {
                    // Events have no end; their head tells as much.
                    let ends = |method: &&str| path != "/api/events" || *method != "GET" || !row.opens(gate, room);
                    for method in allow.split(", ").filter(ends) {
                        let answer = fixture.ask(method, &url, &[(header, &value)], "").await;
                        let case = format!("{}: {method} {url} by {header}", row.name);
                        let told_of_turn = answer.all("link").iter().any(|link| link.contains("turn-password"));
                        if method == "OPTIONS" {
                            assert_ne!(answer.status, 401, "{case}");
                            assert!(!told_of_turn || row.opens(gate, room), "{case}");
                        } else if row.opens(gate, room) {
                            assert_ne!(answer.status, 401, "{case}");
                        } else {
                            assert_eq!(answer.status, 401, "{case}");
                            assert_eq!(answer.header("www-authenticate"), "Bearer", "{case}");
                            let body = if method == "HEAD" { "" } else { "{\"error\":\"unauthorized\"}" };
                            assert!(answer.body == body || method == "HEAD", "{case}: {}", answer.body);
                            refused += 1;
                        }
                        cells += 1;
                        answers.push(format!("{:?} {}", answer.headers, answer.body));
                    }
                }
            }
        }
        let may_anything = row.list || row.rooms.iter().any(|opens| opens.contains('p'));
        for (header, value) in row.headers() {
            let bootstrap = fixture.ask("GET", "/api/bootstrap", &[(header, &value)], "").await;
            assert_eq!(bootstrap.body.contains("turn-password"), may_anything, "{}", row.name);
        }
    }
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("captured"));
    let secrets = rows.iter().map(|row| row.token.as_str()).chain([SECRET]);
    for secret in secrets.filter(|secret| secret.len() > 5 && secret.len() < 1000) {
        assert!(!log.contains(secret), "{secret} was logged");
        assert!(!answers.iter().any(|answer| answer.contains(secret)), "{secret} was answered");
    }
    println!("{cells} cells: {} routes, {} credentials, {refused} refused", GATES.len(), rows.len());
}

#[tokio::test]
async fn a_token_in_the_address_is_none() {
    let fixture = Fixture::with_auth(SessionConfig::default(), &config());
    for name in ["token", "access_token", "auth", "jwt", "X-Auth-Token"] {
        let path = format!("/api/rooms?{name}=global-token");
        assert_eq!(fixture.ask("GET", &path, &[], "").await.status, 401, "{name}");
    }
}

/// Who is told 401 throws the token away; who is told 503 comes again.
#[tokio::test]
async fn a_webhook_that_fails_is_no_refusal() {
    let server = Server::start(200, "").await;
    let auth = AuthConfig { webhook_url: Some(server.url.clone()), ..AuthConfig::default() };
    let fixture = Fixture::with_auth(SessionConfig::default(), &auth);
    for (number, (status, body, wanted)) in [
        (500, "", (503, "service unavailable")),
        (200, "<html>", (503, "service unavailable")),
        (200, "{\"allow\": false}", (401, "unauthorized")),
        (200, "{\"allow\": true}", (201, "")),
    ]
    .into_iter()
    .enumerate()
    {
        server.answer(status, body);
        // What it has said of another token is remembered.
        let token = format!("token-{number}");
        for (action, sdp) in [("whip", "obs-32-whip.sdp"), ("whep", "chromium-H264-whep.sdp")] {
            let headers = [SDP, ("x-auth-token", &token[..])];
            let answer = fixture.ask("POST", &format!("/{action}/room"), &headers, offer(sdp)).await;
            if wanted.0 == 201 {
                assert_eq!(answer.status, 201, "{action}");
                continue;
            }
            assert_eq!(answer.verdict(), (wanted.0, wanted.1.to_owned()), "{action} {status} {body}");
            assert_eq!(answer.headers.contains_key("retry-after"), wanted.0 == 503, "{action} {status} {body}");
        }
    }
}

#[tokio::test]
async fn a_webhook_that_is_not_there_is_no_refusal() {
    let auth = AuthConfig { webhook_url: Some("http://127.0.0.1:1/".into()), ..AuthConfig::default() };
    let fixture = Fixture::with_auth(SessionConfig::default(), &auth);
    assert_eq!(fixture.publish("room").await.verdict(), (503, "service unavailable".to_owned()));
}

#[tokio::test]
async fn a_list_shows_the_rooms_that_one_may_play() {
    let fixture = Fixture::with_auth(SessionConfig::default(), &config());
    for (room, token) in [("other", "global-token"), ("own", "own-token"), ("public", "global-token")] {
        let headers = [SDP, ("x-auth-token", token)];
        let answer = fixture.ask("POST", &format!("/whip/{room}"), &headers, offer("obs-32-whip.sdp")).await;
        assert_eq!(answer.status, 201);
    }
    for row in rows().iter().filter(|row| row.list) {
        let answer = fixture.ask("GET", "/api/rooms", &[("x-auth-token", &row.token)], "").await;
        let names: Vec<_> = answer.json().as_array().unwrap().iter().map(|room| room["name"].clone()).collect();
        let seen = [0, 1, 3].into_iter().filter(|room| row.rooms[*room].contains('v')).map(|room| json!(ROOMS[room]));
        assert_eq!(names, seen.collect::<Vec<_>>(), "{}", row.name);
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_when_its_token_does_where_that_is_asked_for() {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    for outlives in [true, false] {
        let fixture =
            Fixture::with_auth(SessionConfig::default(), &AuthConfig { session_outlives_token: outlives, ..config() });
        let signer = Signer::Secret(Secret::new(SECRET));
        let token = signer.sign(&json!({}), &json!({"exp": now + 600})).unwrap();
        let headers = [SDP, ("x-auth-token", &token[..])];
        let publisher = fixture.ask("POST", "/whip/other", &headers, offer("obs-32-whip.sdp")).await;
        let player = fixture.ask("POST", "/whep/other", &headers, offer("chromium-H264-whep.sdp")).await;
        let headers = [SDP, ("x-auth-token", "global-token")];
        let stays = fixture.ask("POST", "/whep/other", &headers, offer("chromium-H264-whep.sdp")).await;
        for (after, there) in [(500, true), (110, outlives)] {
            tokio::time::sleep(Duration::from_secs(after)).await;
            for session in [&publisher, &player] {
                let status = fixture.ask("GET", &session.location(), &[], "").await.status;
                assert_eq!(status, if there { 204 } else { 404 }, "{outlives} {after}");
            }
            assert_eq!(fixture.ask("GET", &stays.location(), &[], "").await.status, 204);
        }
    }
}

#[tokio::test]
async fn takeover_is_for_the_same_subject() {
    let session = SessionConfig { takeover: true, ..SessionConfig::default() };
    let jwt = |claims| Signer::Secret(Secret::new(SECRET)).sign(&json!({}), &claims).unwrap();
    for (first, second, status) in [
        (json!({"sub": "me"}), json!({"sub": "me", "nonce": 2}), 201),
        (json!({"sub": "me"}), json!({"sub": "you"}), 409),
        (json!({"sub": "me", "iss": "a"}), json!({"sub": "me", "iss": "b"}), 409),
        (json!({}), json!({}), 409),
        (json!({"sub": ""}), json!({"sub": ""}), 409),
    ] {
        let fixture = Fixture::with_auth(session.clone(), &config());
        for (claims, status) in [(&first, 201), (&second, status)] {
            let token = jwt(claims.clone());
            let headers = [SDP, ("x-auth-token", &token[..])];
            let answer = fixture.ask("POST", "/whip/other", &headers, offer("obs-32-whip.sdp")).await;
            assert_eq!(answer.status, status, "{first} {second}");
        }
    }
}
