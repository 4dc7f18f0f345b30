//! Do we depend on nothing that `.deny.toml` forbids? What can be told without `cargo deny`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use toml::Table;

fn read(file: &str) -> Table {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    fs::read_to_string(path).expect(file).parse().expect(file)
}

/// The names in a list of tables.
fn names<'t>(list: &'t toml::Value, key: &str) -> BTreeSet<&'t str> {
    list.as_array().expect("a list").iter().map(|item| item[key].as_str().expect("a name")).collect()
}

/// Every package that any of our features and targets, tests included, is built from.
fn packages() -> BTreeSet<String> {
    let tree = ["tree", "--workspace", "--all-features", "--locked", "--offline", "--target", "all"];
    let format = ["--edges", "all", "--prefix", "none", "--format", "{p}"];
    let output = Command::new(env!("CARGO")).args(tree).args(format).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    let output = output.expect("cargo");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).expect("text");
    lines.lines().filter_map(|line| line.split_once(" v")).map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn nothing_forbidden_is_in_the_tree_and_one_provider_does_the_cryptography() {
    let (deny, packages) = (read(".deny.toml"), packages());
    let forbidden = names(&deny["bans"]["deny"], "name");
    for name in ["openssl", "native-tls", "ring", "rsa"] {
        assert!(forbidden.contains(name), "{name} is not forbidden");
    }
    assert!(packages.contains("aws-lc-rs") && packages.contains("tokio"), "the tree is read");
    let found: Vec<_> = packages.iter().filter(|name| forbidden.contains(name.as_str())).collect();
    assert_eq!(found, Vec::<&String>::new());
}

#[test]
fn every_package_comes_from_the_one_registry() {
    let (deny, lock) = (read(".deny.toml"), read("Cargo.lock"));
    let known = deny["sources"]["allow-registry"].as_array().expect("a list");
    let packages = lock["package"].as_array().expect("packages");
    let sources = packages.iter().filter_map(|package| package.get("source")?.as_str());
    let foreign: BTreeSet<_> = sources
        .filter(|source| {
            !known.iter().any(|known| Some(*source) == known.as_str().map(|url| ["registry+", url].concat()).as_deref())
        })
        .collect();
    assert_eq!(foreign, BTreeSet::new());
    assert!(packages.len() > 300, "the lock file is read");
}

#[test]
fn every_exception_is_for_something_that_is_there_and_says_why() {
    let (deny, packages) = (read(".deny.toml"), packages());
    let ignored = &deny["advisories"]["ignore"];
    assert_eq!(names(ignored, "id"), BTreeSet::from(["RUSTSEC-2024-0384", "RUSTSEC-2025-0012"]));
    for (package, id) in [("backoff", "RUSTSEC-2025-0012"), ("instant", "RUSTSEC-2024-0384")] {
        assert!(packages.contains(package), "{package} is gone; so is the reason for {id}");
    }
    assert!(names(ignored, "reason").iter().all(|reason| reason.len() > 10));
}
