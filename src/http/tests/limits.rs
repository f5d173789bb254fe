//! Who is refused before anything else is looked at.

use super::*;
use crate::http::rate::RateConfig;
use crate::id::ClientAddress;
use crate::session::quota::Quotas;

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

fn with_quotas(change: impl FnOnce(&mut Quotas)) -> Fixture {
    let mut quotas = Quotas::default();
    change(&mut quotas);
    Fixture::with(SessionConfig { quotas, ..SessionConfig::default() })
}

#[tokio::test]
async fn a_room_has_as_many_subscribers_as_it_may() {
    let fixture = Fixture::with(SessionConfig { max_subscribers: 2, ..SessionConfig::default() });
    assert_eq!(fixture.publish("room").await.status, 201);
    let first = fixture.play("room").await;
    assert_eq!((first.status.as_u16(), fixture.play("room").await.status.as_u16()), (201, 201));
    assert_eq!(fixture.play("room").await.verdict(), (403, "subscriber limit reached".into()));
    assert_eq!(fixture.publish("other").await.status, 201);
    assert_eq!(fixture.play("other").await.status, 201, "each room counts its own");
    assert_eq!(fixture.ask("DELETE", &first.location(), &[], "").await.status, 200);
    assert_eq!(fixture.play("room").await.status, 201);
}

#[tokio::test]
async fn a_client_finishes_its_handshakes_before_it_begins_more() {
    let fixture = with_quotas(|quotas| quotas.pending_per_client = 2);
    fixture.publish("room").await;
    fixture.play("room").await;
    let refused = fixture.play("room").await;
    assert_eq!((refused.verdict(), refused.header("retry-after")), ((429, "too many requests".into()), "5"));
    for worker in &fixture.workers {
        worker.sessions().into_iter().for_each(|session| worker.connect(session));
    }
    fixture.settle().await;
    assert_eq!(fixture.play("room").await.status, 201);
    let counts = fixture.sessions.refusals();
    assert_eq!(counts.iter().map(|(_, count)| count).sum::<u64>(), 1, "{counts:?}");
}

#[tokio::test]
async fn a_full_server_says_when_to_come_again() {
    for change in [
        |quotas: &mut Quotas| quotas.sessions = 1,
        |quotas: &mut Quotas| quotas.publishers = 1,
        |quotas: &mut Quotas| quotas.rooms = 1,
    ] {
        let fixture = with_quotas(change);
        assert_eq!(fixture.publish("room").await.status, 201);
        let refused = fixture.publish("other").await;
        assert_eq!((refused.verdict(), refused.header("retry-after")), ((503, "service unavailable".into()), "2"));
    }
}
