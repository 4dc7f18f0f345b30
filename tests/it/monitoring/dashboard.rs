//! What does the dashboard ask? Its panels and their queries.

use std::collections::{BTreeSet, HashSet};

use serde_json::Value;

use super::read;

/// A query of a panel, as Grafana would send it.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) panel: String,
    pub(super) promql: String,
    /// The labels that the legend shows.
    pub(super) legend: Vec<String>,
}

fn dashboard() -> Value {
    serde_json::from_str(&read("grafana/signoff.json")).expect("JSON")
}

fn panels(dashboard: &Value) -> Vec<&Value> {
    dashboard["panels"].as_array().expect("panels").iter().filter(|panel| panel["type"] != "row").collect()
}

/// With everything selected, over the last minute.
fn filled(promql: &str) -> String {
    let filled = promql.replace("$issuer", ".*").replace("$client_id", ".*").replace("$__rate_interval", "1m");
    assert!(!filled.contains('$'), "a variable that is not known: {promql}");
    filled
}

fn between<'a>(text: &'a str, open: &str, close: &str) -> Vec<&'a str> {
    text.split(open).skip(1).filter_map(|rest| rest.split(close).next()).collect()
}

pub(super) fn queries() -> Vec<Query> {
    let dashboard = dashboard();
    let mut queries = Vec::new();
    for panel in panels(&dashboard) {
        for target in panel["targets"].as_array().expect("targets") {
            let legend = between(target["legendFormat"].as_str().expect("a legend"), "{{", "}}");
            queries.push(Query {
                panel: panel["title"].as_str().expect("a title").to_owned(),
                promql: filled(target["expr"].as_str().expect("a query")),
                legend: legend.into_iter().map(Into::into).collect(),
            });
        }
    }
    queries
}

/// The queries behind the choices at the top: `label_values(selector, label)`.
pub(super) fn variables() -> Vec<(String, String)> {
    let dashboard = dashboard();
    let variables = dashboard["templating"]["list"].as_array().expect("variables");
    let queries = variables.iter().filter(|variable| variable["type"] == "query");
    let parts = |variable: &Value| {
        let query = variable["query"]["query"].as_str().expect("a query");
        let inner = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')')).expect("label_values");
        let (selector, label) = inner.rsplit_once(", ").expect("a selector and a label");
        (filled(selector), label.to_owned())
    };
    queries.map(parts).collect()
}

#[test]
fn its_panels_are_told_apart_say_what_they_show_and_cover_nothing() {
    let dashboard = dashboard();
    let (mut ids, mut cells) = (HashSet::new(), HashSet::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "two panels with the id {}", panel["id"]);
        let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24, "{} is outside", panel["title"]);
        for (x, y) in (at("x")..at("x") + at("w")).flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y))) {
            assert!(cells.insert((x, y)), "{} covers another panel", panel["title"]);
        }
    }
    for panel in panels(&dashboard) {
        let description = panel["description"].as_str().unwrap_or_default();
        assert!(description.ends_with('.'), "{} does not say what it shows", panel["title"]);
        for of in std::iter::once(panel).chain(panel["targets"].as_array().unwrap()) {
            assert_eq!(of["datasource"]["uid"], "${datasource}", "{}", panel["title"]);
        }
    }
    assert_eq!(dashboard["uid"], "signoff");
}

#[test]
fn every_metric_is_shown() {
    let shown: String = queries().into_iter().map(|query| query.promql + "\n").collect();
    let readme = std::fs::read_to_string(super::deploy("../README.md")).unwrap();
    let metrics = readme.lines().filter_map(|line| line.strip_prefix("| `signoff_")?.split('`').next());
    let missing: BTreeSet<_> = metrics.filter(|metric| !shown.contains(&format!("signoff_{metric}"))).collect();
    assert_eq!(missing, BTreeSet::new());
}
