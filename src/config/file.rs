//! The file as it is written: TOML, flattened to texts with the lines that they stand in. Keys that nobody knows are
//! refused, with the nearest name that there is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use crate::config::error::ConfigError;
use crate::config::key::{Form, Key, Section, Tables};
use crate::limits;

/// A value of the file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Written {
    /// As a variable would have it: lists with commas.
    pub text: String,
    /// Counted from 1.
    pub line: usize,
    /// How it is written.
    pub form: Form,
}

/// One of the tables of which there may be many.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct WrittenTable {
    /// The line that it begins in, counted from 1.
    pub line: usize,
    /// Its values by key.
    pub values: BTreeMap<String, Written>,
}

/// A configuration file.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct File {
    path: PathBuf,
    values: BTreeMap<String, Written>,
    tables: BTreeMap<String, Vec<WrittenTable>>,
}

impl File {
    /// Reads a file.
    ///
    /// # Errors
    /// Where it cannot be read, is no TOML, or has a value of a kind that no key has.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |why: String| ConfigError::Unreadable { path: path.to_owned(), why };
        let size = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?.len();
        if size > limits::CONFIG_FILE_BYTES {
            return Err(unreadable(format!("it has {size} bytes, at most {} are read", limits::CONFIG_FILE_BYTES)));
        }
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
        Self::parse(path, &text)
    }

    /// Parses the text of a file.
    ///
    /// # Errors
    /// Where it is no TOML, or has a value of a kind that no key has.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let mut reader = Reader { text, file: Self { path: path.to_owned(), ..Self::default() } };
        let root = DeTable::parse(text).map_err(|error| {
            let line = error.span().map_or(1, |span| reader.line(span.start));
            let message = error.message().replace('\n', " ");
            ConfigError::Syntax { place: reader.file.place(line), message }
        })?;
        reader.root(root.get_ref())?;
        Ok(reader.file)
    }

    /// `path:line`
    #[must_use]
    pub fn place(&self, line: usize) -> String {
        format!("{}:{line}", self.path.display())
    }

    /// The value of `section.key`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Written> {
        self.values.get(name)
    }

    /// The tables of a name, in their order.
    #[must_use]
    pub fn tables(&self, name: &str) -> &[WrittenTable] {
        self.tables.get(name).map_or(&[], Vec::as_slice)
    }

    /// Refuses what nobody knows.
    ///
    /// # Errors
    /// The first key that is not in the table, or is written in another form than it has there.
    pub fn check(&self, sections: &[Section], tables: &[Tables]) -> Result<(), ConfigError> {
        let keys: Vec<&Key> = sections.iter().flat_map(|section| section.keys.iter().copied()).collect();
        for (name, written) in &self.values {
            self.check_value(name, written, &keys)?;
        }
        for (name, entries) in &self.tables {
            let Some(known) = tables.iter().find(|tables| tables.name == name) else {
                let line = entries.first().map_or(1, |entry| entry.line);
                let names = tables.iter().map(|tables| (tables.name, tables.name));
                return Err(self.unknown(name, line, names));
            };
            let keys: Vec<&Key> = known.all().collect();
            for (key, written) in entries.iter().flat_map(|entry| &entry.values) {
                self.check_value(key, written, &keys)?;
            }
        }
        Ok(())
    }

    fn check_value(&self, name: &str, written: &Written, keys: &[&Key]) -> Result<(), ConfigError> {
        let Some(key) = keys.iter().find(|key| key.name == name) else {
            let names = keys.iter().flat_map(|key| [(key.name, key.name), (key.variable, key.name)]);
            return Err(self.unknown(name, written.line, names));
        };
        let fits = match key.form {
            Form::Text => written.form == Form::Text || (written.form == Form::Number && !key.is_secret),
            Form::Number => matches!(written.form, Form::Number | Form::Text),
            Form::Switch => matches!(written.form, Form::Switch | Form::Text),
            Form::List => written.form != Form::Switch,
        };
        if fits { Ok(()) } else { Err(self.misfit(key, written)) }
    }

    fn misfit(&self, key: &Key, written: &Written) -> ConfigError {
        let value = if key.is_secret { "(not shown)".to_owned() } else { format!("\"{}\"", written.text) };
        let expected = if key.is_secret { "a text in quotes" } else { key.expected };
        ConfigError::value(format!("{}: {}", self.place(written.line), key.name), value, expected)
    }

    fn unknown<'k>(&self, name: &str, line: usize, known: impl Iterator<Item = (&'k str, &'k str)>) -> ConfigError {
        ConfigError::Unknown { place: self.place(line), key: name.to_owned(), nearest: nearest(name, known) }
    }
}

/// Of pairs of what may have been meant and its name: the name of what is most like `name`, where something is.
#[must_use]
pub fn nearest<'k>(name: &str, known: impl Iterator<Item = (&'k str, &'k str)>) -> Option<String> {
    let field = |name: &str| name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    let likeness = |known: &str| {
        let whole = strsim::normalized_damerau_levenshtein(&name.to_ascii_lowercase(), &known.to_ascii_lowercase());
        // The right key in the wrong section.
        whole.max(strsim::normalized_damerau_levenshtein(&field(name), &field(known)) - 0.1)
    };
    let known = known.filter(|(known, _)| !known.is_empty()).map(|(known, shown)| (likeness(known), shown));
    let best = known.max_by(|(a, _), (b, _)| a.total_cmp(b));
    best.filter(|(likeness, _)| *likeness > 0.5).map(|(_, shown)| shown.to_owned())
}

struct Reader<'a> {
    text: &'a str,
    file: File,
}

impl Reader<'_> {
    fn line(&self, offset: usize) -> usize {
        1 + self.text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count()
    }

    fn root(&mut self, root: &DeTable<'_>) -> Result<(), ConfigError> {
        for (name, value) in root {
            let (name, line) = (name.get_ref(), self.line(name.span().start));
            match value.get_ref() {
                DeValue::Table(section) => {
                    for (key, value) in section {
                        let path = format!("{name}.{}", key.get_ref());
                        let written = self.written(&path, key.span().start, value)?;
                        self.file.values.insert(path, written);
                    }
                }
                DeValue::Array(array) if array.iter().any(|entry| entry.get_ref().is_table()) => {
                    let tables = array.iter().map(|entry| self.table(name, entry)).collect::<Result<_, _>>()?;
                    self.file.tables.insert(name.to_string(), tables);
                }
                _ => {
                    let written = Written { text: String::new(), line, form: Form::Text };
                    self.file.values.insert(name.to_string(), written);
                }
            }
        }
        Ok(())
    }

    fn table(&self, name: &str, entry: &Spanned<DeValue<'_>>) -> Result<WrittenTable, ConfigError> {
        let line = self.line(entry.span().start);
        let Some(table) = entry.get_ref().as_table() else { return Err(self.odd(name, line)) };
        let value = |(key, value): (&Spanned<std::borrow::Cow<'_, str>>, &Spanned<DeValue<'_>>)| {
            let key_name = key.get_ref().to_string();
            let written = self.written(&key_name, key.span().start, value)?;
            Ok((key_name, written))
        };
        Ok(WrittenTable { line, values: table.iter().map(value).collect::<Result<_, _>>()? })
    }

    fn written(&self, name: &str, offset: usize, value: &Spanned<DeValue<'_>>) -> Result<Written, ConfigError> {
        let line = self.line(offset);
        let (text, form) = match value.get_ref() {
            DeValue::Array(array) => (self.list(name, line, array)?, Form::List),
            value => self.scalar(name, line, value)?,
        };
        Ok(Written { text, line, form })
    }

    fn scalar(&self, name: &str, line: usize, value: &DeValue<'_>) -> Result<(String, Form), ConfigError> {
        match value {
            DeValue::String(text) => Ok((text.to_string(), Form::Text)),
            DeValue::Integer(number) if number.radix() == 10 => Ok((number.as_str().into(), Form::Number)),
            DeValue::Float(number) => Ok((number.as_str().into(), Form::Number)),
            DeValue::Boolean(switch) => Ok((switch.to_string(), Form::Switch)),
            _ => Err(self.odd(name, line)),
        }
    }

    fn list(&self, name: &str, line: usize, array: &DeArray<'_>) -> Result<String, ConfigError> {
        let entry = |entry: &Spanned<DeValue<'_>>| match self.scalar(name, line, entry.get_ref())? {
            // The comma is what separates the entries.
            (text, Form::Text | Form::Number) if !text.contains(',') => Ok(text),
            _ => Err(self.odd(name, line)),
        };
        let entries: Vec<String> = array.iter().map(entry).collect::<Result<_, _>>()?;
        Ok(entries.join(","))
    }

    fn odd(&self, name: &str, line: usize) -> ConfigError {
        let message = format!("{name} is a text, a number, true, false, or a list of texts without commas");
        ConfigError::Syntax { place: self.file.place(line), message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{SECTIONS, TABLES};

    fn parse(text: &str) -> Result<File, ConfigError> {
        let file = File::parse(Path::new("r.toml"), text)?;
        file.check(SECTIONS, TABLES)?;
        Ok(file)
    }

    #[test]
    fn values_keep_their_lines() {
        let text = "[http]\naddress = \":9000\"\n\n[media]\nworkers = 2\n\
                    public_ips = [\n  \"::1\",\n  \"192.0.2.1\",\n]\n\
                    batch_window_ms = 0.5\ntrains = false\n\n[[rooms]]\nname = \"a*\"\ntakeover = true\n";
        let file = parse(text).unwrap();
        let table = [
            ("http.address", ":9000", 2, Form::Text),
            ("media.workers", "2", 5, Form::Number),
            ("media.public_ips", "::1,192.0.2.1", 6, Form::List),
            ("media.batch_window_ms", "0.5", 10, Form::Number),
            ("media.trains", "false", 11, Form::Switch),
        ];
        for (name, text, line, form) in table {
            assert_eq!(file.get(name), Some(&Written { text: text.into(), line, form }), "{name}");
        }
        let [room] = file.tables("rooms") else { panic!("one room") };
        assert_eq!((room.line, room.values["takeover"].text.as_str()), (13, "true"));
        assert!(file.tables("nothing").is_empty());
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let table = [
            ("[http]\naddress :1", "r.toml:2: "),
            ("[http]\nadress = \":1\"", "r.toml:2: there is no http.adress; did you mean http.address?"),
            ("AUTH_TOKEN = \"x\"", "r.toml:1: there is no AUTH_TOKEN; did you mean auth.token?"),
            ("[[room]]\nname = \"x\"", "r.toml:1: there is no room; did you mean rooms?"),
            ("[[rooms]]\nname = \"x\"\ntakover = true", "r.toml:3: there is no takover; did you mean takeover?"),
            ("[xyz]\nqqqq = 1", "r.toml:2: there is no xyz.qqqq"),
            ("[media]\nworkers = true", "r.toml:2: media.workers: \"true\" is not valid: expected a number"),
            ("[media]\ntrains = 1", "r.toml:2: media.trains: \"1\" is not valid: expected true or false"),
            ("[auth]\ntoken = 5", "r.toml:2: auth.token: (not shown) is not valid: expected a text in quotes"),
            ("[media]\npublic_ips = [\"a,b\"]", "r.toml:2: media.public_ips is a text, a number"),
            ("[media]\nworkers = 1979-05-27", "r.toml:2: media.workers is a text, a number"),
            ("[media]\nworkers = 1\nworkers = 2", "r.toml:3: "),
        ];
        for (text, start) in table {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.starts_with(start), "{text:?} gives {error:?}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_or_too_large() {
        let error = File::read(Path::new("/nonexistent/r.toml")).unwrap_err().to_string();
        assert!(error.starts_with("cannot read /nonexistent/r.toml: "), "{error}");
        let error = File::read(Path::new("/proc/self/mem")).unwrap_err().to_string();
        assert!(error.contains("cannot read"), "{error}");
    }
}
