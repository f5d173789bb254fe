//! `rillcast healthcheck`: asks a server whether it is well, for containers and scripts.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ureq::tls::TlsConfig;

use crate::cli::Failure;
use crate::cli::serve::with_file;
use crate::config::Config;
use crate::config::source::Source;
use crate::http::ListenAddr;

/// A server on the same machine answers in milliseconds.
const PATIENCE: Duration = Duration::from_secs(3);

/// Ask a server whether it is well: exit code 0 if it is, 1 if not
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// What to ask; /readyz instead of /healthz also tells whether new sessions are taken [default: /healthz on this
    /// machine, where file and environment have the server listen]
    url: Option<String>,

    /// The server's file, where no URL is given [env: CONFIG_FILE]
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    config: Option<PathBuf>,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    // Nobody has a certificate for 127.0.0.1; whoever could stand in between on this machine could do worse.
    let is_own = args.url.is_none();
    let url = args.url.map_or_else(|| own_url(args.config.as_deref()), Ok)?;
    ask(&url, is_own)
}

fn ask(url: &str, any_certificate: bool) -> Result<(), Failure> {
    let tls = TlsConfig::builder().disable_verification(any_certificate).build();
    let agent: ureq::Agent =
        ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).tls_config(tls).build().into();
    // ureq makes an error of every status from 400 on.
    agent.get(url).call().map(drop).map_err(|error| Failure::Failed(format!("{url}: {error}")))
}

fn own_url(file: Option<&Path>) -> Result<String, Failure> {
    let read = || Config::read(&with_file(Source::environment(), file)?);
    let config = read().map_err(Failure::usage)?;
    // One that demands to be told by a proxy who asks has a listener that does not, perhaps.
    if let (true, Some(private)) = (config.http.proxy_protocol, config.http.private_address) {
        return Ok(format!("http://{}/healthz", host(private)));
    }
    let host = host(config.http.address);
    // A listener that sends everybody to HTTPS answers this one itself.
    let scheme = if config.http.has_tls() && config.http.tls_address.is_none() { "https" } else { "http" };
    Ok(format!("{scheme}://{host}/healthz"))
}

/// Where somebody on this machine reaches it.
fn host(address: ListenAddr) -> String {
    match address {
        ListenAddr::Any(port) => format!("127.0.0.1:{port}"),
        ListenAddr::One(address) if address.ip().is_unspecified() => format!("127.0.0.1:{}", address.port()),
        ListenAddr::One(address) => address.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn the_status_decides() {
        for (status, well) in [("200 OK", true), ("204 No Content", true), ("503 Service Unavailable", false)] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let url = format!("http://{}/healthz", listener.local_addr().unwrap());
            let server = std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let read = stream.read(&mut [0; 1024]).unwrap();
                assert!(read > 0);
                write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
            });
            assert_eq!(ask(&url, false).is_ok(), well, "{status}");
            server.join().unwrap();
        }
        let failure = ask("http://127.0.0.1:1/healthz", false).unwrap_err();
        assert_eq!(failure.exit_code(), 1);
    }

    #[test]
    fn the_file_says_where_the_server_is() {
        let file = std::env::temp_dir().join(format!("rillcast-healthcheck-{}.toml", std::process::id()));
        for (address, url) in [
            (":9000", "http://127.0.0.1:9000/healthz"),
            ("0.0.0.0:9001", "http://127.0.0.1:9001/healthz"),
            ("[::1]:9002", "http://[::1]:9002/healthz"),
            ("192.0.2.1:9003", "http://192.0.2.1:9003/healthz"),
        ] {
            std::fs::write(&file, format!("[http]\naddress = \"{address}\"\n")).unwrap();
            assert_eq!(own_url(Some(&file)).unwrap(), url);
        }
        let proxied =
            "[http]\nproxy_protocol = true\ntrusted_proxies = \"127.0.0.1\"\n[metrics]\naddress = \"127.0.0.1:9004\"\n";
        std::fs::write(&file, proxied).unwrap();
        assert_eq!(own_url(Some(&file)).unwrap(), "http://127.0.0.1:9004/healthz", "there no proxy is in front");
        std::fs::remove_file(&file).unwrap();
        assert_eq!(own_url(Some(&file)).unwrap_err().exit_code(), 2, "no such file");
    }
}
