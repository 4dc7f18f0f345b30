//! How does an example application run?

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use super::process::{Running, free_port};
use crate::app::{Adapter, Reply};
use crate::servers::say_or_fail;

/// One process of an example application.
pub(super) struct ExampleSite {
    pub(super) url: String,
    _running: Running,
}

impl ExampleSite {
    /// On a port of its own, with these arguments beside `--listen`. `None`, said aloud, where the example is
    /// not built.
    pub(super) fn start(adapter: Adapter, arguments: &[&str]) -> Option<Self> {
        Self::start_on(adapter, free_port(), arguments)
    }

    pub(super) fn start_on(adapter: Adapter, port: u16, arguments: &[&str]) -> Option<Self> {
        let mut command = Command::new(binary(adapter)?);
        command.args(["--listen", &format!("127.0.0.1:{port}")]).args(arguments);
        let (running, line) = Running::start(&mut command, "listening on http://");
        Some(Self { url: line.trim_start_matches("listening on ").to_owned(), _running: running })
    }

    /// What its back-channel endpoint says to a token.
    pub(super) async fn post(&self, token: &str) -> Reply {
        Reply::of_post(&format!("{}/backchannel-logout", self.url), token).await
    }
}

/// Cargo builds the examples with the tests, but not when it is told to build one test binary alone.
fn binary(adapter: Adapter) -> Option<PathBuf> {
    let name = match adapter {
        Adapter::Actix => "actix",
        Adapter::Axum => "axum",
    };
    let test = std::env::current_exe().unwrap();
    let binary = test.parent().unwrap().parent().unwrap().join("examples").join(name);
    let built = binary.metadata().and_then(|file| file.modified()).ok();
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let changed = ["src", "examples"].iter().filter_map(|folder| newest(&package.join(folder))).max();
    if built < changed {
        say_or_fail(&format!("the example {name} is not built, or is old: cargo build --all-features --examples"));
        return None;
    }
    Some(binary)
}

fn newest(folder: &Path) -> Option<SystemTime> {
    let entries = std::fs::read_dir(folder).ok()?.filter_map(Result::ok).map(|entry| entry.path());
    entries.filter_map(|path| if path.is_dir() { newest(&path) } else { path.metadata().ok()?.modified().ok() }).max()
}
