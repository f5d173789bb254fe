//! `rillcast serve`: the server.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::info;

use crate::app::App;
use crate::app::reload::Reloader;
use crate::cli::{Failure, systemd};
use crate::config::file::File;
use crate::config::source::Source;
use crate::config::{Config, ConfigError, http, media, show};
use crate::telemetry::log;
use crate::traces::Traces;

/// Threads of the control plane: it negotiates and serves pages, the media has threads of its own.
const CONTROL_THREADS: usize = 2;

/// Run the server
///
/// Publishers POST their offer to /whip/ROOM and subscribers to /whep/ROOM; / has pages that do both. Everything is set
/// by a file, by environment variables (below), which override it, and by flags, which override both. SIGHUP reads all
/// of it again.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = show::variables())]
pub struct Args {
    /// A TOML file; config.example.toml has every key [env: CONFIG_FILE]
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

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

    /// Any other key of the file, such as session.takeover=true; may be repeated. Secrets are better kept in the file
    /// or the environment: flags are seen by everybody on the machine
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl Args {
    /// The configuration: these flags, then the environment, then the file, then the defaults.
    ///
    /// # Errors
    /// [`Failure::Usage`] names the value that does not parse.
    pub fn config(&self) -> Result<Config, Failure> {
        self.read().map_err(Failure::usage)
    }

    /// The same, for each time that it is read again.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(&self) -> Result<Config, ConfigError> {
        let public_ips = (!self.public_ip.is_empty()).then(|| self.public_ip.join(","));
        let mut source = Source::environment()
            .flag(&http::ADDRESS, "--http-addr", self.http_addr.clone())
            .flag(&media::UDP_PORT, "--udp-port", self.udp_port.clone())
            .flag(&media::WORKERS, "--workers", self.workers.clone())
            .flag(&media::PUBLIC_IPS, "--public-ip", public_ips);
        for assignment in &self.set {
            source = source.set(assignment)?;
        }
        Config::read(&with_file(source, self.config.as_deref())?)
    }

    /// The file that is read, if one is.
    pub(super) fn file(&self) -> Option<PathBuf> {
        named_file(self.config.as_deref())
    }
}

/// The values of the file at `path`, else of the one that the environment names, below those that are there.
pub(super) fn with_file<'a>(source: Source<'a>, path: Option<&Path>) -> Result<Source<'a>, ConfigError> {
    match named_file(path) {
        Some(path) => source.file(File::read(&path)?),
        None => Ok(source),
    }
}

fn named_file(path: Option<&Path>) -> Option<PathBuf> {
    let variable = || std::env::var_os(FILE_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
    path.map(Path::to_owned).or_else(variable)
}

/// Names the file where no flag does.
const FILE_VARIABLE: &str = "CONFIG_FILE";

/// Runs until SIGTERM or SIGINT.
pub(super) fn run(args: Args) -> Result<(), Failure> {
    let config = args.config()?;
    log::start(&config.log);
    config.auth.warn();
    // It sends its last spans when all else has ended.
    let _traces = Traces::start(config.log.collector.as_deref());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(CONTROL_THREADS)
        .thread_name("control")
        .enable_all()
        .build()
        .map_err(Failure::failed)?;
    runtime.block_on(async {
        let stop = stop_signal().map_err(Failure::failed)?;
        let hangup = signal(SignalKind::hangup()).map_err(Failure::failed)?;
        let mut running = App::start(config).await.map_err(Failure::failed)?;
        let reloader = running.reloader(Arc::new(move || args.read()));
        println!("Rillcast is ready: open {} in a browser", running.url());
        systemd::tell(systemd::READY);
        let failure = tokio::select! {
            () = stop => {
                // From here on: the first signal is not the second one too.
                let again = stop_signal().map_err(Failure::failed)?;
                tokio::select! {
                    () = running.let_publishers_finish() => {}
                    () = again => {}
                }
                None
            }
            () = reload_on(hangup, &reloader) => None,
            failure = running.failed() => Some(failure),
        };
        systemd::tell(systemd::STOPPING);
        running.shutdown().await;
        failure.map_or(Ok(()), |failure| Err(Failure::Failed(failure)))
    })
}

/// Reads the configuration again at each SIGHUP; what is wrong with it is logged, and changes nothing.
async fn reload_on(mut hangup: Signal, reloader: &Reloader) {
    while hangup.recv().await.is_some() {
        // It says itself what came of it.
        let _ = reloader.reload();
    }
    std::future::pending::<()>().await;
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
            ("x --set http.adress=:1", "--set: there is no http.adress; did you mean http.address?"),
            ("x --set session.takeover=perhaps", "--set session.takeover: \"perhaps\""),
            ("x --set takeover", "--set"),
            ("x --config /nonexistent/r.toml", "cannot read /nonexistent/r.toml"),
        ] {
            let failure = config(line).map(drop).unwrap_err();
            assert_eq!(failure.exit_code(), 2);
            assert!(failure.message().starts_with(flag), "{failure:?}");
        }
    }
}
