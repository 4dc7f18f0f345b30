//! `signoff keys generate|list`.

use std::path::PathBuf;

use clap::Parser;
use jsonwebtoken::Algorithm;
use signoff::cli::keys::{Args, IssuerSources, run};
use signoff::token::{self, KeySource};

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    keys: Args,
}

async fn keys(words: &[&str], configured: Vec<IssuerSources>) -> anyhow::Result<()> {
    run(Cli::try_parse_from([&["keys"], words].concat())?.keys, || Ok(configured)).await
}

fn source(file: PathBuf) -> KeySource {
    KeySource { name: "k".into(), file, alg: None, kid: None, use_from: None }
}

#[tokio::test]
async fn a_generated_key_fits_the_algorithm_asked_for_and_is_listed() {
    let dir = tempfile::tempdir().unwrap();
    for (name, alg) in [("RS256", Algorithm::RS256), ("ES384", Algorithm::ES384), ("EdDSA", Algorithm::EdDSA)] {
        let file = dir.path().join(name);
        let path = file.to_str().unwrap();
        keys(&["generate", "--alg", name, "--out", path], vec![]).await.unwrap();
        assert!(token::load(&source(file.clone())).unwrap()[0].fits(alg), "{name}");
        keys(&["list", path], vec![]).await.unwrap();
        keys(&["list"], vec![("main".into(), vec![source(file.clone())])]).await.unwrap();
        let again = keys(&["generate", "--alg", name, "--out", path], vec![]).await.unwrap_err();
        assert_eq!(again.to_string(), "nothing was replaced");
    }
}

#[tokio::test]
async fn what_cannot_be_done_is_said() {
    let missing = source("/no/such/key".into());
    let error = keys(&["list"], vec![("main".into(), vec![missing])]).await.unwrap_err();
    assert!(error.to_string().starts_with("/no/such/key: cannot be read"), "{error}");
    for words in [&["generate", "--alg", "none"][..], &["generate", "--alg", "HS256"], &["generate", "--bits", "1024"]]
    {
        assert!(keys(words, vec![]).await.is_err(), "{words:?}");
    }
}
