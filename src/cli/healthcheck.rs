//! `rillcast healthcheck`: asks a server whether it is well, for containers and scripts.

use std::time::Duration;

use ureq::tls::TlsConfig;

use crate::cli::Failure;
use crate::config::Config;
use crate::config::source::Source;
use crate::http::ListenAddr;

/// A server on the same machine answers in milliseconds.
const PATIENCE: Duration = Duration::from_secs(3);

/// Ask a server whether it is well: exit code 0 if it is, 1 if not
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// What to ask; /readyz instead of /healthz also tells whether new sessions are taken [default: /healthz on this
    /// machine, at the port of HTTP_ADDR]
    pub(super) url: Option<String>,
}

pub(super) fn run(url: Option<String>) -> Result<(), Failure> {
    // Nobody has a certificate for 127.0.0.1; whoever could stand in between on this machine could do worse.
    let tls = TlsConfig::builder().disable_verification(url.is_none()).build();
    let url = url.map_or_else(own_url, Ok)?;
    let agent: ureq::Agent =
        ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).tls_config(tls).build().into();
    // ureq makes an error of every status from 400 on.
    agent.get(&url).call().map(drop).map_err(|error| Failure::Failed(format!("{url}: {error}")))
}

fn own_url() -> Result<String, Failure> {
    let config = Config::read(&Source::environment()).map_err(Failure::usage)?;
    let host = match config.http.address {
        ListenAddr::Any(port) => format!("127.0.0.1:{port}"),
        ListenAddr::One(address) if address.ip().is_unspecified() => format!("127.0.0.1:{}", address.port()),
        ListenAddr::One(address) => address.to_string(),
    };
    // A listener that sends everybody to HTTPS answers this one itself.
    let scheme = if config.http.has_tls() && config.http.tls_address.is_none() { "https" } else { "http" };
    Ok(format!("{scheme}://{host}/healthz"))
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
            assert_eq!(run(Some(url)).is_ok(), well, "{status}");
            server.join().unwrap();
        }
        let failure = run(Some("http://127.0.0.1:1/healthz".into())).unwrap_err();
        assert_eq!(failure.exit_code(), 1);
    }
}
