//! `[issuers.<name>]`: who speaks, and with which keys?

use std::path::PathBuf;

use jsonwebtoken::Algorithm;
use url::Url;

use super::keys::{Found, check_key};
use super::reader::Section;
use crate::model::client::alg_name;
use crate::model::{self, IssuerKey};
use crate::token::KeySource;

const LONGEST_ISSUER: usize = 512;
const LONGEST_NAME: usize = 64;

/// `[issuers.<name>]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    /// The table's name: the short name in API and metrics.
    pub name: String,
    /// Its issuer identifier, byte for byte.
    pub issuer: String,
    /// The algorithm where a client registers none.
    pub default_alg: Algorithm,
    /// What an opening without `sid` means.
    pub sid: SidDefault,
    /// What the end of a provider session by time means.
    pub on_session_expiry: OnSessionExpiry,
    /// Whether an opening later than the logout of its provider session is a new life.
    pub reuses_session_ids: bool,
    /// Whether `offline` sessions end like all others.
    pub logs_out_offline: bool,
    /// `[issuers.<name>.keys.<key>]`.
    pub keys: Vec<KeySource>,
    /// Those of `keys` that are made at the start if their file is not there.
    pub generate: Vec<KeySource>,
}

/// What an opening without `sid` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SidDefault {
    /// The session id is the sid.
    #[default]
    SessionId,
    /// The client saw none.
    None,
}

/// What the end of a provider session by time means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnSessionExpiry {
    /// The session leaves the registry, nothing is sent.
    #[default]
    Forget,
    /// It is a logout with the cause `session_expired`.
    Logout,
}

impl Issuer {
    /// The issuer as the other rooms know it.
    #[must_use]
    pub fn to_model(&self, key: IssuerKey) -> model::Issuer {
        model::Issuer {
            key,
            name: self.name.clone(),
            issuer: self.issuer.clone(),
            default_alg: self.default_alg,
            sid_is_session_id: self.sid == SidDefault::SessionId,
            reuses_session_ids: self.reuses_session_ids,
            logs_out_offline: self.logs_out_offline,
        }
    }
}

/// An issuer, and what it can sign with; `None`: a key of its is broken, so nobody knows.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) issuer: Issuer,
    pub(super) algs: Option<Vec<Algorithm>>,
}

pub(super) fn read(root: &mut Section<'_>) -> Vec<Draft> {
    let drafts = root.each("issuers", issuer);
    if drafts.is_empty() && !root.was_wrong("issuers") {
        root.wrong("issuers", "is missing; add [issuers.<name>] with its `issuer` URL and a key");
    }
    drafts
}

fn issuer(name: &str, section: &mut Section<'_>) -> Draft {
    check_name(name, section);
    let url: Option<String> = section.required("issuer", "write the issuer URL as it stands in ID tokens");
    if let Some(Err(what)) = url.as_deref().map(check_url) {
        section.wrong("issuer", what);
    }
    let default_alg = section.take("default_alg");
    let sources = section.each("keys", key);
    let algs = check_keys(&sources, section);
    let default_alg = check_default(default_alg, algs.as_deref(), section);
    let generate = sources.iter().filter(|key| key.generate).map(|key| key.source.clone()).collect();
    let issuer = Issuer {
        name: name.into(),
        issuer: url.unwrap_or_default(),
        default_alg,
        sid: section.or("sid", SidDefault::default()),
        on_session_expiry: section.or("on_session_expiry", OnSessionExpiry::default()),
        reuses_session_ids: section.or("reuses_session_ids", false),
        logs_out_offline: section.or("logs_out_offline", false),
        keys: sources.into_iter().map(|key| key.source).collect(),
        generate,
    };
    Draft { issuer, algs }
}

/// The name stands in URLs and metric labels.
fn check_name(name: &str, section: &Section<'_>) {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(fine) {
        section.wrong_here(format!(
            "the short name must be 1 to {LONGEST_NAME} letters, digits, '-', '_' or '.', for it stands in URLs"
        ));
    }
}

fn check_url(issuer: &str) -> Result<(), String> {
    if issuer.len() > LONGEST_ISSUER || issuer.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(format!("must be at most {LONGEST_ISSUER} bytes, without spaces and control characters"));
    }
    let url = Url::parse(issuer)
        .map_err(|error| format!("is not a URL ({error}); write it as it stands in ID tokens, byte for byte"))?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err(format!("has the scheme {:?}; an issuer is an https URL", url.scheme()));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("has a query or a fragment, which an issuer must not have; remove it".into());
    }
    Ok(())
}

/// `[issuers.<name>.keys.<key>]`.
struct Key {
    source: KeySource,
    generate: bool,
    /// `None`: something is wrong with it.
    found: Option<Vec<Found>>,
}

fn key(name: &str, section: &mut Section<'_>) -> Key {
    let file: Option<PathBuf> = section.required("file", "name the file with the private key (PEM, JWK or JWKS)");
    let (has_alg, alg) = (section.has("alg"), section.take::<Algorithm>("alg"));
    let source = KeySource {
        name: name.into(),
        file: file.clone().unwrap_or_default(),
        alg,
        kid: section.take("kid"),
        use_from: section.take("use_from"),
    };
    let generate = section.or("generate", false);
    let alg_is_fine = has_alg == alg.is_some();
    let found = if generate && !source.file.exists() {
        let kid = source.kid.clone().unwrap_or_else(|| format!("generated as {}", source.file.display()));
        alg_is_fine.then(|| vec![Found { kid, algs: vec![alg.unwrap_or(Algorithm::RS256)] }])
    } else {
        file.and_then(|_| load(&source, section)).filter(|_| alg_is_fine)
    };
    Key { source, generate, found }
}

fn load(source: &KeySource, section: &Section<'_>) -> Option<Vec<Found>> {
    check_key(source).map_err(|(key, what)| section.wrong(key, what)).ok()
}

/// What the issuer can sign with. Two keys of one name would be one to its clients.
fn check_keys(keys: &[Key], section: &Section<'_>) -> Option<Vec<Algorithm>> {
    if keys.is_empty() && !section.was_wrong("keys") {
        section.wrong("keys", "is missing; add [issuers.<name>.keys.<key>] with the `file` of a private key");
        return None;
    }
    let mut kids: Vec<(&str, &str)> = Vec::new();
    for (name, found) in keys.iter().flat_map(|key| key.found.iter().flatten().map(|f| (&key.source.name, f))) {
        if let Some((other, kid)) = kids.iter().find(|(_, kid)| *kid == found.kid) {
            section.wrong_within(
                &["keys", name],
                format!(
                    "has the kid {kid:?}, as `{other}` has; give it its own `kid`, or leave `alg` out where one key \
                     serves several algorithms"
                ),
            );
        }
        kids.push((name, &found.kid));
    }
    let found: Option<Vec<&Vec<Found>>> = keys.iter().map(|key| key.found.as_ref()).collect();
    Some(found?.into_iter().flatten().flat_map(|found| found.algs.iter().copied()).collect())
}

fn check_default(given: Option<Algorithm>, algs: Option<&[Algorithm]>, section: &Section<'_>) -> Algorithm {
    let default = given.unwrap_or(Algorithm::RS256);
    if let Some(algs) = algs
        && !algs.contains(&default)
        && !section.was_wrong("default_alg")
    {
        let unless = if given.is_none() { " (which it is unless set)" } else { "" };
        let names = algs.iter().map(|alg| alg_name(*alg)).collect::<Vec<_>>().join(", ");
        section.wrong(
            "default_alg",
            format!(
                "is {}{unless}, and no key signs it (the keys sign: {names}); add a key or set another",
                alg_name(default)
            ),
        );
    }
    default
}
