//! Is there a test for every id of the catalogue, or a reason why not?

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

/// All ids of the catalogue.
const IDS: &str = "
    h01 h02 h03 h04 h05 h06 h07 h08 h09 h10 h11 h12 h14 h15 h16 h17 h18 h19 h20 h21
    j01 j02 j03 j04 j05 j07 j08 j09 j10 j11 j12 j13 j14 j15 j17 j18 j19 j20 j21 j22 j23 j25 j26 j27 j28 j29 j30 j31 j32
    k01 k02 k03 k04 k05 k06 k08 k09 k10 k12 k13 k14
    c01 c02 c03 c04 c05 c06 c07 c08 c09 c10 c11 c12 c13 c14 c15 c16 c17 c20 c21 c22 c23 c24 c25 c26 c27 c29 c31 c32 c34
    c35 c36 c37 c38 c40
    r01 r03 r04 r05 r06 r07 r08
    e01 e02 e03 e04 e05 e06 e09 e10 e11 e12 e13 e14 e15 e16 e17 e18 e19 e20 e21 e22 e23 e24 e25 e26
    o01 o02 o03 o04 o05 o06 o07 o08 o09 o10 o11 o12 o13";

/// Tested, but not by a request to the endpoint of each adapter, and why.
const ELSEWHERE: &[(&str, &str)] = &[
    ("c38", "a login is no request to the endpoint: catalogue::id_tokens"),
    ("e20", "what a session store does without its registry is tried with each session library"),
    ("o09", "lines of the log are caught where there is no server: catalogue::logs"),
];

/// Not tested, and why.
const EXCUSED: &[(&str, &str)] = &[
    ("h19", "paths are the application's router's: what it does not know never reaches the endpoint"),
    ("h20", "one endpoint serves all issuers; two endpoints on one path are for the router to refuse"),
    ("j27", "encrypted tokens are refused, j26"),
    ("j28", "encrypted tokens are refused, j26"),
    ("j30", "a client that is registered for encryption cannot use this crate"),
    ("k13", "the limit on reading keys is counted in the process: there is no store that could fail"),
    ("e25", "the registry knows the provider's sub and the session's id, and no local user"),
    ("o07", "there is no front-channel endpoint"),
];

fn all_ids() -> BTreeSet<String> {
    IDS.split_whitespace().map(str::to_owned).collect()
}

/// The ids at the front of a name: `e19_r03_one_fails` has two, `h02_to_h04_no_token` three.
fn ids(name: &str) -> Vec<String> {
    let is_id = |word: &str| word.len() == 3 && word.is_ascii() && word[1..].parse::<u8>().is_ok();
    let words: Vec<_> = name.split('_').take_while(|word| is_id(word) || *word == "to").collect();
    let mut ids = Vec::new();
    for (at, word) in words.iter().enumerate() {
        match (*word, at.checked_sub(1).map(|before| words[before]), words.get(at + 1)) {
            ("to", Some(first), Some(last)) if is_id(first) && is_id(last) => {
                let (from, to) = (number(first), number(last));
                ids.extend((from + 1..to).map(|between| format!("{}{between:02}", &first[..1])));
            }
            ("to", ..) => break,
            (id, ..) => ids.push(id.to_owned()),
        }
    }
    ids
}

fn number(id: &str) -> u8 {
    id[1..].parse().unwrap()
}

/// The tests of this binary, by their path.
fn own_tests() -> Vec<String> {
    let listed = Command::new(std::env::current_exe().unwrap()).args(["--list", "--format", "terse"]).output().unwrap();
    let lines = String::from_utf8(listed.stdout).unwrap();
    lines.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
}

/// The ids of the tests whose path has this part.
fn tried_by(tests: &[String], part: &str) -> BTreeSet<String> {
    let tests = tests.iter().filter(|test| test.contains(part));
    tests.flat_map(|test| ids(test.rsplit("::").next().unwrap_or_default())).collect()
}

/// The ids of the functions beside the sources, and in the suites.
fn tried_in_sources(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(tried_in_sources(&path));
        } else {
            let text = fs::read_to_string(&path).unwrap();
            found.extend(text.split("fn ").skip(1).flat_map(ids));
        }
    }
    found
}

#[test]
fn every_id_is_tried_at_the_endpoint_of_both_adapters_or_has_a_reason_why_not() {
    let tests = own_tests();
    let named = |list: &[(&str, &str)]| list.iter().map(|(id, _)| (*id).to_owned()).collect::<BTreeSet<_>>();
    let elsewhere: BTreeSet<_> = named(ELSEWHERE);
    for adapter in ["::actix::", "::axum::"] {
        let tried = tried_by(&tests, adapter);
        let untried: Vec<_> = all_ids().into_iter().filter(|id| !tried.contains(id)).collect();
        let reasons: Vec<_> =
            all_ids().into_iter().filter(|id| elsewhere.contains(id) || named(EXCUSED).contains(id)).collect();
        assert_eq!(untried, reasons, "{adapter} tried, and reasons why not");
    }
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let anywhere: BTreeSet<_> = tried_by(&tests, "").into_iter().chain(tried_in_sources(&src)).collect();
    let untried: Vec<_> = elsewhere.difference(&anywhere).collect();
    assert_eq!(untried, Vec::<&String>::new(), "tested elsewhere, it is said");
    let unknown: Vec<_> = anywhere.difference(&all_ids()).cloned().collect();
    assert_eq!(unknown, Vec::<String>::new(), "not in the catalogue");
}

#[test]
fn ids_are_found_at_the_front_of_a_name() {
    for (name, found) in [
        ("e19_r03_one_fails", &["e19", "r03"][..]),
        ("h02_to_h05_no_token", &["h02", "h03", "h04", "h05"]),
        ("k02_to_be_continued", &["k02"]),
        ("good_j01", &[]),
    ] {
        assert_eq!(ids(name), found, "{name}");
    }
}
