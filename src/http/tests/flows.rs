//! Sessions from their POST to their end.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;

use super::*;
use crate::session::testing::Mood;
use crate::worker::mailbox::EndReason;

fn offers(kind: &str) -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/offers");
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names: Vec<String> = names.filter(|name| name.ends_with(&format!("{kind}.sdp"))).collect();
    assert!(names.len() > 4, "{kind}");
    names
}

#[tokio::test]
async fn real_publishers_and_players_are_answered() {
    for (kind, long, session) in
        [("whip", "/api/whip/publish/", "/api/whip/session/"), ("whep", "/api/whep/play/", "/api/whep/session/")]
    {
        for name in offers(kind) {
            for prefix in [long, if kind == "whip" { "/whip/" } else { "/whep/" }] {
                let fixture = Fixture::with(SessionConfig { wait_for_publisher: true, ..SessionConfig::default() });
                let answer = fixture.ask("POST", &format!("{prefix}room"), &[SDP], offer(&name)).await;
                let case = format!("{name} {answer:?}");
                assert_eq!((answer.status.as_u16(), answer.header("content-type")), (201, "application/sdp"), "{case}");
                assert!(answer.body.starts_with("v=0\r\n") && answer.body.len() < 8192, "{case}");
                let location = answer.location();
                assert!(location.starts_with(session) && !location.contains('?'), "{case}");
                let etag = answer.header("etag");
                assert!(etag.len() > 10 && etag.starts_with('"') && etag.ends_with('"'), "{case}");
                assert_eq!(answer.header("accept-patch"), "application/trickle-ice-sdpfrag");
                let turn = "<turn:t.example:3478>; rel=\"ice-server\"; username=\"user\"; \
                            credential=\"turn-password\"; credential-type=\"password\"";
                assert_eq!(answer.all("link"), ["<stun:s.example:3478>; rel=\"ice-server\"", turn]);
                assert_eq!(answer.header("access-control-allow-origin"), "*");
                for (method, status) in [("GET", 204), ("HEAD", 204), ("DELETE", 200), ("DELETE", 404), ("GET", 404)] {
                    assert_eq!(fixture.ask(method, &location, &[], "").await.status, status, "{method} {case}");
                }
                assert_eq!(fixture.sessions.count(), 0);
                assert!(fixture.workers[0].sessions().is_empty());
            }
        }
    }
}

#[tokio::test]
async fn session_options_and_roles() {
    let fixture = Fixture::with_token(SessionConfig::default());
    let headers = [SDP, ("authorization", "Bearer s3cret")];
    let created = fixture.ask("POST", "/whip/room", &headers, offer("obs-32-whip.sdp")).await;
    // The URL itself is what authorises.
    let options = fixture.ask("OPTIONS", &created.location(), &[], "").await;
    assert_eq!((options.status.as_u16(), options.all("link").len()), (204, 2));
    assert_eq!(options.header("accept-patch"), "application/trickle-ice-sdpfrag");
    let other_role = created.location().replace("whip", "whep");
    assert_eq!(fixture.ask("DELETE", &other_role, &[], "").await.status, 404);
    assert_eq!(fixture.ask("DELETE", &created.location(), &[], "").await.status, 200);
}

#[tokio::test]
async fn a_player_needs_a_publisher_unless_it_may_wait() {
    let fixture = Fixture::open();
    let early = fixture.play("room").await;
    assert_eq!(early.verdict(), (404, "no active publisher in room".into()));
    assert_eq!(early.header("retry-after"), "2");
    let publisher = fixture.publish("room").await;
    assert_eq!(fixture.play("room").await.status, 201);
    fixture.ask("DELETE", &publisher.location(), &[], "").await;
    assert_eq!(fixture.play("room").await.status, 404, "the subscriber that stays makes no publisher");
    assert_eq!(fixture.publish("room").await.status, 201, "a fresh POST at once");
    assert_eq!(fixture.play("room").await.status, 201);

    let patient = Fixture::with(SessionConfig { wait_for_publisher: true, ..SessionConfig::default() });
    assert_eq!(patient.play("room").await.status, 201);
}

#[tokio::test]
async fn the_publishers_codec_comes_first_for_players() {
    let fixture = Fixture::open();
    fixture.ask("POST", "/whip/room", &[SDP], offer("chromium-VP8-whip.sdp")).await;
    let answer = fixture.ask("POST", "/whep/room", &[SDP], offer("chromium-H264-whep.sdp")).await;
    let first = |sdp: &str| {
        let line = sdp.lines().find(|line| line.starts_with("m=video")).unwrap().to_owned();
        let pt = line.split(' ').nth(3).unwrap().to_owned();
        sdp.lines().find(|line| line.starts_with(&format!("a=rtpmap:{pt} "))).unwrap().to_owned()
    };
    assert!(first(&answer.body).contains("VP8/90000"), "{}", answer.body);
}

#[tokio::test]
async fn one_publisher_at_a_time() {
    let fixture = Fixture::open();
    assert_eq!(fixture.publish("room").await.status, 201);
    assert_eq!(fixture.publish("room").await.verdict(), (409, "publisher already exists in this room".into()));
    assert_eq!(fixture.publish("other").await.status, 201);
    assert_eq!(fixture.sessions.count(), 2, "a refused one leaves nothing behind");
    // The worker decides that the first one is silent.
    fixture.workers[0].let_publishers_go_silent();
    assert_eq!(fixture.publish("room").await.status, 201);
    fixture.settle().await;
    assert_eq!(fixture.sessions.count(), 2);
    assert_eq!(fixture.play("room").await.status, 201, "the end of the old one is not the end of the new one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_publishers_at_once_one_is_admitted() {
    let fixture = Arc::new(Fixture::open());
    for round in 0..20 {
        let room = format!("room{round}");
        let posts: Vec<_> = (0..8)
            .map(|_| {
                let (fixture, room) = (fixture.clone(), room.clone());
                tokio::spawn(async move { fixture.publish(&room).await.status.as_u16() })
            })
            .collect();
        let mut statuses = Vec::new();
        for post in posts {
            statuses.push(post.await.unwrap());
        }
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409, 409, 409, 409, 409, 409, 409]);
    }
    assert_eq!(fixture.sessions.count(), 20);
}

#[tokio::test]
async fn takeover_is_for_the_same_token() {
    let takeover = SessionConfig { takeover: true, ..SessionConfig::default() };
    let post = async |fixture: &Fixture| {
        let headers = [SDP, ("authorization", "Bearer s3cret")];
        fixture.ask("POST", "/whip/room", &headers, offer("obs-32-whip.sdp")).await
    };
    // Configured, with a token, and so what the second one gets.
    for (config, token, second) in
        [(takeover.clone(), true, 201), (takeover, false, 409), (SessionConfig::default(), true, 409)]
    {
        let fixture = if token { Fixture::with_token(config) } else { Fixture::with(config) };
        let first = post(&fixture).await;
        assert_eq!(post(&fixture).await.status, second, "token {token}");
        fixture.settle().await;
        assert_eq!(fixture.sessions.count(), 1);
        let gone = fixture.ask("GET", &first.location(), &[], "").await.status == 404;
        assert_eq!(gone, second == 201);
    }
}

#[tokio::test]
async fn what_the_worker_ends_is_gone() {
    let fixture = Fixture::open();
    let publisher = fixture.publish("room").await.location();
    let player = fixture.play("room").await.location();
    fixture.workers[0].end(session_id(&publisher), EndReason::CloseNotify);
    fixture.settle().await;
    assert_eq!(fixture.ask("DELETE", &publisher, &[], "").await.status, 404);
    assert_eq!(fixture.play("room").await.status, 404);
    assert_eq!(fixture.publish("room").await.status, 201);
    fixture.workers[0].end(session_id(&player), EndReason::ConsentExpired);
    fixture.settle().await;
    assert_eq!(fixture.sessions.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn workers_that_cannot_give_503() {
    for mood in [Mood::Busy, Mood::Full, Mood::Silent, Mood::Deaf] {
        let fixture = Fixture::with(SessionConfig { wait_for_publisher: true, ..SessionConfig::default() });
        fixture.workers.iter().for_each(|worker| worker.set_mood(mood));
        for answer in [fixture.publish("room").await, fixture.play("room").await] {
            assert_eq!(answer.verdict(), (503, "service unavailable".into()), "{mood:?}");
            assert_eq!(answer.header("retry-after"), "2", "{mood:?}");
        }
        assert_eq!(fixture.sessions.count(), 0, "{mood:?}");
        assert_eq!(fixture.ask("GET", "/api/rooms", &[], "").await.body, "[]");
        fixture.workers.iter().for_each(|worker| worker.set_mood(Mood::Willing));
        assert_eq!(fixture.publish("room").await.status, 201, "{mood:?} was not for good");
    }
}

#[tokio::test]
async fn a_bug_of_ours_costs_one_request_and_tells_nothing() {
    let fixture = Fixture::open();
    fixture.workers[0].set_mood(Mood::Broken);
    let answer = fixture.publish("room").await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (500, "{\"error\":\"internal server error\"}"));
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    fixture.workers[0].set_mood(Mood::Willing);
    assert_eq!((fixture.sessions.count(), fixture.publish("room").await.status.as_u16()), (0, 201));
}

#[tokio::test(start_paused = true)]
async fn a_delete_that_the_worker_cannot_take_can_be_repeated() {
    let fixture = Fixture::open();
    let location = fixture.publish("room").await.location();
    for (mood, status) in [(Mood::Busy, 503), (Mood::Silent, 200), (Mood::Silent, 404)] {
        fixture.workers[0].set_mood(mood);
        assert_eq!(fixture.ask("DELETE", &location, &[], "").await.status, status, "{mood:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_hangs_up_leaves_nothing_behind() {
    let fixture = Fixture::open();
    fixture.workers[0].set_mood(Mood::Silent);
    let post = tokio::time::timeout(std::time::Duration::from_millis(10), fixture.publish("room"));
    assert!(post.await.is_err());
    assert_eq!(fixture.sessions.count(), 0);
}

#[tokio::test]
async fn while_draining_nothing_new_is_taken() {
    let fixture = Fixture::open();
    let location = fixture.publish("room").await.location();
    fixture.sessions.drain().await;
    fixture.settle().await;
    assert_eq!(fixture.ask("GET", "/healthz", &[], "").await.status, 200);
    for answer in [fixture.ask("GET", "/readyz", &[], "").await, fixture.publish("b").await, fixture.play("room").await]
    {
        assert_eq!(answer.verdict(), (503, "service unavailable".into()));
        assert!(answer.headers.contains_key("retry-after"));
    }
    assert_eq!(fixture.ask("DELETE", &location, &[], "").await.status, 404, "the worker said goodbye");
    assert_eq!(fixture.sessions.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn subscribers_of_a_busy_room_go_to_another_worker() {
    let fixture = Fixture::open();
    let publisher = fixture.publish("a").await;
    let port = |answer: &Answer, port: u16| answer.body.contains(&format!(" 192.0.2.1 {port} typ host"));
    assert!(port(&fixture.play("a").await, 7000), "an idle worker serves its room");
    fixture.workers[0].keep_awake(Duration::from_millis(900));
    tokio::time::advance(Duration::from_secs(1)).await;
    let away = fixture.play("a").await;
    assert!(port(&away, 7001));
    assert_eq!((fixture.workers[0].away(), fixture.workers[1].away()), (0, 1));
    assert_eq!(fixture.ask("GET", "/api/rooms/a", &[], "").await.json()["workers"], 2);
    assert_eq!(fixture.ask("DELETE", &away.location(), &[], "").await.status, 200);
    assert_eq!(fixture.workers[1].sessions().len(), 0);
    assert_eq!(fixture.ask("GET", "/api/rooms/a", &[], "").await.json()["workers"], 1);
    fixture.ask("DELETE", &publisher.location(), &[], "").await;
    assert!(port(&fixture.publish("a").await, 7000), "a room stays where it is");
}

#[tokio::test]
async fn rooms() {
    let fixture = Fixture::open();
    let list = fixture.ask("GET", "/api/rooms", &[], "").await;
    assert_eq!((list.status.as_u16(), list.body.as_str()), (200, "[]"));
    let publisher = fixture.publish("b").await;
    fixture.publish("a").await;
    let player = fixture.play("b").await;
    fixture.play("b").await;
    fixture.workers[0].connect(session_id(&player.location()));
    fixture.settle().await;
    let room = |name: &str, subscribers: usize| {
        serde_json::json!({
            "name": name, "hasPublisher": true, "tracks": 2, "subscribers": subscribers, "workers": 1,
            "gcmSessions": subscribers, "cmSessions": 0, "codecs": ["opus", "H264"],
            "bitrate": 2_500_000, "bFrames": true, "overBitrate": false, "packetsIn": 1_000, "bytesIn": 1_200_000,
        })
    };
    let list = fixture.ask("GET", "/api/rooms", &[], "").await;
    assert_eq!(list.json(), serde_json::json!([room("a", 0), room("b", 1)]), "connected subscribers count");
    assert_eq!(fixture.ask("GET", "/api/rooms/b", &[], "").await.json(), room("b", 1));
    fixture.ask("DELETE", &publisher.location(), &[], "").await;
    let waiting = fixture.ask("GET", "/api/rooms/b", &[], "").await.json();
    assert_eq!(
        (&waiting["hasPublisher"], &waiting["tracks"], &waiting["subscribers"]),
        (&false.into(), &0.into(), &1.into())
    );
    assert_eq!(fixture.ask("GET", "/api/rooms/c", &[], "").await.verdict(), (404, "room not found".into()));
}

#[tokio::test(start_paused = true)]
async fn rooms_are_listed_even_if_a_worker_does_not_answer() {
    let fixture = Fixture::open();
    fixture.publish("a").await;
    fixture.publish("b").await;
    fixture.workers[0].set_mood(Mood::Silent);
    let list = fixture.ask("GET", "/api/rooms", &[], "").await.json();
    assert_eq!((&list[0]["hasPublisher"], &list[0]["bytesIn"]), (&true.into(), &0.into()));
    assert_eq!((&list[1]["hasPublisher"], &list[1]["bytesIn"]), (&true.into(), &1_200_000.into()));
}

#[tokio::test]
async fn offers_that_cannot_be_served() {
    let fixture = Fixture::open();
    let unknown = offer("obs-32-whip.sdp").replace("H264/90000", "XYZ/90000");
    let answer = fixture.ask("POST", "/whip/room", &[SDP], unknown).await;
    assert_eq!(answer.verdict(), (422, "offer cannot be served".into()));
    assert!(!answer.json()["detail"].as_str().unwrap().is_empty());
    assert_eq!(fixture.ask("POST", "/whip/room", &[SDP], vec![0xff; 10]).await.verdict(), (400, "invalid SDP".into()));
    assert_eq!(fixture.sessions.count(), 0);
}

/// Sends so many pieces of 64 kB and then nothing more, without an end.
struct Endless(usize);

impl hyper::body::Body for Endless {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        if self.0 == 0 {
            return Poll::Pending;
        }
        self.0 -= 1;
        Poll::Ready(Some(Ok(hyper::body::Frame::data(Bytes::from(vec![b'a'; 64 << 10])))))
    }
}

#[tokio::test(start_paused = true)]
async fn bodies_have_bounds() {
    let fixture = Fixture::open();
    let too_large = (413, "payload too large".to_owned());
    let said = [SDP, ("content-length", "1048577")];
    assert_eq!(fixture.ask("POST", "/whip/room", &said, Body::new(Endless(0))).await.verdict(), too_large);
    assert_eq!(fixture.ask("POST", "/whip/room", &[SDP], Body::new(Endless(17))).await.verdict(), too_large);
    let largest = fixture.ask("POST", "/whip/room", &[SDP], vec![b'a'; 1 << 20]).await;
    assert_eq!(largest.verdict(), (400, "invalid SDP".into()));
    let slow = fixture.ask("POST", "/whip/room", &[SDP], Body::new(Endless(1))).await;
    assert_eq!(slow.verdict(), (408, "request timeout".into()));
}
