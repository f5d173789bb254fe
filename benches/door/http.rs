//! HTTP/1.1 as raw as it gets: a request from an address of the loopback network, and its answer.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

pub struct Answer {
    pub status: u16,
    pub body: String,
}

/// Asks on a connection of its own, as a client does that comes for the first time.
pub fn ask(server: SocketAddr, from: Ipv4Addr, method: &str, target: &str, within: Duration) -> io::Result<Answer> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((from, 0)).into())?;
    socket.connect_timeout(&server.into(), within)?;
    let mut stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(within))?;
    stream.set_write_timeout(Some(within))?;
    stream.write_all(format!("{method} {target} HTTP/1.1\r\nhost: door\r\nconnection: close\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let (head, _) = head(&answer).ok_or(io::ErrorKind::InvalidData)?;
    Ok(Answer { status: status(&answer), body: String::from_utf8_lossy(&answer[head..]).into_owned() })
}

/// Where the head of an answer ends, and how long the body is that its `Content-Length` tells; `None` while it is not
/// whole.
pub fn head(answer: &[u8]) -> Option<(usize, usize)> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let lines = answer[..end].split(|byte| *byte == b'\n');
    let mut length = lines.filter_map(|line| {
        let (name, value) = line.split_at_checked(b"content-length:".len())?;
        name.eq_ignore_ascii_case(b"content-length:").then(|| std::str::from_utf8(value).ok()?.trim().parse().ok())?
    });
    Some((end, length.next_back().unwrap_or(0)))
}

/// The status of an answer whose head is there.
pub fn status(answer: &[u8]) -> u16 {
    answer.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok()).unwrap_or(0)
}
