//! Where was this key set? Lines of the file and variables of the environment, by the key's path.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A key's path, from the root.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct KeyPath(pub(super) Vec<String>);

impl KeyPath {
    /// The path of a key in this table.
    pub(super) fn join(&self, key: &str) -> Self {
        let mut parts = self.0.clone();
        parts.push(key.into());
        Self(parts)
    }

    /// The variable that sets this key.
    pub(super) fn variable(&self) -> String {
        let segments = self.0.iter().map(|part| part.replace(['-', '.'], "_").to_uppercase());
        format!("SIGNOFF__{}", segments.collect::<Vec<_>>().join("__"))
    }
}

impl<S: Into<String>, const N: usize> From<[S; N]> for KeyPath {
    fn from(parts: [S; N]) -> Self {
        Self(parts.into_iter().map(Into::into).collect())
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, part) in self.0.iter().enumerate() {
            let dot = if i == 0 { "" } else { "." };
            let bare = !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
            if bare { write!(f, "{dot}{part}")? } else { write!(f, "{dot}{part:?}")? }
        }
        Ok(())
    }
}

/// A variable that set a key.
#[derive(Debug, Clone)]
pub(super) struct Variable {
    /// Its name.
    pub(super) name: String,
    /// Its text, before it was read as TOML.
    pub(super) raw: String,
}

/// Where each key was set.
#[derive(Debug, Default)]
pub(super) struct Places {
    file: String,
    lines: HashMap<KeyPath, usize>,
    variables: BTreeMap<KeyPath, Variable>,
}

impl Places {
    /// The keys of this file, by line.
    pub(super) fn new(file: &str, text: &str, root: &DeTable<'_>) -> Self {
        let mut places = Self { file: file.into(), ..Self::default() };
        places.note_lines(&KeyPath::default(), text, root);
        places
    }

    fn note_lines(&mut self, path: &KeyPath, text: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let path = path.join(key.get_ref());
            self.lines.insert(path.clone(), line(text, first_byte(key, value)));
            if let DeValue::Table(table) = value.get_ref() {
                self.note_lines(&path, text, table);
            }
        }
    }

    /// This variable set this key.
    pub(super) fn set_by(&mut self, path: KeyPath, variable: Variable) {
        self.variables.insert(path, variable);
    }

    /// The text of the variable that set this key.
    pub(super) fn raw(&self, path: &KeyPath) -> Option<&str> {
        self.variables.get(path).map(|variable| variable.raw.as_str())
    }

    /// Where this key, or the nearest table around it, was set.
    pub(super) fn of(&self, path: &KeyPath) -> String {
        for end in (1..=path.0.len()).rev() {
            let around = KeyPath(path.0[..end].to_vec());
            if let Some(variable) = self.variables.get(&around) {
                return variable.name.clone();
            }
            if let Some(line) = self.lines.get(&around) {
                return format!("{}:{line}", self.file);
            }
        }
        self.file.clone()
    }
}

fn first_byte(key: &Spanned<std::borrow::Cow<'_, str>>, value: &Spanned<DeValue<'_>>) -> usize {
    key.span().start.min(value.span().start)
}

/// The line of this byte, from 1.
pub(super) fn line(text: &str, byte: usize) -> usize {
    text.bytes().take(byte).filter(|b| *b == b'\n').count() + 1
}
