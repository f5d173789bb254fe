//! Who is refused before anything else is looked at.

use super::*;
use crate::http::rate::RateConfig;
use crate::id::ClientAddress;

fn limited() -> Fixture {
    Fixture::configured(SessionConfig::default(), Some(TOKEN), |config| {
        config.rate = RateConfig { per_second: 0.01, burst: 2 };
    })
}

async fn ask(fixture: &Fixture, client: &str, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header("origin", ORIGIN);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.extension(ClientAddress::new(client.parse().unwrap()));
    fixture.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn too_many_requests_of_one_client_are_refused_and_told_when_to_come_again() {
    let fixture = limited();
    let guess = [("authorization", "Bearer guess")];
    for _ in 0..2 {
        assert_eq!(ask(&fixture, "203.0.113.7", "POST", "/whip/room", &guess).await.verdict().0, 401);
    }
    // Whatever it asks, with a valid token or without; pages hold no way around it.
    for (method, path) in [
        ("POST", "/whip/room"),
        ("POST", "/whep/room"),
        ("DELETE", "/api/whip/session/00112233445566778899aabbccddeeff"),
        ("PATCH", "/api/whep/session/00112233445566778899aabbccddeeff"),
        ("OPTIONS", "/whip/room"),
        ("GET", "/api/bootstrap"),
        ("GET", "/api/rooms"),
        ("GET", "/api/rooms/room"),
        ("GET", "/nothing"),
        ("GET", "/"),
        ("GET", "/web/style.css"),
        ("GET", "/watch/room"),
    ] {
        let answer = ask(&fixture, "203.0.113.7", method, path, &[("x-auth-token", TOKEN)]).await;
        assert_eq!(answer.verdict(), (429, "too many requests".into()), "{method} {path}");
        let wait: u64 = answer.header("retry-after").parse().unwrap();
        assert!((1..=100).contains(&wait), "{wait}");
        assert_eq!(answer.header("access-control-allow-origin"), "*", "pages can read it");
    }
    // Others, preflights, and what looks after the server are not touched.
    assert_eq!(ask(&fixture, "203.0.113.8", "GET", "/api/bootstrap", &[]).await.status, 200);
    for path in ["/healthz", "/readyz"] {
        assert_eq!(ask(&fixture, "203.0.113.7", "GET", path, &[]).await.status, 200, "{path}");
    }
    let preflight = [("access-control-request-method", "POST")];
    assert_eq!(ask(&fixture, "203.0.113.7", "OPTIONS", "/whip/room", &preflight).await.status, 204);
}
