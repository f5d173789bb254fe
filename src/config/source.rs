//! Where values come from, the first that says something: flags, the environment, the file, the defaults.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::{self, Display};

use crate::config::error::ConfigError;
use crate::config::file::{File, WrittenTable, nearest};
use crate::config::key::{Key, Tables};
use crate::config::{SECTIONS, TABLES};
use crate::secret::Secret;

/// Who said it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    /// Nobody.
    Default,
    /// This flag.
    Flag(String),
    /// This variable of the environment.
    Variable(&'static str),
    /// The file: its place, `path:line`.
    File(String),
}

impl Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Flag(text) | Self::File(text) => f.write_str(text),
            Self::Variable(name) => f.write_str(name),
        }
    }
}

/// What was said, not yet parsed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Said {
    /// The text.
    pub text: String,
    /// By whom.
    pub origin: Origin,
}

/// Something that has values by key.
pub trait Values {
    /// What is said of a key; `None` for nothing, or an empty text.
    ///
    /// # Errors
    /// Where it is no UTF-8.
    fn said(&self, key: &Key) -> Result<Option<Said>, ConfigError>;

    /// The value of a key that has a default.
    ///
    /// # Errors
    /// Where `parse` takes neither what is said nor the default.
    fn value<T>(&self, key: &Key, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, ConfigError>
    where
        Self: Sized,
    {
        let said = self.said(key)?.unwrap_or_else(|| Said { text: key.default.to_owned(), origin: Origin::Default });
        parse(said.text.trim()).ok_or_else(|| reject(key, &said))
    }

    /// The value of a key that may be absent.
    ///
    /// # Errors
    /// Where `parse` does not take what is said.
    fn optional<T>(&self, key: &Key, parse: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, ConfigError>
    where
        Self: Sized,
    {
        let Some(said) = self.said(key)? else { return Ok(None) };
        parse(said.text.trim()).map(Some).ok_or_else(|| reject(key, &said))
    }

    /// The value of a key that is secret. It is taken as it is: its spaces may belong to it.
    ///
    /// # Errors
    /// Where it is no UTF-8.
    fn secret(&self, key: &Key) -> Result<Option<Secret>, ConfigError>
    where
        Self: Sized,
    {
        Ok(self.said(key)?.map(|said| Secret::new(said.text)))
    }

    /// The error for a value that parses, but does not fit the others.
    fn misfit(&self, key: &Key, expected: &str) -> ConfigError
    where
        Self: Sized,
    {
        let said = self.said(key).ok().flatten();
        let value = match &said {
            None => "nothing".to_owned(),
            Some(_) if key.is_secret => "(not shown)".to_owned(),
            Some(said) => format!("\"{}\"", said.text),
        };
        ConfigError::value(place(key, said.as_ref().map(|said| &said.origin)), value, expected)
    }
}

fn reject(key: &Key, said: &Said) -> ConfigError {
    let value = if key.is_secret { "(not shown)".to_owned() } else { format!("\"{}\"", said.text) };
    ConfigError::value(place(key, Some(&said.origin)), value, key.expected)
}

fn place(key: &Key, origin: Option<&Origin>) -> String {
    match origin {
        Some(Origin::File(place)) => format!("{place}: {}", key.name),
        Some(Origin::Default) | None if key.variable.is_empty() => key.name.to_owned(),
        Some(Origin::Default) | None => key.variable.to_owned(),
        Some(origin) => origin.to_string(),
    }
}

type Variables<'a> = Box<dyn Fn(&str) -> Option<OsString> + Send + Sync + 'a>;

/// All that was said.
pub struct Source<'a> {
    flags: BTreeMap<&'static str, (String, String)>,
    variables: Variables<'a>,
    file: File,
}

impl<'a> Source<'a> {
    /// Values from `variables` alone.
    #[must_use]
    pub fn new(variables: impl Fn(&str) -> Option<OsString> + Send + Sync + 'a) -> Self {
        Self { flags: BTreeMap::new(), variables: Box::new(variables), file: File::default() }
    }

    /// Values from the process's environment.
    #[must_use]
    pub fn environment() -> Self {
        Self::new(|name| std::env::var_os(name))
    }

    /// With a file behind the environment.
    ///
    /// # Errors
    /// Where it has a key that nobody knows.
    pub fn file(self, file: File) -> Result<Self, ConfigError> {
        file.check(SECTIONS, TABLES)?;
        Ok(Self { file, ..self })
    }

    /// With a flag before the environment, where it was given. Errors name the flag then.
    #[must_use]
    pub fn flag(mut self, key: &'static Key, flag: &str, value: Option<String>) -> Self {
        if let Some(value) = value {
            self.flags.insert(key.name, (flag.to_owned(), value));
        }
        self
    }

    /// With what `--set section.key=value` says.
    ///
    /// # Errors
    /// Where there is no such key.
    pub fn set(self, assignment: &str) -> Result<Self, ConfigError> {
        let place = "--set".to_owned();
        let Some((name, value)) = assignment.split_once('=') else {
            return Err(ConfigError::value(place, format!("\"{assignment}\""), "section.key=value"));
        };
        let mut keys = SECTIONS.iter().flat_map(|section| section.keys.iter().copied());
        let Some(key) = keys.clone().find(|key| key.name == name.trim()) else {
            let nearest = nearest(name, keys.by_ref().flat_map(|key| [(key.name, key.name), (key.variable, key.name)]));
            return Err(ConfigError::Unknown { place, key: name.to_owned(), nearest });
        };
        Ok(self.flag(key, &format!("--set {}", key.name), Some(value.to_owned())))
    }

    /// The file's tables of this kind, in their order.
    pub fn tables(&self, tables: &Tables) -> impl Iterator<Item = Table<'_>> {
        self.file.tables(tables.name).iter().map(|table| Table { file: &self.file, table })
    }
}

impl Values for Source<'_> {
    fn said(&self, key: &Key) -> Result<Option<Said>, ConfigError> {
        if let Some((flag, text)) = self.flags.get(key.name) {
            return Ok(Some(Said { text: text.clone(), origin: Origin::Flag(flag.clone()) }));
        }
        let variable = if key.variable.is_empty() { None } else { (self.variables)(key.variable) };
        let variable = match variable.map(OsString::into_string) {
            None => None,
            Some(Ok(text)) => Some(text).filter(|text| !text.trim().is_empty()),
            Some(Err(_)) if key.is_secret => return Err(ConfigError::value(key.variable, "(not shown)", "UTF-8")),
            Some(Err(raw)) => return Err(ConfigError::value(key.variable, raw.display(), "UTF-8")),
        };
        let variable = variable.map(|text| Said { text, origin: Origin::Variable(key.variable) });
        Ok(variable.or_else(|| {
            let written = self.file.get(key.name).filter(|written| !written.text.trim().is_empty())?;
            Some(Said { text: written.text.clone(), origin: Origin::File(self.file.place(written.line)) })
        }))
    }
}

/// One of the file's tables of which there may be many.
pub struct Table<'a> {
    file: &'a File,
    table: &'a WrittenTable,
}

impl Table<'_> {
    /// `path:line` of where it begins.
    #[must_use]
    pub fn place(&self) -> String {
        self.file.place(self.table.line)
    }

    /// The value of a key that has to be there.
    ///
    /// # Errors
    /// Where it is not there, or `parse` does not take it.
    pub fn required<T>(&self, key: &Key, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, ConfigError> {
        let missing = || ConfigError::value(format!("{}: {}", self.place(), key.name), "nothing", key.expected);
        self.optional(key, parse)?.ok_or_else(missing)
    }
}

impl Values for Table<'_> {
    fn said(&self, key: &Key) -> Result<Option<Said>, ConfigError> {
        let written = self.table.values.get(key.name).filter(|written| !written.text.trim().is_empty());
        let said = |written: &crate::config::file::Written| Said {
            text: written.text.clone(),
            origin: Origin::File(self.file.place(written.line)),
        };
        Ok(written.map(said))
    }
}
