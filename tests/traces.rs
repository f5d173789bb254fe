//! Traces of requests, at a collector that is a socket of this test (`cargo test --features traces --test traces`).

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

const TOKEN: &str = "correct-horse-battery-staple";
/// The trace and the span that a client names, and that ours are children of (W3C Trace Context §3.2).
const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const TRACE_ID: [u8; 16] =
    [0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd, 0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80, 0x31, 0x9c];

/// One request: its head and its body.
fn read(stream: &TcpStream) -> (String, Vec<u8>) {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        assert!(reader.read_line(&mut line).unwrap() > 0, "{head}");
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        head.push_str(&line);
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    (head, body)
}

/// Answers all requests with `answer`, and tells of them.
fn serve(answer: &'static str) -> (String, Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, receiver) = sync_channel(16);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = sender.send(read(&stream));
            let length = answer.len();
            let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{answer}");
        }
    });
    (url, receiver)
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_request_is_a_trace_of_what_it_waited_for_and_tells_no_secret() {
    let (collector, batches) = serve("");
    let (webhook, questions) = serve("{\"allow\": true}");
    let mut server = Command::new(env!("CARGO_BIN_EXE_rillcast"))
        .arg("serve")
        .env_clear()
        .envs([("HTTP_ADDR", "127.0.0.1:0"), ("MEDIA_UDP_PORT", "0"), ("MEDIA_TCP_PORT", "off")])
        .envs([("MEDIA_PUBLIC_IPS", "127.0.0.1"), ("MEDIA_WORKERS", "1")])
        .envs([("OTEL_EXPORTER_OTLP_ENDPOINT", &collector), ("AUTH_WEBHOOK_URL", &webhook)])
        .stdout(Stdio::piped())
        .spawn()
        .map(Server)
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.split("http://").nth(1).unwrap().split('/').next().unwrap();

    let mut stream = TcpStream::connect(address).unwrap();
    let headers = format!("authorization: Bearer {TOKEN}\r\ntraceparent: {TRACEPARENT}\r\nconnection: close");
    write!(stream, "GET /api/rooms HTTP/1.1\r\nhost: x\r\n{headers}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let id = answer.split("x-request-id: ").nth(1).unwrap().split("\r\n").next().unwrap().to_owned();
    let (asked, _) = questions.recv_timeout(Duration::from_secs(5)).unwrap();
    let passed_on = asked.lines().find(|line| line.starts_with("traceparent:")).unwrap_or_default();
    assert!(passed_on.contains("0af7651916cd43dd8448eb211c80319c"), "{asked}");

    // The last spans are sent at the end.
    assert!(Command::new("kill").arg(server.0.id().to_string()).status().unwrap().success());
    let (head, batch) = batches.recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(head.starts_with("POST /v1/traces ") && head.contains("application/x-protobuf"), "{head}");
    let has = |bytes: &[u8]| batch.windows(bytes.len()).any(|window| window == bytes);
    for text in ["rillcast", "GET /api/rooms", "authorize", "http.route", "http.response.status_code", &id] {
        assert!(has(text.as_bytes()), "{text}");
    }
    assert!(has(b"POST"), "the question to the webhook");
    assert!(has(&TRACE_ID), "it belongs to the client's trace");
    assert!(!has(TOKEN.as_bytes()) && !has(b"Bearer"));
    assert!(server.0.wait().unwrap().success());
}
