//! `rillcast serve`: the server.

use std::fmt::Write as _;

use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

use crate::app::App;
use crate::cli::Failure;
use crate::config::Config;
use crate::config::env::{Source, VARIABLES};
use crate::telemetry::log;

/// Threads of the control plane: it negotiates and serves pages, the media has threads of its own.
const CONTROL_THREADS: usize = 2;

/// Run the server
///
/// Publishers POST their offer to /whip/ROOM and subscribers to /whep/ROOM; / has pages that do both. Everything is set
/// by environment variables (below); flags override them.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = variables())]
pub struct Args {
    /// Where pages and API listen: address:port, or :port for all addresses [env: HTTP_ADDR] [default: :8080]
    #[arg(long, value_name = "ADDRESS")]
    http_addr: Option<String>,

    /// UDP port of the first worker, the others take the ones after it; 0 for any free ones [env: MEDIA_UDP_PORT]
    /// [default: 7000]
    #[arg(long, value_name = "PORT")]
    udp_port: Option<String>,

    /// Worker threads for the media [env: MEDIA_WORKERS] [default: one per core]
    #[arg(long, value_name = "NUMBER")]
    workers: Option<String>,

    /// An address at which clients reach this machine, where its own interfaces do not have it (behind NAT, in a
    /// container): the address, a host name, or stun:host:port to ask a STUN server; may be repeated
    /// [env: MEDIA_PUBLIC_IPS]
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    public_ip: Vec<String>,
}

impl Args {
    /// The configuration: these flags, then the environment, then the defaults.
    ///
    /// # Errors
    /// [`Failure::Usage`] names the value that does not parse.
    pub fn config(&self) -> Result<Config, Failure> {
        let public_ips = (!self.public_ip.is_empty()).then(|| self.public_ip.join(","));
        Source::environment()
            .flag("HTTP_ADDR", "--http-addr", self.http_addr.clone())
            .flag("MEDIA_UDP_PORT", "--udp-port", self.udp_port.clone())
            .flag("MEDIA_WORKERS", "--workers", self.workers.clone())
            .flag("MEDIA_PUBLIC_IPS", "--public-ip", public_ips)
            .read()
            .map_err(Failure::usage)
    }
}

/// Runs until SIGTERM or SIGINT.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let config = args.config()?;
    log::start(&config.log);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(CONTROL_THREADS)
        .thread_name("control")
        .enable_all()
        .build()
        .map_err(Failure::failed)?;
    runtime.block_on(async {
        let stop = stop_signal().map_err(Failure::failed)?;
        let mut running = App::start(config).await.map_err(Failure::failed)?;
        println!("Rillcast is ready: open {} in a browser", running.url());
        let failure = tokio::select! {
            () = stop => None,
            failure = running.failed() => Some(failure),
        };
        running.shutdown().await;
        failure.map_or(Ok(()), |failure| Err(Failure::Failed(failure)))
    })
}

/// Listens for the signals at once, so that none is lost while the server starts.
pub(super) fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        info!(signal = name, "asked to stop");
    })
}

fn variables() -> String {
    let mut text = "Environment variables (what is empty has its default):\n".to_owned();
    for (name, default, what) in VARIABLES {
        let default = if default.is_empty() { String::new() } else { format!(" [{default}]") };
        let _ = writeln!(text, "  {name:<20}{what}{default}");
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn config(line: &str) -> Result<Config, Failure> {
        Line::try_parse_from(line.split(' ')).unwrap().args.config()
    }

    #[test]
    fn flags_reach_the_configuration() {
        let config = config(
            "x --http-addr :9000 --udp-port 9100 --workers 2 --public-ip 203.0.113.7,::1 --public-ip 203.0.113.8",
        );
        let config = config.unwrap();
        assert_eq!(config.http.address, crate::http::ListenAddr::Any(9000));
        assert_eq!((config.media.udp_port, config.media.workers), (9100, Some(2)));
        assert_eq!(config.media.public_ips.len(), 3);
    }

    #[test]
    fn bad_flags_are_a_matter_of_usage() {
        for (line, flag) in [
            ("x --http-addr nowhere", "--http-addr"),
            ("x --udp-port 70000", "--udp-port"),
            ("x --workers 0", "--workers"),
            ("x --public-ip 203.0.113.300", "--public-ip"),
        ] {
            let failure = config(line).map(drop).unwrap_err();
            assert_eq!(failure.exit_code(), 2);
            assert!(failure.message().starts_with(flag), "{failure:?}");
        }
    }

    #[test]
    fn the_help_has_every_variable() {
        let help = variables();
        for (name, ..) in VARIABLES {
            assert!(help.contains(name));
        }
    }
}
