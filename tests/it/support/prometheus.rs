//! How does a test ask a real Prometheus? Started on a directory of its own, stopped with the test.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use url::Url;

use super::child::Owned;
use super::{eventually, free_port, http_client, required};

/// How long it may take to start on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// The programs, as `tests/run` found them; `None`: the test is skipped.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    required("SIGNOFF_TEST_PROMETHEUS").map(|prometheus| PathBuf::from(prometheus).with_file_name(name))
}

/// A running Prometheus.
#[derive(Debug)]
pub(crate) struct Prometheus {
    url: String,
    directory: TempDir,
    _child: Owned,
}

impl Prometheus {
    /// With this configuration, and these files beside it.
    pub(crate) async fn start(configuration: &str, files: &[(&str, &str)]) -> Option<Self> {
        let program = program("prometheus")?;
        let directory = tempfile::tempdir().expect("a directory");
        for (name, text) in [&[("prometheus.yml", configuration)], files].concat() {
            fs::write(directory.path().join(name), text).expect("to write");
        }
        let (port, log) = (free_port(), File::create(directory.path().join("log")).expect("a log file"));
        let mut command = Command::new(program);
        command
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let prometheus =
            Self { url: format!("http://127.0.0.1:{port}"), _child: Owned::start(&mut command), directory };
        let ready = async || {
            let answer = http_client().get(format!("{}/-/ready", prometheus.url)).send().await;
            answer.is_ok_and(|answer| answer.status().is_success()).then_some(())
        };
        eventually("Prometheus is ready", PATIENCE, ready).await;
        Some(prometheus)
    }

    /// What this query comes to now; fails, with what Prometheus says of it, if it is none.
    pub(crate) async fn query(&self, query: &str) -> Vec<Value> {
        let data = self.get("query", &[("query", query)]).await;
        data["result"].as_array().expect("a vector").clone()
    }

    /// The alerts of this name that fire now.
    pub(crate) async fn firing(&self, name: &str) -> Vec<Value> {
        let data = self.get("alerts", &[]).await;
        let fires = |alert: &Value| alert["labels"]["alertname"] == name && alert["state"] == "firing";
        data["alerts"].as_array().expect("a list").iter().filter(|alert| fires(alert)).cloned().collect()
    }

    /// What it wrote, for a test that fails.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    async fn get(&self, call: &str, parameters: &[(&str, &str)]) -> Value {
        let url = Url::parse_with_params(&format!("{}/api/v1/{call}", self.url), parameters).expect("a URL");
        let answer = http_client().get(url).send().await.expect("an answer").text().await.expect("a body");
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        assert_eq!(answer["status"], "success", "{parameters:?}: {answer}");
        answer["data"].clone()
    }
}
