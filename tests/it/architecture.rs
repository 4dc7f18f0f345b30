//! Is every line in its room? The layout's rules, checked against the source itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Libraries with a room of their own, and where they may be named.
const ROOMS: [(&str, &[&str]); 4] = [
    ("sqlx", &["store/"]),
    ("reqwest", &["deliver/"]),
    ("lapin", &["intake/amqp"]),
    ("actix_web", &["intake/http.rs", "admin/", "service.rs", "cli/demo/"]),
];

/// From the top; an arrow goes down, or stays on its level.
const LEVELS: [&[&str]; 8] = [
    &["main"],
    &["cli"],
    &["service"],
    &["config"],
    &["dispatch"],
    &["deliver", "intake", "admin"],
    &["format", "plan", "retry", "token", "store", "metrics", "shutdown", "telemetry"],
    &["model"],
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Rust files below a folder, with their path inside it.
fn rust_files(folder: &str) -> Vec<(String, String)> {
    let top = root().join(folder);
    let mut found = Vec::new();
    collect(&top, &mut found);
    let inside = |path: &PathBuf| path.strip_prefix(&top).expect("below it").to_string_lossy().into_owned();
    found.iter().map(|path| (inside(path), fs::read_to_string(path).expect("a source file"))).collect()
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Without comments and without what is inside strings.
fn code(text: &str) -> String {
    let (mut code, mut rest) = (String::new(), text);
    while let Some(c) = rest.chars().next() {
        let length = skipped(rest, code.chars().next_back());
        if length == 0 {
            code.push(c);
        }
        rest = &rest[length.max(c.len_utf8())..];
    }
    code
}

/// How many bytes from here are a comment, a string or a character; 0: this is code.
fn skipped(rest: &str, before: Option<char>) -> usize {
    let until = |end: &str, from: usize| rest[from..].find(end).map_or(rest.len(), |at| from + at + end.len());
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("'\"'") {
        return 3;
    }
    if let Some(quoted) = rest.strip_prefix('"') {
        let escaped = |at: usize| quoted[..at].bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1;
        let end = quoted.match_indices('"').find(|(at, _)| !escaped(*at));
        return end.map_or(rest.len(), |(at, _)| at + 2);
    }
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let hashes = rest.bytes().skip(1).take_while(|byte| *byte == b'#').count();
    if rest.starts_with('r') && !in_word && rest[1 + hashes..].starts_with('"') {
        return until(&format!("\"{}", "#".repeat(hashes)), 2 + hashes);
    }
    0
}

/// Without the unit tests at its end, which may use what they like, as those in a `tests.rs` may.
fn without_tests(code: &str) -> &str {
    code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()
}

/// Whether a path beginning with this crate, or an import of it, is in the code.
fn names_crate(code: &str, name: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(name).any(|(at, _)| {
        let (before, after) = (&code[..at], &code[at + name.len()..]);
        let whole = !before.ends_with(is_word) && !after.starts_with(is_word);
        let inside_a_path = before.ends_with("::");
        whole && !inside_a_path && (after.starts_with("::") || before.ends_with("use "))
    })
}

/// The top modules of this crate that the code names: `crate::x`, `crate::{x::…, y}`.
fn modules_named(code: &str) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for (at, prefix) in code.match_indices("crate::") {
        let rest = &code[at + prefix.len()..];
        match rest.strip_prefix('{') {
            Some(group) => named.extend(first_segments(group)),
            None => named.extend(word(rest)),
        }
    }
    named
}

/// The first segment of each member of an import group, whose brace is already open.
fn first_segments(group: &str) -> Vec<String> {
    let (mut depth, mut found, mut start) = (0, Vec::new(), 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                found.extend(word(group[start..at].trim_start()));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    found
}

fn word(text: &str) -> Option<String> {
    let word: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    // A macro at the crate's root is no module.
    let is_macro = text[word.len()..].starts_with('!');
    (!word.is_empty() && !is_macro).then_some(word)
}

fn level(module: &str) -> Option<usize> {
    LEVELS.iter().position(|modules| modules.contains(&module))
}

/// `store/views.rs` → `store`, `plan.rs` → `plan`.
fn module_of(path: &str) -> &str {
    path.split('/').next().unwrap_or_default().trim_end_matches(".rs")
}

/// Which module names which others.
fn arrows(files: &[(String, String)]) -> BTreeMap<String, BTreeSet<String>> {
    let mut arrows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, text) in files.iter().filter(|(path, _)| path != "lib.rs" && !path.ends_with("/tests.rs")) {
        let from = module_of(path);
        let mut to = modules_named(without_tests(&code(text)));
        to.remove(from);
        arrows.entry(from.to_owned()).or_default().extend(to);
    }
    arrows
}

/// Every arrow that points up or from or to a module without a level, and every circle.
fn wrong_arrows(arrows: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (from, targets) in arrows {
        for to in targets {
            match (level(from), level(to)) {
                (Some(upper), Some(lower)) if upper <= lower => {}
                (Some(_), Some(_)) => wrong.push(format!("{from} ▸ {to} points up")),
                _ => wrong.push(format!("{from} ▸ {to}: no level is known")),
            }
            if reaches(arrows, to, from, &mut BTreeSet::new()) {
                wrong.push(format!("{from} ▸ {to} closes a circle"));
            }
        }
    }
    wrong
}

fn reaches<'a>(
    arrows: &'a BTreeMap<String, BTreeSet<String>>,
    from: &'a str,
    goal: &str,
    seen: &mut BTreeSet<&'a str>,
) -> bool {
    from == goal
        || (seen.insert(from) && arrows.get(from).into_iter().flatten().any(|next| reaches(arrows, next, goal, seen)))
}

/// Tests named in a text: `` `it::file::name` ``, `` `receiver::file::name` ``.
fn tests_named(text: &str) -> Vec<&str> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted
        .filter(|name| (name.starts_with("it::") || name.starts_with("receiver::")) && !name.ends_with("::"))
        .collect()
}

/// Every test of this binary by its path, those that macros make too, as the binary lists them.
fn own_tests() -> BTreeSet<String> {
    let binary = std::env::current_exe().expect("the test binary");
    let listed = Command::new(binary).args(["--list", "--format", "terse"]).output().expect("the list of tests");
    let lines = String::from_utf8_lossy(&listed.stdout).into_owned();
    lines.lines().filter_map(|line| line.strip_suffix(": test")).map(|test| format!("it::{test}")).collect()
}

/// Every function of the receiver's sources and tests.
fn receiver_functions() -> BTreeSet<String> {
    let text: String = rust_files("receiver").iter().map(|(_, text)| code(text)).collect();
    text.split("fn ").skip(1).filter_map(word).collect()
}

/// Which of the tests named in a text are neither among ours nor the receiver's.
fn missing<'t>(text: &'t str, own: &BTreeSet<String>, receivers: &BTreeSet<String>) -> Vec<&'t str> {
    let is_there = |test: &str| match test.strip_prefix("receiver::") {
        Some(path) => receivers.contains(path.rsplit("::").next().unwrap_or(path)),
        None => own.contains(test),
    };
    tests_named(text).into_iter().filter(|test| !is_there(test)).collect()
}

/// The rows of the table under the heading.
fn promises(readme: &str) -> Vec<&str> {
    let section = readme.split("\n## ").find(|section| section.starts_with("Promises")).unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with('|'));
    rows.skip_while(|line| !line.contains("---")).skip(1).collect()
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).expect("README.md")
}

#[test]
fn each_library_stays_in_its_room() {
    let mut strays = Vec::new();
    for (path, text) in rust_files("src") {
        let code = code(&text);
        for (library, rooms) in ROOMS {
            if names_crate(&code, library) && !rooms.iter().any(|room| path.starts_with(room)) {
                strays.push(format!("{library} in src/{path}"));
            }
        }
    }
    assert_eq!(strays, Vec::<String>::new());
}

#[test]
fn dependencies_between_modules_point_one_way() {
    let arrows = arrows(&rust_files("src"));
    assert!(arrows["store"].contains("model"), "the arrows are found");
    assert_eq!(wrong_arrows(&arrows), Vec::<String>::new());
}

#[test]
fn every_file_opens_with_the_question_it_answers() {
    let sources = ["src", "receiver/src", "tests/it"].into_iter().flat_map(rust_files);
    let silent: Vec<_> = sources.filter(|(_, text)| !text.starts_with("//! ")).map(|(path, _)| path).collect();
    assert_eq!(silent, Vec::<String>::new());
}

#[test]
fn nothing_is_left_to_do() {
    // Spelled so that this file does not find itself.
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME")];
    let sources = ["src", "receiver", "tests"].into_iter().flat_map(rust_files);
    let unfinished: Vec<_> = sources.filter(|(_, text)| marks.iter().any(|mark| text.contains(mark))).collect();
    assert_eq!(unfinished, Vec::new());
}

#[test]
fn every_test_the_readme_names_exists() {
    assert_eq!(missing(&readme(), &own_tests(), &receiver_functions()), Vec::<&str>::new());
}

#[test]
fn every_promise_of_the_readme_names_a_test() {
    let readme = readme();
    let rows = promises(&readme);
    assert!(rows.len() >= 10 || !readme.contains("## Promises"), "the table under Promises has {} rows", rows.len());
    let unproven: Vec<_> = rows.into_iter().filter(|row| tests_named(row).is_empty()).collect();
    assert_eq!(unproven, Vec::<&str>::new());
}

#[test]
fn a_library_is_found_in_code_and_only_there() {
    for (text, found) in [
        ("use sqlx::Row;", true),
        ("use sqlx;", true),
        ("let x = sqlx::query(\"\");", true),
        ("use {std::fmt, sqlx::Row};", true),
        ("// sqlx::Row stays away", false),
        ("let target = \"sqlx::query=warn\";", false),
        ("let quotes = (\"a \\\" b\", '\"', \"c\"); sqlx::query(x)", true),
        ("let raw = r#\"a \" sqlx::query\"#;", false),
        ("let raw = r\"\\\"; sqlx::query(x)", true),
        ("use my_sqlx::Row;", false),
        ("use crate::sqlx::Row;", false),
        ("let url = \"http://x\"; sqlx::query(url)", true),
    ] {
        assert_eq!(names_crate(&code(text), "sqlx"), found, "{text}");
    }
    assert!(!names_crate("use utoipa_actix_web::AppExt;", "actix_web"));
}

#[test]
fn modules_are_found_in_every_form_of_import() {
    for (text, found) in [
        ("use crate::store::Outbox;", &["store"][..]),
        ("use crate::{model::{Event, ids::X}, plan, store::Outbox};\nuse std::a;", &["model", "plan", "store"]),
        ("fn f(x: &crate::model::Event) {}", &["model"]),
        ("pub(crate) fn f() {}", &[]),
        ("crate::counted!(x)", &[]),
    ] {
        assert_eq!(modules_named(text).into_iter().collect::<Vec<_>>(), found, "{text}");
    }
}

#[test]
fn arrows_that_point_up_and_circles_are_found() {
    let file = |path: &str, text: &str| (path.to_owned(), text.to_owned());
    let found = wrong_arrows(&arrows(&[
        file("model/event.rs", "use crate::store::Outbox;"),
        file("plan.rs", "use crate::retry::x;\n#[cfg(test)]\nmod tests {\nuse crate::cli::x;\n}"),
        file("retry.rs", "use crate::plan::x;"),
        file("store/mod.rs", "use crate::retry::x;\nuse crate::cellar::x;"),
    ]));
    let expected = [
        "model ▸ store points up",
        "plan ▸ retry closes a circle",
        "retry ▸ plan closes a circle",
        "store ▸ cellar: no level is known",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_promise_without_a_test_and_a_test_that_is_not_there_are_found() {
    let readme =
        "# x\n## Promises\n| promise | test |\n|---|---|\n| a | `it::flow::kept` |\n| b | soon |\n## Next\n| c | |\n";
    assert_eq!(promises(readme), ["| a | `it::flow::kept` |", "| b | soon |"]);
    assert_eq!(tests_named(readme), ["it::flow::kept"]);
    let known = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<BTreeSet<_>>();
    let text = "`it::flow::kept` `it::flow::gone` `receiver::checks::refused` `receiver::checks::accepted` `it::`";
    let found = missing(text, &known(&["it::flow::kept"]), &known(&["refused"]));
    assert_eq!(found, ["it::flow::gone", "receiver::checks::accepted"]);
    assert!(own_tests().contains("it::architecture::nothing_is_left_to_do"));
}
