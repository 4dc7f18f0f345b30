//! Which issuer is meant? The one named, or the only one there is.

use super::{Given, Usage};
use crate::config::Issuer;

/// `--issuer`.
#[derive(Debug, clap::Args)]
pub(super) struct Whose {
    /// The issuer's short name; the only one configured if absent
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,
}

impl Whose {
    /// Its short name. The configuration is read only where the command line does not say.
    pub(super) fn name(self, given: &Given) -> anyhow::Result<String> {
        match self.issuer {
            Some(name) => Ok(name),
            None => Ok(only(given.config()?.issuers)?.name),
        }
    }

    /// Its short name where one was given.
    pub(super) fn named(self) -> Option<String> {
        self.issuer
    }
}

/// The issuer's URL: what `named` is, or belongs to.
pub(super) fn url(named: Option<String>, given: &Given) -> anyhow::Result<String> {
    if let Some(url) = named.as_ref().filter(|named| named.contains("://")) {
        return Ok(url.clone());
    }
    let issuers = given.config()?.issuers;
    let Some(name) = named else { return Ok(only(issuers)?.issuer) };
    let known = names(&issuers);
    let found = issuers.into_iter().find(|issuer| issuer.name == name);
    let unknown =
        || Usage(format!("no issuer is called {name:?} in the configuration ({known}); name one, or its URL"));
    Ok(found.ok_or_else(unknown)?.issuer)
}

fn only(mut issuers: Vec<Issuer>) -> Result<Issuer, Usage> {
    match (issuers.pop(), issuers.is_empty()) {
        (Some(only), true) => Ok(only),
        (last, _) => {
            issuers.extend(last);
            Err(Usage(format!("there are several issuers ({}); name one with --issuer", names(&issuers))))
        }
    }
}

fn names(issuers: &[Issuer]) -> String {
    issuers.iter().map(|issuer| issuer.name.as_str()).collect::<Vec<_>>().join(", ")
}
