//! What does the running service say? The tests' calls of its API.

use reqwest::{RequestBuilder, StatusCode};
use serde_json::Value;

use super::http_client;
use super::process::Service;

/// What `/metrics` showed at one moment.
#[derive(Debug)]
pub(crate) struct Scrape(String);

/// A batch of events on its way to this address.
pub(crate) fn submission(url: &str, events: &[Value]) -> RequestBuilder {
    let body = Value::from(events).to_string();
    http_client().post(url).header("content-type", "application/cloudevents-batch+json").body(body)
}

impl Service {
    /// Submits a batch of events; fails unless it is accepted.
    pub(crate) async fn submit(&self, events: &[Value]) {
        let (status, answer) = self.submit_waiting(events, "").await;
        assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    }

    /// The same with a query; the status and the answer.
    pub(crate) async fn submit_waiting(&self, events: &[Value], query: &str) -> (StatusCode, Value) {
        let answer = submission(&self.url(&format!("/v1/events{query}")), events).send().await.expect("an answer");
        (answer.status(), json(answer).await)
    }

    /// One `GET`; fails unless it is a success.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let answer = http_client().get(self.url(path)).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        json(answer).await
    }

    /// The first page of deliveries in this state.
    pub(crate) async fn deliveries(&self, state: &str) -> Vec<Value> {
        let page = self.get(&format!("/v1/deliveries?state={state}&limit=500")).await;
        page["items"].as_array().expect("a list").clone()
    }

    pub(crate) async fn metrics(&self) -> Scrape {
        let answer = http_client().get(self.url("/metrics")).send().await.expect("an answer");
        Scrape(answer.text().await.expect("a body"))
    }
}

async fn json(answer: reqwest::Response) -> Value {
    let body = answer.text().await.expect("a body");
    serde_json::from_str(&body).unwrap_or(Value::String(body))
}

impl Scrape {
    /// The sum of this metric's lines that have this in them; 0: there is none.
    pub(crate) fn sum(&self, name: &str, label: &str) -> f64 {
        let lines = self.0.lines().filter(|line| line.starts_with(name) && line.contains(label));
        let lines = lines.filter(|line| line[name.len()..].starts_with(['{', ' ']));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }
}
