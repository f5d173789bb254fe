//! Connections, over real sockets on the loopback interface.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::http::client_address::TrustedProxies;
use crate::http::{ListenAddr, server};
use crate::session::testing::Mood;

async fn start(fixture: &Fixture) -> (std::net::SocketAddr, oneshot::Sender<()>, JoinHandle<()>) {
    let listener = server::listen(ListenAddr::One(([127, 0, 0, 1], 0).into())).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let router = fixture.router.clone();
    let task = tokio::spawn(server::serve(listener, router, TrustedProxies::default(), async {
        let _ = stopped.await;
    }));
    (address, stop, task)
}

async fn talk(address: std::net::SocketAddr, words: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(words.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn speaks_http_1_and_2() {
    let fixture = Fixture::open();
    let (address, _stop, _task) = start(&fixture).await;
    let answer = talk(address, "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nok"), "{answer}");
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The preface and an empty SETTINGS frame (RFC 9113 §3.4); theirs comes back.
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut header = [0; 9];
    stream.read_exact(&mut header).await.unwrap();
    assert_eq!(header[3], 4, "SETTINGS");
}

#[tokio::test]
async fn an_offer_larger_than_it_may_be_is_refused_before_it_is_sent() {
    let fixture = Fixture::open();
    let (address, _stop, _task) = start(&fixture).await;
    let head =
        "POST /whip/room HTTP/1.1\r\nhost: x\r\ncontent-type: application/sdp\r\ncontent-length: 1048577\r\n\r\n";
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut start = [0; 12];
    stream.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 413");
}

// The clock stands still while something happens and jumps to the next deadline when nothing does.
#[tokio::test(start_paused = true)]
async fn clients_that_say_too_little_are_cut_off() {
    let fixture = Fixture::open();
    let (address, _stop, _task) = start(&fixture).await;
    for words in ["", "P", "PRI * HTTP/2.0\r\n\r\n", "GET / HT", "GET /healthz HTTP/1.1\r\nhost: x\r\nx-slow: "] {
        let answer = tokio::time::timeout(Duration::from_mins(10), talk(address, words)).await;
        assert_eq!(answer.as_deref(), Ok(""), "{words:?}");
    }
    // And so is one that says no more after its request.
    let answer = talk(address, "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn requests_under_way_finish_when_it_stops() {
    let fixture = Fixture::open();
    fixture.publish("room").await;
    fixture.workers[0].set_mood(Mood::Silent);
    let (address, stop, task) = start(&fixture).await;
    // The worker does not say what flows, so the list of rooms takes a second.
    let under_way = tokio::spawn(talk(address, "GET /api/rooms HTTP/1.1\r\nhost: x\r\n\r\n"));
    let idle = tokio::spawn(talk(address, ""));
    tokio::time::sleep(Duration::from_millis(200)).await;
    stop.send(()).unwrap();
    let answer = under_way.await.unwrap();
    assert!(answer.contains("200 OK") && answer.contains("\"name\":\"room\""), "{answer}");
    assert_eq!(idle.await.unwrap(), "");
    task.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let (named, error) = server::listen(ListenAddr::One(address)).await.unwrap_err();
    assert_eq!((named, error.kind()), (address, std::io::ErrorKind::AddrInUse));
}
