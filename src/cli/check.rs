//! `rillcast check`: validates the configuration, and says what is in force.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::SystemTime;

use crate::app::StartError;
use crate::cli::{Failure, print, serve};
use crate::config::{Config, show};
use crate::http::tls::Tls;
use crate::notify::rfc3339;

/// Validate the configuration and print what is in force
///
/// It reads what `rillcast serve` with the same flags and environment would read, the certificate too, and starts
/// nothing. Exit code 2 where something is wrong with it; secrets are not shown.
#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
pub struct Args {
    #[command(flatten)]
    serve: serve::Args,

    /// Print the keys that have their default too
    #[arg(long)]
    all: bool,

    /// Print a file with every key instead
    #[arg(long, conflicts_with = "all")]
    example: bool,

    /// Print the reference of all keys instead, as Markdown
    #[arg(long, conflicts_with_all = ["all", "example"])]
    reference: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    if args.example {
        return print(show::example());
    }
    if args.reference {
        return print(show::reference());
    }
    let config = args.serve.config()?;
    let ends = certificate(&config)?;
    let text = report(&config, args.serve.file(), ends, args.all);
    print(format_args!("{text}"))
}

/// What would stop the start later: a certificate that cannot be used. When it ends, where there is one.
fn certificate(config: &Config) -> Result<Option<SystemTime>, Failure> {
    let Some(files) = &config.http.tls else { return Ok(None) };
    let tls = Tls::from_files(files).map_err(|error| Failure::usage(StartError::from(error)))?;
    Ok(tls.certificate_expiry())
}

fn report(config: &Config, file: Option<PathBuf>, ends: Option<SystemTime>, all: bool) -> String {
    let mut text = match file {
        Some(file) => format!("# {} was read.\n", file.display()),
        None => "# No file was read: neither --config nor CONFIG_FILE names one.\n".to_owned(),
    };
    text += &config.in_force.lines(all);
    for advice in config.auth.advice() {
        let _ = writeln!(text, "Mind that {advice}.");
    }
    if let Some(ends) = ends.filter(|ends| *ends <= SystemTime::now()) {
        let _ = writeln!(text, "Mind that the certificate ended on {}.", rfc3339(ends));
    }
    text + "The configuration is sound.\n"
}
