//! What an administrator sees and does.

use std::sync::Mutex;
use std::time::Duration;

use serde_json::json;

use super::openapi::check;
use super::*;
use crate::http::operations::{OperationError, Operations, Reloaded};
use crate::session::placement::Spread;
use crate::session::testing::Mood;
use crate::worker::mailbox::EndReason;

/// A room with a publisher and so many subscribers, all of them connected.
async fn room(fixture: &Fixture, name: &str, subscribers: usize) -> Vec<String> {
    let mut locations = vec![fixture.publish(name).await.location()];
    for _ in 0..subscribers {
        locations.push(fixture.play(name).await.location());
    }
    for location in &locations {
        fixture.connect(location).await;
    }
    locations
}

fn told(fixture: &Fixture, after: u64) -> Vec<String> {
    let mut reader = fixture.sessions.bus().read_after(&format!("{}-{after}", fixture.sessions.bus().run()));
    let notices = std::iter::from_fn(|| reader.try_next()).map(|notice| notice.unwrap());
    notices
        .map(|notice| format!("{} {}", notice.what.name(), notice.room.as_ref().map_or("", |r| r.as_str())))
        .collect()
}

#[tokio::test]
async fn only_with_the_administrators_token() {
    let fixture = Fixture::with_token(SessionConfig::default());
    for (path, allow) in crate::http::routes::table() {
        let Some(rest) = path.strip_prefix("/api/admin/") else { continue };
        let rest = rest.replace("{room}", "room").replace("{key}", "0011223344556677");
        for method in allow.split(", ").filter(|method| *method != "OPTIONS") {
            for headers in [&[][..], &[("x-auth-token", TOKEN)], &[("authorization", "Bearer wrong")]] {
                let answer = fixture.ask(method, &format!("/api/admin/{rest}"), headers, "").await;
                assert_eq!(answer.status, 401, "{method} {path} {headers:?}");
                check(path, method, &answer);
            }
            let answer = fixture.admin(method, &rest, "").await;
            assert_ne!(answer.status, 401, "{method} {path}");
            check(path, method, &answer);
        }
    }
}

#[tokio::test]
async fn a_closed_room_ends_with_all_its_sessions_wherever_they_are() {
    let fixture = Fixture::with(SessionConfig { spread: Spread::Always, ..SessionConfig::default() });
    let locations = room(&fixture, "a", 5).await;
    let other = room(&fixture, "b", 1).await;
    assert!(fixture.workers.iter().all(|worker| worker.sessions().len() > 2), "they are on both workers");
    let answer = fixture.admin("POST", "rooms/a/close", "").await;
    assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({"room": "a", "closed": true})));
    check("/api/admin/rooms/{room}/close", "POST", &answer);
    fixture.settle().await;
    for location in &locations {
        assert_eq!(fixture.ask("GET", location, &[], "").await.status, 404);
    }
    assert_eq!(fixture.ask("GET", &other[1], &[], "").await.status, 204);
    assert_eq!(fixture.sessions.count(), 2);
    assert_eq!(fixture.admin("POST", "rooms/a/close", "").await.verdict(), (404, "room not found".into()));
    assert_eq!(fixture.admin("POST", "rooms/a.b/close", "").await.verdict(), (400, "invalid room name".into()));
    assert_eq!(fixture.publish("a").await.status, 201, "it is not blocked");
}

#[tokio::test(start_paused = true)]
async fn closing_waits_for_a_busy_worker_and_says_so_if_that_is_in_vain() {
    let fixture = Arc::new(Fixture::open());
    room(&fixture, "a", 2).await;
    fixture.workers[0].set_mood(Mood::Busy);
    let closing = tokio::spawn({
        let fixture = fixture.clone();
        async move { fixture.admin("POST", "rooms/a/close", "").await.status }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    fixture.workers[0].set_mood(Mood::Willing);
    assert_eq!(closing.await.unwrap(), 200);
    room(&fixture, "a", 2).await;
    for mood in [Mood::Busy, Mood::Silent] {
        fixture.workers[0].set_mood(mood);
        let answer = fixture.admin("POST", "rooms/a/close", "").await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "2"), "{mood:?}");
    }
    assert_eq!(fixture.sessions.count(), 3, "nothing is forgotten that may go on");
}

#[tokio::test]
async fn what_happens_is_told_in_its_order() {
    let fixture = Fixture::open();
    let locations = room(&fixture, "a", 1).await;
    fixture.play("a").await;
    assert_eq!(told(&fixture, 0), ["room.opened a", "publisher.started a", "subscriber.joined a"]);
    fixture.ask("DELETE", &locations[1], &[], "").await;
    fixture.settle().await;
    assert_eq!(told(&fixture, 3), ["subscriber.left a"]);
    fixture.admin("POST", "rooms/a/close", "").await;
    fixture.settle().await;
    // One of the two had not finished its handshake.
    assert_eq!(told(&fixture, 4), ["publisher.stopped a", "room.closed a"]);
    fixture.admin("POST", "drain", r#"{"on":true}"#).await;
    fixture.admin("POST", "drain", r#"{"on":true}"#).await;
    fixture.admin("POST", "drain", r#"{"on":false}"#).await;
    assert_eq!(told(&fixture, 6), ["drain.started ", "drain.stopped "]);
    let publisher = fixture.publish("b").await.location();
    fixture.connect(&publisher).await;
    fixture.workers.iter().for_each(|worker| {
        if worker.sessions().contains(&session_id(&publisher)) {
            worker.end(session_id(&publisher), EndReason::ConsentExpired);
        }
    });
    fixture.settle().await;
    assert_eq!(told(&fixture, 8), ["room.opened b", "publisher.started b", "publisher.stopped b", "room.closed b"]);
}

#[tokio::test]
async fn sessions_are_listed_page_by_page() {
    let fixture = Fixture::open();
    room(&fixture, "a", 6).await;
    let agent = [SDP, ("user-agent", "OBS-Studio/32")];
    let publisher = fixture.ask("POST", "/whip/b", &agent, offer("obs-32-whip.sdp")).await;
    let all = fixture.admin("GET", "sessions", "").await;
    check("/api/admin/sessions", "GET", &all);
    let (all, next) = (all.json()["sessions"].as_array().unwrap().clone(), all.json()["next"].clone());
    assert_eq!((all.len(), next), (8, Value::Null));
    let (mut paged, mut after) = (Vec::new(), String::new());
    loop {
        let page = fixture.admin("GET", &format!("sessions?limit=3{after}"), "").await.json();
        paged.extend(page["sessions"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(paged, all);
    let of_room = fixture.admin("GET", "sessions?room=b", "").await.json()["sessions"].clone();
    assert_eq!(of_room.as_array().unwrap().len(), 1);
    let one = &of_room[0];
    let shown = (&one["role"], &one["state"], &one["userAgent"], &one["srtp"]);
    assert_eq!(shown, (&json!("publisher"), &json!("connecting"), &json!("OBS-Studio/32"), &Value::Null));
    let secret = session_id(&publisher.location()).to_string();
    assert!(!one.to_string().contains(&secret[..8]), "the key is not the secret");
    let table = [
        ("sessions?room=none", 200, ""),
        ("sessions?room=a.b", 400, "invalid room name"),
        ("sessions?after=junk", 400, "invalid request"),
        ("sessions?limit=x", 400, "invalid request"),
        ("sessions?limit=0", 200, ""),
        ("sessions?limit=99999999", 200, ""),
    ];
    for (path, status, error) in table {
        assert_eq!(fixture.admin("GET", path, "").await.verdict(), (status, error.into()), "{path}");
    }
    assert_eq!(fixture.admin("GET", "sessions?room=none", "").await.json(), json!({"sessions": [], "next": null}));
}

#[tokio::test]
async fn one_session_is_looked_at_and_ended() {
    let fixture = Fixture::open();
    let locations = room(&fixture, "a", 1).await;
    let key = session_id(&locations[1]).key().to_string();
    let seen = fixture.admin("GET", &format!("sessions/{key}"), "").await;
    check("/api/admin/sessions/{key}", "GET", &seen);
    assert_eq!((&seen.json()["key"], &seen.json()["srtp"]), (&json!(key), &json!("AEAD_AES_128_GCM")));
    let ended = fixture.admin("DELETE", &format!("sessions/{key}"), "").await;
    check("/api/admin/sessions/{key}", "DELETE", &ended);
    assert_eq!(ended.json(), json!({"key": key, "ended": true}));
    fixture.settle().await;
    assert_eq!(fixture.ask("GET", &locations[1], &[], "").await.status, 404);
    assert_eq!(fixture.ask("GET", &locations[0], &[], "").await.status, 204);
    for path in [format!("sessions/{key}"), "sessions/junk".into(), format!("sessions/{}", session_id(&locations[0]))] {
        for method in ["GET", "DELETE"] {
            let answer = fixture.admin(method, &path, "").await;
            assert_eq!(answer.verdict(), (404, "session not found".into()), "{path}");
        }
    }
}

#[tokio::test]
async fn a_blocked_room_takes_nobody() {
    let fixture = Fixture::open();
    room(&fixture, "a", 1).await;
    let answer = fixture.admin("POST", "rooms/a/block", r#"{"seconds": 30}"#).await;
    check("/api/admin/rooms/{room}/block", "POST", &answer);
    for refused in [fixture.publish("a").await, fixture.play("a").await] {
        assert_eq!(refused.verdict(), (503, "service unavailable".into()));
        assert!((1..=31).contains(&refused.header("retry-after").parse::<u64>().unwrap()), "{refused:?}");
    }
    assert_eq!((fixture.sessions.count(), fixture.publish("b").await.status.as_u16()), (2, 201));
    let list = fixture.admin("GET", "blocks", "").await;
    check("/api/admin/blocks", "GET", &list);
    assert_eq!(list.json()[0]["room"], "a");
    let answer = fixture.admin("POST", "rooms/a/block", r#"{"seconds": 30, "close": true}"#).await;
    assert_eq!((answer.status.as_u16(), fixture.sessions.count()), (200, 1));
    for (status, error) in [(200, ""), (404, "room not blocked")] {
        let answer = fixture.admin("DELETE", "rooms/a/block", "").await;
        check("/api/admin/rooms/{room}/block", "DELETE", &answer);
        assert_eq!(answer.verdict(), (status, error.into()));
    }
    assert_eq!(fixture.admin("GET", "blocks", "").await.json(), json!([]));
    assert_eq!(fixture.publish("a").await.status, 201);
    for body in
        ["", "{}", "[]", r#"{"seconds":0}"#, r#"{"seconds":604801}"#, r#"{"seconds":1,"x":1}"#, r#"{"seconds":-1}"#]
    {
        let answer = fixture.admin("POST", "rooms/a/block", body).await;
        assert_eq!(answer.verdict(), (400, "invalid request".into()), "{body}");
    }
    let answer = fixture.ask("POST", "/api/admin/rooms/a/block", &[ADMIN], "{}").await;
    assert_eq!(answer.verdict(), (415, "unsupported media type".into()));
    assert_eq!(fixture.admin("POST", "rooms/a/block", vec![b' '; 5000]).await.status, 413);
}

#[tokio::test]
async fn while_drained_nobody_new_comes_and_the_others_stay() {
    let fixture = Fixture::open();
    let locations = room(&fixture, "a", 1).await;
    let answer = fixture.admin("POST", "drain", r#"{"on": true}"#).await;
    check("/api/admin/drain", "POST", &answer);
    assert_eq!(answer.json(), json!({"draining": true}));
    for answer in [fixture.publish("b").await, fixture.play("a").await, fixture.ask("GET", "/readyz", &[], "").await] {
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "2"));
    }
    assert_eq!(fixture.ask("GET", &locations[0], &[], "").await.status, 204);
    assert_eq!(fixture.admin("GET", "status", "").await.json()["draining"], true);
    fixture.admin("POST", "drain", r#"{"on": false}"#).await;
    assert_eq!(
        (fixture.play("a").await.status, fixture.ask("GET", "/readyz", &[], "").await.status.as_u16()),
        (StatusCode::CREATED, 200)
    );
}

#[tokio::test]
async fn the_status_has_figures_and_limits() {
    let fixture = Fixture::open();
    room(&fixture, "a", 2).await;
    fixture.play("a").await;
    let answer = fixture.admin("GET", "status", "").await;
    check("/api/admin/status", "GET", &answer);
    let status = answer.json();
    let shown = ["rooms", "sessions", "publishers", "subscribers", "blocks"].map(|name| status[name].as_u64().unwrap());
    assert_eq!(shown, [1, 4, 1, 2, 0]);
    assert_eq!(
        (status["version"].as_str(), status["workers"].as_array().unwrap().len()),
        (Some(env!("CARGO_PKG_VERSION")), 2)
    );
    assert_eq!(status["limits"]["sessions"], 20_000);
}

#[tokio::test(start_paused = true)]
async fn rooms_have_a_history_and_the_sampler_sleeps_without_them() {
    let fixture = Fixture::open();
    tokio::spawn(Sessions::sample(Arc::downgrade(&fixture.sessions)));
    tokio::time::sleep(Duration::from_mins(2)).await;
    let empty = fixture.admin("GET", "overview", "").await;
    check("/api/admin/overview", "GET", &empty);
    assert_eq!((empty.json()["rooms"].clone(), empty.json()["sample"].clone()), (json!([]), json!(1)));
    room(&fixture, "a", 1).await;
    tokio::time::sleep(Duration::from_secs(12)).await;
    let answer = fixture.admin("GET", "overview", "").await;
    check("/api/admin/overview", "GET", &answer);
    let overview = answer.json();
    assert_eq!((&overview["rooms"][0]["name"], &overview["stepSeconds"]), (&json!("a"), &json!(5)));
    let history = &overview["rooms"][0]["history"];
    assert_eq!(history["bitrateIn"], json!([2_500_000, 2_500_000, 2_500_000]));
    assert_eq!(history["packetsIn"], json!([1000, 0, 0]), "the fake worker's figure does not grow");
    let since = format!("overview?since={}", overview["sample"].as_u64().unwrap() - 1);
    let newer = fixture.admin("GET", &since, "").await.json();
    assert_eq!(newer["rooms"][0]["history"]["bitrateIn"], json!([2_500_000]));
    let one = fixture.admin("GET", "rooms/a/history", "").await;
    check("/api/admin/rooms/{room}/history", "GET", &one);
    assert_eq!(one.json()["history"]["bitrateIn"].as_array().unwrap().len(), 3);
    assert_eq!(fixture.admin("GET", "rooms/b/history", "").await.verdict(), (404, "room not found".into()));
    let server = fixture.admin("GET", "history", "").await;
    check("/api/admin/history", "GET", &server);
    fixture.admin("POST", "rooms/a/close", "").await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(fixture.admin("GET", "overview", "").await.json()["rooms"], json!([]));
}

#[derive(Default)]
struct Asked(Mutex<Vec<String>>);

impl Operations for Asked {
    fn reload(&self) -> Result<Reloaded, OperationError> {
        let mut asked = self.0.lock().unwrap();
        asked.push("reload".into());
        match asked.len() {
            1 => Ok(Reloaded { needs_restart: vec!["http.address"] }),
            _ => Err(OperationError::Invalid("line 3: auth.tokn is unknown".into())),
        }
    }

    fn set_log_filter(&self, filter: &str) -> Result<(), OperationError> {
        self.0.lock().unwrap().push(filter.into());
        if filter == "debug" { Ok(()) } else { Err(OperationError::Invalid("no level".into())) }
    }
}

#[tokio::test]
async fn reload_and_log_are_asked_of_those_who_can() {
    let mut fixture = Fixture::open();
    for (path, body) in [("reload", ""), ("log", r#"{"filter":"debug"}"#)] {
        assert_eq!(fixture.admin("POST", path, body).await.verdict(), (404, "not found".into()));
    }
    let asked = Arc::new(Asked::default());
    let auth = AuthConfig { admin_token: Some(Secret::new(ADMIN.1)), ..AuthConfig::default() };
    let api = Api::new(&HttpConfig::default(), &auth, fixture.sessions.clone());
    api.set_operations(asked.clone());
    fixture.router = crate::http::router(Arc::new(api));
    let table = [
        ("reload", "", 200, json!({"needsRestart": ["http.address"]})),
        ("reload", "", 422, json!({"error": "invalid configuration", "detail": "line 3: auth.tokn is unknown"})),
        ("log", r#"{"filter":"debug"}"#, 200, json!({"filter": "debug"})),
        ("log", r#"{"filter":"?"}"#, 400, json!({"error": "invalid request", "detail": "no level"})),
    ];
    for (path, body, status, expected) in table {
        let answer = fixture.admin("POST", path, body).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (status, expected));
        check(&format!("/api/admin/{path}"), "POST", &answer);
    }
    assert_eq!(*asked.0.lock().unwrap(), ["reload", "reload", "debug", "?"]);
}
