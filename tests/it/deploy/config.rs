//! Would the service start with the configurations that are deployed? The files they name are made.

use std::fs;
use std::path::Path;
use std::time::Duration;

use jsonwebtoken::Algorithm;
use signoff::config::Config;
use signoff::token::generate;
use tempfile::TempDir;
use toml::{Table, Value};

use super::{deploy, read};

/// Set in the environment, from a Secret.
const URLS: [(&str, &str); 2] = [
    ("SIGNOFF__STORE__URL", "postgres://signoff:hush@postgres:5432/signoff"),
    ("SIGNOFF__AMQP__MAIN__URL", "amqp://signoff:hush@rabbitmq:5672/%2f"),
];

/// A configuration under `deploy/`, read as the service does.
pub(super) struct Deployed {
    pub(super) config: Config,
    /// The files it names.
    pub(super) files: Vec<String>,
}

impl Deployed {
    /// Fails where there is any mistake, or a warning.
    pub(super) fn read(file: &str) -> Self {
        let mut table: Table = read(&deploy(file)).parse().expect("TOML");
        let directory = tempfile::tempdir().expect("a directory");
        let mut files = Vec::new();
        provide(&mut table, &directory, &mut files);
        let variables = URLS.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = Config::parse(file, &table.to_string(), &variables).unwrap_or_else(|wrong| panic!("{wrong}"));
        assert_eq!(config.warnings, Vec::<String>::new(), "{file}");
        Self { config, files }
    }

    /// The longest that an attempt of any client may take, also of one that is registered later.
    pub(super) fn longest_attempt(&self) -> Duration {
        self.config.dispatch.lease.saturating_sub(self.config.dispatch.lease_margin)
    }
}

/// Makes every file that is named, each with something of its own in it, and names that instead.
fn provide(table: &mut Table, directory: &TempDir, files: &mut Vec<String>) {
    for (key, value) in table.iter_mut() {
        match value {
            Value::Table(inner) => provide(inner, directory, files),
            Value::String(path) if key == "file" || key.ends_with("_file") => {
                let made = directory.path().join(files.len().to_string());
                fs::write(&made, content(path, files.len())).expect("to write");
                files.push(std::mem::replace(path, made.to_str().expect("a path").to_owned()));
            }
            _ => {}
        }
    }
}

fn content(path: &str, which: usize) -> String {
    if Path::new(path).extension().is_some_and(|extension| extension == "pem") {
        return generate::generate(Algorithm::RS256, 2048).expect("a key").to_string();
    }
    format!("{which:032}")
}

#[test]
fn the_configurations_of_compose_and_kubernetes_have_no_mistake() {
    for (file, clients) in [
        ("compose/signoff.toml", 3),
        ("kubernetes/base/signoff.toml", 0),
        ("kubernetes/overlays/example/signoff.toml", 2),
    ] {
        let deployed = Deployed::read(file);
        assert_eq!((deployed.files.len(), deployed.config.clients.len()), (3, clients), "{file}");
        assert_eq!(deployed.config.amqp.len(), 1, "{file}");
    }
}
