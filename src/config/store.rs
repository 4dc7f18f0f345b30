//! `[store]`: where is everything kept, and for how long?

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use url::Url;
use zeroize::Zeroizing;

use super::reader::Section;
use crate::store::Retention;

const DEFAULT_URL: &str = "sqlite://signoff-data/signoff.db";
const YEAR: Duration = Duration::from_hours(8766);

/// `[store]`.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreSettings {
    /// `sqlite://…` or `postgres://…`, with credentials.
    pub url: Zeroizing<String>,
    /// How long things are kept.
    pub retention: Retention,
}

impl StoreSettings {
    /// The kind of store, for people.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        if self.url.starts_with("sqlite:") { "SQLite" } else { "Postgres" }
    }
}

/// Without the URL, which may hold a password.
impl std::fmt::Debug for StoreSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("StoreSettings");
        shown.field("kind", &self.kind()).field("retention", &self.retention).finish_non_exhaustive()
    }
}

pub(super) fn read(store: &mut Section<'_>) -> StoreSettings {
    let url = store.take::<String>("url");
    if let Some(Err(what)) = url.as_deref().map(check_url) {
        store.wrong("url", what);
    }
    let default = Retention::default();
    let hour = Duration::from_hours(1);
    let mut keep = |key, default| store.limited(key, default, hour..=10 * YEAR);
    let retention = Retention {
        delivered: keep("keep_delivered", default.delivered),
        abandoned: keep("keep_abandoned", default.abandoned),
        logouts: keep("keep_logouts", default.logouts),
        ended_sessions: keep("ended_session_memory", default.ended_sessions),
        sessions: keep("session_max_age", default.sessions),
        until_logged_out: default.until_logged_out,
    };
    StoreSettings { url: Zeroizing::new(url.unwrap_or_else(|| DEFAULT_URL.into())), retention }
}

/// Never repeats the URL: it may hold a password.
fn check_url(url: &str) -> Result<(), String> {
    let one_of = "write \"sqlite://path/to/file.db\" or \"postgres://user@host/database\"";
    match url.split_once(':') {
        Some(("sqlite", _)) => check_directory(&sqlite_file(url)?),
        Some(("postgres" | "postgresql", _)) => {
            Url::parse(url).map(drop).map_err(|error| format!("is not a URL ({error}); {one_of}"))
        }
        Some((scheme, _)) if scheme.chars().all(|c| c.is_ascii_alphanumeric()) => {
            Err(format!("has the scheme {scheme:?}, and stores are SQLite and Postgres; {one_of}"))
        }
        _ => Err(format!("is not a URL; {one_of}")),
    }
}

fn sqlite_file(url: &str) -> Result<PathBuf, String> {
    let path = url.trim_start_matches("sqlite:").trim_start_matches("//");
    let path = path.split('?').next().unwrap_or_default();
    match path {
        "" => Err("names no file; write \"sqlite://path/to/file.db\"".into()),
        ":memory:" => Err("is in memory, so a restart would lose every logout; name a file".into()),
        path => Ok(path.into()),
    }
}

/// A directory that is missing is more likely a volume that is not mounted than one to be made.
fn check_directory(file: &Path) -> Result<(), String> {
    let directory = directory(file);
    if directory.is_dir() || file.as_os_str().to_string_lossy().contains('%') || file == default_file() {
        return Ok(());
    }
    Err(format!("the directory {} does not exist; create it, or mount the volume", directory.display()))
}

fn directory(file: &Path) -> &Path {
    file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn default_file() -> PathBuf {
    PathBuf::from(DEFAULT_URL.trim_start_matches("sqlite://"))
}

/// Makes the directory of the default store; any other must be there.
pub(super) fn prepare(store: &StoreSettings) -> anyhow::Result<()> {
    if store.url.as_str() != DEFAULT_URL {
        return Ok(());
    }
    let file = default_file();
    let directory = directory(&file);
    std::fs::create_dir_all(directory).with_context(|| format!("cannot create the directory {}", directory.display()))
}
