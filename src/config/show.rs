//! The configuration as text: what is in force, the example file, the reference, the variables for the help.

use std::fmt::Write as _;

use crate::config::error::ConfigError;
use crate::config::key::{Form, Key};
use crate::config::source::{Origin, Source, Values as _};
use crate::config::{SECTIONS, TABLES, keys};

/// What is said of each key, secrets hidden.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct InForce(Vec<Setting>);

/// A key and what is said of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Setting {
    /// The key.
    pub key: &'static Key,
    /// Its value as text; of a secret only that there is one.
    pub text: String,
    /// Who said so.
    pub origin: Origin,
}

const HIDDEN: &str = "(set, not shown)";

impl InForce {
    pub(super) fn of(source: &Source<'_>) -> Result<Self, ConfigError> {
        let setting = |key: &'static Key| {
            Ok(match source.said(key)? {
                None => Setting { key, text: key.default.to_owned(), origin: Origin::Default },
                Some(said) if key.is_secret => Setting { key, text: HIDDEN.to_owned(), origin: said.origin },
                Some(said) => Setting { key, text: said.text, origin: said.origin },
            })
        };
        keys().map(setting).collect::<Result<_, _>>().map(Self)
    }

    /// The keys that differ from `other` and need a restart.
    #[must_use]
    pub fn needing_restart(&self, other: &Self) -> Vec<&'static str> {
        let pairs = self.0.iter().zip(&other.0).filter(|(mine, _)| mine.key.needs_restart);
        pairs.filter(|(mine, theirs)| mine.text != theirs.text).map(|(mine, _)| mine.key.name).collect()
    }

    /// The lines of `rillcast check`: all keys, or those that somebody set.
    #[must_use]
    pub fn lines(&self, all: bool) -> String {
        let shown = self.0.iter().filter(|setting| all || setting.origin != Origin::Default);
        let width = self.0.iter().map(|setting| setting.key.name.len()).max().unwrap_or_default();
        let mut text = String::new();
        for Setting { key, text: value, origin } in shown {
            let value = if value.is_empty() { "(none)" } else { value };
            let _ = writeln!(text, "{:<width$} {value}  # {origin}", key.name);
        }
        text
    }
}

const EXAMPLE_HEAD: &str = "\
# Every key of Rillcast with its default. What stands after `#` is not set: remove the `#`.
# Flags come before the environment's variables, which come before this file: rillcast serve --help.
# `rillcast check --config FILE` says what is wrong with a file, and what is in force.
# R: takes effect with a restart only. Everything else is read again on SIGHUP.
";

const REFERENCE_HEAD: &str = "\
# Configuration

Defaults, then a TOML file (`rillcast serve --config FILE`, or the variable `CONFIG_FILE`), then the environment, then
flags: what comes later wins. `--set section.key=value` is the flag for every key. What is set to nothing has its
default. An unknown key or a value that does not parse stops the start, with the line and what was expected.

`rillcast check` validates and prints what is in force, `--example` prints a file with every key
([config.example.toml](../config.example.toml)). SIGHUP reads everything again while it runs: what is wrong changes
nothing; keys marked **R** keep their value until a restart, and the log names those that differ. In a variable, the
entries of a list are separated by commas.
";

/// `config.example.toml`: every key with its default, its variable and a sentence.
#[must_use]
pub fn example() -> String {
    let mut text = EXAMPLE_HEAD.to_owned();
    for section in SECTIONS {
        let name = section.keys.first().map_or("", |key| key.section());
        let _ = write!(text, "\n# {}\n[{name}]\n", section.about);
        section.keys.iter().for_each(|key| example_key(&mut text, key));
    }
    for tables in TABLES {
        let _ = write!(text, "\n{}#[[{}]]\n", comment(tables.about), tables.name);
        tables.all().for_each(|key| example_key(&mut text, key));
    }
    text
}

fn example_key(text: &mut String, key: &Key) {
    let variable = if key.variable.is_empty() { String::new() } else { format!(" [{}]", key.variable) };
    let restart = if key.needs_restart { " R" } else { "" };
    let _ =
        write!(text, "{}#{} = {}\n\n", comment(&format!("{}{variable}{restart}", key.what)), key.field(), literal(key));
    // One empty line between keys.
    text.truncate(text.trim_end().len());
    text.push('\n');
}

/// A comment of lines that are not too long.
fn comment(text: &str) -> String {
    let mut lines = vec![String::from("#")];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("one at least");
        if line.chars().count() + word.chars().count() < 116 {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(format!("# {word}"));
        }
    }
    lines.join("\n") + "\n"
}

/// The default, or a sample, as TOML.
fn literal(key: &Key) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    match key.form {
        Form::Text => quoted(key.sample),
        Form::Number | Form::Switch => key.sample.to_owned(),
        Form::List => {
            let entries: Vec<String> = key.sample.split(',').filter(|entry| !entry.is_empty()).map(quoted).collect();
            format!("[{}]", entries.join(", "))
        }
    }
}

/// `docs/configuration.md`: the reference.
#[must_use]
pub fn reference() -> String {
    let mut text = REFERENCE_HEAD.to_owned();
    for section in SECTIONS {
        let name = section.keys.first().map_or("", |key| key.section());
        let _ = write!(
            text,
            "\n## [{name}]\n\n{}\n\n| key | variable | default | what |\n| --- | --- | --- | --- |\n",
            section.about
        );
        section.keys.iter().for_each(|key| reference_row(&mut text, key));
    }
    for tables in TABLES {
        let _ = write!(text, "\n## [[{}]]\n\n{}\n\n| key | what |\n| --- | --- |\n", tables.name, tables.about);
        for key in tables.all() {
            let _ = writeln!(text, "| `{}` | {}; such as `{}` |", key.name, key.what, literal(key));
        }
    }
    text
}

fn reference_row(text: &mut String, key: &Key) {
    let default = if key.default.is_empty() { "none".to_owned() } else { format!("`{}`", key.default) };
    let restart = if key.needs_restart { " **R**" } else { "" };
    let variable = if key.variable.is_empty() { String::new() } else { format!("`{}`", key.variable) };
    let _ = writeln!(text, "| `{}` | {variable} | {default} | {}{restart} |", key.field(), key.what);
}

/// The variables, for the help.
#[must_use]
pub fn variables() -> String {
    let mut text = "Environment variables (what is empty has its default):\n".to_owned();
    let width = keys().map(|key| key.variable.len()).max().unwrap_or_default();
    for key in keys().filter(|key| !key.variable.is_empty()) {
        let default = if key.default.is_empty() { String::new() } else { format!(" [{}]", key.default) };
        let _ = writeln!(text, "  {:<width$}  {}{default}", key.variable, key.what);
    }
    text
}
