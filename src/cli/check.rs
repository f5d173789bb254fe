//! `rillcast check`: validates the configuration, and says what is in force.

use std::fmt::Write as _;
use std::path::PathBuf;

use crate::cli::{Failure, print, serve};
use crate::config::{Config, show};
use crate::http::tls::Tls;

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
    check_files(&config)?;
    let text = report(&config, args.serve.file(), args.all);
    print(format_args!("{text}"))
}

/// What would stop the start later: files that are named, and cannot be used.
fn check_files(config: &Config) -> Result<(), Failure> {
    config.http.tls.as_ref().map_or(Ok(()), |tls| Tls::from_files(tls).map(drop).map_err(Failure::usage))
}

fn report(config: &Config, file: Option<PathBuf>, all: bool) -> String {
    let mut text = match file {
        Some(file) => format!("# {} was read.\n", file.display()),
        None => "# No file was read: neither --config nor CONFIG_FILE names one.\n".to_owned(),
    };
    text += &config.in_force.lines(all);
    for advice in config.auth.advice() {
        let _ = writeln!(text, "Mind that {advice}.");
    }
    text + "The configuration is sound.\n"
}
