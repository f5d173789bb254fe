//! Routes × methods × conditions: status, error text, the headers that must be there.

use super::*;

/// What a request brings besides method and path.
#[derive(Clone, Copy, Debug)]
enum With {
    Nothing,
    Token,
    WrongToken,
    /// An SDP type, no body.
    Typed,
    Junk,
    Text,
}

impl With {
    fn headers(self) -> Vec<(&'static str, &'static str)> {
        match self {
            Self::Nothing => vec![],
            Self::Token => vec![("authorization", "bearer s3cret")],
            Self::WrongToken => vec![("authorization", "Bearer wrong"), SDP],
            Self::Typed => vec![("x-auth-token", TOKEN), SDP],
            Self::Junk => vec![("x-auth-token", TOKEN), ("content-type", "Application/SDP; charset=utf-8")],
            Self::Text => vec![("x-auth-token", TOKEN), ("content-type", "text/plain")],
        }
    }

    fn body(self) -> &'static str {
        if matches!(self, Self::Junk) { "v=0\r\njunk" } else { "" }
    }
}

const ENDPOINT: &str = "GET, HEAD, POST, OPTIONS";
const READ: &str = "GET, HEAD, OPTIONS";
const RESOURCE: &str = "GET, HEAD, PATCH, DELETE, OPTIONS";
const NO_SESSION: &str = "/api/whip/session/00112233445566778899aabbccddeeff";

/// Method, path, what it brings; status, error text, `Allow`. A token is configured.
const TABLE: &[(&str, &str, With, u16, &str, &str)] = &[
    // The order of the gate: method, room name, token, type, body.
    ("PUT", "/whip/bad.name", With::Nothing, 405, "method not allowed", ENDPOINT),
    ("PATCH", "/whip/room", With::Nothing, 405, "method not allowed", ENDPOINT),
    ("DELETE", "/whep/room", With::Nothing, 405, "method not allowed", ENDPOINT),
    ("POST", "/whip/bad.name", With::Nothing, 400, "invalid room name", ""),
    ("POST", "/api/whip/publish/a%2Fb", With::Token, 400, "invalid room name", ""),
    ("POST", "/api/whep/play/%ff", With::Token, 400, "invalid room name", ""),
    ("POST", "/whep/r%20m", With::Token, 400, "invalid room name", ""),
    ("POST", "/whip/..", With::Token, 400, "invalid room name", ""),
    ("POST", "/whip/room", With::Nothing, 401, "unauthorized", ""),
    ("POST", "/whip/room", With::WrongToken, 401, "unauthorized", ""),
    ("POST", "/whep/room", With::WrongToken, 401, "unauthorized", ""),
    ("GET", "/whip/room", With::Nothing, 401, "unauthorized", ""),
    ("POST", "/whip/room", With::Token, 415, "unsupported media type", ""),
    ("POST", "/whip/room", With::Text, 415, "unsupported media type", ""),
    ("POST", "/api/whep/play/room", With::Text, 415, "unsupported media type", ""),
    ("POST", "/whip/room", With::Typed, 400, "invalid SDP", ""),
    ("POST", "/api/whip/publish/room", With::Junk, 400, "invalid SDP", ""),
    ("POST", "/whep/room", With::Junk, 404, "no active publisher in room", ""),
    ("POST", "/api/whep/play/room", With::Typed, 404, "no active publisher in room", ""),
    // Endpoints.
    ("GET", "/whip/room", With::Token, 204, "", ""),
    ("GET", "/api/whip/publish/room", With::Token, 204, "", ""),
    ("GET", "/whep/room", With::Token, 204, "", ""),
    ("HEAD", "/whep/room", With::Token, 200, "", ""),
    ("HEAD", "/api/whep/play/room", With::Token, 200, "", ""),
    ("HEAD", "/whip/room", With::Token, 204, "", ""),
    ("OPTIONS", "/whip/room", With::Nothing, 204, "", ENDPOINT),
    ("OPTIONS", "/api/whep/play/room", With::Token, 204, "", ENDPOINT),
    ("OPTIONS", "/whip/bad.name", With::Nothing, 400, "invalid room name", ""),
    // Sessions that are not there.
    ("DELETE", NO_SESSION, With::Nothing, 404, "session not found", ""),
    ("PATCH", NO_SESSION, With::Nothing, 404, "session not found", ""),
    ("GET", NO_SESSION, With::Nothing, 404, "session not found", ""),
    ("OPTIONS", NO_SESSION, With::Nothing, 404, "session not found", ""),
    ("DELETE", "/api/whep/session/short", With::Nothing, 404, "session not found", ""),
    ("POST", NO_SESSION, With::Nothing, 405, "method not allowed", RESOURCE),
    ("PUT", "/api/whep/session/short", With::Nothing, 405, "method not allowed", RESOURCE),
    // What can be asked.
    ("GET", "/healthz", With::Nothing, 200, "", ""),
    ("HEAD", "/healthz", With::Nothing, 200, "", ""),
    ("GET", "/readyz", With::Nothing, 200, "", ""),
    ("POST", "/readyz", With::Nothing, 405, "method not allowed", READ),
    ("GET", "/api/bootstrap", With::Nothing, 200, "", ""),
    ("DELETE", "/api/bootstrap", With::Nothing, 405, "method not allowed", READ),
    ("GET", "/api/rooms", With::Nothing, 401, "unauthorized", ""),
    ("GET", "/api/rooms", With::WrongToken, 401, "unauthorized", ""),
    ("GET", "/api/rooms", With::Token, 200, "", ""),
    ("OPTIONS", "/api/rooms", With::Nothing, 204, "", READ),
    ("POST", "/api/rooms", With::Token, 405, "method not allowed", READ),
    ("GET", "/api/rooms/bad.name", With::Token, 400, "invalid room name", ""),
    ("GET", "/api/rooms/room", With::Nothing, 401, "unauthorized", ""),
    ("GET", "/api/rooms/room", With::Token, 404, "room not found", ""),
    // Recordings, of which there are none.
    ("GET", "/api/records", With::Token, 200, "", ""),
    ("GET", "/api/records", With::Nothing, 401, "unauthorized", ""),
    ("GET", "/records/room_av_1.mp4", With::Token, 404, "record not found", ""),
    ("GET", "/records/room_av_1.mp4", With::Nothing, 401, "unauthorized", ""),
    ("OPTIONS", "/records/room_av_1.mp4", With::Nothing, 204, "", READ),
    ("POST", "/records/room_av_1.mp4", With::Token, 405, "method not allowed", READ),
    ("PATCH", "/api/records/room_av_1.mp4", With::Token, 401, "unauthorized", ""),
    ("DELETE", "/api/records/notes.txt", With::Token, 404, "record not found", ""),
    ("GET", "/api/records/room_av_1.mp4", With::Token, 405, "method not allowed", "PATCH, DELETE, OPTIONS"),
    ("GET", "/records/", With::Token, 404, "not found", ""),
    // Pages.
    ("GET", "/", With::Nothing, 200, "", ""),
    ("HEAD", "/", With::Nothing, 200, "", ""),
    ("POST", "/", With::Nothing, 405, "method not allowed", READ),
    ("GET", "/web/index.html", With::Nothing, 200, "", ""),
    ("GET", "/web/publisher.html", With::Nothing, 200, "", ""),
    ("GET", "/web/player.html", With::Nothing, 200, "", ""),
    ("GET", "/web/style.css", With::Nothing, 200, "", ""),
    ("GET", "/web/nothing.js", With::Nothing, 404, "not found", ""),
    ("GET", "/web/%2e%2e%2fCargo.toml", With::Nothing, 404, "not found", ""),
    ("GET", "/watch/room", With::Nothing, 200, "", ""),
    ("GET", "/watch/bad.name", With::Nothing, 400, "invalid room name", ""),
    ("POST", "/watch/room", With::Nothing, 405, "method not allowed", READ),
    // Nothing there.
    ("GET", "/nothing", With::Nothing, 404, "not found", ""),
    ("POST", "/whip/", With::Nothing, 404, "not found", ""),
    ("POST", "/whip/a/b", With::Nothing, 404, "not found", ""),
    ("TRACE", "/api", With::Nothing, 404, "not found", ""),
];

#[tokio::test]
async fn every_route() {
    let allowed = AllowedOrigin::parse(ORIGIN).unwrap();
    let fixture = Fixture::new(SessionConfig::default(), Some(TOKEN), allowed);
    for (method, path, with, status, error, allow) in TABLE {
        let answer = fixture.ask(method, path, &with.headers(), with.body()).await;
        let case = format!("{method} {path} {with:?}: {answer:?}");
        assert_eq!(answer.verdict(), (*status, (*error).to_owned()), "{case}");
        assert_eq!(answer.header("allow"), *allow, "{case}");
        let json = answer.header("content-type") == "application/json";
        assert_eq!(
            json,
            !error.is_empty() || (path.starts_with("/api/") && *status == 200 && *method == "GET"),
            "{case}"
        );
        assert_eq!(answer.header("www-authenticate"), if *status == 401 { "Bearer" } else { "" }, "{case}");
        let later = error.contains("no active publisher");
        assert_eq!(answer.headers.contains_key("retry-after"), later, "{case}");
        // CORS on each, errors and unknown routes too.
        assert_eq!(answer.header("access-control-allow-origin"), ORIGIN, "{case}");
        assert_eq!(answer.header("vary"), "Origin", "{case}");
        let exposed = "Location, ETag, Link, Accept-Post, Accept-Patch, Retry-After";
        assert_eq!(answer.header("access-control-expose-headers"), exposed, "{case}");
    }
    assert_eq!(fixture.sessions.count(), 0);
}

#[tokio::test]
async fn preflights_are_answered_bare_before_everything_else() {
    let fixture = Fixture::with_token(SessionConfig::default());
    let preflight = [("access-control-request-method", "POST"), ("access-control-request-headers", "if-match")];
    for path in ["/whip/room", "/whep/bad.name", NO_SESSION, "/api/rooms", "/nothing", "/"] {
        let answer = fixture.ask("OPTIONS", path, &preflight, "").await;
        assert_eq!(answer.status, 204, "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert_eq!(answer.header("access-control-allow-methods"), "GET, POST, PATCH, DELETE, OPTIONS");
        let headers = "Content-Type, Authorization, X-Auth-Token, If-Match, Range";
        assert_eq!(answer.header("access-control-allow-headers"), headers);
        for absent in ["link", "accept-post", "allow"] {
            assert!(!answer.headers.contains_key(absent), "{path}: {absent}");
        }
    }
}

#[tokio::test]
async fn origins() {
    // Configured, asked from, answered.
    let table = [
        ("*", Some("https://a.example"), "*", ""),
        ("*", None, "*", ""),
        ("https://a.example", Some("https://a.example"), "https://a.example", "Origin"),
        ("https://a.example", Some("https://b.example"), "", "Origin"),
        ("https://a.example", Some("null"), "", "Origin"),
        ("https://a.example", None, "", "Origin"),
        ("https://A.example,http://localhost:3000", Some("http://localhost:3000"), "http://localhost:3000", "Origin"),
        ("https://A.example, http://localhost:3000", Some("https://a.example"), "https://a.example", "Origin"),
    ];
    for (configured, asked, allowed, vary) in table {
        let origin = AllowedOrigin::parse(configured).unwrap();
        let fixture = Fixture::new(SessionConfig::default(), None, origin);
        let mut request = Request::builder().uri("/healthz");
        if let Some(asked) = asked {
            request = request.header("origin", asked);
        }
        let answer = fixture.router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let header = |name| answer.headers().get(name).map_or("", |value| value.to_str().unwrap());
        let got = (header("access-control-allow-origin"), header("vary"));
        assert_eq!(got, (allowed, vary), "{configured} {asked:?}");
    }
}

#[tokio::test]
async fn options_tell_of_turn_only_to_those_who_may() {
    let fixture = Fixture::with_token(SessionConfig::default());
    for path in ["/whip/room", "/api/whip/publish/room", "/whep/room", "/api/whep/play/room"] {
        for (token, links) in [(None, 1), (Some("wrong"), 1), (Some(TOKEN), 2)] {
            let headers: Vec<_> = token.map(|token| ("x-auth-token", token)).into_iter().collect();
            let answer = fixture.ask("OPTIONS", path, &headers, "").await;
            assert_eq!((answer.status.as_u16(), answer.header("accept-post")), (204, "application/sdp"));
            assert_eq!(answer.all("link").len(), links, "{path} {token:?}");
            let told = answer.all("link").iter().any(|link| link.contains("turn-password"));
            assert_eq!(told, links == 2);
        }
    }
    let open = Fixture::open().ask("OPTIONS", "/whip/room", &[], "").await;
    assert_eq!(open.all("link").len(), 2, "with nothing configured all may");
}

#[tokio::test]
async fn bootstrap() {
    let stun = serde_json::json!({"urls": ["stun:s.example:3478"]});
    let turn = serde_json::json!({"urls": ["turn:t.example:3478"], "username": "user", "credential": "turn-password"});
    let guarded = Fixture::with_token(SessionConfig::default());
    let open = Fixture::open();
    let token = [("authorization", "Bearer s3cret")];
    for (fixture, headers, auth, servers) in [
        (&guarded, &[][..], true, vec![stun.clone()]),
        (&guarded, &token[..], true, vec![stun.clone(), turn.clone()]),
        (&open, &[][..], false, vec![stun, turn]),
    ] {
        let answer = fixture.ask("GET", "/api/bootstrap", headers, "").await;
        let expected = serde_json::json!({
            "authEnabled": auth, "recordEnabled": false, "iceServers": servers,
            "features": {"rooms": true, "records": false},
        });
        assert_eq!(answer.json(), expected);
    }
}

#[tokio::test]
async fn pages_have_their_types_and_are_kept_until_they_change() {
    let fixture = Fixture::open();
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/watch/room", "text/html; charset=utf-8"),
        ("/web/style.css", "text/css; charset=utf-8"),
    ] {
        let first = fixture.ask("GET", path, &[], "").await;
        assert_eq!((first.header("content-type"), first.header("cache-control")), (kind, "no-cache"));
        assert!(!first.body.is_empty());
        let again = fixture.ask("GET", path, &[("if-none-match", first.header("etag"))], "").await;
        assert_eq!((again.status.as_u16(), again.body.as_str()), (304, ""));
        let other = fixture.ask("GET", path, &[("if-none-match", "\"other\"")], "").await;
        assert_eq!(other.status, 200);
    }
    assert_eq!(fixture.ask("HEAD", "/", &[], "").await.body, "");
    let index = fixture.ask("GET", "/", &[], "").await.body;
    let below = fixture.ask("GET", "/web/index.html", &[], "").await.body;
    assert_eq!(below.replace("\n  <base href=\"../\">", ""), index);
    assert!(below.len() > index.len(), "its relative links count from the level above");
    let player = fixture.ask("GET", "/web/player.html", &[], "").await.body;
    assert_eq!(fixture.ask("GET", "/watch/room", &[], "").await.body, player);
    assert_eq!(fixture.ask("GET", "/healthz", &[], "").await.body, "ok");
}
