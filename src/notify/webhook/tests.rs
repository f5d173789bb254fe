//! Against a receiver of our own.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;
use crate::id::RoomName;

/// What a receiver got: headers by their names in lower case, and the body.
struct Received {
    headers: BTreeMap<String, String>,
    body: String,
}

impl Received {
    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// Answers each request with the next of these statuses, the last one again and again; `None` never answers.
async fn receiver(statuses: &'static [Option<u16>]) -> (Secret, mpsc::Receiver<Received>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook?token=hidden", listener.local_addr().unwrap());
    let (sender, receiver) = mpsc::channel(1000);
    tokio::spawn(async move {
        let mut count = 0;
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let status = statuses[count.min(statuses.len() - 1)];
            count += 1;
            let sender = sender.clone();
            tokio::spawn(async move {
                let mut text = String::new();
                let (head, length) = loop {
                    let mut buffer = [0; 4096];
                    let read = stream.read(&mut buffer).await.unwrap();
                    text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
                    let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                    let length = head
                        .lines()
                        .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
                    if body.len() >= length.unwrap() {
                        break (head.to_owned(), length.unwrap());
                    }
                };
                let pairs = head.lines().skip(1).filter_map(|line| line.split_once(": "));
                let headers = pairs.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
                let body = text[text.len() - length..].to_owned();
                sender.send(Received { headers, body }).await.unwrap();
                match status {
                    Some(status) => {
                        let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                        stream.write_all(answer.as_bytes()).await.unwrap();
                    }
                    None => std::future::pending().await,
                }
            });
        }
    });
    (Secret::new(url), receiver)
}

fn hook(url: &Secret, events: &[&str], rooms: Option<&str>) -> WebhookConfig {
    WebhookConfig {
        url: url.clone(),
        secret: Secret::new("a secret of sixteen"),
        events: events.iter().map(|event| (*event).to_owned()).collect(),
        rooms: rooms.map(|rooms| RoomPattern::parse(rooms).unwrap()),
    }
}

fn hooks(configs: &[WebhookConfig]) -> (Arc<Bus>, Webhooks) {
    let bus = Arc::new(Bus::new());
    let hooks = Webhooks::new(bus.clone());
    hooks.reload(&NotifyConfig { webhooks: configs.to_vec() });
    (bus, hooks)
}

fn opened(bus: &Bus, room: &str) {
    bus.tell(RoomName::parse(room).as_ref(), What::RoomOpened);
}

#[tokio::test]
async fn events_arrive_signed_and_in_order() {
    let (url, mut received) = receiver(&[Some(204)]).await;
    let config = hook(&url, &[], None);
    let (bus, hooks) = hooks(std::slice::from_ref(&config));
    for _ in 0..5 {
        opened(&bus, "a");
        opened(&bus, "b");
    }
    bus.tell(None, What::DrainStarted);
    bus.close();
    hooks.finish().await;
    let mut by_room: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for _ in 0..11 {
        let got = received.recv().await.unwrap();
        let header = |name: &str| got.headers[name].as_str();
        let shown = (header(sign::ID), header(sign::TIMESTAMP), header(sign::SIGNATURE));
        assert_eq!(sign::verify(&config.secret, now(), shown, got.body.as_bytes()), Ok(()));
        assert_eq!(header("content-type"), "application/json");
        let json = got.json();
        assert_eq!(json["id"], header(sign::ID));
        let number = header(sign::ID).rsplit('-').next().unwrap().parse().unwrap();
        by_room.entry(json["data"]["room"].to_string()).or_default().push(number);
    }
    assert_eq!(by_room["\"a\""], [1, 3, 5, 7, 9]);
    assert_eq!(by_room["\"b\""], [2, 4, 6, 8, 10]);
}

#[tokio::test]
async fn what_fails_is_tried_again_under_the_same_name_before_what_follows_it() {
    let (url, mut received) = receiver(&[Some(500), Some(302), Some(200)]).await;
    let (bus, hooks) = hooks(&[hook(&url, &[], None)]);
    opened(&bus, "a");
    opened(&bus, "a");
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(received.recv().await.unwrap().headers[sign::ID].clone());
    }
    let names: Vec<&str> = ids.iter().map(|id| id.rsplit('-').next().unwrap()).collect();
    assert_eq!(names, ["1", "1", "1", "2"]);
    bus.close();
    let state = hooks.states().remove(0);
    assert_eq!((state.host.as_str(), state.failures, state.dropped), ("127.0.0.1", 2, 0));
}

#[tokio::test]
async fn only_what_is_asked_for_is_told() {
    let (url, mut received) = receiver(&[Some(200)]).await;
    let (bus, hooks) = hooks(&[hook(&url, &["room.*", "drain.started"], Some("live-*"))]);
    opened(&bus, "other");
    bus.tell(None, What::DrainStarted);
    bus.tell(RoomName::parse("live-1").as_ref(), What::LimitHit { limit: "sessions", times: 1 });
    opened(&bus, "live-1");
    bus.close();
    hooks.finish().await;
    assert_eq!(received.recv().await.unwrap().json()["data"]["room"], "live-1");
    assert!(received.try_recv().is_err());
    for (event, good) in [("room.opened", true), ("room.*", true), ("*", true), ("room", false), ("rooms.*", false)] {
        assert_eq!(WebhookConfig::is_event(event), good, "{event}");
    }
}

#[tokio::test]
async fn a_reload_keeps_those_that_stay() {
    let (url, mut received) = receiver(&[Some(500), Some(200)]).await;
    let (other, _unused) = receiver(&[Some(200)]).await;
    let (kept, gone) = (hook(&url, &[], None), hook(&other, &[], None));
    let (bus, hooks) = hooks(&[kept.clone(), gone]);
    opened(&bus, "a");
    received.recv().await.unwrap();
    hooks.reload(&NotifyConfig { webhooks: vec![kept] });
    assert_eq!(hooks.states().len(), 1);
    assert_eq!(received.recv().await.unwrap().headers[sign::ID].rsplit('-').next(), Some("1"), "it is tried again");
    hooks.reload(&NotifyConfig::default());
    assert!(hooks.states().is_empty());
}

#[tokio::test]
async fn one_that_never_answers_delays_the_end_for_a_moment_only() {
    let (url, mut received) = receiver(&[None]).await;
    let (bus, hooks) = hooks(&[hook(&url, &[], None)]);
    opened(&bus, "a");
    received.recv().await.unwrap();
    bus.close();
    let finished = timeout(limits::HOOK_FINISH_TIME + Duration::from_secs(2), hooks.finish()).await;
    assert!(finished.is_ok());
}
