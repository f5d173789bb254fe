//! `rillcast check`: validates the configuration, and says what is in force.

use crate::cli::{Failure, print, serve};
use crate::config::show;

/// Validate the configuration and print what is in force
///
/// It reads what `rillcast serve` with the same flags and environment would read, and starts nothing. Exit code 2 where
/// something is wrong with it; secrets are not shown.
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
    let lines = args.serve.config()?.in_force.lines(args.all);
    print(format_args!("{lines}The configuration is sound.\n"))
}
