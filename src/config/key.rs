//! What can be set, as a table: name, variable, default, one sentence. The parser, `config.example.toml`, the reference
//! in `docs/configuration.md` and the help all read it.

/// Something that the operator can set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key {
    /// Its place in the file: `section.key`. In a table of which there may be many, the key alone.
    pub name: &'static str,
    /// The environment's variable; empty where there is none.
    pub variable: &'static str,
    /// The value where nothing is said, as text; empty: none.
    pub default: &'static str,
    /// What it does, one sentence.
    pub what: &'static str,
    /// What a value has to be.
    pub expected: &'static str,
    /// A value to show where there is no default.
    pub sample: &'static str,
    /// How the file has it.
    pub form: Form,
    /// Its value is never shown.
    pub is_secret: bool,
    /// A change takes effect with a restart only.
    pub needs_restart: bool,
}

/// How the file has a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// `"text"`
    Text,
    /// `1` or `0.5`
    Number,
    /// `true` or `false`
    Switch,
    /// `["a", "b"]`; a variable has it with commas.
    List,
}

impl Key {
    /// A text.
    #[must_use]
    pub const fn new(name: &'static str, variable: &'static str, default: &'static str, what: &'static str) -> Self {
        Self {
            name,
            variable,
            default,
            what,
            expected: "",
            sample: default,
            form: Form::Text,
            is_secret: false,
            needs_restart: false,
        }
    }

    /// What a value has to be, for errors.
    #[must_use]
    pub const fn expects(self, expected: &'static str) -> Self {
        Self { expected, ..self }
    }

    /// A value to show where there is no default.
    #[must_use]
    pub const fn sample(self, sample: &'static str) -> Self {
        Self { sample, ..self }
    }

    /// A number.
    #[must_use]
    pub const fn number(self) -> Self {
        Self { form: Form::Number, ..self }
    }

    /// A yes or no.
    #[must_use]
    pub const fn switch(self) -> Self {
        Self { form: Form::Switch, expected: "true or false", ..self }
    }

    /// A list.
    #[must_use]
    pub const fn list(self) -> Self {
        Self { form: Form::List, ..self }
    }

    /// Never shown.
    #[must_use]
    pub const fn secret(self) -> Self {
        Self { is_secret: true, ..self }
    }

    /// Not while it runs.
    #[must_use]
    pub const fn restart(self) -> Self {
        Self { needs_restart: true, ..self }
    }

    /// The section that it stands in; empty in a table of which there may be many.
    #[must_use]
    pub fn section(&self) -> &'static str {
        self.name.split_once('.').map_or("", |(section, _)| section)
    }

    /// Its name within the section.
    #[must_use]
    pub fn field(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(_, field)| field)
    }
}

/// A section of the file, which one part of the server owns.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// What it is about, one sentence.
    pub about: &'static str,
    /// Its keys, in the order in which they are shown.
    pub keys: &'static [&'static Key],
}

/// A table of which the file may have many: `[[name]]`.
#[derive(Clone, Copy, Debug)]
pub struct Tables {
    /// Between the brackets.
    pub name: &'static str,
    /// What one of them is, one or two sentences.
    pub about: &'static str,
    /// Its keys: groups, because several parts may have a say.
    pub keys: &'static [&'static [&'static Key]],
}

impl Tables {
    /// All its keys.
    pub fn all(&self) -> impl Iterator<Item = &'static Key> {
        self.keys.iter().flat_map(|keys| keys.iter().copied())
    }
}
