//! What do the samples say? Percentiles, and how they are printed.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::machine::{Cpu, cpus};
use crate::receivers::Receivers;

/// Percentiles of one kind of delay.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Delays {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) worst: f64,
}

impl Delays {
    /// Of these, in milliseconds.
    pub(crate) fn of(mut samples: Vec<f64>) -> Self {
        samples.sort_unstable_by(f64::total_cmp);
        let rank = |percent: usize| samples.get((samples.len() * percent).div_ceil(100).saturating_sub(1)).copied();
        let [p50, p99, worst] = [50, 99, 100].map(|percent| rank(percent).unwrap_or(f64::NAN));
        Self { p50, p99, worst }
    }

    pub(crate) fn over(self, other: Self) -> Self {
        Self { p50: self.p50 / other.p50, p99: self.p99 / other.p99, worst: self.worst / other.worst }
    }
}

impl std::fmt::Display for Delays {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:8.1} {:8.1} {:8.1}", self.p50, self.p99, self.worst)
    }
}

/// From the publishing of a logout to its first arrival at each healthy client.
pub(crate) fn published_to_arrived(receivers: &Receivers, prefix: &str, published: &[Instant]) -> Vec<f64> {
    let mut samples = Vec::new();
    for client in receivers.healthy() {
        let mut first: HashMap<usize, Instant> = HashMap::new();
        for (sid, at) in client.log() {
            let Some(number) = sid.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('-')?.parse().ok()) else {
                continue;
            };
            first.entry(number).or_insert(at);
        }
        samples.extend(first.into_iter().map(|(number, at)| millis(at - published[number])));
    }
    samples
}

pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// Processors in use on average, by whom, and what of it a delivery cost.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(crate) fn busy(cpu: Cpu, took: Duration, deliveries: usize) -> String {
    let cores = |seconds: f64| seconds / took.as_secs_f64();
    let each = |seconds: f64| seconds * 1e6 / deliveries as f64;
    let known = cpu.service + cpu.postgres + cpu.rabbitmq + cpu.bench;
    let part = |name: &str, seconds: f64| format!("{name} {:.2} ({:.0} µs)", cores(seconds), each(seconds));
    format!(
        "{}, {}, {}, {}, everybody else {:.2}, of {}",
        part("service", cpu.service),
        part("Postgres", cpu.postgres),
        part("RabbitMQ", cpu.rabbitmq),
        part("publisher and receivers", cpu.bench),
        cores((cpu.machine - known).max(0.0)),
        cpus()
    )
}
