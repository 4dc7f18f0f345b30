//! What happens next? The loop: one task that owns all lanes and never waits for store or network.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::Settings;
use super::breaker::Change;
use super::carrier::Carrier;
use super::handle::{Finished, Handle, Message};
use super::lanes::Lanes;
use super::queue::Row;
use super::refill::Refill;
use super::rooms::{Door, LaneRooms};
use super::settling::Settling;
use super::show::Shown;
use crate::metrics::Metrics;
use crate::model::{Client, ClientKey, Clock, DeliveryId, LeaseId, Leased, SharedDirectory};
use crate::retry::Schedule;
use crate::shutdown::Shutdown;
use crate::store::Outbox;

/// Messages read at a time.
const MAIL: usize = 256;
/// How long the end waits for what `record` has leased and not handed off yet.
const HAND_OFF: Duration = Duration::from_secs(5);

/// What a dispatcher works with.
pub struct Parts {
    /// Limits of lanes, breakers and the loop.
    pub settings: Settings,
    /// The table of answers.
    pub schedule: Schedule,
    /// Attempt deadline of clients that have none of their own.
    pub timeout: Duration,
    /// Where deliveries are kept.
    pub store: Arc<dyn Outbox>,
    /// Who is registered.
    pub directory: SharedDirectory,
    /// Makes the attempts.
    pub carrier: Arc<dyn Carrier>,
    /// The places in memory, shared with the intake.
    pub rooms: Arc<LaneRooms>,
    /// What is counted.
    pub metrics: Metrics,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// How it stops.
    pub shutdown: Shutdown,
}

/// The loop.
pub struct Dispatcher {
    pub(super) parts: Parts,
    pub(super) lanes: Lanes,
    pub(super) settling: Settling,
    pub(super) refill: Refill,
    pub(super) shown: Shown,
    /// Since when nothing starts any more.
    pub(super) stopping: Option<Instant>,
    /// Leases to be given back.
    unused: Vec<(DeliveryId, LeaseId)>,
    inbox: UnboundedReceiver<Message>,
    pub(super) handle: Handle,
}

impl Dispatcher {
    /// A dispatcher that begins with [`Dispatcher::run`].
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let (sender, inbox) = unbounded_channel();
        let settings = &parts.settings;
        let patience = settings.lease.saturating_sub(parts.timeout + settings.lease_margin);
        Self {
            lanes: Lanes::new(settings.clone(), patience),
            parts,
            settling: Settling::default(),
            refill: Refill::default(),
            shown: Shown::default(),
            stopping: None,
            unused: Vec::new(),
            inbox,
            handle: Handle { inbox: sender, lanes: Arc::new(ArcSwap::default()) },
        }
    }

    /// A way to the loop, for the intake and the API.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Runs until the shutdown asks it to stop and everything in flight is settled.
    pub async fn run(mut self) {
        let stop = self.parts.shutdown.stop.clone();
        let mut mail = Vec::with_capacity(MAIL);
        let mut tick = tokio::time::Instant::now();
        while !self.stopping.is_some_and(|since| self.is_quiet(since)) {
            tokio::select! {
                _ = self.inbox.recv_many(&mut mail, MAIL) => mail.drain(..).for_each(|message| self.read(message)),
                () = tokio::time::sleep_until(tick) => tick = tokio::time::Instant::now() + self.tick(),
                () = stop.cancelled(), if self.stopping.is_none() => self.stop(),
            }
            self.lease();
            self.start();
            self.settle();
            self.release();
            self.parts.metrics.in_flight.set(i64::try_from(self.lanes.in_flight()).unwrap_or(i64::MAX));
        }
        self.end().await;
    }

    fn read(&mut self, message: Message) {
        match message {
            Message::HandOff { leased, overflow } => self.handed_off(leased, &overflow),
            Message::Finished(done) => self.finished(*done),
            Message::StoreDown => self.settling.down = true,
            Message::Settled { batch, found, took } => self.settled(&batch, found.as_ref(), took),
            Message::Polled(lanes) => self.polled(lanes),
            Message::Leased { wants, rows } => self.leased(&wants, rows),
        }
    }

    fn handed_off(&mut self, leased: Vec<Leased>, overflow: &[ClientKey]) {
        let now = self.parts.clock.instant();
        for leased in leased {
            self.accept(Row { leased, door: Door::HandOff });
        }
        for client in overflow {
            self.lanes.owes(*client, Some(now));
            self.publish(*client, now);
            self.refill.hungry = true;
        }
    }

    /// A row came in: it waits in its lane, or goes back.
    pub(super) fn accept(&mut self, row: Row) {
        let client = row.leased.delivery.client;
        let origin = self.registered(&row.leased.delivery).and_then(|(client, _)| origin(&client));
        let Some(origin) = origin else {
            self.lanes.disown(client);
            return self.give_back(&row);
        };
        if self.stopping.is_some() {
            return self.give_back(&row);
        }
        if let Some(row) = self.lanes.push(row, origin) {
            self.give_back(&row);
        }
    }

    fn finished(&mut self, done: Finished) {
        let now = self.parts.clock.instant();
        let (issuer, client) = (done.issuer.name.as_str(), &done.client);
        let (outcome, took) = (done.attempt.outcome, done.attempt.took);
        self.parts.metrics.attempts.with_label_values(&[issuer, &client.client_id, outcome.as_str()]).inc();
        self.parts.metrics.attempt_duration.with_label_values(&[issuer]).observe(took.as_secs_f64());
        let change = self.lanes.finished(&done.ticket, outcome, took, now);
        if let Some(time) = done.attempt.retry_after {
            self.lanes.asked_for(client.key, time.min(self.parts.schedule.retry_after_cap), now);
        }
        self.changed(client, change);
        self.publish(client.key, now);
        self.judge(done);
    }

    fn changed(&mut self, client: &Client, change: Option<Change>) {
        let client_id = client.client_id.as_str();
        match change {
            Some(change @ (Change::Opened | Change::Reopened)) => {
                if change == Change::Opened {
                    tracing::warn!(client_id, "the client is not reached: its deliveries wait for a probe");
                }
                for row in self.lanes.drain(client.key) {
                    self.give_back(&row);
                }
            }
            Some(Change::Closed) => {
                tracing::info!(client_id, "the client is back");
                self.refill.hungry = true;
            }
            None => {}
        }
    }

    /// Gives back a row that was not tried: due at once.
    pub(super) fn give_back(&mut self, row: &Row) {
        self.unused.push((row.leased.delivery.id, row.leased.lease));
        self.leave(row.leased.delivery.client, row.door, 1);
    }

    /// Leaves places in memory; the lane may be filled again.
    pub(super) fn leave(&mut self, client: ClientKey, door: Door, count: usize) {
        self.refill.hungry |= self.parts.rooms.leave(client, door, count);
    }

    pub(super) fn inbox_sender(&self) -> UnboundedSender<Message> {
        self.handle.inbox.clone()
    }

    /// Polls the table and shows the lanes. Until when?
    fn tick(&mut self) -> Duration {
        self.poll();
        self.show();
        let busy = self.refill.owed > 0 || self.parts.rooms.held() > 0;
        if busy { self.parts.settings.poll_busy } else { self.parts.settings.poll_idle }
    }

    /// Gives back leases that were not used.
    fn release(&mut self) {
        if self.unused.is_empty() {
            return;
        }
        let (store, rows) = (Arc::clone(&self.parts.store), std::mem::take(&mut self.unused));
        self.parts.shutdown.spawn(async move {
            if let Err(error) = store.release(&rows).await {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, rows = rows.len(), "leases not given back: they end by themselves");
            }
        });
    }

    /// From now on nothing starts.
    fn stop(&mut self) {
        self.stopping = Some(self.parts.clock.instant());
        self.parts.rooms.close();
        for row in self.lanes.drain_all() {
            self.give_back(&row);
        }
    }

    /// Whether nothing is in flight, to be settled, to come back from the store or to be handed off.
    fn is_quiet(&self, stopping: Instant) -> bool {
        let late = self.parts.clock.instant().saturating_duration_since(stopping) > HAND_OFF;
        self.lanes.in_flight() == 0
            && self.settling.is_idle()
            && self.refill.is_idle()
            && self.inbox.is_empty()
            && (late || self.parts.rooms.held() == 0)
    }

    /// Gives back what came in last.
    async fn end(mut self) {
        self.inbox.close();
        while let Some(message) = self.inbox.recv().await {
            self.read(message);
        }
        self.release();
    }
}

impl std::fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dispatcher").field("lanes", &self.lanes).finish_non_exhaustive()
    }
}

/// Where a client's tokens go: lanes of one origin share a limit.
fn origin(client: &Client) -> Option<Arc<str>> {
    client.backchannel_logout_uri.as_ref().map(|uri| uri.origin().ascii_serialization().into())
}
