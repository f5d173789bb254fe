//! Heads of requests that are larger than any that means well.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Duration, timeout};

use crate::attack::Attacker;
use crate::http;

/// One that never ends is sent up to here.
const ENDLESS: usize = 4 << 20;

type Made = fn() -> Vec<u8>;

/// What is sent. Each is refused with 414 or 431, or cut: the answer to what the server did not read to its end is lost
/// where the client goes on writing.
const HEADS: [(&str, Made); 6] = [
    ("target of 5 kB", || format!("GET /{} HTTP/1.1\r\nhost: door\r\n\r\n", "a".repeat(5 << 10)).into_bytes()),
    ("target of 100 kB", || format!("GET /{} HTTP/1.1\r\nhost: door\r\n\r\n", "a".repeat(100 << 10)).into_bytes()),
    ("one header of 64 kB", || with_headers(&format!("x-large: {}\r\n", "a".repeat(64 << 10)))),
    ("101 headers", || with_headers(&"x-many: a\r\n".repeat(101))),
    ("20,000 headers", || with_headers(&"x-many: a\r\n".repeat(20_000))),
    ("header without an end", || {
        let mut head = b"GET / HTTP/1.1\r\nhost: door\r\nx-endless: ".to_vec();
        head.resize(ENDLESS, b'a');
        head
    }),
];

fn with_headers(headers: &str) -> Vec<u8> {
    format!("GET / HTTP/1.1\r\nhost: door\r\n{headers}\r\n").into_bytes()
}

/// One after the other, again and again.
pub async fn send(attacker: &Attacker, number: u32) {
    for turn in number as usize.. {
        let (name, head) = HEADS[turn % HEADS.len()];
        let mut held = attacker.connect(1, None).await;
        let (mut reader, mut writer) = held.stream.split();
        let head = head();
        let write = async {
            let _ = writer.write_all(&head).await;
            std::future::pending::<()>().await;
        };
        let mut answer = Vec::new();
        // The server may well keep the connection after its answer.
        let read = async {
            while http::head(&answer).is_none() && reader.read_buf(&mut answer).await.is_ok_and(|length| length > 0) {}
        };
        let both = async {
            tokio::select! {
                () = write => {}
                () = read => {}
            }
        };
        let ended = timeout(Duration::from_secs(20), both).await.is_ok();
        let outcome = match http::status(&answer) {
            0 if ended => "cut".to_owned(),
            0 => "nothing".to_owned(),
            status => status.to_string(),
        };
        attacker.tally.answered(format!("{name}: {outcome}"));
    }
}
