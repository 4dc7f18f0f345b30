//! What do we count? Every metric of the service, by name, with its labels.
//!
//! To add a metric: a field and its registration here, in the same order, and its line in the
//! README's table. Labels are bounded: `issuer` is the short name, `client_id` only of registered
//! clients, histograms carry no client.

use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

/// Every metric of the service.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    /// `events_total{intake,issuer,type,result}`; result: recorded, duplicate, ignored, rejected.
    pub events: IntCounterVec,
    /// `logouts_without_targets_total{issuer}`.
    pub logouts_without_targets: IntCounterVec,
    /// `event_lag_seconds`: happened → recorded.
    pub event_lag: Histogram,
    /// `logout_latency_seconds{issuer}`: accepted → client answered.
    pub logout_latency: HistogramVec,
    /// `attempts_total{issuer,client_id,outcome}`.
    pub attempts: IntCounterVec,
    /// `attempt_duration_seconds{issuer}`.
    pub attempt_duration: HistogramVec,
    /// `deliveries_total{issuer,client_id,result}`; result: delivered, `abandoned_<why>`, `skipped`.
    pub deliveries: IntCounterVec,
    /// `ready_age_seconds`: oldest due delivery whose lane is open.
    pub ready_age: Gauge,
    /// `owed_age_seconds{issuer,client_id}`: oldest unsettled delivery.
    pub owed_age: GaugeVec,
    /// `deliveries_pending`; more than 100,000 are estimated.
    pub pending: IntGauge,
    /// `deliveries_in_flight`.
    pub in_flight: IntGauge,
    /// `lane_state{issuer,client_id}`: 0 closed, 1 half open, 2 open.
    pub lane_state: IntGaugeVec,
    /// `sign_duration_seconds{alg}`.
    pub sign_duration: HistogramVec,
    /// `record_batch_size`: events a transaction.
    pub record_batch_size: Histogram,
    /// `record_duration_seconds`.
    pub record_duration: Histogram,
    /// `settle_duration_seconds`.
    pub settle_duration: Histogram,
    /// `leases_lost_total`.
    pub leases_lost: IntCounter,
    /// `amqp_connected{intake}`.
    pub amqp_connected: IntGaugeVec,
    /// `store_up`.
    pub store_up: IntGauge,
    /// `key_age_seconds{issuer,kid}`.
    pub key_age: GaugeVec,
}

impl Metrics {
    /// All metrics on a registry of their own.
    pub fn new() -> prometheus::Result<Self> {
        let r = Registry::new_custom(Some("signoff".into()), None)?;
        let fast = vec![0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
        let slow =
            vec![0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0, 86400.0];
        let sizes = vec![1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0];
        Ok(Self {
            events: counters(
                &r,
                "events_total",
                "Events by what became of them",
                &["intake", "issuer", "type", "result"],
            )?,
            logouts_without_targets: counters(
                &r,
                "logouts_without_targets_total",
                "Logouts that found no session",
                &["issuer"],
            )?,
            event_lag: histogram(&r, "event_lag_seconds", "From the event's time to its record", slow.clone())?,
            logout_latency: histograms(
                &r,
                "logout_latency_seconds",
                "From acceptance to the client's answer",
                &["issuer"],
                slow,
            )?,
            attempts: counters(&r, "attempts_total", "Attempts by outcome", &["issuer", "client_id", "outcome"])?,
            attempt_duration: histograms(
                &r,
                "attempt_duration_seconds",
                "One attempt, the whole exchange",
                &["issuer"],
                fast.clone(),
            )?,
            deliveries: counters(
                &r,
                "deliveries_total",
                "Deliveries by how they ended",
                &["issuer", "client_id", "result"],
            )?,
            ready_age: register(&r, Gauge::new("ready_age_seconds", "Oldest due delivery whose lane is open")?)?,
            owed_age: gauges(&r, "owed_age_seconds", "Oldest unsettled delivery", &["issuer", "client_id"])?,
            pending: register(
                &r,
                IntGauge::new("deliveries_pending", "Unsettled deliveries; more than 100,000 are estimated")?,
            )?,
            in_flight: register(&r, IntGauge::new("deliveries_in_flight", "Attempts in flight on this replica")?)?,
            lane_state: register(
                &r,
                IntGaugeVec::new(Opts::new("lane_state", "0 closed, 1 half open, 2 open"), &["issuer", "client_id"])?,
            )?,
            sign_duration: histograms(&r, "sign_duration_seconds", "One signature", &["alg"], fast.clone())?,
            record_batch_size: histogram(&r, "record_batch_size", "Events recorded in one transaction", sizes)?,
            record_duration: histogram(&r, "record_duration_seconds", "One record transaction", fast.clone())?,
            settle_duration: histogram(&r, "settle_duration_seconds", "One settle transaction", fast)?,
            leases_lost: register(
                &r,
                IntCounter::new("leases_lost_total", "Outcomes that came after their lease was gone")?,
            )?,
            amqp_connected: register(&r, IntGaugeVec::new(Opts::new("amqp_connected", "1: consuming"), &["intake"])?)?,
            store_up: register(&r, IntGauge::new("store_up", "1: the store answers")?)?,
            key_age: gauges(&r, "key_age_seconds", "Since the key was first seen", &["issuer", "kid"])?,
            registry: r,
        })
    }

    /// The text that Prometheus scrapes.
    pub fn render(&self) -> prometheus::Result<String> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

fn register<C: prometheus::core::Collector + Clone + 'static>(r: &Registry, metric: C) -> prometheus::Result<C> {
    r.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn counters(r: &Registry, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntCounterVec> {
    register(r, IntCounterVec::new(Opts::new(name, help), labels)?)
}

fn gauges(r: &Registry, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<GaugeVec> {
    register(r, GaugeVec::new(Opts::new(name, help), labels)?)
}

fn histogram(r: &Registry, name: &str, help: &str, buckets: Vec<f64>) -> prometheus::Result<Histogram> {
    register(r, Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets))?)
}

fn histograms(
    r: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
    buckets: Vec<f64>,
) -> prometheus::Result<HistogramVec> {
    register(r, HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets), labels)?)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn every_name_carries_the_prefix() {
        let metrics = Metrics::new().unwrap();
        metrics.store_up.set(1);
        let text = metrics.render().unwrap();
        assert!(text.contains("signoff_store_up 1"), "{text}");
        assert!(text.lines().filter(|l| !l.starts_with('#')).all(|l| l.starts_with("signoff_")), "{text}");
    }

    /// Every metric once, with labels. A field that is new must be named here.
    fn lit(metrics: &Metrics) {
        let Metrics {
            registry: _,
            events,
            logouts_without_targets,
            event_lag: _,
            logout_latency,
            attempts,
            attempt_duration,
            deliveries,
            ready_age: _,
            owed_age,
            pending: _,
            in_flight: _,
            lane_state,
            sign_duration,
            record_batch_size: _,
            record_duration: _,
            settle_duration: _,
            leases_lost: _,
            amqp_connected,
            store_up: _,
            key_age,
        } = metrics;
        let some = ["x"; 4];
        events.with_label_values(&some).inc();
        for counter in [attempts, deliveries] {
            counter.with_label_values(&some[..3]).inc();
        }
        logouts_without_targets.with_label_values(&some[..1]).inc();
        for histogram in [logout_latency, attempt_duration, sign_duration] {
            histogram.with_label_values(&some[..1]).observe(1.0);
        }
        for gauge in [owed_age, key_age] {
            gauge.with_label_values(&some[..2]).set(1.0);
        }
        lane_state.with_label_values(&some[..2]).set(1);
        amqp_connected.with_label_values(&some[..1]).set(1);
    }

    #[test]
    fn the_readme_lists_every_metric_with_its_labels() {
        let metrics = Metrics::new().unwrap();
        lit(&metrics);
        let labels = |family: &prometheus::proto::MetricFamily| {
            family.get_metric()[0].get_label().iter().map(|label| label.name().to_owned()).collect::<BTreeSet<_>>()
        };
        let known: BTreeMap<_, _> =
            metrics.registry.gather().iter().map(|family| (family.name().to_owned(), labels(family))).collect();
        let quoted = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
        let rows = include_str!("../README.md").lines().filter(|line| line.starts_with("| `signoff_"));
        let listed: BTreeMap<_, _> = rows
            .map(|row| row.split('|').map(str::trim).collect::<Vec<_>>())
            .map(|cells| (quoted(cells[1]).remove(0), quoted(cells[2]).into_iter().collect::<BTreeSet<_>>()))
            .collect();
        assert_eq!(listed, known);
    }
}
