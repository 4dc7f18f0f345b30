//! Do dashboard and alerts speak of what is there? Held against a real service and a real Prometheus.

mod dashboard;
mod promql;
mod queries;
mod rules;
mod scene;
mod scrape;
mod walkthrough;

use std::fs;
use std::path::{Path, PathBuf};

fn deploy(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(deploy(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}
