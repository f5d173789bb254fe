//! What attackers do, each from an address of its own in the loopback network, all on one thread.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::time::{interval_at, sleep, timeout};

use crate::{heads, http};

/// Connections of one address; the server allows 512.
const PER_ADDRESS: u32 = 50;
/// From the first of those who come to stay to the last.
const COMING: Duration = Duration::from_secs(5);
/// After a connection that failed.
const RETRY: Duration = Duration::from_millis(200);
/// Each idle connection asks this often, so that the server has no reason to end it.
const STILL_THERE: Duration = Duration::from_secs(8);
/// Without an answer to a request, or a cut.
const PATIENCE: Duration = Duration::from_secs(20);

const GET: &[u8] = b"GET /api/rooms HTTP/1.1\r\nhost: door\r\nuser-agent: flood\r\n\r\n";
const POST: &[u8] = b"POST /whep/load HTTP/1.1\r\nhost: door\r\ncontent-type: application/sdp\r\n\
    content-length: 30\r\n\r\nv=0\r\no=- 0 0 IN IP4 127.0.0.1\r";

#[derive(Clone, Copy)]
pub enum Kind {
    /// So many requests a second, from 1,000 addresses with a connection each; `None`: as many as it can.
    Flood(Option<u32>),
    /// A connection for each request, as fast as it goes, so many at a time.
    Storm,
    /// A byte of a head each second.
    Trickle,
    /// Nothing is said.
    Silent,
    /// Much is asked for, and never read.
    Unread,
    /// A request each 8 s.
    Idle,
    /// Heads that are too large.
    Heads,
}

/// What attackers saw.
#[derive(Clone, Default)]
pub struct Seen {
    /// Answers by status, or by what was sent and what came.
    pub answers: BTreeMap<String, u64>,
    /// Connections that the server let in, and those that it ended.
    pub connected: u64,
    pub cut: u64,
    /// Connections that failed.
    pub failed: u64,
    /// Open at the moment.
    pub open: u64,
    /// How long those that were cut lasted, in seconds.
    pub lives: Vec<f64>,
}

#[derive(Clone, Default)]
pub struct Tally(Arc<Mutex<Seen>>);

impl Tally {
    pub fn add(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub fn answered(&self, what: impl Into<String>) {
        self.add(|seen| *seen.answers.entry(what.into()).or_default() += 1);
    }

    pub fn seen(&self) -> Seen {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// One that is under way.
pub struct Attack {
    tally: Tally,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Attack {
    /// So many attackers at once.
    pub fn start(kind: Kind, server: SocketAddr, attackers: u32) -> Self {
        let (stop, stopped) = oneshot::channel();
        let tally = Tally::default();
        let shared = tally.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                for number in 0..attackers {
                    tokio::spawn(Attacker { number, of: attackers, server, tally: shared.clone() }.run(kind));
                }
                let _ = stopped.await;
            });
        });
        Self { tally, stop, thread }
    }

    pub fn seen(&self) -> Seen {
        self.tally.seen()
    }

    /// All connections are closed when this returns.
    pub fn stop(self) -> Seen {
        let _ = self.stop.send(());
        self.thread.join().expect("attackers do not panic");
        self.tally.seen()
    }
}

pub struct Attacker {
    number: u32,
    of: u32,
    server: SocketAddr,
    pub tally: Tally,
}

/// A connection, counted while it is there.
pub struct Held {
    pub stream: TcpStream,
    tally: Tally,
    since: Instant,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.tally.add(|seen| seen.open -= 1);
    }
}

impl Held {
    /// The server ended it.
    fn cut(self) {
        let life = self.since.elapsed().as_secs_f64();
        self.tally.add(|seen| {
            seen.cut += 1;
            seen.lives.push(life);
        });
    }
}

impl Attacker {
    async fn run(self, kind: Kind) {
        if matches!(kind, Kind::Trickle | Kind::Silent | Kind::Unread | Kind::Idle) {
            sleep(COMING * self.number / self.of).await;
        }
        match kind {
            Kind::Flood(rate) => self.flood(rate).await,
            Kind::Storm => self.storm().await,
            Kind::Trickle => self.trickle().await,
            Kind::Silent => self.silent().await,
            Kind::Unread => self.unread().await,
            Kind::Idle => self.idle().await,
            Kind::Heads => heads::send(&self, self.number).await,
        }
    }

    fn address(&self, per_address: u32) -> Ipv4Addr {
        let number = self.number / per_address;
        let [_, _, high, low] = (number + number / 250 * 6 + 1).to_be_bytes();
        Ipv4Addr::new(127, 10, high, low)
    }

    /// Until there is a connection.
    pub async fn connect(&self, per_address: u32, buffer: Option<u32>) -> Held {
        let open = async || {
            let socket = TcpSocket::new_v4()?;
            socket.bind((self.address(per_address), 0).into())?;
            if let Some(bytes) = buffer {
                socket.set_recv_buffer_size(bytes)?;
            }
            socket.connect(self.server).await
        };
        loop {
            if let Ok(stream) = open().await {
                let _ = stream.set_nodelay(true);
                self.tally.add(|seen| {
                    seen.connected += 1;
                    seen.open += 1;
                });
                return Held { stream, tally: self.tally.clone(), since: Instant::now() };
            }
            self.tally.add(|seen| seen.failed += 1);
            sleep(RETRY).await;
        }
    }

    async fn flood(&self, rate: Option<u32>) {
        let mut ticks = rate.map(|rate| {
            let each = Duration::from_secs(1) * self.of / rate;
            interval_at(tokio::time::Instant::now() + each * self.number / self.of, each)
        });
        let (mut buffer, mut posts) = (Vec::new(), false);
        loop {
            let mut held = self.connect(1, None).await;
            loop {
                if let Some(ticks) = &mut ticks {
                    ticks.tick().await;
                }
                posts = !posts;
                match exchange(&mut held.stream, if posts { POST } else { GET }, &mut buffer).await {
                    Ok(status) => self.tally.answered(status.to_string()),
                    Err(_) => break held.cut(),
                }
            }
        }
    }

    async fn storm(&self) {
        let mut buffer = Vec::new();
        loop {
            let mut held = self.connect(1, None).await;
            let Ok(status) = exchange(&mut held.stream, GET, &mut buffer).await else {
                held.cut();
                continue;
            };
            self.tally.answered(status.to_string());
            // Without the minute that its port would otherwise wait.
            let _ = held.stream.set_zero_linger();
        }
    }

    async fn trickle(&self) {
        loop {
            let mut held = self.connect(PER_ADDRESS, None).await;
            let mut next: &[u8] = b"GET /api/rooms HTTP/1.1\r\nhost: door\r\nx-slow: ";
            while held.stream.write_all(next).await.is_ok()
                && !ended_within(&mut held.stream, Duration::from_secs(1)).await
            {
                next = b"a";
            }
            held.cut();
        }
    }

    async fn silent(&self) {
        loop {
            let mut held = self.connect(PER_ADDRESS, None).await;
            while !ended_within(&mut held.stream, PATIENCE).await {}
            held.cut();
        }
    }

    async fn unread(&self) {
        let mut held = self.connect(PER_ADDRESS, Some(4 << 10)).await;
        let request = b"GET /web/connection.js HTTP/1.1\r\nhost: door\r\n\r\n".repeat(100);
        let _ = held.stream.write_all(&request).await;
        // What it is told is not looked at: whether the server has ended it is the server's to say.
        std::future::pending::<()>().await;
    }

    async fn idle(&self) {
        let mut buffer = Vec::new();
        loop {
            let mut held = self.connect(PER_ADDRESS, None).await;
            while let Ok(status) =
                exchange(&mut held.stream, b"GET /healthz HTTP/1.1\r\nhost: door\r\n\r\n", &mut buffer).await
            {
                self.tally.answered(status.to_string());
                if ended_within(&mut held.stream, STILL_THERE).await {
                    break;
                }
            }
            held.cut();
            sleep(Duration::from_secs(1)).await;
        }
    }
}

/// Whether the other end has closed within this time; what it says is thrown away.
async fn ended_within(stream: &mut TcpStream, time: Duration) -> bool {
    let mut bytes = [0; 512];
    let read = async { while stream.read(&mut bytes).await.is_ok_and(|length| length > 0) {} };
    timeout(time, read).await.is_ok()
}

/// A request, and the status of its answer.
pub async fn exchange(stream: &mut TcpStream, request: &[u8], buffer: &mut Vec<u8>) -> io::Result<u16> {
    buffer.clear();
    stream.write_all(request).await?;
    let read = async {
        loop {
            if let Some((head, length)) = http::head(buffer)
                && buffer.len() >= head + length
            {
                return Ok(http::status(buffer));
            }
            if stream.read_buf(buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    };
    timeout(PATIENCE, read).await?
}
