//! How do outcomes get into the table? In batches, one at a time, kept until the store has them.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use super::handle::{Finished, Message};
use super::rooms::Door;
use super::run::Dispatcher;
use crate::model::{Client, Clock, Delivery, DeliveryId, Issuer, Leased, Verdict};
use crate::retry::judge;
use crate::store::{Outbox, Settled, Settlement, StoreError};

/// Outcomes written in one transaction at most.
const MOST: usize = 1000;
/// Waits while the store is down.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Outcomes on their way into the table.
#[derive(Debug, Default)]
pub(super) struct Settling {
    /// The next batch.
    waiting: Batch,
    /// A batch is being written.
    running: bool,
    /// It could not be written yet: nothing new starts.
    pub(super) down: bool,
}

/// Outcomes, and what is needed of their deliveries afterwards, in the same order.
#[derive(Debug, Default)]
pub(super) struct Batch {
    settlements: Vec<Settlement>,
    owed: Vec<Owed>,
}

#[derive(Debug)]
struct Owed {
    client: Arc<Client>,
    issuer: Arc<Issuer>,
    door: Door,
    /// Seconds from acceptance to this outcome.
    latency: f64,
}

impl Settling {
    /// Whether nothing waits and nothing is being written.
    pub(super) fn is_idle(&self) -> bool {
        !self.running && self.waiting.owed.is_empty()
    }
}

impl Batch {
    /// Splits off what is written next.
    fn next(&mut self) -> Self {
        let rest = self.owed.len().min(MOST);
        let later = Self { settlements: self.settlements.split_off(rest), owed: self.owed.split_off(rest) };
        std::mem::replace(self, later)
    }
}

impl Dispatcher {
    /// An attempt ended: judges it and keeps the outcome for the next batch.
    pub(super) fn judge(&mut self, done: Finished) {
        let Finished { row, client, issuer, attempt, .. } = done;
        let delivery = &row.leased.delivery;
        let verdict =
            judge(delivery, &attempt, self.accepted_others(&row.leased), &self.parts.schedule, rand::random());
        if let Verdict::Abandon(why) = verdict {
            tracing::warn!(
                client_id = client.client_id, delivery_id = %delivery.id, attempt = delivery.attempts.saturating_add(1),
                outcome = attempt.outcome.as_str(), why = why.as_str(), "delivery given up"
            );
        }
        let latency = (self.parts.clock.now() - delivery.accepted_at).as_seconds_f64().max(0.0);
        self.settling.waiting.owed.push(Owed { client, issuer, door: row.door, latency });
        self.settling.waiting.settlements.push(Settlement {
            delivery: delivery.id,
            lease: row.leased.lease,
            number: delivery.attempts.saturating_add(1),
            attempt,
            verdict,
        });
    }

    /// Whether the client accepted something since this delivery's streak of equal outcomes began.
    fn accepted_others(&self, leased: &Leased) -> bool {
        let Delivery { client, streak, .. } = &leased.delivery;
        streak.is_some_and(|streak| self.lanes.succeeded_since(*client, leased.since.checked_sub(streak.lasted)))
    }

    /// Writes the next batch, unless one is being written.
    pub(super) fn settle(&mut self) {
        if self.settling.running || self.settling.waiting.owed.is_empty() {
            return;
        }
        self.settling.running = true;
        let writer = Writer {
            store: Arc::clone(&self.parts.store),
            clock: Arc::clone(&self.parts.clock),
            stop: self.parts.shutdown.stop.clone(),
            patience: self.parts.settings.lease,
            inbox: self.inbox_sender(),
        };
        self.parts.shutdown.spawn(writer.write(self.settling.waiting.next()));
    }

    /// A batch is written, or given up.
    pub(super) fn settled(&mut self, batch: &Batch, found: Option<&Settled>, took: Duration) {
        (self.settling.running, self.settling.down) = (false, false);
        for owed in &batch.owed {
            self.leave(owed.client.key, owed.door, 1);
        }
        let Some(found) = found else {
            let rows = batch.owed.len() + std::mem::take(&mut self.settling.waiting).owed.len();
            return tracing::error!(rows, "outcomes not written: their deliveries are tried again");
        };
        self.parts.metrics.settle_duration.observe(took.as_secs_f64());
        self.parts.metrics.leases_lost.inc_by(found.lost.len() as u64);
        self.count(batch, found);
    }

    fn count(&self, batch: &Batch, found: &Settled) {
        let took_effect: HashSet<DeliveryId> = found.delivered.iter().chain(&found.applied).copied().collect();
        for (settlement, owed) in batch.settlements.iter().zip(&batch.owed) {
            if !took_effect.contains(&settlement.delivery) {
                continue;
            }
            let issuer = owed.issuer.name.as_str();
            let result = match settlement.verdict {
                Verdict::Delivered => "delivered".to_owned(),
                Verdict::Abandon(why) => format!("abandoned_{}", why.as_str()),
                Verdict::RetryIn(_) => continue,
            };
            if settlement.verdict == Verdict::Delivered {
                self.parts.metrics.logout_latency.with_label_values(&[issuer]).observe(owed.latency);
            }
            self.parts.metrics.deliveries.with_label_values(&[issuer, &owed.client.client_id, &result]).inc();
        }
    }
}

/// Writes one batch, however long the store is down.
struct Writer {
    store: Arc<dyn Outbox>,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
    /// While stopping: how long to go on.
    patience: Duration,
    inbox: UnboundedSender<Message>,
}

impl Writer {
    async fn write(self, mut batch: Batch) {
        let began = self.clock.instant();
        let found = self.insist(&mut batch.settlements).await;
        let took = self.clock.instant().saturating_duration_since(began);
        drop(self.inbox.send(Message::Settled { batch, found, took }));
    }

    async fn insist(&self, settlements: &mut [Settlement]) -> Option<Settled> {
        let mut found = Settled::default();
        let mut open = Vec::from([Range { start: 0, end: settlements.len() }]);
        let (mut wait, mut patience) = (FIRST_WAIT, self.patience);
        while let Some(part) = open.pop() {
            match self.store.settle(&settlements[part.clone()]).await {
                Ok(some) => {
                    found.delivered.extend(some.delivered);
                    found.applied.extend(some.applied);
                    found.lost.extend(some.lost);
                }
                Err(StoreError::Poison(error)) => {
                    open.extend(isolate(settlements, part, &error, &mut found));
                }
                Err(error) => {
                    if wait == FIRST_WAIT {
                        tracing::error!(error = &error as &dyn std::error::Error, "outcomes wait for the store");
                        drop(self.inbox.send(Message::StoreDown));
                    }
                    if self.stop.is_cancelled() {
                        patience = patience.checked_sub(wait)?;
                    }
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(LONGEST_WAIT);
                    open.push(part);
                }
            }
        }
        Some(found)
    }
}

/// Halves what the store refuses; of a single outcome it takes away the free text, then the row.
fn isolate(
    settlements: &mut [Settlement],
    part: Range<usize>,
    error: &anyhow::Error,
    found: &mut Settled,
) -> Vec<Range<usize>> {
    if part.len() > 1 {
        let middle = part.start + part.len() / 2;
        return vec![part.start..middle, middle..part.end];
    }
    let Some(one) = settlements.get_mut(part.start) else { return Vec::new() };
    if one.attempt.detail.is_empty() {
        tracing::error!(delivery_id = %one.delivery, %error, "the store refuses this outcome");
        found.lost.push(one.delivery);
        return Vec::new();
    }
    one.attempt.detail.clear();
    vec![part]
}
