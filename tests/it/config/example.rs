//! Does the example configuration hold every key, with its default and a reason, and no mistake?

use std::fs;
use std::path::Path;

use super::Files;
use super::command::signoff;
use crate::reference::{Documented, Reference, Stated};

/// Where the example expects its secrets, and what a test puts there.
const MOUNTED: [(&str, &str); 7] = [
    ("/etc/signoff/tokens/idp", "token"),
    ("/etc/signoff/keys/idp-rs256.pem", "rsa.pem"),
    ("/etc/signoff/tls/shop-ca.pem", "ca.pem"),
    ("/etc/signoff/tls/signoff.pem", "client.pem"),
    ("/etc/signoff/tls/rabbitmq-ca.pem", "ca.pem"),
    ("/etc/signoff/tls/api.pem", "client.pem"),
    ("/etc/signoff/tls/api-key.pem", "client.pem"),
];

fn example() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/config.example.toml");
    fs::read_to_string(file).expect("the example")
}

/// A line as it is written, and what it is.
enum Line<'a> {
    Section(&'a str),
    Key { name: &'a str, value: &'a str, active: bool },
    Why(&'a str),
    Empty,
}

fn line(line: &str) -> Line<'_> {
    if let Some(why) = line.strip_prefix("# ").or(line.strip_prefix("#").filter(|rest| rest.is_empty())) {
        return Line::Why(why);
    }
    if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return Line::Section(section);
    }
    let (active, text) = line.strip_prefix('#').map_or((true, line), |text| (false, text));
    if let Some((name, value)) = text.split_once(" = ") {
        return Line::Key { name, value, active };
    }
    assert!(line.is_empty(), "what is this line? {line}");
    Line::Empty
}

/// The reference names its tables `main`.
fn path(section: &str) -> Vec<String> {
    let usual = section.replace("http.tokens.idp", "http.tokens.main").replace("clients.shop", "clients.main");
    usual.split('.').map(Into::into).collect()
}

fn reference() -> Reference {
    let (mut reference, mut why) = (Reference::default(), "");
    let example = example();
    for written in example.lines() {
        match line(written) {
            Line::Section(section) => {
                reference.sections.push(path(section));
                why = "";
            }
            Line::Key { name, value, active } => {
                assert!(!why.is_empty(), "no line above `{written}` says why");
                let section = reference.sections.last().expect("a section");
                let path = [section.clone(), vec![name.to_owned()]].concat();
                let other = active || why.contains("No default") || why.contains("the default is");
                let default = if other { Stated::Other } else { Stated::Value(value.to_owned()) };
                reference.keys.push(Documented { path, default });
                why = "";
            }
            // What a reason says first stands in its first line.
            Line::Why(text) if why.is_empty() => why = text,
            Line::Why(_) => {}
            Line::Empty => why = "",
        }
    }
    // A secret does not belong into a file: this key is read from the environment alone.
    assert!(example.contains("SIGNOFF__HTTP__TOKENS__IDP__VALUE"));
    let value = ["http", "tokens", "main", "value"].map(Into::into).to_vec();
    reference.keys.push(Documented { path: value, default: Stated::Other });
    reference
}

#[test]
fn it_names_keys_alone() {
    reference().names_keys();
}

#[test]
fn it_names_every_key() {
    reference().is_complete();
}

#[test]
fn it_shows_the_defaults() {
    reference().states_defaults();
}

fn mounted(files: &Files, text: &str) -> String {
    MOUNTED.iter().fold(text.to_owned(), |text, (there, here)| {
        assert!(text.contains(there), "{there} is not in the example");
        text.replace(there, files.path().join(here).to_str().expect("UTF-8"))
    })
}

#[test]
fn it_has_no_mistake_as_it_is_nor_with_every_line_taken_in() {
    let files = Files::new();
    let as_it_is = mounted(&files, &example());
    let taken_in = |written: &str| match line(written) {
        Line::Key { name, value, .. } => format!("{name} = {value}\n"),
        _ => format!("{written}\n"),
    };
    let all: String = as_it_is.lines().map(taken_in).collect();
    assert!(all.contains("\nlane_cap = true\n") && all.contains("\nca_file = "), "{all}");
    for (name, text) in [("as-it-is.toml", as_it_is), ("all.toml", all)] {
        files.put(name, &text);
        let checked = signoff(files.path(), &["check-config", "--config", name], &[]);
        assert!(checked.status.success(), "{name}: {}", String::from_utf8_lossy(&checked.stderr));
    }
}
