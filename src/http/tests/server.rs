//! Connections, over real sockets on the loopback interface.

use std::sync::Arc;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::*;
use crate::http::client_address::TrustedProxies;
use crate::http::server::places::Bounds;
use crate::http::server::{self, Door, Scheme};
use crate::http::{HttpConfig, ListenAddr};
use crate::session::testing::Mood;

fn start(fixture: &Fixture) -> (std::net::SocketAddr, watch::Sender<bool>, JoinHandle<()>) {
    start_with(fixture, &HttpConfig::default(), Scheme::Plain)
}

fn start_with(
    fixture: &Fixture,
    config: &HttpConfig,
    scheme: Scheme,
) -> (std::net::SocketAddr, watch::Sender<bool>, JoinHandle<()>) {
    start_at(Door::new(config), fixture, scheme)
}

fn start_at(
    door: Arc<Door>,
    fixture: &Fixture,
    scheme: Scheme,
) -> (std::net::SocketAddr, watch::Sender<bool>, JoinHandle<()>) {
    let listener = server::listen(ListenAddr::One(([127, 0, 0, 1], 0).into())).unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(server::serve(door, fixture.router.clone(), listener, scheme, stopped));
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
    let (address, _stop, _task) = start(&fixture);
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
    let (address, _stop, _task) = start(&fixture);
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
    let door = Door::new(&HttpConfig::default());
    let (address, _stop, _task) = start_at(door.clone(), &fixture, Scheme::Plain);
    let too_little = ["", "P", "PRI * HTTP/2.0\r\n\r\n", "GET / HT", "GET /healthz HTTP/1.1\r\nhost: x\r\nx-slow: "];
    for words in too_little {
        let answer = tokio::time::timeout(Duration::from_mins(10), talk(address, words)).await;
        assert_eq!(answer.as_deref(), Ok(""), "{words:?}");
    }
    // Each once, whether the deadline was ours or hyper's.
    let cuts = door.cuts();
    assert!(cuts.contains(&("idle", too_little.len() as u64)), "{cuts:?}");
    // And so is one that says no more after its request.
    let answer = talk(address, "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn requests_under_way_finish_when_it_stops() {
    let fixture = Fixture::open();
    fixture.publish("room").await;
    fixture.workers[0].set_mood(Mood::Silent);
    let (address, stop, task) = start(&fixture);
    // The worker does not say what flows, so the list of rooms takes a second.
    let under_way = tokio::spawn(talk(address, "GET /api/rooms HTTP/1.1\r\nhost: x\r\n\r\n"));
    let idle = tokio::spawn(talk(address, ""));
    tokio::time::sleep(Duration::from_millis(200)).await;
    stop.send(true).unwrap();
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
    let (named, error) = server::listen(ListenAddr::One(address)).unwrap_err();
    assert_eq!((named, error.kind()), (address, std::io::ErrorKind::AddrInUse));
}

/// Says something and waits for an answer, on a connection that stays.
async fn ask(stream: &mut TcpStream, words: &str) -> String {
    stream.write_all(words.as_bytes()).await.unwrap();
    let mut answer = vec![0; 16 << 10];
    let length = stream.read(&mut answer).await.unwrap_or(0);
    String::from_utf8_lossy(&answer[..length]).into_owned()
}

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";

#[tokio::test]
async fn a_newcomer_takes_the_place_of_who_has_idled_longest() {
    let fixture = Fixture::open();
    let config = HttpConfig { connections: Bounds { all: 3, per_client: 3 }, ..HttpConfig::default() };
    let (address, _stop, _task) = start_with(&fixture, &config, Scheme::Plain);
    let mut silent = TcpStream::connect(address).await.unwrap();
    let mut trickling = TcpStream::connect(address).await.unwrap();
    trickling.write_all(b"GET /healthz HT").await.unwrap();
    let mut asking = TcpStream::connect(address).await.unwrap();
    assert!(ask(&mut asking, HEALTH).await.contains("200 OK"));
    let mut newcomers = Vec::new();
    for _ in 0..2 {
        let mut newcomer = TcpStream::connect(address).await.unwrap();
        assert!(ask(&mut newcomer, HEALTH).await.contains("200 OK"));
        newcomers.push(newcomer);
    }
    assert_eq!(silent.read(&mut [0; 1]).await.unwrap_or(0), 0);
    assert_eq!(trickling.read(&mut [0; 1]).await.unwrap_or(0), 0);
    assert!(ask(&mut asking, HEALTH).await.contains("200 OK"), "the one that asked was not the idlest");
}

/// Opens no window (RFC 9113 §6.5.2), asks, and waits for the answer's head, which needs none.
async fn ask_without_a_window(address: std::net::SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let settings = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\0";
    // GET, http, /healthz, x: by the static table of HPACK (RFC 7541, appendix A).
    let fields = [b"\x82\x86\x04\x08/healthz".as_slice(), b"\x01\x01x"].concat();
    let head = [0, 0, u8::try_from(fields.len()).unwrap(), 1, 0x5, 0, 0, 0, 1];
    stream.write_all(&[settings.as_slice(), &head, &fields].concat()).await.unwrap();
    while read_frame(&mut stream).await.unwrap().0 != HEADERS {}
    stream
}

const HEADERS: u8 = 1;
const PING: u8 = 6;

/// Type and payload of the next frame.
async fn read_frame(stream: &mut TcpStream) -> std::io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await?;
    let mut rest = vec![0; usize::from(u16::from_be_bytes([head[1], head[2]]))];
    stream.read_exact(&mut rest).await?;
    Ok((head[3], rest))
}

/// Says that it is there, as long as it is asked.
async fn answer_pings(mut stream: TcpStream) {
    while let Ok((kind, payload)) = read_frame(&mut stream).await {
        if kind == PING {
            let _ = stream.write_all(&[&[0, 0, 8, PING, 1, 0, 0, 0, 0], &payload[..]].concat()).await;
        }
    }
}

#[tokio::test]
async fn who_opens_no_window_holds_no_place_for_good() {
    let fixture = Fixture::open();
    let door = Door::new(&HttpConfig::default());
    let (address, _stop, _task) = start_at(door.clone(), &fixture, Scheme::Plain);
    tokio::spawn(answer_pings(ask_without_a_window(address).await));
    tokio::time::pause();
    let deadline = tokio::time::Instant::now() + Duration::from_mins(10);
    while !door.cuts().contains(&("slow_reader", 1)) {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(tokio::time::Instant::now() < deadline, "{:?}", door.cuts());
    }
}

#[tokio::test]
async fn targets_and_heads_have_bounds() {
    let fixture = Fixture::open();
    let (address, _stop, _task) = start(&fixture);
    let long = |bytes: usize| "a".repeat(bytes);
    let many: String = (0..101).fold(String::new(), |lines, number| lines + &format!("x-{number}: y\r\n"));
    for (words, status) in [
        (format!("GET /{} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", long(4_000)), "404"),
        (format!("GET /{} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", long(5_000)), "414"),
        (format!("GET /healthz HTTP/1.1\r\nhost: x\r\nx-large: {}\r\n\r\n", long(40_000)), "431"),
        (format!("GET /healthz HTTP/1.1\r\nhost: x\r\n{many}\r\n"), "431"),
    ] {
        let answer = talk(address, &words).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{status}: {}", &answer[..answer.len().min(200)]);
    }
}

#[tokio::test]
async fn a_trusted_proxy_says_for_whom_it_connects() {
    let fixture = Fixture::configured(SessionConfig::default(), None, |config| {
        config.rate = crate::http::rate::RateConfig { per_second: 0.01, burst: 1 };
    });
    let trusted_proxies = TrustedProxies::parse("127.0.0.1").unwrap();
    let config = HttpConfig { trusted_proxies, proxy_protocol: true, ..HttpConfig::default() };
    let (address, _stop, _task) = start_with(&fixture, &config, Scheme::Plain);
    let get = "GET /api/bootstrap HTTP/1.1\r\nhost: x\r\nconnection: close\r\n";
    for (header, forwarded, status) in [
        ("PROXY TCP4 203.0.113.7 127.0.0.1 5 80\r\n", "", "200"),
        ("PROXY TCP4 203.0.113.7 127.0.0.1 6 80\r\n", "", "429"),
        ("PROXY TCP4 203.0.113.8 127.0.0.1 6 80\r\n", "", "200"),
        // A client behind a proxy is no proxy.
        ("PROXY TCP4 203.0.113.8 127.0.0.1 6 80\r\n", "x-forwarded-for: 203.0.113.9\r\n", "429"),
        // Nor does one speak for others that does not say for whom.
        ("PROXY UNKNOWN\r\n", "x-forwarded-for: 203.0.113.9\r\n", "200"),
        ("PROXY UNKNOWN\r\n", "x-forwarded-for: 203.0.113.10\r\n", "429"),
        ("", "", ""),
    ] {
        let answer = talk(address, &format!("{header}{get}{forwarded}\r\n")).await;
        assert_eq!(answer.split(' ').nth(1).unwrap_or(""), status, "{header} {forwarded}");
    }
}

#[tokio::test]
async fn plain_http_sends_to_https_but_for_what_looks_after_the_server() {
    let fixture = Fixture::open();
    let (address, _stop, _task) = start_with(&fixture, &HttpConfig::default(), Scheme::Redirect(8443));
    let post = "POST /whip/room HTTP/1.1\r\nhost: example.org:80\r\ncontent-type: application/sdp\r\n\
                content-length: 3\r\nconnection: close\r\n\r\nv=0";
    let answer = talk(address, post).await;
    assert!(answer.starts_with("HTTP/1.1 308") && answer.contains("location: https://example.org:8443/whip/room\r\n"));
    assert!(talk(address, &HEALTH.replace("host", "connection: close\r\nhost")).await.starts_with("HTTP/1.1 200"));
}

/// Where nobody accepts for a moment, 1,500 newcomers wait in the kernel; with tokio's own 1,024 the rest would try
/// again after a second, and everybody else with them.
#[tokio::test]
async fn many_who_come_at_once_do_not_shut_the_door() {
    let allowed = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    if allowed.trim().parse::<u32>().unwrap() < 2_000 || hard < 4_000 {
        println!("this machine allows too little to try");
        return;
    }
    let listener = server::listen(ListenAddr::One(([127, 0, 0, 1], 0).into())).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    for number in 0..1_500 {
        let connected = tokio::time::timeout(Duration::from_millis(900), TcpStream::connect(address)).await;
        waiting.push(connected.unwrap_or_else(|_| panic!("the {number}th is not let in")).unwrap());
    }
}
