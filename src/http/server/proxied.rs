//! The PROXY protocol (HAProxy's, versions 1 and 2): whom a proxy connects for, said before the first byte of the
//! client. Only trusted proxies are asked, and from them it is demanded: one that only sometimes says it would let
//! clients say it themselves.

use std::io;
use std::net::IpAddr;

use ppp::{HeaderResult, PartialResult as _, v1, v2};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::id::ClientAddress;
use crate::limits;

/// Reads the header and nothing behind it. `None` where the proxy speaks for itself, or does not say.
///
/// # Errors
/// What is no header, or longer than [`limits::PROXY_HEADER_BYTES`].
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<ClientAddress>> {
    let mut header = Vec::new();
    loop {
        // Byte by byte, because what follows is TLS's or HTTP's: at most twice a hundred calls for a connection.
        header.push(stream.read_u8().await?);
        // Version 1 is a line, and half a line is not told from nonsense.
        if header[0] == b'P' && !header.ends_with(b"\n") && header.len() < limits::PROXY_HEADER_BYTES {
            continue;
        }
        match HeaderResult::parse(&header) {
            result if result.is_incomplete() && header.len() < limits::PROXY_HEADER_BYTES => {}
            HeaderResult::V1(Ok(header)) => return Ok(source_v1(&header.addresses)),
            HeaderResult::V2(Ok(header)) => return Ok(source_v2(&header)),
            _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "no PROXY header")),
        }
    }
}

fn source_v1(addresses: &v1::Addresses) -> Option<ClientAddress> {
    let source: IpAddr = match addresses {
        v1::Addresses::Tcp4(addresses) => addresses.source_address.into(),
        v1::Addresses::Tcp6(addresses) => addresses.source_address.into(),
        v1::Addresses::Unknown => return None,
    };
    Some(ClientAddress::new(source))
}

fn source_v2(header: &v2::Header<'_>) -> Option<ClientAddress> {
    let source: IpAddr = match (header.command, header.addresses) {
        (v2::Command::Proxy, v2::Addresses::IPv4(addresses)) => addresses.source_address.into(),
        (v2::Command::Proxy, v2::Addresses::IPv6(addresses)) => addresses.source_address.into(),
        // Local: health checks of the proxy itself.
        (v2::Command::Local, _) | (_, v2::Addresses::Unspecified | v2::Addresses::Unix(_)) => return None,
    };
    Some(ClientAddress::new(source))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Version 2, PROXY, TCP over IPv4 from 203.0.113.7, with a field behind the addresses.
    const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x10\xcb\0\x71\x07\x0a\0\0\x01\x30\x39\x01\xbb\x04\0\x01*";
    /// Version 2, LOCAL.
    const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

    #[tokio::test]
    async fn headers() {
        type Row = (&'static [u8], Option<Option<&'static str>>);
        let table: &[Row] = &[
            (b"PROXY TCP4 203.0.113.7 10.0.0.1 12345 443\r\n", Some(Some("203.0.113.7"))),
            (b"PROXY TCP6 2001:db8::7 2001:db8::1 12345 443\r\n", Some(Some("2001:db8::7"))),
            (b"PROXY TCP6 ::ffff:203.0.113.7 ::1 12345 443\r\n", Some(Some("203.0.113.7"))),
            (b"PROXY UNKNOWN\r\n", Some(None)),
            (V2, Some(Some("203.0.113.7"))),
            (LOCAL, Some(None)),
            (b"GET / HTTP/1.1\r\n", None),
            (b"PROXY TCP4 203.0.113.7\r\n", None),
            (b"PROXY TCP4 example.org 10.0.0.1 1 2\r\n", None),
            (b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c", None),
            (b"\x16\x03\x01", None),
            (b"", None),
            (b"PROXY TCP4 203.0.113", None),
        ];
        for (bytes, expected) in table {
            let mut stream = [bytes, &b"GET"[..]].concat();
            if expected.is_none() {
                stream.truncate(bytes.len());
            }
            let mut stream = &stream[..];
            let verdict = read(&mut stream).await.ok();
            let shown = verdict.map(|client| client.map(|client| client.to_string()));
            assert_eq!(shown, expected.map(|client| client.map(str::to_owned)), "{bytes:?}");
            assert!(expected.is_none() || stream == b"GET", "what follows is left");
        }
    }

    #[tokio::test]
    async fn a_header_has_an_end() {
        let endless = [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff"[..], &vec![0; 70_000]].concat();
        let mut stream = &endless[..];
        assert!(read(&mut stream).await.is_err());
        assert!(stream.len() > 60_000, "and is not read to it");
    }
}
