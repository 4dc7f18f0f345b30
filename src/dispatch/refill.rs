//! Where do rows come from that nobody handed off? Retries, overflow, what a dead replica left.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::handle::Message;
use super::queue::Row;
use super::rooms::Door;
use super::run::Dispatcher;
use crate::metrics::Metrics;
use crate::model::{ClientKey, Leased, SharedDirectory, SkipReason};
use crate::store::{DueLane, Outbox, StoreError, Want, Which};

/// A client may have got its registration or URI this long ago without this replica knowing.
const ABSENT_FOR: Duration = Duration::from_mins(1);

/// What the loop knows of the table.
#[derive(Debug, Default)]
pub(super) struct Refill {
    polling: bool,
    leasing: bool,
    /// Some lane may want rows: look before the next poll.
    pub(super) hungry: bool,
    /// Clients with unsettled rows in the table.
    pub(super) owed: usize,
    /// Polls that failed in a row.
    failures: u32,
    /// Clients with unsettled rows that cannot be told, and since when.
    absent: HashMap<ClientKey, Instant>,
    /// Clients whose rows are to be skipped before the next poll.
    skips: Vec<(ClientKey, SkipReason)>,
}

impl Refill {
    /// Whether no statement is under way.
    pub(super) fn is_idle(&self) -> bool {
        !self.polling && !self.leasing
    }
}

impl Dispatcher {
    /// Asks the table who has unsettled rows.
    pub(super) fn poll(&mut self) {
        if self.stopping.is_some() || self.refill.polling {
            return;
        }
        self.refill.polling = true;
        let skips = std::mem::take(&mut self.refill.skips);
        let (store, inbox) = (Arc::clone(&self.parts.store), self.inbox_sender());
        let (metrics, directory) = (self.parts.metrics.clone(), Arc::clone(&self.parts.directory));
        self.parts.shutdown.spawn(async move {
            let lanes = match skip(&*store, &skips, &metrics, &directory).await {
                Ok(()) => store.due_lanes().await,
                Err(error) => Err(error),
            };
            drop(inbox.send(Message::Polled(lanes)));
        });
    }

    /// The table's answer to `poll`.
    pub(super) fn polled(&mut self, lanes: Result<Vec<DueLane>, StoreError>) {
        self.refill.polling = false;
        match lanes {
            Ok(lanes) => {
                self.refill.failures = 0;
                self.refill.hungry = true;
                self.refill.owed = lanes.len();
                self.note(&lanes);
            }
            Err(error) => {
                if self.refill.failures == 0 {
                    tracing::error!(error = &error as &dyn std::error::Error, "due deliveries cannot be read");
                }
                self.refill.failures = self.refill.failures.saturating_add(1);
            }
        }
    }

    fn note(&mut self, lanes: &[DueLane]) {
        let now = self.parts.clock.instant();
        let directory = self.parts.directory.load_full();
        let mut absent = HashMap::new();
        for lane in lanes {
            let why = match directory.client(lane.client) {
                Some(client) if client.backchannel_logout_uri.is_some() => {
                    let due_since = lane.due_for.map(|due_for| now.checked_sub(due_for).unwrap_or(now));
                    self.lanes.owes(lane.client, due_since);
                    self.publish(lane.client, now);
                    continue;
                }
                Some(_) => SkipReason::NoLogoutUri,
                None => SkipReason::UnknownClient,
            };
            let since = self.refill.absent.get(&lane.client).copied().unwrap_or(now);
            absent.insert(lane.client, since);
            if now.saturating_duration_since(since) > ABSENT_FOR {
                self.refill.skips.push((lane.client, why));
            }
        }
        self.refill.absent = absent;
        let ready = lanes.iter().filter(|lane| self.lanes.is_closed(lane.client)).filter_map(|lane| lane.due_for);
        self.parts.metrics.ready_age.set(ready.max().unwrap_or_default().as_secs_f64());
    }

    /// Leases rows for every lane that wants some, if any may.
    pub(super) fn lease(&mut self) {
        if !self.refill.hungry || self.refill.leasing || self.stopping.is_some() || self.settling.down {
            return;
        }
        self.refill.hungry = false;
        let now = self.parts.clock.instant();
        let wants = self.granted(now);
        if wants.is_empty() {
            return;
        }
        self.refill.leasing = true;
        let (store, inbox, lasts) = (Arc::clone(&self.parts.store), self.inbox_sender(), self.parts.settings.lease);
        self.parts.shutdown.spawn(async move {
            let rows = store.lease(&wants, lasts).await;
            drop(inbox.send(Message::Leased { wants, rows }));
        });
    }

    /// What the lanes want, cut to the places in memory they get; each gets a fair part of them.
    fn granted(&mut self, now: Instant) -> Vec<Want> {
        let mut wants = self.lanes.wants(now);
        let fair = (self.parts.rooms.free() / wants.len().max(1)).max(1);
        wants.retain_mut(|want| {
            self.publish(want.client, now);
            if want.which == Which::Any {
                self.parts.rooms.take_probe(want.client);
                return true;
            }
            let taken = self.parts.rooms.take(want.client, fair.min(want.room as usize));
            want.room = u32::try_from(taken).unwrap_or(u32::MAX);
            taken > 0
        });
        wants
    }

    /// The table's answer to `lease`.
    pub(super) fn leased(&mut self, wants: &[Want], rows: Result<Vec<Leased>, StoreError>) {
        self.refill.leasing = false;
        let now = self.parts.clock.instant();
        match rows {
            Ok(rows) => {
                self.found(wants, &rows, now);
                for leased in rows {
                    self.accept(Row { leased, door: Door::Lease });
                }
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "nothing could be leased");
                for want in wants {
                    self.lanes.not_leased(want, now);
                    self.parts.rooms.leave(want.client, Door::Lease, want.room as usize);
                }
            }
        }
    }

    fn found(&mut self, wants: &[Want], rows: &[Leased], now: Instant) {
        let mut got: HashMap<ClientKey, usize> = HashMap::new();
        for row in rows {
            *got.entry(row.delivery.client).or_default() += 1;
        }
        for want in wants {
            let got = got.get(&want.client).copied().unwrap_or_default();
            self.lanes.leased(want, got, now);
            self.publish(want.client, now);
            self.leave(want.client, Door::Lease, (want.room as usize).saturating_sub(got));
        }
    }
}

/// Turns what these clients are owed into `skipped`.
async fn skip(
    store: &dyn Outbox,
    skips: &[(ClientKey, SkipReason)],
    metrics: &Metrics,
    directory: &SharedDirectory,
) -> Result<(), StoreError> {
    for (key, why) in skips {
        let rows = store.skip_clients(&[*key], *why).await?;
        let directory = directory.load();
        let client = directory.client(*key);
        let issuer = client.and_then(|client| directory.issuer(client.issuer)).map_or("other", |known| &known.name);
        let client_id = client.map_or("other", |known| &known.client_id);
        metrics.deliveries.with_label_values(&[issuer, client_id, "skipped"]).inc_by(rows);
        tracing::warn!(client_id, rows, why = why.as_str(), "owed deliveries skipped");
    }
    Ok(())
}
