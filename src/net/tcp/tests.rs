use std::net::{Shutdown, TcpStream as Client};
use std::time::Duration;

use super::*;

const FIRST_TOKEN: usize = 10;
const OWNER: PeerKey = PeerKey { slot: 3, generation: 1 };

struct Bench {
    poller: Poller,
    port: TcpPort,
    address: SocketAddr,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        let poller = Poller::new().unwrap();
        let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let port = TcpPort::new(vec![listener], &poller, FIRST_TOKEN).unwrap();
        Self { poller, port, address, now: Instant::now() }
    }

    /// Sleeps for news (none within ten seconds is a failure), then takes all frames.
    fn turn(&mut self) -> Vec<(Route, Vec<u8>)> {
        let work = self.port.has_work();
        let patience = if work { Duration::ZERO } else { Duration::from_secs(10) };
        let news: Vec<Ready> = self.poller.wait(Some(patience)).unwrap().collect();
        assert!(work || !news.is_empty(), "nothing came");
        for ready in news {
            self.port.handle_ready(ready);
        }
        self.port.start_turn(self.now, &self.poller);
        let mut frames = Vec::new();
        let mut out = [0; limits::DATAGRAM_BYTES];
        while let Some((route, len)) = self.port.poll_frame(&mut out) {
            frames.push((route, out[..len].to_vec()));
        }
        self.port.flush();
        frames
    }

    /// A client whose connection is accepted, and its way.
    fn connect(&mut self) -> (Client, Route) {
        let client = Client::connect(self.address).unwrap();
        client.set_nodelay(true).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let route = Route { local: self.address.ip(), remote: client.local_addr().unwrap() };
        while self.port.backlog(&route).is_none() {
            self.turn();
        }
        (client, route)
    }

    fn turns_until(&mut self, done: impl Fn(&TcpPort) -> bool) -> Vec<(Route, Vec<u8>)> {
        let mut frames = Vec::new();
        while !done(&self.port) {
            frames.extend(self.turn());
        }
        frames
    }
}

#[test]
fn frames_travel_both_ways() {
    let mut bench = Bench::new();
    let (mut client, route) = bench.connect();
    client.write_all(b"\x00\x05hel").unwrap();
    client.write_all(b"lo\x00\x02yo").unwrap();
    let mut frames = Vec::new();
    while frames.len() < 2 {
        frames.extend(bench.turn());
    }
    assert_eq!(frames, [(route, b"hello".to_vec()), (route, b"yo".to_vec())]);

    assert_eq!(bench.port.push(&route, b"abc", 100), Push::Queued);
    assert_eq!(bench.port.push(&route, b"d", 100), Push::Queued);
    assert_eq!(bench.port.backlog(&route), Some(8));
    bench.port.flush();
    assert_eq!(bench.port.backlog(&route), Some(0));
    let mut answer = [0; 8];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"\x00\x03abc\x00\x01d");
}

#[test]
fn a_backlog_is_bounded_and_drains_when_the_client_reads() {
    let mut bench = Bench::new();
    let (mut client, route) = bench.connect();
    let frame = [1; 1_000];
    let mut pushed = 0;
    // The kernel's buffers take some first.
    loop {
        match bench.port.push(&route, &frame, limits::TCP_BACKLOG_BYTES) {
            Push::Queued => pushed += 1,
            push => {
                assert_eq!(push, Push::Full);
                bench.port.flush();
                if bench.port.backlog(&route).unwrap() + frame.len() + 2 > limits::TCP_BACKLOG_BYTES {
                    break;
                }
            }
        }
    }
    assert_eq!(bench.port.push(&route, b"bye", limits::TCP_BACKLOG_BYTES + limits::TCP_CONTROL_BYTES), Push::Queued);
    let total = pushed * (frame.len() + 2) + 5;
    let reader = std::thread::spawn(move || {
        let mut all = vec![0; total];
        client.read_exact(&mut all).unwrap();
        all
    });
    bench.turns_until(|port| port.backlog(&route) == Some(0));
    let all = reader.join().unwrap();
    assert!(all[..total - 5].chunks(1_002).all(|chunk| chunk[..2] == [3, 232] && chunk[2..] == frame));
    assert_eq!(&all[total - 5..], b"\x00\x03bye");
}

#[test]
fn an_oversize_frame_closes_the_connection() {
    let mut bench = Bench::new();
    let (mut client, route) = bench.connect();
    bench.port.validate(&route, OWNER);
    client.write_all(b"\x00\x01a\xff\xff").unwrap();
    let frames = bench.turns_until(TcpPort::is_empty);
    assert_eq!(frames, [(route, b"a".to_vec())]);
    assert_eq!(bench.port.poll_closed(), Some((route, OWNER)));
    assert_eq!(bench.port.push(&route, b"x", 100), Push::Gone);
}

#[test]
fn the_end_of_a_validated_connection_is_told() {
    let mut bench = Bench::new();
    let (stranger, _) = bench.connect();
    let (client, route) = bench.connect();
    bench.port.validate(&route, OWNER);
    client.shutdown(Shutdown::Both).unwrap();
    stranger.shutdown(Shutdown::Both).unwrap();
    bench.turns_until(TcpPort::is_empty);
    assert_eq!(bench.port.poll_closed(), Some((route, OWNER)));
    assert_eq!(bench.port.poll_closed(), None);
}

#[test]
fn what_is_not_validated_in_time_is_closed() {
    let mut bench = Bench::new();
    let (mut idle, _) = bench.connect();
    let (_validated, route) = bench.connect();
    bench.port.validate(&route, OWNER);
    let deadline = bench.port.next_timeout().unwrap();
    assert_eq!(deadline, bench.now + limits::TCP_VALIDATION_TIME);
    bench.port.handle_timeout(deadline.checked_sub(Duration::from_millis(1)).unwrap());
    assert_eq!(bench.port.len(), 2);
    bench.port.handle_timeout(deadline);
    assert_eq!(bench.port.len(), 1);
    assert_eq!(bench.port.next_timeout(), None);
    assert_eq!(idle.read(&mut [0; 1]).unwrap(), 0);
    assert_eq!(bench.port.backlog(&route), Some(0));
}

#[test]
fn closing_writes_the_goodbye_first() {
    let mut bench = Bench::new();
    let (mut client, route) = bench.connect();
    let (_other, other_route) = bench.connect();
    bench.port.validate(&route, OWNER);
    bench.port.push(&route, b"goodbye", 100);
    bench.port.close_owned(OWNER);
    assert_eq!((bench.port.len(), bench.port.poll_closed()), (1, None));
    assert_eq!(bench.port.backlog(&other_route), Some(0));
    let mut all = Vec::new();
    client.read_to_end(&mut all).unwrap();
    assert_eq!(all, b"\x00\x07goodbye");
    bench.port.flush();
}

#[test]
fn strangers_are_bounded() {
    let mut bench = Bench::new();
    let mut clients = Vec::new();
    for _ in 0..limits::TCP_UNVALIDATED {
        clients.push(bench.connect());
    }
    let mut refused = Client::connect(bench.address).unwrap();
    refused.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    bench.turn();
    assert_eq!(bench.port.len(), limits::TCP_UNVALIDATED);
    assert!(matches!(refused.read(&mut [0; 1]), Ok(0) | Err(_)));
    bench.port.validate(&clients[0].1, OWNER);
    bench.connect();
    assert_eq!(bench.port.len(), limits::TCP_UNVALIDATED + 1);
}

#[test]
fn a_flood_of_empty_frames_ends_with_the_turn() {
    let mut bench = Bench::new();
    let (client, _) = bench.connect();
    let writer = client.try_clone().unwrap();
    let empty = vec![0; 65_536];
    let flood = std::thread::spawn(move || while (&writer).write_all(&empty).is_ok() {});
    for _ in 0..3 {
        assert!(bench.turn().is_empty());
    }
    client.shutdown(Shutdown::Both).unwrap();
    flood.join().unwrap();
}
