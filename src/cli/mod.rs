//! The command line: one file per command.
#![expect(clippy::doc_markdown, reason = "these comments are the help texts, and shown as they are")]

mod check;
mod demo;
mod export;
mod generate;
mod healthcheck;
mod load;
mod offerer;
mod play;
mod publish;
mod serve;
mod systemd;
mod token;
mod verify_webhook;

use std::fmt::Display;
use std::io::Write as _;

use clap::{Parser, Subcommand};

use crate::version;

/// A WebRTC media server: publish by WHIP, play by WHEP.
///
/// One publisher per room, many subscribers; the media is forwarded as it comes, without transcoding. Begin with
/// `rillcast serve` and open the address that it prints.
#[derive(Parser, Debug)]
#[command(name = "rillcast", version, long_version = version::LONG.as_str(), max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Serve(serve::Args),
    Check(check::Args),
    Token(token::Args),
    Demo(demo::Args),
    Publish(publish::Args),
    Play(play::Args),
    Load(Box<load::Args>),
    Export(export::Args),
    Healthcheck(healthcheck::Args),
    #[command(hide = true)]
    Generate(generate::Args),
    VerifyWebhook(verify_webhook::Args),
}

/// Why a command ended without success.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Failure {
    /// It did not work out: exit code 1.
    Failed(String),
    /// The flags or the configuration do not allow to begin: exit code 2, like clap's own.
    Usage(String),
}

impl Failure {
    /// What went wrong, for people.
    #[must_use]
    pub fn message(&self) -> &str {
        match self {
            Self::Failed(message) | Self::Usage(message) => message,
        }
    }

    /// The process's exit code.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
        }
    }

    fn failed(error: impl Display) -> Self {
        Self::Failed(error.to_string())
    }

    fn usage(error: impl Display) -> Self {
        Self::Usage(error.to_string())
    }
}

/// Prints what was asked for. Nobody reads on where the other end of a pipe is closed (`| head`), and that is fine.
fn print(text: impl Display) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match write!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::failed(error)),
        _ => Ok(()),
    }
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`] says which exit code and why.
    pub fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Check(args) => check::run(&args),
            Command::Token(args) => token::run(&args),
            Command::Serve(args) => serve::run(args),
            Command::Demo(args) => demo::run(&args),
            Command::Publish(args) => publish::run(&args),
            Command::Play(args) => play::run(&args),
            Command::Load(args) => load::run(&args),
            Command::Export(args) => export::run(&args),
            Command::Healthcheck(args) => healthcheck::run(args),
            Command::Generate(args) => generate::run(&args),
            Command::VerifyWebhook(args) => verify_webhook::run(&args),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_table_of_flags_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn commands_parse() {
        let table = [
            ("rillcast serve", true),
            ("rillcast serve --http-addr :9000 --udp-port 0 --workers 2 --public-ip 203.0.113.7 --public-ip ::1", true),
            ("rillcast healthcheck", true),
            ("rillcast healthcheck --config rillcast.toml", true),
            ("rillcast healthcheck http://127.0.0.1:9000/healthz", true),
            ("rillcast", false),
            ("rillcast dance", false),
            ("rillcast serve --colour", false),
        ];
        for (line, good) in table {
            assert_eq!(Cli::try_parse_from(line.split(' ')).is_ok(), good, "{line}");
        }
    }
}
