//! Who listens to what happens.

use std::time::Duration;

use http_body_util::BodyExt as _;
use tokio::time::timeout;

use super::openapi::check;
use super::*;
use crate::limits;

/// An open stream of events.
struct Stream {
    status: u16,
    kind: String,
    body: Body,
    text: String,
}

impl Stream {
    async fn open(fixture: &Fixture, path: &str, headers: &[(&str, &str)]) -> Self {
        let mut request = Request::builder().uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = fixture.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let kind = response.headers().get("content-type").map_or("", |value| value.to_str().unwrap()).to_owned();
        Self { status: response.status().as_u16(), kind, body: response.into_body(), text: String::new() }
    }

    /// What has come so far.
    async fn read(&mut self) -> &str {
        while let Ok(Some(frame)) = timeout(Duration::from_millis(50), self.body.frame()).await {
            self.text.push_str(std::str::from_utf8(&frame.unwrap().into_data().unwrap()).unwrap());
        }
        &self.text
    }

    /// The types of the events that came so far, with their rooms.
    async fn events(&mut self) -> Vec<String> {
        let data = self.read().await.lines().filter_map(|line| line.strip_prefix("data: "));
        let json = data.map(|line| serde_json::from_str::<Value>(line).unwrap());
        json.map(|event| {
            format!("{} {}", event["type"].as_str().unwrap(), event["data"]["room"].as_str().unwrap_or(""))
        })
        .collect()
    }

    fn last_id(&self) -> String {
        self.text.lines().rev().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned()
    }
}

async fn publish(fixture: &Fixture, room: &str) -> String {
    let headers = [SDP, ("x-auth-token", TOKEN)];
    let location = fixture.ask("POST", &format!("/whip/{room}"), &headers, offer("obs-32-whip.sdp")).await.location();
    fixture.connect(&location).await;
    location
}

#[tokio::test(start_paused = true)]
async fn an_administrator_hears_all_and_others_their_room() {
    let fixture = Fixture::with_token(SessionConfig::default());
    let token = ("x-auth-token", TOKEN);
    let mut all = Stream::open(&fixture, "/api/events", &[ADMIN]).await;
    let mut one = Stream::open(&fixture, "/api/events?room=a", &[token]).await;
    let mut mine = Stream::open(&fixture, "/api/events?room=a", &[ADMIN]).await;
    assert_eq!((all.status, all.kind.as_str()), (200, "text/event-stream"));
    let a = publish(&fixture, "a").await;
    publish(&fixture, "b").await;
    fixture.ask("DELETE", &a, &[], "").await;
    fixture.settle().await;
    let of_a = ["room.opened a", "publisher.started a", "publisher.stopped a", "room.closed a"];
    let everything = [of_a[0], of_a[1], "room.opened b", "publisher.started b", of_a[2], of_a[3]];
    assert_eq!(all.events().await, everything);
    assert_eq!(one.events().await, of_a);
    assert_eq!(mine.events().await, of_a);
    assert!(one.text.contains("\"reason\":\"deleted\""), "{}", one.text);
    assert_eq!(fixture.admin("GET", "status", "").await.json()["events"]["listeners"], 3);
    drop((one, mine));
    fixture.settle().await;
    assert_eq!(fixture.admin("GET", "status", "").await.json()["events"]["listeners"], 1);
    for (path, headers, status) in [
        ("/api/events", &[token][..], 401),
        ("/api/events", &[], 401),
        ("/api/events?room=a", &[], 401),
        ("/api/events?room=a.b", &[ADMIN], 400),
    ] {
        let answer = fixture.ask("GET", path, headers, "").await;
        assert_eq!(answer.status, status, "{path} {headers:?}");
        check("/api/events", "GET", &answer);
    }
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_goes_on_where_it_was() {
    let fixture = Fixture::with_token(SessionConfig::default());
    let mut first = Stream::open(&fixture, "/api/events", &[ADMIN]).await;
    publish(&fixture, "a").await;
    assert_eq!(first.events().await.len(), 2);
    let last = first.last_id();
    drop(first);
    publish(&fixture, "b").await;
    for (path, headers) in [
        ("/api/events".to_owned(), vec![ADMIN, ("last-event-id", last.as_str())]),
        (format!("/api/events?after={last}"), vec![ADMIN]),
    ] {
        let mut second = Stream::open(&fixture, &path, &headers).await;
        assert_eq!(second.events().await, ["room.opened b", "publisher.started b"]);
    }
    let mut stranger = Stream::open(&fixture, "/api/events", &[ADMIN, ("last-event-id", "0-0")]).await;
    assert_eq!(stranger.events().await[..2], ["missed ", "room.opened a"]);
}

#[tokio::test(start_paused = true)]
async fn silence_has_signs_of_life_and_the_end_of_the_server_is_the_end() {
    let fixture = Fixture::open();
    let mut stream = Stream::open(&fixture, "/api/events?room=a", &[]).await;
    assert_eq!(stream.read().await, "retry: 2000\n\n");
    tokio::time::sleep(limits::LISTENER_HEARTBEAT + Duration::from_secs(1)).await;
    assert_eq!(stream.read().await, "retry: 2000\n\n:\n\n");
    publish(&fixture, "a").await;
    fixture.sessions.bus().close();
    let rest = timeout(Duration::from_secs(5), stream.body.collect()).await.unwrap().unwrap().to_bytes();
    assert!(String::from_utf8(rest.to_vec()).unwrap().contains("publisher.started"));
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_takes_nothing_is_cut_and_counted() {
    let fixture = Fixture::open();
    let mut stream = Stream::open(&fixture, "/api/events", &[ADMIN]).await;
    for _ in 0..limits::NOTICES + 100 {
        fixture.sessions.bus().tell(None, crate::notify::What::DrainStarted);
    }
    tokio::time::sleep(limits::LISTENER_TIME + Duration::from_secs(5)).await;
    let events = fixture.admin("GET", "status", "").await.json()["events"].clone();
    assert_eq!((&events["listeners"], &events["slow"]), (&0.into(), &1.into()));
    let bytes = stream.read().await.len();
    assert!(bytes <= 3 * (limits::LISTENER_BYTES + 1024), "{bytes} bytes waited for it");
}

#[tokio::test(start_paused = true)]
async fn listeners_are_bounded_and_a_rooms_take_no_place_from_an_administrator() {
    let fixture = Fixture::open();
    let mut streams = Vec::new();
    for _ in 0..limits::LISTENERS_OF_ROOMS {
        streams.push(Stream::open(&fixture, "/api/events?room=a", &[]).await);
    }
    assert!(streams.iter().all(|stream| stream.status == 200));
    let refused = fixture.ask("GET", "/api/events?room=a", &[], "").await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, "2"));
    check("/api/events", "GET", &refused);
    assert_eq!(Stream::open(&fixture, "/api/events", &[ADMIN]).await.status, 200);
    assert_eq!(fixture.admin("GET", "status", "").await.json()["events"]["refused"], 1);
}

#[tokio::test]
async fn each_event_is_as_described() {
    let description: Value = serde_json::from_str(include_str!("../../../docs/openapi.json")).unwrap();
    let mut schema = description["components"]["schemas"]["Event"].clone();
    schema["components"] = description["components"].clone();
    let types: Vec<&str> =
        schema["properties"]["type"]["enum"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert_eq!(types, crate::notify::What::NAMES);
    let validator = jsonschema::validator_for(&schema).unwrap();
    let fixture = Fixture::open();
    let location = publish(&fixture, "a").await;
    fixture.connect(&fixture.play("a").await.location()).await;
    fixture.admin("POST", "drain", r#"{"on": true}"#).await;
    fixture.ask("DELETE", &location, &[], "").await;
    fixture.sessions.bus().tell_limit(None, "sessions");
    fixture.settle().await;
    let mut reader = fixture.sessions.bus().read_after(&format!("{}-0", fixture.sessions.bus().run()));
    let mut count = 0;
    while let Some(Ok(notice)) = reader.try_next() {
        let json = serde_json::from_str(&notice.json(fixture.sessions.bus().run())).unwrap();
        assert!(validator.is_valid(&json), "{json}");
        count += 1;
    }
    assert!(count >= 6, "{count}");
}
