//! `/metrics`, and what is done around each request.

use std::collections::BTreeSet;

use super::*;
use crate::http::ListenAddr;
use crate::limits;
use crate::worker::mailbox::EndReason;

impl Fixture {
    /// A fresh scrape.
    async fn scrape(&self) -> String {
        tokio::time::advance(limits::SCRAPE_INTERVAL).await;
        let answer = self.ask("GET", "/metrics", &[], "").await;
        assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
        answer.body
    }
}

/// Lines that begin like this, without the process's own.
fn lines(text: &str, start: &str) -> Vec<String> {
    text.lines().filter(|line| line.starts_with(start)).map(str::to_owned).collect()
}

#[tokio::test(start_paused = true)]
async fn the_four_series_of_the_contract_live_as_long_as_their_room() {
    let fixture = Fixture::open();
    assert_eq!(lines(&fixture.scrape().await, "live_"), ["live_rooms 0"]);
    let publisher = fixture.publish("a").await.location();
    let subscriber = fixture.play("a").await.location();
    let room = |subscribers: usize| {
        [
            "live_rooms 1".to_owned(),
            format!("live_subscribers{{room=\"a\"}} {subscribers}"),
            "live_rtp_bytes_total{room=\"a\"} 1200000".to_owned(),
            "live_rtp_packets_total{room=\"a\"} 1000".to_owned(),
        ]
    };
    assert_eq!(lines(&fixture.scrape().await, "live_"), room(0), "a subscriber counts when it is connected");
    let session = crate::id::SessionId::parse(subscriber.rsplit('/').next().unwrap()).unwrap();
    fixture.workers[0].connect(session);
    fixture.settle().await;
    assert_eq!(lines(&fixture.scrape().await, "live_"), room(1));
    // Twice the end of one session is one end: the number never falls below zero.
    for _ in 0..2 {
        fixture.workers[0].end(session, EndReason::CloseNotify);
    }
    fixture.settle().await;
    assert_eq!(lines(&fixture.scrape().await, "live_"), room(0));
    fixture.ask("DELETE", &publisher, &[], "").await;
    assert_eq!(lines(&fixture.scrape().await, "live_"), ["live_rooms 0"]);
}

#[tokio::test(start_paused = true)]
async fn no_other_series_has_a_name_that_a_client_chose() {
    let fixture = Fixture::open();
    fixture.publish("stranger-room").await;
    fixture.ask("GET", "/stranger-path", &[], "").await;
    fixture.ask("STRANGER", "/healthz", &[], "").await;
    fixture.ask("GET", "/api/rooms/stranger-room", &[("x-request-id", "stranger-id")], "").await;
    for line in fixture.scrape().await.lines().filter(|line| line.contains("stranger") || line.contains("STRANGER")) {
        assert!(line.starts_with("live_"), "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn requests_ends_and_refusals_are_counted() {
    let fixture = Fixture::with_token(SessionConfig::default());
    let token = [SDP, ("x-auth-token", TOKEN)];
    fixture.publish("a").await;
    let offer = offer("obs-32-whip.sdp");
    let publisher = fixture.ask("POST", "/whip/a", &token, offer.clone()).await.location();
    fixture.ask("POST", "/whip/a", &token, offer.clone()).await;
    fixture.ask("DELETE", &publisher, &[], "").await;
    for worker in &fixture.workers {
        worker.set_mood(testing::Mood::Full);
    }
    fixture.ask("POST", "/whip/b", &token, offer).await;
    let text = fixture.scrape().await;
    for line in [
        r#"rillcast_http_requests_total{route="/whip/{room}",method="POST",status="201"} 1"#,
        r#"rillcast_http_requests_total{route="/whip/{room}",method="POST",status="401"} 1"#,
        r#"rillcast_http_requests_total{route="/whip/{room}",method="POST",status="409"} 1"#,
        r#"rillcast_http_requests_total{route="/api/whip/session/{id}",method="DELETE",status="200"} 1"#,
        r#"rillcast_http_refusals_total{reason="unauthorized"} 1"#,
        r#"rillcast_auth_refusals_total{reason="missing"} 1"#,
        r#"rillcast_auth_refusals_total{reason="expired"} 0"#,
        r#"rillcast_http_refusals_total{reason="publisher already exists in this room"} 1"#,
        r#"rillcast_http_refusals_total{reason="the server has as many sessions as it may"} 1"#,
        r#"rillcast_session_ends_total{role="publisher",reason="deleted"} 1"#,
        r#"rillcast_join_answer_seconds_count{role="publisher"} 1"#,
        r#"rillcast_sessions{role="publisher",state="connecting"} 0"#,
        r#"rillcast_connections_cut_total{reason="slow_reader"} 0"#,
        "rillcast_connections 0",
        r#"rillcast_worker_up{worker="0"} 1"#,
        r#"rillcast_drops_total{worker="1",reason="srtp_replay"} 0"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    assert!(!text.contains(&publisher), "the URL of a session is a secret");
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_does_not_answer_leaves_its_series_out() {
    let fixture = Fixture::open();
    fixture.publish("a").await;
    fixture.workers[0].set_mood(testing::Mood::Silent);
    let text = fixture.scrape().await;
    assert_eq!(
        lines(&text, "rillcast_worker_up"),
        [r#"rillcast_worker_up{worker="0"} 0"#, r#"rillcast_worker_up{worker="1"} 1"#]
    );
    assert_eq!(lines(&text, "live_"), ["live_rooms 1", r#"live_subscribers{room="a"} 0"#]);
    assert!(lines(&text, "rillcast_rtp_packets_total").iter().all(|line| line.contains(r#"worker="1""#)));
}

#[tokio::test(start_paused = true)]
async fn each_answer_has_a_name_of_ours() {
    let fixture = Fixture::open();
    let mut seen = BTreeSet::new();
    for (method, path) in [("GET", "/healthz"), ("GET", "/nothing"), ("POST", "/whip/a%20b"), ("OPTIONS", "/whep/a")] {
        let answer = fixture.ask(method, path, &[("x-request-id", "mine")], "").await;
        let id = answer.header("x-request-id").to_owned();
        assert!(id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{method} {path}: {id}");
        seen.insert(id);
    }
    assert_eq!(seen.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_listener_of_its_own_takes_the_metrics_away_from_everybody() {
    let split = Fixture::configured(SessionConfig::default(), None, |config| {
        config.private_address = Some(ListenAddr::Any(0));
    });
    assert_eq!(split.ask("GET", "/metrics", &[], "").await.status, 404);
    let auth = AuthConfig { admin_token: Some(Secret::new(ADMIN.1)), ..AuthConfig::default() };
    let api = Api::new(&HttpConfig::default(), &auth, split.sessions.clone());
    let private = Fixture { router: crate::http::router_private(Arc::new(api)), ..split };
    for path in ["/metrics", "/healthz", "/readyz", "/api/openapi.json", "/web/admin.html", "/api/records"] {
        let answer = private.ask("GET", path, &[("origin", "https://elsewhere.example")], "").await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(!answer.headers.contains_key("access-control-allow-origin"), "no other page reads it: {path}");
    }
    // The page's events, for who may hear them.
    assert_eq!(private.ask("GET", "/api/events", &[], "").await.status, 401);
    assert_eq!(private.ask("HEAD", "/api/events", &[ADMIN], "").await.status, 200);
    for path in ["/", "/api/rooms", "/whip/a"] {
        assert_eq!(private.ask("GET", path, &[], "").await.status, 404, "{path}");
    }
    assert_eq!(private.ask("POST", "/metrics", &[], "").await.status, 405);
}
