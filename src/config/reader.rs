//! What does the configuration say? Sections that are read key by key and collect every mistake.

use std::cell::RefCell;
use std::ops::RangeInclusive;

use toml::{Table, Value};

use super::mistake::Mistake;
use super::place::{KeyPath, Places};
use super::value::{Measure, Setting, kind};

/// Collects the mistakes of one configuration.
#[derive(Debug)]
pub(super) struct Reader {
    places: Places,
    mistakes: RefCell<Vec<Mistake>>,
}

impl Reader {
    /// With the mistakes found so far.
    pub(super) fn new(places: Places, mistakes: Vec<Mistake>) -> Self {
        Self { places, mistakes: RefCell::new(mistakes) }
    }

    /// Something is wrong with this key.
    pub(super) fn wrong(&self, path: impl Into<KeyPath>, what: impl Into<String>) {
        self.wrong_at(&path.into(), "", what.into());
    }

    fn wrong_at(&self, path: &KeyPath, within: &str, what: String) {
        let mistake = Mistake { place: self.places.of(path), key: format!("{path}{within}"), what };
        self.mistakes.borrow_mut().push(mistake);
    }

    /// Every mistake found.
    pub(super) fn into_mistakes(self) -> Vec<Mistake> {
        self.mistakes.into_inner()
    }
}

/// One table. Keys are taken out of it; what is left at the end is unknown.
#[derive(Debug)]
pub(super) struct Section<'r> {
    reader: &'r Reader,
    path: KeyPath,
    table: Table,
    known: Vec<&'static str>,
}

impl<'r> Section<'r> {
    /// Reads the root table.
    pub(super) fn root<R>(reader: &'r Reader, table: Table, read: impl FnOnce(&mut Self) -> R) -> R {
        Self::run(reader, KeyPath::default(), table, read)
    }

    fn run<R>(reader: &'r Reader, path: KeyPath, table: Table, read: impl FnOnce(&mut Self) -> R) -> R {
        let mut section = Self { reader, path, table, known: Vec::new() };
        let result = read(&mut section);
        section.report_unknown();
        result
    }

    /// Reads a table; an absent one is empty.
    pub(super) fn within<R>(&mut self, key: &'static str, read: impl FnOnce(&mut Self) -> R) -> R {
        let table = self.take_table(key);
        Self::run(self.reader, self.path.join(key), table, read)
    }

    /// Reads a table of named tables.
    pub(super) fn each<R>(&mut self, key: &'static str, mut read: impl FnMut(&str, &mut Self) -> R) -> Vec<R> {
        let path = self.path.join(key);
        let mut results = Vec::new();
        for (name, value) in self.take_table(key) {
            let path = path.join(&name);
            match value {
                Value::Table(table) => {
                    results.push(Self::run(self.reader, path, table, |section| read(&name, section)));
                }
                other => self.reader.wrong(path, format!("must be a table, not {}", kind(&other))),
            }
        }
        results
    }

    /// Reads a table of named values.
    pub(super) fn named<T: Setting>(&mut self, key: &'static str) -> Vec<(String, T)> {
        let path = self.path.join(key);
        let mut read = Vec::new();
        for (name, value) in self.take_table(key) {
            match T::read(&value) {
                Ok(setting) => read.push((name, setting)),
                Err(wrongs) => {
                    let path = path.join(&name);
                    for wrong in wrongs {
                        self.reader.wrong_at(&path, &wrong.at, wrong.what);
                    }
                }
            }
        }
        read
    }

    fn take_table(&mut self, key: &'static str) -> Table {
        self.known.push(key);
        match self.table.remove(key) {
            None => Table::new(),
            Some(Value::Table(table)) => table,
            Some(other) => {
                self.wrong(key, format!("must be a table, not {}", kind(&other)));
                Table::new()
            }
        }
    }

    /// The value of this key, if it is there and right.
    pub(super) fn take<T: Setting>(&mut self, key: &'static str) -> Option<T> {
        self.known.push(key);
        let value = self.table.remove(key)?;
        let path = self.path.join(key);
        // A variable such as `12345` reads as a number, and may be meant as text.
        let as_text = || self.reader.places.raw(&path).and_then(|raw| T::read(&Value::String(raw.into())).ok());
        match T::read(&value) {
            Ok(setting) => Some(setting),
            Err(wrongs) => as_text().or_else(|| {
                for wrong in wrongs {
                    self.reader.wrong_at(&path, &wrong.at, wrong.what);
                }
                None
            }),
        }
    }

    /// The value of this key, or this one.
    pub(super) fn or<T: Setting>(&mut self, key: &'static str, default: T) -> T {
        self.take(key).unwrap_or(default)
    }

    /// The value of this key, which must be there.
    pub(super) fn required<T: Setting>(&mut self, key: &'static str, help: &str) -> Option<T> {
        if !self.table.contains_key(key) {
            self.wrong(key, format!("is missing; {help}"));
        }
        self.take(key)
    }

    /// The value of this key, or this one; within these bounds.
    pub(super) fn limited<T: Measure>(&mut self, key: &'static str, default: T, bounds: RangeInclusive<T>) -> T {
        match self.take::<T>(key) {
            Some(value) if !bounds.contains(&value) => {
                let (least, most) = (bounds.start().show(), bounds.end().show());
                self.wrong(key, format!("must be between {least} and {most}, not {}", value.show()));
                default
            }
            Some(value) => value,
            None => default,
        }
    }

    /// Whether this key is there and not read yet.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Whether a variable of the environment set this key.
    pub(super) fn is_from_environment(&self, key: &str) -> bool {
        self.reader.places.raw(&self.path.join(key)).is_some()
    }

    /// The variable that sets this key.
    pub(super) fn variable(&self, key: &str) -> String {
        self.path.join(key).variable()
    }

    /// Everything not read yet, for those who report what they do not know themselves.
    pub(super) fn rest(&mut self) -> Table {
        std::mem::take(&mut self.table)
    }

    /// Something is wrong with this key.
    pub(super) fn wrong(&self, key: &str, what: impl Into<String>) {
        self.reader.wrong(self.path.join(key), what);
    }

    /// Something is wrong with a key further down.
    pub(super) fn wrong_within(&self, keys: &[&str], what: impl Into<String>) {
        self.reader.wrong(keys.iter().fold(self.path.clone(), |path, key| path.join(key)), what);
    }

    /// Something is wrong with this field, which may be an item of a list (`allow_networks[1]`).
    pub(super) fn wrong_field(&self, field: &str, what: impl Into<String>) {
        let (key, within) = field.split_at(field.find('[').unwrap_or(field.len()));
        self.reader.wrong_at(&self.path.join(key), within, what.into());
    }

    /// Whether something was found wrong with this key already.
    pub(super) fn was_wrong(&self, key: &str) -> bool {
        let path = self.path.join(key).to_string();
        self.reader.mistakes.borrow().iter().any(|mistake| mistake.key == path)
    }

    /// Something is wrong with this table.
    pub(super) fn wrong_here(&self, what: impl Into<String>) {
        self.reader.wrong(self.path.clone(), what);
    }

    fn report_unknown(&self) {
        for key in self.table.keys() {
            let hint = nearest(key, self.known.iter().copied())
                .map_or_else(|| known_keys(&self.known), |known| format!("did you mean `{known}`?"));
            self.wrong(key, format!("is not a key; {hint}"));
        }
    }
}

fn known_keys(known: &[&str]) -> String {
    format!("known here: {}", known.join(", "))
}

/// The candidate that this name was probably meant to be.
pub(super) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase().replace('-', "_");
    let scored = candidates.into_iter().map(|candidate| (strsim::jaro_winkler(&name, candidate), candidate));
    scored.filter(|(score, _)| *score > 0.85).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(text: &str, read: impl FnOnce(&mut Section<'_>)) -> Vec<String> {
        let root = toml::de::DeTable::parse(text).unwrap();
        let reader = Reader::new(Places::new("f.toml", text, root.get_ref()), Vec::new());
        Section::root(&reader, text.parse().unwrap(), read);
        reader.into_mistakes().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_mistake_is_collected_with_its_line() {
        let found = mistakes("a = 'x'\n[t]\nport = 70000\nnubmer = 1\n[n.one]\n[n]\ntwo = 2", |root| {
            root.or("a", true);
            root.within("t", |t| {
                t.or("port", 1_u16);
                t.limited("number", 1_u32, 1..=2);
                t.required::<bool>("flag", "say so");
            });
            root.each("n", |_, one| one.required::<String>("key", "give one"));
        });
        assert_eq!(
            found,
            [
                "f.toml:1: a: must be true or false, not a string",
                "f.toml:3: t.port: must be a whole number between 0 and 65535, not 70000",
                "f.toml:2: t.flag: is missing; say so",
                "f.toml:4: t.nubmer: is not a key; did you mean `number`?",
                "f.toml:5: n.one.key: is missing; give one",
                "f.toml:7: n.two: must be a table, not a whole number",
            ]
        );
    }
}
