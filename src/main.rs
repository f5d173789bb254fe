//! Flags → configuration → command → exit code.

use std::process::ExitCode;

use clap::Parser as _;
use rillcast::cli::Cli;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("rillcast: {}", failure.message());
            ExitCode::from(failure.exit_code())
        }
    }
}
