//! Are these the keys of the configuration, all of them, with the defaults they have?

use std::collections::BTreeSet;
use std::fs;

use jsonwebtoken::Algorithm;
use signoff::config::{Config, Mistakes};
use signoff::token::generate;
use tempfile::TempDir;
use toml::{Table, Value};

/// What the tables' keys are put into; `<name>` is `main`, `<key>` is `k1`.
const BASE: &str = "
http.tls = { certificate_file = 'DIR/tls.pem', private_key_file = 'DIR/tls.pem' }
metrics.listen = '127.0.0.1:9090'
metrics.tls = { certificate_file = 'DIR/tls.pem', private_key_file = 'DIR/tls.pem' }
http.tokens.main = { file = 'DIR/token', scopes = ['read'] }
amqp.main.url = 'amqp://broker'
issuers.main.issuer = 'https://idp.example.com'
issuers.main.keys.k1.file = 'DIR/idp-rs256.pem'
clients.main.issuer = 'main'
";

/// A path to a section or a key.
pub(crate) type Path = Vec<String>;

/// What a page says about the configuration.
#[derive(Debug, Default)]
pub(crate) struct Reference {
    pub(crate) sections: Vec<Path>,
    pub(crate) keys: Vec<Documented>,
}

/// A documented key.
#[derive(Debug)]
pub(crate) struct Documented {
    pub(crate) path: Path,
    pub(crate) default: Stated,
}

/// What is said of a default.
#[derive(Debug, PartialEq)]
pub(crate) enum Stated {
    Value(String),
    Required,
    Other,
}

impl Reference {
    /// Fails if a key is none.
    pub(crate) fn names_keys(&self) {
        let files = Files::new();
        assert!(self.keys.len() > 80, "{} keys", self.keys.len());
        for key in &self.keys {
            let mut table = files.base();
            // No key is read as such a table.
            set(&mut table, &key.path, Value::Table("wrong = []".parse().unwrap()));
            let said = said(&table, &key.path);
            let known = !said.is_empty() && !said.iter().any(|what| what.contains("is not a key"));
            assert!(known, "{:?}: {said:?}", key.path);
        }
    }

    /// Fails if a default is another, or a required key may be left out.
    pub(crate) fn states_defaults(&self) {
        let files = Files::new();
        let base = seen(&files.base());
        for key in &self.keys {
            let mut table = files.base();
            match &key.default {
                Stated::Value(literal) => {
                    let value = format!("value = {literal}").parse::<Table>().unwrap().remove("value").unwrap();
                    set(&mut table, &key.path, value);
                    assert!(seen(&table) == base, "{:?} = {literal} changes something", key.path);
                }
                Stated::Required => {
                    remove(&mut table, &key.path);
                    assert!(!said(&table, &key.path).is_empty(), "{:?} may be left out", key.path);
                }
                Stated::Other => {}
            }
        }
    }

    /// Fails if the code has a key that is not here.
    pub(crate) fn is_complete(&self) {
        let files = Files::new();
        let documented: BTreeSet<&Path> = self.keys.iter().map(|key| &key.path).chain(&self.sections).collect();
        for section in [&Vec::new()].into_iter().chain(&self.sections) {
            let mut table = files.base();
            let unknown = [section.clone(), vec!["zzzzzzzz".to_owned()]].concat();
            set(&mut table, &unknown, Value::Boolean(true));
            let said = said(&table, &unknown);
            let known = said.iter().find_map(|what| what.strip_prefix("is not a key; known here: "));
            // Below `log.targets` every name is one.
            let Some(known) = known else {
                assert!(section.ends_with(&["targets".to_owned()]), "{section:?}: {said:?}");
                continue;
            };
            for key in known.split(", ") {
                let path = [section.clone(), vec![key.to_owned()]].concat();
                assert!(documented.iter().any(|there| there.starts_with(&path)), "{path:?} is not documented");
            }
        }
    }
}

/// A directory with the files that a configuration needs.
pub(crate) struct Files(TempDir);

impl Files {
    pub(crate) fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let key = generate::generate(Algorithm::RS256, 2048).unwrap();
        fs::write(directory.path().join("idp-rs256.pem"), key.as_bytes()).unwrap();
        let tls = rcgen::generate_simple_self_signed(["signoff.example".to_owned()]).unwrap();
        let pem = tls.cert.pem() + &tls.signing_key.serialize_pem();
        fs::write(directory.path().join("tls.pem"), pem).unwrap();
        fs::write(directory.path().join("token"), "0123456789abcdef").unwrap();
        Self(directory)
    }

    /// Where they are.
    pub(crate) fn path(&self) -> &std::path::Path {
        self.0.path()
    }

    fn base(&self) -> Table {
        BASE.replace("DIR", self.0.path().to_str().unwrap()).parse().unwrap()
    }
}

fn read(table: &Table) -> Result<Config, Mistakes> {
    Config::parse("reference", &table.to_string(), &[])
}

/// Everything that a configuration comes to.
fn seen(table: &Table) -> String {
    let config = read(table).unwrap_or_else(|mistakes| panic!("{mistakes}\n{table}"));
    format!("{} {config:#?}", config.store.url.as_str())
}

fn set(table: &mut Table, path: &[String], value: Value) {
    let (last, tables) = path.split_last().unwrap();
    let mut inner = table;
    for key in tables {
        inner = inner.entry(key.clone()).or_insert_with(|| Table::new().into()).as_table_mut().unwrap();
    }
    inner.insert(last.clone(), value);
}

fn remove(table: &mut Table, path: &[String]) {
    let (last, tables) = path.split_last().unwrap();
    let mut inner = table;
    for key in tables {
        inner = inner.get_mut(key).and_then(Value::as_table_mut).unwrap();
    }
    assert!(inner.remove(last).is_some(), "{path:?} is not in the base");
}

/// What is said about this key.
fn said(table: &Table, path: &[String]) -> Vec<String> {
    let Err(mistakes) = read(table) else { return Vec::new() };
    let path = path.join(".");
    let about = |key: &str| key == path || path.starts_with(&format!("{key}."));
    mistakes.0.into_iter().filter(|mistake| about(&mistake.key)).map(|mistake| mistake.what).collect()
}
