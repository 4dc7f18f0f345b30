//! Is `src/lib.rs` the map? Each file with the question it answers, and no file that is not there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The first sentence of a file's documentation.
fn question(text: &str) -> String {
    let opening = text.lines().map_while(|line| line.strip_prefix("//! ")).collect::<Vec<_>>().join(" ");
    let end = opening.match_indices(['?', '.']).map(|(at, mark)| at + mark.len());
    let end = end.into_iter().find(|end| matches!(opening[*end..].chars().next(), None | Some(' ')));
    opening[..end.unwrap_or(opening.len())].to_owned()
}

/// The map itself, and tests.
fn left_out(inside: &str) -> bool {
    ["lib.rs", "main.rs"].contains(&inside) || inside.ends_with("/tests.rs")
}

/// `path: question` of every file below the folder that is not a test.
fn walk(top: &Path, folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let inside = path.strip_prefix(top).expect("below it").to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" {
            walk(top, &path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !left_out(&inside) {
            found.insert(format!("{inside}: {}", question(&fs::read_to_string(&path).expect("a source"))));
        }
    }
}

/// `path: question` of every line of the map, whether it links or not.
fn mapped(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("//! - "));
    let entry = |line: &str| {
        let (path, rest) = line.trim_start_matches('[').strip_prefix('`')?.split_once('`')?;
        let (_, question) = rest.split_once(": ")?;
        Some(format!("{path}: {question}"))
    };
    lines.filter_map(entry).collect()
}

#[test]
fn every_file_is_on_the_map_with_its_question() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = BTreeSet::new();
    walk(&src, &src, &mut files);
    let map = mapped(&fs::read_to_string(src.join("lib.rs")).expect("src/lib.rs"));
    let (missing, stale): (Vec<_>, Vec<_>) = (files.difference(&map).collect(), map.difference(&files).collect());
    assert!(files.len() > 50 && missing.is_empty() && stale.is_empty(), "missing: {missing:#?}\nstale: {stale:#?}");
}

#[test]
fn a_question_ends_where_its_sentence_does() {
    for (text, expected) in [
        ("//! What is it? More.\n\nuse x;", "What is it?"),
        ("//! `[amqp.<name>]`: which queues\n//! are read?\n", "`[amqp.<name>]`: which queues are read?"),
        ("//! A CloudEvents 1.0 body.\n//!\n//! More.", "A CloudEvents 1.0 body."),
        ("//! No end\n", "No end"),
    ] {
        assert_eq!(question(text), expected, "{text}");
    }
    let map = "//! - [`a/b.rs`](a::b): Who? \n//! - `c.rs`: `x`: what?\n//! 1. **no**";
    assert_eq!(mapped(map), BTreeSet::from(["a/b.rs: Who? ".to_owned(), "c.rs: `x`: what?".to_owned()]));
}
