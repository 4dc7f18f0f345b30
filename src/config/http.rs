//! `[http]`: where does the API listen, and who may call it?

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use zeroize::Zeroizing;

use super::reader::Section;
use super::tls;
use crate::admin::settings::{Scope, Token};
use crate::admin::{Settings, tokens};

pub(super) fn read(http: &mut Section<'_>) -> Settings {
    let listen = http.or("listen", SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)));
    let workers = http.limited("workers", default_workers(), 1..=256);
    let connections_per_worker = http.limited("connections_per_worker", 4096, 1..=1_000_000);
    let tls = tls::read(http);
    let tokens = http.each("tokens", token);
    if tokens.is_empty() && !listen.ip().is_loopback() {
        http.wrong(
            "listen",
            format!(
                "{listen} is open to other machines and no token guards it; add [http.tokens.<name>] or listen on \
                 127.0.0.1"
            ),
        );
    }
    let mut known: Vec<Token> = Vec::new();
    for token in tokens.into_iter().flatten() {
        if let Err(what) = tokens::told_apart(&known, &token.secret) {
            http.wrong_within(&["tokens", &token.name], what);
        }
        known.push(token);
    }
    Settings { listen, tokens: known, workers, connections_per_worker, tls }
}

fn default_workers() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from).min(4)
}

fn token(name: &str, section: &mut Section<'_>) -> Option<Token> {
    let scopes: Option<Vec<Scope>> =
        section.required("scopes", "list what it opens, of \"events\", \"bulk\", \"read\", \"admin\"");
    if scopes.as_ref().is_some_and(Vec::is_empty) {
        section.wrong("scopes", "is empty, so the token opens nothing; list scopes or remove the token");
    }
    let issuers = section.or("issuers", Vec::new());
    let (file, secret) = secret(section)?;
    Some(Token { name: name.into(), file, secret, scopes: scopes?, issuers })
}

type Secret = (Option<PathBuf>, Zeroizing<String>);

fn secret(section: &mut Section<'_>) -> Option<Secret> {
    let from_environment = section.is_from_environment("value");
    let file = section.take::<PathBuf>("file");
    let has_value = section.has("value");
    let value = section.take::<String>("value").map(Zeroizing::new);
    let variable = section.variable("value");
    match (file, value) {
        (Some(_), Some(_)) => {
            section.wrong_here("has both `file` and `value`; keep one");
            None
        }
        (Some(file), None) => {
            let secret = checked(section, "file", tokens::read(&file))?;
            Some((Some(file), secret))
        }
        (None, Some(value)) if from_environment => Some((None, checked(section, "value", tokens::checked(value))?)),
        (None, Some(_)) => {
            section.wrong("value", format!("puts a secret into the file; name a file with `file`, or set {variable}"));
            None
        }
        (None, None) => {
            if !has_value && !section.was_wrong("file") {
                section.wrong_here(format!("has no secret; name a file with `file`, or set {variable}"));
            }
            None
        }
    }
}

fn checked(section: &Section<'_>, key: &str, secret: Result<Zeroizing<String>, String>) -> Option<Zeroizing<String>> {
    secret.map_err(|what| section.wrong(key, what)).ok()
}
