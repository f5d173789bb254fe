//! What is shipped beside the binary says what the binary does: variables, limits, paths, packages.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rillcast::limits;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Words in capitals with an underscore, as variables are called.
fn variables(text: &str) -> BTreeSet<&str> {
    let letter = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let words = text.split(|c| !letter(c));
    words.filter(|word| word.contains('_') && word.starts_with(|c: char| c.is_ascii_uppercase())).collect()
}

/// The lines of one service in the compose file.
fn service(name: &str) -> String {
    let compose = read("deploy/compose.yml");
    let lines = compose.lines().skip_while(|line| *line != format!("  {name}:")).skip(1);
    lines.take_while(|line| line.is_empty() || line.starts_with("   ")).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_variable_that_is_set_is_one() {
    let known = variables_of_the_server();
    // Compose's own: what the operator fills in, and what the image is built with.
    let example = read("deploy/compose.env.example");
    let compose: BTreeSet<_> = variables(&example).into_iter().chain(["COMMIT"]).collect();
    for variable in variables(&service("rillcast")) {
        assert!(known.contains(variable) || compose.contains(variable), "{variable}");
    }
    for variable in variables(&example) {
        assert!(read("deploy/compose.yml").contains(&format!("${{{variable}")), "{variable} is for nothing");
    }
}

fn variables_of_the_server() -> BTreeSet<String> {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_rillcast"));
    let help = command.args(["serve", "--help"]).output().unwrap();
    variables(&String::from_utf8(help.stdout).unwrap()).into_iter().map(str::to_owned).collect()
}

#[test]
fn the_kernel_is_asked_to_grant_what_the_server_asks_for() {
    let sysctl = read("deploy/sysctl/60-rillcast.conf");
    for key in ["net.core.rmem_max", "net.core.wmem_max"] {
        assert!(sysctl.contains(&format!("{key} = {}\n", limits::SOCKET_BUFFER_BYTES)), "{key}");
    }
}

#[test]
fn packages_are_made_of_files_that_are_there() {
    let manifest = read("Cargo.toml");
    let (_, assets) = manifest.split_once("\nassets = [").unwrap();
    let (assets, _) = assets.split_once("\n]").unwrap();
    let sources = assets.lines().filter_map(|line| line.split('"').nth(1));
    // What is built is another matter.
    let sources: Vec<_> = sources.filter(|path| !path.starts_with("target/")).collect();
    assert!(sources.len() > 3, "{sources:?}");
    for path in sources {
        match path.split_once("/*") {
            Some((folder, end)) => {
                let mut names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
                assert!(names.any(|name| name.to_str().unwrap().ends_with(end)), "{path}");
            }
            None => assert!(!read(path).is_empty(), "{path}"),
        }
    }
    let unit = read("deploy/systemd/rillcast.service");
    assert!(unit.contains("=CONFIG_FILE=/etc/rillcast/rillcast.toml\n") && unit.contains("=/usr/bin/rillcast serve\n"));
    assert!(assets.contains("\"usr/bin/\"") && assets.contains("\"etc/rillcast/rillcast.toml\", \"640\""));
}

/// The image is made from what the ignore file lets through: each of the manifest's own targets must be among it.
#[test]
fn the_image_is_made_of_all_that_cargo_asks_for() {
    let ignored = read(".dockerignore");
    let let_through: BTreeSet<_> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    let manifest = read("Cargo.toml");
    let paths = manifest.lines().filter_map(|line| line.strip_prefix("path = \"")?.split('/').next());
    for path in paths.chain(["Cargo.toml", "Cargo.lock", "benches", "assets", "web"]) {
        assert!(let_through.contains(path), "{path}");
    }
    assert!(read("Dockerfile").contains("cargo build --release --locked"));
}
