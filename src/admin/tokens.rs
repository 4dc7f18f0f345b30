//! Which bearer tokens open the API now? Their files are read again; what is not good is not taken.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::Token;

const SHORTEST_SECRET: usize = 16;

/// The tokens, kept equal to their files.
#[derive(Debug)]
pub struct Tokens {
    now: ArcSwap<Vec<Token>>,
    /// By token name: what its file is said to lack. A mistake that stays is told once.
    complaints: Mutex<HashMap<String, String>>,
}

impl Tokens {
    /// As the configuration read them.
    #[must_use]
    pub fn new(tokens: Vec<Token>) -> Self {
        Self { now: ArcSwap::from_pointee(tokens), complaints: Mutex::default() }
    }

    /// The tokens now.
    pub(super) fn load(&self) -> Arc<Vec<Token>> {
        self.now.load_full()
    }

    /// Reads every file again, now. A token whose file is gone, or holds what is no secret or
    /// another token's, keeps its last good one. Returns the names of those replaced.
    pub fn reload(&self) -> Vec<String> {
        let mut next = self.now.load().as_ref().clone();
        let mut replaced = Vec::new();
        let mut complaints = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        for at in 0..next.len() {
            let Some(file) = &next[at].file else { continue };
            let name = next[at].name.clone();
            match read(file).and_then(|secret| unlike(&next, at, secret)) {
                Ok(secret) => {
                    complaints.remove(&name);
                    if next[at].secret != secret {
                        next[at].secret = secret;
                        replaced.push(name);
                    }
                }
                Err(what) => complain(&mut complaints, name, what),
            }
        }
        if !replaced.is_empty() {
            tracing::info!(tokens = ?replaced, "tokens of the API replaced");
            self.now.store(Arc::new(next));
        }
        replaced
    }

    /// Looks at the files again and again until `stop`.
    pub async fn run(self: Arc<Self>, poll: Duration, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(poll)).await.is_some() {
            let tokens = Arc::clone(&self);
            // What a slow disk takes is not taken from the dispatcher.
            let _interrupted = tokio::task::spawn_blocking(move || tokens.reload()).await;
        }
    }
}

fn complain(complaints: &mut HashMap<String, String>, name: String, what: String) {
    if complaints.get(&name) != Some(&what) {
        tracing::error!(token = name, error = what, "token not read again; the last good one stays in use");
        complaints.insert(name, what);
    }
}

fn unlike(tokens: &[Token], at: usize, secret: Zeroizing<String>) -> Result<Zeroizing<String>, String> {
    let others = tokens.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, token)| token);
    told_apart(others, &secret).map(|()| secret)
}

/// Whether no other token has this secret.
pub fn told_apart<'t>(others: impl IntoIterator<Item = &'t Token>, secret: &Zeroizing<String>) -> Result<(), String> {
    match others.into_iter().find(|token| token.secret == *secret) {
        Some(other) => Err(format!("has the same secret as `http.tokens.{}`; give each its own", other.name)),
        None => Ok(()),
    }
}

/// The secret in a file, if it is one.
pub fn read(file: &Path) -> Result<Zeroizing<String>, String> {
    let text = std::fs::read_to_string(file).map(Zeroizing::new).map_err(|error| {
        format!("{} cannot be read ({error}); mount the secret there or correct the path", file.display())
    })?;
    checked(Zeroizing::new(text.trim().to_owned()))
}

/// The secret, if nobody guesses it and a header carries it.
pub fn checked(secret: Zeroizing<String>) -> Result<Zeroizing<String>, String> {
    if secret.is_empty() {
        return Err("holds no token; generate one: openssl rand -hex 32".into());
    }
    if secret.len() < SHORTEST_SECRET {
        return Err(format!(
            "holds a token of {} characters, which could be guessed; use at least {SHORTEST_SECRET}: openssl rand -hex \
             32",
            secret.len()
        ));
    }
    if !secret.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("holds a token with spaces or other characters that no Authorization header carries; generate \
                    one: openssl rand -hex 32"
            .into());
    }
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::Scope;

    const OLD: &str = "0123456789abcdef-old";
    const NEW: &str = "0123456789abcdef-new";

    fn token(name: &str, file: Option<&Path>, secret: &str) -> Token {
        let file = file.map(Path::to_owned);
        Token { name: name.into(), file, secret: secret.to_owned().into(), scopes: vec![Scope::Read], issuers: vec![] }
    }

    #[test]
    fn a_file_that_changed_replaces_its_token_and_a_bad_one_does_not() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("token");
        let tokens = Tokens::new(vec![token("a", Some(&file), OLD), token("b", None, "0123456789abcdef-b")]);
        let table = [
            (Some(OLD), false, OLD),
            (Some("  0123456789abcdef-new\n"), true, NEW),
            (Some(""), false, NEW),
            (Some("short"), false, NEW),
            (Some("with spaces that no header carries"), false, NEW),
            (Some("0123456789abcdef-b"), false, NEW),
            (None, false, NEW),
            (Some(OLD), true, OLD),
        ];
        for (content, replaced, secret) in table {
            match content {
                Some(content) => std::fs::write(&file, content).unwrap(),
                None => std::fs::remove_file(&file).unwrap(),
            }
            assert_eq!(tokens.reload() == ["a"], replaced, "{content:?}");
            assert_eq!(tokens.load()[0].secret.as_str(), secret, "{content:?}");
            assert_eq!(tokens.load()[1].secret.as_str(), "0123456789abcdef-b");
        }
    }
}
