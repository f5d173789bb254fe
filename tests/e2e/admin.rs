//! What an administrator does, through the real door: rooms that end, and a server that ends.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::light::{Frames, Incoming, Light, Reply, Role, request};
use crate::server::Server;
use crate::sessions::pass;

const TOKEN: (&str, &str) = ("authorization", "Bearer adm1n");
const JSON: (&str, &str) = ("content-type", "application/json");

fn admin(server: &Server, method: &str, path: &str, body: &str) -> Reply {
    request(method, &format!("{}/api/admin/{path}", server.base), &[TOKEN, JSON], body)
}

/// How long it took until the session was closed by a goodbye.
fn closed(light: &mut Light, since: Instant) -> Duration {
    while since.elapsed() < Duration::from_secs(5) {
        if let Some(Incoming::Closed) = light.poll(Duration::from_millis(20)) {
            return since.elapsed();
        }
    }
    panic!("no goodbye came");
}

/// The data of the events that come, one after the other.
fn listen(server: &Server, path: &str) -> mpsc::Receiver<serde_json::Value> {
    let address = server.base.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\n{}: {}\r\n\r\n", TOKEN.0, TOKEN.1).unwrap();
    let (sender, events) = mpsc::sync_channel(1000);
    let (ready, began) = mpsc::sync_channel(1);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if line.starts_with("retry:") {
                ready.send(()).unwrap();
            }
            let Some(data) = line.strip_prefix("data: ") else { continue };
            if sender.send(serde_json::from_str(data).unwrap()).is_err() {
                return;
            }
        }
    });
    began.recv_timeout(Duration::from_secs(5)).expect("the stream begins");
    events
}

#[test]
fn a_closed_room_ends_its_publisher_and_its_subscribers_within_a_second() {
    let server = Server::with(&[("ADMIN_TOKEN", "adm1n"), ("MEDIA_WORKERS", "2"), ("MEDIA_SPREAD", "always")]);
    let events = listen(&server, "/api/events?room=close");
    let mut publisher = Light::connect(&server.base, Role::Publish, "close");
    let mut frames = Frames::new(1);
    publisher.send_frame(&mut frames, true);
    let mut subscribers: Vec<Light> = (0..4).map(|_| Light::connect(&server.base, Role::Play, "close")).collect();
    for subscriber in &mut subscribers {
        pass(&mut publisher, &mut frames, subscriber, 1);
    }
    let listed: serde_json::Value =
        serde_json::from_str(&admin(&server, "GET", "sessions?room=close", "").body).unwrap();
    let sessions = listed["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 5);
    for session in sessions {
        assert_eq!((&session["state"], &session["transport"]), (&"connected".into(), &"udp".into()), "{session}");
        assert_eq!((&session["address"], &session["srtp"]), (&"127.0.0.1".into(), &"AEAD_AES_128_GCM".into()));
        assert!(session["packets"].as_u64().unwrap() > 0 && session["remote"].is_string(), "{session}");
    }
    let start = Instant::now();
    let reply = admin(&server, "POST", "rooms/close/close", "");
    assert_eq!((reply.status, reply.body.as_str()), (200, r#"{"room":"close","closed":true}"#));
    let mut times = vec![closed(&mut publisher, start)];
    times.extend(subscribers.iter_mut().map(|subscriber| closed(subscriber, start)));
    println!("a room of five on two workers closed: {times:?}");
    assert!(times.iter().all(|time| *time < Duration::from_secs(1)), "{times:?}");
    assert_eq!(server.rooms(), serde_json::json!([]));
    assert_eq!(admin(&server, "POST", "rooms/close/close", "").status, 404);
    let mut types = Vec::new();
    while let Ok(event) = events.recv_timeout(Duration::from_secs(1)) {
        types.push(event["type"].as_str().unwrap().to_owned());
    }
    assert_eq!(types[..2], ["room.opened", "publisher.started"]);
    let count = |name: &str| types.iter().filter(|kind| *kind == name).count();
    assert_eq!((count("subscriber.joined"), count("subscriber.left"), count("publisher.stopped")), (4, 4, 1));
    assert_eq!(types.last().map(String::as_str), Some("room.closed"));
}

#[test]
fn a_publisher_may_finish_before_the_server_ends() {
    let server = Server::with(&[("ADMIN_TOKEN", "adm1n"), ("DRAIN_TIMEOUT", "60")]);
    let events = listen(&server, "/api/events");
    let mut publisher = Light::connect(&server.base, Role::Publish, "show");
    let mut frames = Frames::new(1);
    publisher.send_frame(&mut frames, true);
    let mut subscriber = Light::connect(&server.base, Role::Play, "show");
    pass(&mut publisher, &mut frames, &mut subscriber, 1);
    server.signal("TERM");
    while events.recv_timeout(Duration::from_secs(5)).unwrap()["type"] != "drain.started" {}
    for path in ["/whip/other", "/whep/show"] {
        let headers = [("content-type", "application/sdp")];
        let refused = request("POST", &format!("{}{path}", server.base), &headers, "v=0\r\n");
        assert_eq!(refused.status, 503, "{path}");
        assert!(refused.headers.contains_key("retry-after"));
    }
    assert_eq!(request("GET", &format!("{}/readyz", server.base), &[], "").status, 503);
    frames.tag = 2;
    pass(&mut publisher, &mut frames, &mut subscriber, 2);
    assert_eq!(publisher.delete().status, 200);
    let start = Instant::now();
    closed(&mut subscriber, start);
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn an_impatient_operator_asks_twice() {
    let server = Server::with(&[("ADMIN_TOKEN", "adm1n"), ("DRAIN_TIMEOUT", "600")]);
    let events = listen(&server, "/api/events");
    let mut publisher = Light::connect(&server.base, Role::Publish, "show");
    server.signal("TERM");
    while events.recv_timeout(Duration::from_secs(5)).unwrap()["type"] != "drain.started" {}
    // The second signal is listened for from then on.
    std::thread::sleep(Duration::from_millis(200));
    server.signal("TERM");
    closed(&mut publisher, Instant::now());
    assert_eq!(server.wait(), Some(0));
}
