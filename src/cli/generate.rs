//! `rillcast generate`: man pages and shell completions, for packages.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::{Cli, Failure};

const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Fish, Shell::Zsh];

/// Write man pages and shell completions into a folder
///
/// `man` gets a page for each command, `completions` a file for each of bash, fish and zsh.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The folder; it is made where there is none
    folder: PathBuf,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    generate(&args.folder).map_err(|error| Failure::Failed(format!("{}: {error}", args.folder.display())))
}

fn generate(folder: &Path) -> io::Result<()> {
    let (man, completions) = (folder.join("man"), folder.join("completions"));
    fs::create_dir_all(&man)?;
    fs::create_dir_all(&completions)?;
    clap_mangen::generate_to(Cli::command(), &man)?;
    for shell in SHELLS {
        clap_complete::generate_to(shell, &mut Cli::command(), "rillcast", &completions)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_that_is_shown_has_a_page_and_is_completed() {
        let folder = std::env::temp_dir().join(format!("rillcast-generate-{}", std::process::id()));
        run(&Args { folder: folder.clone() }).unwrap();
        let read =
            |name: String| fs::read_to_string(folder.join(&name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let completions =
            ["rillcast.bash", "rillcast.fish", "_rillcast"].map(|name| read(format!("completions/{name}")));
        let overview = read("man/rillcast.1".into());
        let cli = Cli::command();
        for command in cli.get_subcommands() {
            let name = command.get_name();
            let page = folder.join(format!("man/rillcast-{name}.1"));
            assert_eq!(page.exists(), !command.is_hide_set(), "{name}");
            if !command.is_hide_set() {
                let shown = name.replace('-', "\\-");
                assert!(overview.contains(&format!("rillcast\\-{shown}(1)")), "{name}");
                assert!(completions.iter().all(|text| text.contains(name)), "{name}");
            }
        }
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(run(&Args { folder: "/dev/null/here".into() }).unwrap_err().exit_code(), 1);
    }
}
