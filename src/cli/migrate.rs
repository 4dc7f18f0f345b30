//! `migrate`: is the store's schema what this version needs? Makes it so, for deployments whose
//! service may not.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;

use super::say;
use crate::config::Config;
use crate::model::SystemClock;
use crate::store::{self, Options};

/// Opening a store brings its schema up to date.
pub(super) async fn run(config: &Config) -> anyhow::Result<ExitCode> {
    config.prepare_store()?;
    let place = place(&config.store.url);
    store::open(&config.store.url, Options::default(), Arc::new(SystemClock))
        .await
        .with_context(|| format!("the store at {place} is not migrated; check store.url and its permissions"))?;
    say(std::io::stdout(), &format_args!("the {} store at {place} is up to date", config.store.kind()));
    Ok(ExitCode::SUCCESS)
}

/// The store's address without user, password and options.
fn place(url: &str) -> String {
    let plain = url.split('?').next().unwrap_or_default();
    match plain.split_once("://") {
        Some(("sqlite", file)) => file.to_owned(),
        Some((_, rest)) => rest.rsplit_once('@').map_or(rest, |(_, place)| place).to_owned(),
        None => plain.trim_start_matches("sqlite:").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_names_no_password() {
        for (url, expected) in [
            ("sqlite://signoff-data/signoff.db", "signoff-data/signoff.db"),
            ("sqlite:///var/lib/signoff.db?mode=rwc", "/var/lib/signoff.db"),
            ("sqlite:signoff.db", "signoff.db"),
            ("postgres://user:pa@ss@host:5432/signoff?password=secret", "host:5432/signoff"),
            ("postgres://host/signoff", "host/signoff"),
        ] {
            assert_eq!(place(url), expected, "{url}");
        }
    }
}
