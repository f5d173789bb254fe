//! `rillcast healthcheck`: asks a server whether it is well, for containers and scripts.

use std::time::Duration;

use crate::cli::Failure;
use crate::config::env::Source;
use crate::http::ListenAddr;

/// A server on the same machine answers in milliseconds.
const PATIENCE: Duration = Duration::from_secs(3);

/// Ask a server whether it is well: exit code 0 if it is, 1 if not
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// What to ask; /readyz instead of /healthz also tells whether new sessions are taken [default: /healthz on this
    /// machine, at the port of HTTP_ADDR]
    url: Option<String>,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let url = args.url.map_or_else(own_url, Ok)?;
    let agent: ureq::Agent = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).build().into();
    // ureq makes an error of every status from 400 on.
    agent.get(&url).call().map(drop).map_err(|error| Failure::Failed(format!("{url}: {error}")))
}

fn own_url() -> Result<String, Failure> {
    let config = Source::environment().read().map_err(Failure::usage)?;
    let host = match config.http.address {
        ListenAddr::Any(port) => format!("127.0.0.1:{port}"),
        ListenAddr::One(address) if address.ip().is_unspecified() => format!("127.0.0.1:{}", address.port()),
        ListenAddr::One(address) => address.to_string(),
    };
    Ok(format!("http://{host}/healthz"))
}
