//! What goes on beside the data? Directory, gauges, retention.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::{Wiring, expiry};
use crate::admin::Health;
use crate::model::{ClientKey, Directory};
use crate::store::{Backlog, Retention};

/// How soon another replica's writes are seen here.
const REFRESH: Duration = Duration::from_secs(2);
/// How often gauges are read from the store.
const GAUGES: Duration = Duration::from_secs(10);
/// How often retention is looked at, and how much one look deletes.
const HOUSE: Duration = Duration::from_mins(1);
const PRUNE: u32 = 1000;
/// Between two looks that delete: others write, too.
const BREATH: Duration = Duration::from_millis(200);

/// Keeps the directory equal to what is registered.
pub(super) fn refresh_directory(parts: &Wiring) {
    let (registered, store) = (parts.registered.clone(), Arc::clone(&parts.store));
    let stop = parts.shutdown.stop.clone();
    parts.shutdown.spawn(async move {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = registered.changed.notified() => {}
                () = tokio::time::sleep(REFRESH) => {}
            }
            if let Err(error) = registered.refresh(&store).await {
                tracing::warn!(%error, "the registered clients could not be read");
            }
        }
    });
}

/// Shows in the probes which intakes consume.
pub(super) fn show_intakes(parts: &Wiring, health: Arc<Health>) {
    let names: Vec<_> = parts.config.amqp.iter().map(|amqp| amqp.name.clone()).collect();
    let (metrics, stop) = (parts.metrics.clone(), parts.shutdown.stop.clone());
    parts.shutdown.spawn(async move {
        while stop.run_until_cancelled(tokio::time::sleep(Duration::from_millis(500))).await.is_some() {
            for name in &names {
                health.intake(name, metrics.amqp_connected.with_label_values(&[name.as_str()]).get() == 1);
            }
        }
    });
}

/// Values of the store and of the keys, equal on every replica.
pub(super) fn show_backlog(parts: &Wiring) {
    let (store, metrics) = (Arc::clone(&parts.store), parts.metrics.clone());
    let (directory, keyrings) = (Arc::clone(&parts.registered.directory), Arc::clone(&parts.keyrings));
    let (clock, stop) = (Arc::clone(&parts.clock), parts.shutdown.stop.clone());
    parts.shutdown.spawn(async move {
        let mut shown = HashSet::new();
        loop {
            let backlog = store.backlog().await;
            metrics.store_up.set(i64::from(backlog.is_ok()));
            let directory = directory.load_full();
            if let Ok(backlog) = backlog {
                shown = show(&metrics, &directory, &backlog, &shown);
            }
            for (issuer, keyring) in keyrings.load().iter() {
                let Some(issuer) = directory.issuer(issuer) else { continue };
                for entry in keyring.live() {
                    let age = (clock.now() - entry.first_seen).as_seconds_f64().max(0.0);
                    metrics.key_age.with_label_values(&[issuer.name.as_str(), entry.key.kid()]).set(age);
                }
            }
            if stop.run_until_cancelled(tokio::time::sleep(GAUGES)).await.is_none() {
                return;
            }
        }
    });
}

/// (issuer, client) labels with something owed.
type Shown = HashSet<(String, String)>;

fn show(metrics: &crate::metrics::Metrics, directory: &Directory, backlog: &Backlog, before: &Shown) -> Shown {
    metrics.pending.set(i64::try_from(backlog.pending).unwrap_or(i64::MAX));
    let mut now = Shown::new();
    for (client, age) in &backlog.oldest {
        let labels = labels(directory, *client);
        let gauge = metrics.owed_age.with_label_values(&[labels.0.as_str(), labels.1.as_str()]);
        let oldest = if now.contains(&labels) { gauge.get().max(age.as_secs_f64()) } else { age.as_secs_f64() };
        gauge.set(oldest);
        now.insert(labels);
    }
    for settled in before.difference(&now) {
        metrics.owed_age.with_label_values(&[settled.0.as_str(), settled.1.as_str()]).set(0.0);
    }
    now
}

fn labels(directory: &Directory, client: ClientKey) -> (String, String) {
    let Some(client) = directory.client(client) else { return ("other".into(), "other".into()) };
    let issuer = directory.issuer(client.issuer).map_or("other", |issuer| issuer.name.as_str());
    (issuer.to_owned(), client.client_id.clone())
}

/// Retention, in small steps, for as long as a step finds something.
pub(super) fn keep_house(parts: &Wiring) {
    let until_logged_out = expiry::issuers(&parts.config, &parts.registered);
    let keep = Retention { until_logged_out, ..parts.config.store.retention.clone() };
    let (store, stop) = (Arc::clone(&parts.store), parts.shutdown.stop.clone());
    parts.shutdown.spawn(async move {
        let mut pause = HOUSE;
        while stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
            pause = HOUSE;
            match store.prune(&keep, PRUNE).await {
                Ok(0) => {}
                Ok(rows) => {
                    tracing::debug!(rows, "pruned");
                    pause = BREATH;
                }
                Err(error) => tracing::warn!(%error, "could not prune"),
            }
        }
    });
}
