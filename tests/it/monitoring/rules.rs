//! Are the alerts rules that Prometheus takes, each tested firing and quiet, each saying what to do?

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

use super::{deploy, read};
use crate::support::prometheus::program;

/// An alert.
pub(super) struct Alert {
    pub(super) name: String,
    pub(super) promql: String,
    annotations: Value,
    severity: Option<String>,
}

fn yaml(name: &str) -> Value {
    serde_saphyr::from_str(&read(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

pub(super) fn alerts() -> Vec<Alert> {
    let rules = yaml("prometheus/rules.yaml");
    let alert = |rule: &Value| Alert {
        name: rule["alert"].as_str().expect("a name").to_owned(),
        promql: rule["expr"].as_str().expect("an expression").to_owned(),
        annotations: rule["annotations"].clone(),
        severity: rule["labels"]["severity"].as_str().map(Into::into),
    };
    list(&rules["groups"]).flat_map(|group| list(&group["rules"])).map(alert).collect()
}

/// Fails with what promtool says, unless it is content.
fn promtool(arguments: &[&str]) {
    let Some(promtool) = program("promtool") else { return };
    let output = Command::new(promtool).args(arguments).current_dir(deploy("prometheus")).output().expect("promtool");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&said));
}

#[test]
fn promtool_takes_the_rules_and_the_configuration() {
    promtool(&["check", "rules", "rules.yaml"]);
    promtool(&["check", "config", "prometheus.yml"]);
}

#[test]
fn every_alert_fires_when_it_must_and_not_before() {
    promtool(&["test", "rules", "rules.test.yaml"]);
}

#[test]
fn every_alert_is_tested_firing_and_quiet() {
    let tests = yaml("prometheus/rules.test.yaml");
    let mut tested: BTreeMap<String, [bool; 2]> = BTreeMap::new();
    for case in list(&tests["tests"]).flat_map(|test| list(&test["alert_rule_test"])) {
        let name = case["alertname"].as_str().expect("a name").to_owned();
        tested.entry(name).or_default()[usize::from(list(&case["exp_alerts"]).next().is_some())] = true;
    }
    let expected: BTreeMap<_, _> = alerts().into_iter().map(|alert| (alert.name, [true, true])).collect();
    assert_eq!(tested, expected);
}

#[test]
fn every_alert_says_how_bad_it_is_and_what_to_do() {
    for Alert { name, annotations, severity, .. } in alerts() {
        assert!(matches!(severity.as_deref(), Some("critical" | "warning")), "{name}: {severity:?}");
        for part in ["summary", "description"] {
            assert!(annotations[part].as_str().is_some_and(|text| !text.is_empty()), "{name} has no {part}");
        }
    }
}

#[test]
fn the_readme_lists_every_alert() {
    let readme = std::fs::read_to_string(deploy("../README.md")).expect("README.md");
    for Alert { name, severity, .. } in alerts() {
        let when = if severity.as_deref() == Some("critical") { "now" } else { "soon" };
        assert!(readme.contains(&format!("| `{name}` | {when}: ")), "{name}, {when}");
    }
}

#[test]
fn the_commands_that_alerts_name_are_commands() {
    let mut commands = 0;
    for Alert { name, annotations, .. } in alerts() {
        let description = annotations["description"].as_str().unwrap_or_default();
        for command in description.split('`').skip(1).step_by(2).filter_map(|code| code.strip_prefix("signoff ")) {
            let words = command.replace("{{ $labels.issuer }}", "main").replace("{{ $labels.client_id }}", "shop");
            let mut signoff = Command::new(env!("CARGO_BIN_EXE_signoff"));
            // What comes before --help is read first.
            let output = signoff.args(words.split_whitespace()).arg("--help").output().expect("signoff");
            assert!(output.status.success(), "{name}: {words}: {}", String::from_utf8_lossy(&output.stderr));
            commands += 1;
        }
    }
    assert!(commands >= 3, "{commands}");
}
