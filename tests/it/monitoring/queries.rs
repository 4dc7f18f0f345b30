//! Does a real service show every series that dashboard and alerts ask for, and Prometheus answer?

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::scene::Scene;
use super::{dashboard, promql, rules, scrape};
use crate::support::prometheus::Prometheus;

/// How long the scene may take to have had a bit of everything, on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// What comes last in the scene.
const EVERYTHING: [&str; 5] = [
    "signoff_deliveries_total{client_id=\"mail\",issuer=\"main\",result=\"abandoned_refused\"}",
    "signoff_lane_state{client_id=\"wiki\",issuer=\"main\"} 2",
    "signoff_owed_age_seconds{client_id=\"wiki\"",
    "result=\"rejected\"",
    "signoff_logouts_without_targets_total{",
];

#[tokio::test]
async fn every_metric_label_and_value_that_is_asked_for_is_there() {
    let Some(scene) = Scene::start().await else { return };
    let series = scrape::series(&scene.shows(PATIENCE, &EVERYTHING).await);
    let mut mistakes = Vec::new();
    let panels = dashboard::queries().into_iter().map(|query| (query.panel, query.promql));
    let variables = dashboard::variables().into_iter().map(|(selector, label)| {
        let promql = format!("count by ({label}) ({selector})");
        (format!("the choice of {label}"), promql)
    });
    let alerts = rules::alerts().into_iter().map(|alert| (alert.name, alert.promql));
    for (at, promql) in panels.chain(variables).chain(alerts) {
        mistakes.extend(promql::mistakes(&promql, &series).into_iter().map(|mistake| format!("{at}: {mistake}")));
    }
    assert!(mistakes.is_empty(), "{mistakes:#?}");
    scene.end().await;
}

fn configuration(target: &str) -> String {
    format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [rules.yaml]\nscrape_configs:\n  - \
         job_name: signoff\n    static_configs: [{{targets: ['{target}']}}]\n"
    )
}

fn has_labels(result: &[Value], labels: &[String]) -> bool {
    result.iter().all(|series| labels.iter().all(|label| series["metric"][label].is_string()))
}

#[tokio::test]
async fn a_real_prometheus_has_data_for_every_panel() {
    let Some(scene) = Scene::start().await else { return };
    let rules = super::read("prometheus/rules.yaml");
    let Some(prometheus) = Prometheus::start(&configuration(&scene.metrics), &[("rules.yaml", &rules)]).await else {
        return;
    };
    scene.shows(PATIENCE, &EVERYTHING).await;
    let deadline = Instant::now() + PATIENCE;
    for query in dashboard::queries() {
        loop {
            let result = prometheus.query(&query.promql).await;
            let numbers = result.iter().any(|series| series["value"][1].as_str().is_some_and(|value| value != "NaN"));
            if numbers {
                assert!(has_labels(&result, &query.legend), "{query:?}: {result:?}");
                break;
            }
            assert!(Instant::now() < deadline, "no data for {query:?}: {result:?}\n{}", prometheus.log());
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }
    for (selector, label) in dashboard::variables() {
        assert!(!prometheus.query(&format!("count by ({label}) ({selector})")).await.is_empty(), "{selector}");
    }
    // Two that fire at once in this scene; the times of the others are tested with invented series.
    for alert in ["SignoffLogoutGivenUp", "SignoffEventsRejected"] {
        while prometheus.firing(alert).await.is_empty() {
            assert!(Instant::now() < deadline, "{alert} does not fire\n{}", prometheus.log());
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }
    scene.end().await;
}
