//! How are the programs called that read what is under `deploy/`?

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::required;

/// Programs of the virtual environment that the tests make.
pub(super) struct Venv(PathBuf);

impl Venv {
    /// `None`: there are none, and skipping is allowed.
    pub(super) fn new() -> Option<Self> {
        required("SIGNOFF_TEST_VENV").map(|path| Self(path.into()))
    }

    /// One of its programs, to be given arguments.
    pub(super) fn program(&self, name: &str) -> Command {
        Command::new(self.0.join("bin").join(name))
    }

    /// The documents of a YAML text.
    pub(super) fn yaml(&self, text: &str) -> Vec<Value> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("to write");
        let script = "import json, sys, yaml; json.dump(list(yaml.safe_load_all(open(sys.argv[1]))), sys.stdout)";
        let json = succeeds(self.program("python").args(["-c", script]).arg(file.path()));
        serde_json::from_str(&json).expect("JSON")
    }
}

/// What it prints; fails with what it says where it fails.
pub(super) fn succeeds(command: &mut Command) -> String {
    let output = ran(command);
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}

pub(super) fn ran(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What kubectl makes of a folder.
pub(super) struct Kubectl(String);

impl Kubectl {
    /// `None`: it is not there, and skipping is allowed.
    pub(super) fn new() -> Option<Self> {
        required("SIGNOFF_TEST_KUBECTL").map(Self)
    }

    /// The folder's manifests, as one YAML text.
    pub(super) fn kustomize(&self, folder: &Path) -> String {
        succeeds(Command::new(&self.0).arg("kustomize").arg(folder))
    }

    /// Before 1.21 it knew folders among the resources under another name: `bases`.
    pub(super) fn calls_folders_bases(&self) -> bool {
        let json = succeeds(Command::new(&self.0).args(["version", "--client", "-o", "json"]));
        let version: Value = serde_json::from_str(&json).expect("JSON");
        let minor = version["clientVersion"]["minor"].as_str().expect("a version").trim_end_matches('+');
        minor.parse::<u32>().expect("a number") < 21
    }
}
