//! Key files: whatever they hold, they are read or refused, and a refusal shows nothing of them.

use std::path::Path;
use std::sync::LazyLock;

use jsonwebtoken::Algorithm;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};
use signoff::token::{KeySource, load, parse_pem};

use super::{cases, odd_json};
use crate::token::{files, pem};

static PEMS: LazyLock<Vec<String>> =
    LazyLock::new(|| [Algorithm::RS256, Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA].map(pem).into());
static JWK: LazyLock<Value> = LazyLock::new(|| files::rsa_jwk(&PEMS[0]));

fn source(file: &Path) -> KeySource {
    KeySource { name: "k".into(), file: file.to_owned(), alg: None, kid: None, use_from: None }
}

/// What a file with this content comes to, in words.
fn said(content: &[u8]) -> Option<String> {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("key");
    std::fs::write(&file, content).expect("to write");
    let error = load(&source(&file)).err()?;
    let text = error.to_string();
    assert!(text.contains("key"), "{text}");
    Some(format!("{text} {error:?}"))
}

/// Whether a piece of the file that is long enough to tell is in the text.
fn tells(text: &str, content: &str) -> bool {
    let words = content.split(|c: char| !(c.is_ascii_alphanumeric() || "+/_-=".contains(c)));
    let pieces = words.filter(|word| word.len() >= 17 && !word.starts_with("-----"));
    pieces.into_iter().any(|word| (0..=word.len() - 17).any(|at| text.contains(&word[at..at + 17])))
}

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn any_bytes_are_refused(content in vec(any::<u8>(), 0..400)) {
        prop_assert!(said(&content).is_some());
    }

    #[test]
    fn a_pem_changed_anyhow_is_read_or_refused_without_showing_it(
        which in any::<Index>(), edits in vec((any::<Index>(), any::<u8>()), 1..4), cut in any::<Index>(),
        is_cut in any::<bool>(), twice in any::<bool>(),
    ) {
        let mut content = PEMS[which.index(PEMS.len())].clone().into_bytes();
        for (at, byte) in edits {
            let at = at.index(content.len());
            content[at] = byte;
        }
        if is_cut {
            content.truncate(cut.index(content.len()));
        }
        if twice {
            content = [content.as_slice(), PEMS[1].as_bytes()].concat();
        }
        let text = String::from_utf8_lossy(&content).into_owned();
        if let Some(said) = said(&content) {
            prop_assert!(!tells(&said, &text), "{said}");
        }
        let _ = parse_pem(&text, Path::new("here.pem"));
    }

    #[test]
    fn a_jwk_changed_anyhow_is_read_or_refused_without_showing_it(
        member in select(vec!["kty", "crv", "n", "e", "d", "p", "q", "dp", "dq", "qi", "x", "y", "kid", "alg", "use", "k"]),
        value in odd_json(), from in select(vec!["n", "d", "p", "q"]), swapped in any::<bool>(), set in any::<bool>(),
    ) {
        let mut jwk = JWK.clone();
        jwk[member] = if swapped { jwk[from].clone() } else { value };
        let content = if set { json!({ "keys": [jwk, JWK.clone()] }) } else { jwk }.to_string();
        if let Some(said) = said(content.as_bytes()) {
            let private = ["d", "p", "q", "dp", "dq", "qi"].map(|name| JWK[name].as_str().unwrap_or_default().to_owned());
            prop_assert!(!tells(&said, &private.join(" ")), "{said}");
        }
    }
}
