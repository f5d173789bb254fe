//! HTTPS over real sockets, with certificates made on the spot.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;

use super::*;
use crate::http::server::{self, Door, Scheme};
use crate::http::tls::{Tls, TlsConfig};
use crate::http::{HttpConfig, ListenAddr};

/// A certificate for localhost in these files; what clients have to trust.
fn issue(config: &TlsConfig) -> CertificateDer<'static> {
    let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&config.certificate, issued.cert.pem()).unwrap();
    std::fs::write(&config.key, issued.signing_key.serialize_pem()).unwrap();
    issued.cert.der().clone()
}

fn folder(name: &str) -> TlsConfig {
    let folder = std::env::temp_dir().join(format!("rillcast-tls-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    TlsConfig { certificate: folder.join("certificate.pem"), key: folder.join("key.pem") }
}

fn remove(config: &TlsConfig) {
    std::fs::remove_dir_all(config.certificate.parent().unwrap()).unwrap();
}

fn connector(trusted: &CertificateDer<'static>, alpn: &[&str]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    TlsConnector::from(Arc::new(config))
}

type Stream = tokio_rustls::client::TlsStream<TcpStream>;

async fn connect(
    address: std::net::SocketAddr,
    trusted: &CertificateDer<'static>,
    alpn: &[&str],
) -> std::io::Result<Stream> {
    let stream = TcpStream::connect(address).await.unwrap();
    connector(trusted, alpn).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

async fn ask(stream: &mut Stream) -> String {
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut answer = vec![0; 4096];
    let length = stream.read(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer[..length]).into_owned()
}

fn start(tls: &Arc<Tls>) -> (std::net::SocketAddr, watch::Sender<bool>) {
    let fixture = Fixture::open();
    let listener = server::listen(ListenAddr::One(([127, 0, 0, 1], 0).into())).unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    let config = HttpConfig { hsts: Some(Duration::from_hours(1)), ..HttpConfig::default() };
    let (door, scheme) = (Door::new(&config), Scheme::Tls(tls.clone()));
    tokio::spawn(server::serve(door, fixture.router, listener, scheme, stopped));
    (address, stop)
}

#[tokio::test]
async fn a_certificate_is_replaced_while_clients_are_connected() {
    let files = folder("replace");
    let old = issue(&files);
    let tls = Tls::from_files(&files).unwrap();
    assert!(tls.certificate_expiry().is_some_and(|end| end > SystemTime::UNIX_EPOCH));
    let (address, _stop) = start(&tls);
    let mut before = connect(address, &old, &["http/1.1"]).await.unwrap();
    let answer = ask(&mut before).await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("strict-transport-security: max-age=3600"),
        "{answer}"
    );
    let h2 = connect(address, &old, &["h2", "http/1.1"]).await.unwrap();
    assert_eq!(h2.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let challenge = connect(address, &old, &["acme-tls/1"]).await;
    assert!(challenge.is_err(), "nobody has asked for a proof");

    let new = issue(&files);
    tls.reload(&files);
    assert!(connect(address, &old, &[]).await.is_err());
    assert!(ask(&mut connect(address, &new, &[]).await.unwrap()).await.starts_with("HTTP/1.1 200"));
    assert!(ask(&mut before).await.starts_with("HTTP/1.1 200"), "who was there goes on");

    // What is broken changes nothing: half of a pair, nonsense, nothing.
    let key = std::fs::read(&files.key).unwrap();
    issue(&files);
    std::fs::write(&files.key, &key).unwrap();
    tls.reload(&files);
    assert!(connect(address, &new, &[]).await.is_ok());
    std::fs::write(&files.certificate, "nonsense").unwrap();
    tls.reload(&files);
    std::fs::remove_file(&files.certificate).unwrap();
    tls.reload(&files);
    assert!(connect(address, &new, &[]).await.is_ok());
    remove(&files);
}

#[tokio::test]
async fn who_speaks_no_tls_is_cut_off() {
    let files = folder("plain");
    issue(&files);
    let tls = Tls::from_files(&files).unwrap();
    let (address, _stop) = start(&tls);
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(answer.is_empty() || answer[0] == 21, "an alert at most: {answer:?}");
    remove(&files);
}

#[test]
fn what_is_wrong_with_the_files_is_said() {
    let files = folder("wrong");
    let problem = |files: &TlsConfig| Tls::from_files(files).map(drop).unwrap_err().to_string();
    assert!(problem(&files).contains("certificate.pem"), "{}", problem(&files));
    issue(&files);
    let swapped = TlsConfig { certificate: files.key.clone(), key: files.certificate.clone() };
    assert!(problem(&swapped).contains("it has no certificate"), "{}", problem(&swapped));
    let other = TlsConfig { key: Path::new("/nowhere/key.pem").into(), ..files.clone() };
    assert!(problem(&other).contains("/nowhere/key.pem"), "{}", problem(&other));
    std::fs::write(&files.key, rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap();
    assert!(problem(&files).starts_with("the certificate and its key"), "{}", problem(&files));
    remove(&files);
}
