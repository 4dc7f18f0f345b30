//! What is configured? One TOML file, the environment over it, every mistake at once.
//!
//! To add a setting: the field in its room's `settings.rs`, one line in the section's file here,
//! and its mistakes in the table of `tests/it/config.rs`.

mod amqp;
mod check;
mod clients;
mod delivery;
mod environment;
mod http;
mod issuers;
mod keys;
mod log;
mod metrics;
mod mistake;
mod place;
mod reader;
mod store;
mod tls;
mod value;

use std::path::Path;

use serde::Deserialize as _;
use toml::Table;
use toml::de::DeTable;

pub use clients::RegisteredClient;
pub use issuers::{Issuer, OnSessionExpiry, SidDefault};
pub use mistake::{Mistake, Mistakes};
pub use store::StoreSettings;

use crate::{admin, deliver, dispatch, intake, retry, telemetry, token};
use place::Places;
use reader::{Reader, Section};

const DEFAULT: &str = include_str!("default.toml");

/// Everything the rooms need to know, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it came from: the file's name, or "the built-in default".
    pub origin: String,
    /// `[http]`.
    pub http: admin::Settings,
    /// `[store]`.
    pub store: StoreSettings,
    /// `[amqp.<name>]`.
    pub amqp: Vec<intake::Amqp>,
    /// `[issuers.<name>]`.
    pub issuers: Vec<Issuer>,
    /// `[clients.<name>]`.
    pub clients: Vec<RegisteredClient>,
    /// `[delivery]`: one attempt.
    pub delivery: deliver::Settings,
    /// `[delivery]` and `[delivery.breaker]`: all attempts.
    pub dispatch: dispatch::Settings,
    /// `[delivery.retry]`.
    pub retry: retry::Schedule,
    /// `[tokens]`.
    pub tokens: token::Settings,
    /// `[metrics]`.
    pub metrics: admin::Scrape,
    /// `[log]`.
    pub log: telemetry::Settings,
    /// What is allowed and dangerous; logged at the start.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads this file, or the built-in default, and the environment over it.
    pub fn load(file: Option<&Path>) -> Result<Self, Mistakes> {
        let (variables, mut unreadable) = variables();
        let Some(file) = file else {
            return Self::read("the built-in default", DEFAULT, &variables, unreadable);
        };
        let origin = file.display().to_string();
        match std::fs::read_to_string(file) {
            Ok(text) => Self::read(&origin, &text, &variables, unreadable),
            Err(error) => {
                let what = format!("cannot be read ({error}); check --config and SIGNOFF_CONFIG");
                unreadable.push(Mistake { place: origin, key: String::new(), what });
                Err(Mistakes(unreadable))
            }
        }
    }

    /// Reads this text and these variables.
    pub fn parse(origin: &str, text: &str, variables: &[(String, String)]) -> Result<Self, Mistakes> {
        Self::read(origin, text, variables, Vec::new())
    }

    fn read(
        origin: &str,
        text: &str,
        variables: &[(String, String)],
        mut mistakes: Vec<Mistake>,
    ) -> Result<Self, Mistakes> {
        let (mut table, mut places) = parse_toml(origin, text)?;
        mistakes.extend(environment::overlay(&mut table, &mut places, variables));
        let reader = Reader::new(places, mistakes);
        let config = Section::root(&reader, table, |root| Self::from_root(origin, root, &reader));
        let mistakes = reader.into_mistakes();
        if mistakes.is_empty() { Ok(config) } else { Err(Mistakes(mistakes)) }
    }

    fn from_root(origin: &str, root: &mut Section<'_>, reader: &Reader) -> Self {
        let issuers = issuers::read(root);
        let (delivery, dispatch, retry) = root.within("delivery", delivery::read);
        let clients = clients::read(root, &issuers, &delivery, &dispatch);
        let mut config = Self {
            origin: origin.into(),
            http: root.within("http", http::read),
            store: root.within("store", store::read),
            amqp: amqp::read(root),
            issuers: issuers.into_iter().map(|draft| draft.issuer).collect(),
            clients,
            delivery,
            dispatch,
            retry,
            tokens: root.within("tokens", delivery::read_tokens),
            metrics: root.within("metrics", metrics::read),
            log: root.within("log", log::read),
            warnings: Vec::new(),
        };
        check::across(&config, reader);
        config.warnings = check::warnings(&config);
        config
    }

    /// Makes what may be made at the start: the default data directory and keys with
    /// `generate = true` that are not there yet.
    pub fn prepare(&self) -> anyhow::Result<()> {
        self.prepare_store()?;
        keys::prepare(self.issuers.iter().flat_map(|issuer| &issuer.generate))
    }

    /// Makes the default data directory alone.
    pub fn prepare_store(&self) -> anyhow::Result<()> {
        store::prepare(&self.store)
    }

    /// One line that says what is configured.
    #[must_use]
    pub fn summary(&self) -> String {
        let keys: usize = self.issuers.iter().map(|issuer| issuer.keys.len()).sum();
        format!(
            "{}: {}, {}, {}, {}, store {}, HTTP on {}",
            self.origin,
            count(self.issuers.len(), "issuer"),
            count(keys, "key"),
            count(self.clients.len(), "client"),
            count(self.amqp.len(), "AMQP intake"),
            self.store.kind(),
            self.http.listen
        )
    }
}

fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// The file's table and the lines of its keys. Where the syntax is wrong nothing else is read:
/// what follows a broken line would be reported for what it is not.
fn parse_toml(origin: &str, text: &str) -> Result<(Table, Places), Mistakes> {
    let (root, errors) = DeTable::parse_recoverable(text);
    let at = |error: &toml::de::Error| {
        let line = place::line(text, error.span().map_or(0, |span| span.start));
        let what = format!("is not TOML: {}", error.message());
        Mistake { place: format!("{origin}:{line}"), key: String::new(), what }
    };
    if !errors.is_empty() {
        return Err(Mistakes(errors.iter().map(at).collect()));
    }
    let places = Places::new(origin, text, root.get_ref());
    let table = Table::deserialize(toml::de::Deserializer::from(root)).map_err(|error| Mistakes(vec![at(&error)]))?;
    Ok((table, places))
}

/// The environment, and what of ours in it is not text.
#[expect(clippy::disallowed_methods, reason = "this is the file the ban points to")]
fn variables() -> (Vec<(String, String)>, Vec<Mistake>) {
    let (mut variables, mut mistakes) = (Vec::new(), Vec::new());
    for (name, value) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        match value.into_string() {
            Ok(value) => variables.push((name, value)),
            Err(_) if name.starts_with("SIGNOFF__") => {
                mistakes.push(Mistake { place: name, key: String::new(), what: "is not UTF-8; correct it".into() });
            }
            Err(_) => {}
        }
    }
    (variables, mistakes)
}
