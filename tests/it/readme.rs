//! Does the README say what is so? Its tables, its configuration and its events, held against the code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use jsonwebtoken::Algorithm;
use signoff::config::Config;
use signoff::format::{Context, Format, MAX_BATCH, MAX_BATCH_BODY, MAX_BODY, Parsed, parse};
use signoff::model::{AbandonReason, Cause, Clock as _, Directory, IssuerKey, Outcome, SkipReason, SystemClock};

use crate::reference::{Documented, Files, Reference, Stated};

fn readme() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("README.md")
}

fn section(heading: &str) -> String {
    let readme = readme();
    let found = readme.split("\n## ").find(|section| section.starts_with(heading));
    found.unwrap_or_else(|| panic!("the README has no section {heading}")).to_owned()
}

/// The cells of a table's row; none for what is no row.
fn cells(line: &str) -> Option<Vec<&str>> {
    let row = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    Some(row.split('|').map(str::trim).collect())
}

/// The text between the first backticks.
fn quoted(cell: &str) -> Option<&str> {
    cell.split('`').nth(1)
}

fn segments(path: &str) -> Vec<String> {
    let filled = path.replace("<name>", "main").replace("<key>", "k1").replace("<module>", "hyper");
    filled.split('.').map(Into::into).collect()
}

/// Every section of the reference, and every key.
fn reference() -> Reference {
    let (mut sections, mut keys) = (Vec::new(), Vec::new());
    for line in section("Configuration").lines() {
        if let Some(name) = line.strip_prefix("### `[").and_then(|rest| rest.strip_suffix("]`")) {
            sections.push(segments(name));
        } else if let (Some(cells), Some(within)) = (cells(line), sections.last())
            && let Some(key) = cells.first().and_then(|cell| quoted(cell))
        {
            let default = match (cells[1], quoted(cells[1])) {
                ("required", _) => Stated::Required,
                (_, Some(literal)) => Stated::Value(literal.to_owned()),
                _ => Stated::Other,
            };
            keys.push(Documented { path: [within.clone(), segments(key)].concat(), default });
        }
    }
    Reference { sections, keys }
}

#[test]
fn every_documented_key_is_a_key() {
    reference().names_keys();
}

#[test]
fn every_documented_default_is_the_default() {
    reference().states_defaults();
}

#[test]
fn every_key_of_the_code_is_documented() {
    reference().is_complete();
}

#[test]
fn the_example_configuration_has_no_mistake() {
    let section = section("Run it beside your IdP");
    let file = section.split("cat > signoff.toml <<'END'\n").nth(1).and_then(|rest| rest.split("\nEND\n").next());
    let example = file.expect("an example");
    let files = Files::new();
    let example = example.replace("idp-rs256.pem", files.path().join("idp-rs256.pem").to_str().unwrap());
    let amqp = [("SIGNOFF__AMQP__MAIN__URL".to_owned(), "amqp://localhost".to_owned())];
    let config = Config::parse("signoff.toml", &example, &amqp).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert_eq!((config.amqp.len(), config.clients.len()), (1, 1));
}

#[test]
fn every_event_shown_is_read() {
    let issuer = signoff::model::Issuer {
        key: IssuerKey(1),
        name: "main".into(),
        issuer: "https://idp.example.com".into(),
        default_alg: Algorithm::RS256,
        sid_is_session_id: true,
        reuses_session_ids: false,
        logs_out_offline: false,
    };
    let directory = Directory::new([Arc::new(issuer)], []);
    let context = Context { directory: &directory, issuers: None, allow_bulk: true, now: SystemClock.now() };
    let section = section("Events");
    let mut kinds = BTreeMap::new();
    for (at, _) in section.match_indices("{\"specversion\"") {
        let mut values = serde_json::Deserializer::from_str(&section[at..]).into_iter::<serde_json::Value>();
        let event = values.next().unwrap().unwrap().to_string();
        match parse(Format::Native, event.as_bytes(), &context) {
            Ok(Parsed::Event(event)) => *kinds.entry(event.kind.label()).or_insert(0) += 1,
            other => panic!("{event}: {other:?}"),
        }
    }
    assert_eq!(kinds, BTreeMap::from([("closed", 1), ("logout", 4), ("opened", 1)]));
}

#[test]
fn every_word_of_the_api_is_explained() {
    let readme = readme();
    let words = Cause::ALL.map(Cause::as_str).into_iter().chain(Outcome::ALL.map(Outcome::as_str));
    let words =
        words.chain(AbandonReason::ALL.map(AbandonReason::as_str)).chain(SkipReason::ALL.map(SkipReason::as_str));
    let missing: Vec<_> = words.filter(|word| !readme.contains(&format!("`{word}`"))).collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn every_call_of_the_api_is_listed() {
    let document = serde_json::to_value(signoff::admin::document()).unwrap();
    let mut calls = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        calls.extend(methods.as_object().unwrap().keys().map(|method| format!("{} {path}", method.to_uppercase())));
    }
    let section = section("HTTP API");
    let listed = section.lines().filter_map(cells).filter_map(|cells| quoted(cells[0]).map(Into::into));
    assert_eq!(listed.collect::<BTreeSet<String>>(), calls);
}

#[test]
fn the_limits_are_those_of_the_format() {
    let limits = format!("{} KiB an event, {} MiB and 1,000 events a batch", MAX_BODY >> 10, MAX_BATCH_BODY >> 20);
    assert!(MAX_BATCH == 1000 && section("Events").contains(&limits), "{limits}");
}
