//! Does the README lead from nothing to two replicas, a client that is down, and an alert that comes
//! and goes? Its own lines, run by bash; ports, places and times are the test's.

use std::fmt::Write;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::child::Owned;
use crate::support::free_port;
use crate::support::postgres::TestDatabase;
use crate::support::prometheus::program;
use crate::support::rabbitmq::Vhost;

/// The alert comes and goes within three minutes: the gauge is read every 10 s, a probe is at most 30 s away.
const PATIENCE: Duration = Duration::from_mins(5);
const PORTS: [&str; 6] = ["8080", "8081", "9001", "9091", "9092", "9095"];

/// The section's commands, in order.
fn commands() -> String {
    let readme = fs::read_to_string(super::deploy("../README.md")).expect("README.md");
    let section = readme.split("\n## Run it beside your IdP\n").nth(1).and_then(|rest| rest.split("\n## ").next());
    let blocks = section.expect("the section").split("```sh\n").skip(1);
    blocks.map(|block| block.split("```").next().expect("a block")).collect()
}

/// The line that begins so is another.
fn replaced(script: &str, line: &str, by: &str) -> String {
    assert_eq!(script.lines().filter(|one| one.starts_with(line)).count(), 1, "{line}");
    let lines = script.lines().map(|one| if one.starts_with(line) { by } else { one });
    lines.fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "{line}");
        text
    })
}

fn script(database: &TestDatabase, vhost: &Vhost) -> String {
    let mut script = commands();
    let programs = Path::new(env!("CARGO_BIN_EXE_signoff")).parent().expect("a directory").display().to_string();
    let prometheus = program("prometheus").expect("it is there");
    let places = format!("{programs}:{}", prometheus.parent().expect("a directory").display());
    script = replaced(&script, "cargo build", &format!("set -eu -o pipefail; export PATH=\"{places}:$PATH\""));
    script = replaced(&script, "psql ", ":");
    script = replaced(&script, "export SIGNOFF__STORE", &format!("export SIGNOFF__STORE__URL='{}'", database.url()));
    script = replaced(&script, "export SIGNOFF__AMQP", &format!("export SIGNOFF__AMQP__MAIN__URL='{}'", vhost.url()));
    for port in PORTS {
        assert!(script.contains(&format!(":{port}")), "{port}");
        script = script.replace(&format!(":{port}"), &format!(":{}", free_port()));
    }
    script.replace("_interval: 5s", "_interval: 1s").replace("sleep 5", "sleep 1")
}

/// The alert of the walk, at once.
fn impatient(rules: &str) -> String {
    let patient = "(signoff_owed_age_seconds) > 300\n        for: 1m\n";
    assert!(rules.contains(patient), "the alert has changed");
    rules.replace(patient, "(signoff_owed_age_seconds) > 3\n        for: 0s\n")
}

#[tokio::test]
async fn the_readme_leads_to_two_replicas_and_an_alert_that_comes_and_goes() {
    let (Some(database), Some(vhost)) = (TestDatabase::new().await, Vhost::new().await) else { return };
    if program("prometheus").is_none() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let rules = directory.path().join("deploy/prometheus");
    fs::create_dir_all(&rules).expect("a directory");
    fs::write(rules.join("rules.yaml"), impatient(&super::read("prometheus/rules.yaml"))).expect("to write");
    fs::write(directory.path().join("walk.sh"), script(&database, &vhost)).expect("to write");
    let printed = File::create(directory.path().join("printed")).expect("a file");
    let mut command = Command::new("bash");
    command
        .arg("walk.sh")
        .current_dir(directory.path())
        .stdin(Stdio::null())
        .stdout(printed.try_clone().expect("a file"))
        .stderr(printed);
    let mut bash = Owned::start_group(&mut command);
    let status = bash.wait(PATIENCE).await;
    let said = fs::read_to_string(directory.path().join("printed")).expect("what it printed");
    let order = [
        "ann at the shop: 200",
        "ann at the shop: 401",
        " shop ",
        "the alert fires",
        "the alert is gone",
        " delivered ",
    ];
    let mut rest = said.as_str();
    for line in order {
        let Some((_, after)) = rest.split_once(line) else { panic!("{line:?} is missing, or too early:\n{said}") };
        rest = after;
    }
    assert!(status.success(), "{status}: {said}");
}
