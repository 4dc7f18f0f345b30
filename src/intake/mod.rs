//! How do events get in? Every door ends in one `accept`: record, count, hand on.
//!
//! [`http`] and [`amqp`] are doors; [`group`] lets concurrent callers share a transaction.

pub mod amqp;
pub mod clock;
pub mod group;
pub mod http;
pub mod settings;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::format::{Context, Malformed};
use crate::metrics::Metrics;
use crate::model::{ClientKey, Clock, Event, EventKind, IssuerKey, Leased, Receipt, ReceiptStatus, SharedDirectory};
use crate::store::{Planner, Recorded, Rooms, Store, StoreError};
use clock::StoreClock;
pub use http::SubmitError;
pub use settings::{Amqp, Format};

/// The `type` label of events whose type is of no concern or was not understood.
const OTHER: &str = "other";
/// The `issuer` label of events whose issuer is not configured or was not understood.
const UNKNOWN: &str = "unknown";

/// What `record` leaves for the dispatcher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handoff {
    /// Deliveries leased to this replica, for lanes that reserved room.
    pub leased: Vec<Leased>,
    /// Clients that are owed more than their lane had room for.
    pub overflow: Vec<ClientKey>,
}

/// What the doors share.
pub struct Parts {
    /// Where events are recorded.
    pub store: Arc<dyn Store>,
    /// Decides what becomes of each session.
    pub planner: Arc<dyn Planner>,
    /// Which lanes have room.
    pub rooms: Arc<dyn Rooms>,
    /// The dispatcher's end; what is in it is bounded by `rooms`.
    pub handoff: mpsc::UnboundedSender<Handoff>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The issuers.
    pub directory: SharedDirectory,
    /// The machine's clocks.
    pub clock: Arc<dyn Clock>,
    /// How long a hand-off lasts.
    pub lease: Duration,
}

/// Where every door ends.
pub struct Intake {
    parts: Parts,
    store_clock: StoreClock,
}

/// The smallest thing that can be refused: the events of one request, or one message. All of
/// them are recorded, or none.
pub type Unit = Vec<Event>;

/// Why a unit was not recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AcceptError {
    /// The store refuses this unit; it will refuse it again.
    #[error("the store refuses this data")]
    Refused,
    /// The store is not there: keep the unit and try again.
    #[error("the store is unavailable")]
    Unavailable,
}

impl Intake {
    /// An intake over these parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let store_clock = StoreClock::new(Arc::clone(&parts.store), Arc::clone(&parts.clock));
        Self { parts, store_clock }
    }

    /// The store's clock, for the format.
    pub async fn now(&self) -> Result<time::OffsetDateTime, StoreError> {
        self.store_clock.now().await
    }

    /// The machine's clocks.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        &*self.parts.clock
    }

    /// What is counted.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.parts.metrics
    }

    /// Reads with the directory and the time of now.
    pub async fn read<T>(
        &self,
        issuers: Option<&[String]>,
        allow_bulk: bool,
        read: impl FnOnce(&Context<'_>) -> T,
    ) -> Result<T, StoreError> {
        let now = self.now().await?;
        let directory = self.parts.directory.load();
        Ok(read(&Context { directory: &directory, issuers, allow_bulk, now }))
    }

    /// Records these events in one transaction and hands on what became due.
    ///
    /// Run it to its end: a future dropped after the commit leaves its leases to run out.
    pub async fn accept(&self, intake: &str, events: &[Event]) -> Result<Vec<Receipt>, StoreError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let parts = &self.parts;
        let begun = parts.clock.instant();
        let recorded = parts.store.record(events, &*parts.planner, &*parts.rooms, parts.lease).await?;
        let took = parts.clock.instant().saturating_duration_since(begun);
        parts.metrics.record_duration.observe(took.as_secs_f64());
        self.count(intake, events, &recorded);
        self.hand_on(recorded.leased, recorded.overflow).await;
        Ok(recorded.receipts)
    }

    /// Records these units, together if the store takes them together. Refused data is found by
    /// halving and refused alone; from the first sign that the store is away, the rest is
    /// `Unavailable`. One answer per unit, in their order.
    pub async fn accept_each(&self, intake: &str, units: Vec<Unit>) -> Vec<Result<Vec<Receipt>, AcceptError>> {
        let ends: Vec<usize> = units
            .iter()
            .scan(0, |end, unit| {
                *end += unit.len();
                Some(*end)
            })
            .collect();
        let count = ends.len();
        let start = |unit: usize| if unit == 0 { 0 } else { ends[unit - 1] };
        let events: Vec<Event> = units.into_iter().flatten().collect();
        let mut answers = Vec::with_capacity(count);
        let mut todo: Vec<Range<usize>> = std::iter::once(0..count).filter(|all| !all.is_empty()).collect();
        while let Some(range) = todo.pop() {
            match self.accept(intake, &events[start(range.start)..start(range.end)]).await {
                Ok(receipts) => {
                    let mut receipts = receipts.into_iter();
                    answers.extend(range.map(|unit| Ok(receipts.by_ref().take(ends[unit] - start(unit)).collect())));
                }
                Err(StoreError::Poison(_)) if range.len() > 1 => {
                    let middle = range.start + range.len() / 2;
                    todo.extend([middle..range.end, range.start..middle]);
                }
                Err(StoreError::Poison(_)) => {
                    self.count_refused(intake, &events[start(range.start)..start(range.end)]);
                    answers.push(Err(AcceptError::Refused));
                }
                Err(error) => {
                    tracing::warn!(intake, error = Chain(&error).to_string(), "not recorded, kept");
                    answers.resize(count, Err(AcceptError::Unavailable));
                    break;
                }
            }
        }
        answers
    }

    /// Counts an event of no concern.
    pub fn count_ignored(&self, intake: &str, issuer: IssuerKey) {
        self.count_one(intake, Some(issuer), OTHER, "ignored");
    }

    /// Counts a refused body.
    pub fn count_malformed(&self, intake: &str, refused: &Malformed) {
        self.count_one(intake, refused.issuer, OTHER, "rejected");
    }

    fn count_refused(&self, intake: &str, events: &[Event]) {
        for event in events {
            // The store's error may quote the data, so it is not logged.
            tracing::warn!(intake, event_id = event.id, "the store refuses this event");
            self.count_one(intake, Some(event.issuer), event.kind.label(), "rejected");
        }
    }

    fn count_one(&self, intake: &str, issuer: Option<IssuerKey>, kind: &str, result: &str) {
        let directory = self.parts.directory.load();
        let name = issuer.and_then(|key| directory.issuer(key)).map_or(UNKNOWN, |issuer| issuer.name.as_str());
        self.parts.metrics.events.with_label_values(&[intake, name, kind, result]).inc();
    }

    #[expect(clippy::cast_precision_loss, reason = "a batch is far below 2^52")]
    fn count(&self, intake: &str, events: &[Event], recorded: &Recorded) {
        let metrics = &self.parts.metrics;
        metrics.record_batch_size.observe(events.len() as f64);
        for (_, lag) in &recorded.lags {
            metrics.event_lag.observe(lag.as_secs_f64());
        }
        for (event, receipt) in events.iter().zip(&recorded.receipts) {
            let result = match receipt.status {
                ReceiptStatus::Recorded => "recorded",
                ReceiptStatus::Duplicate => "duplicate",
                ReceiptStatus::Ignored => "ignored",
            };
            self.count_one(intake, Some(event.issuer), event.kind.label(), result);
            if without_targets(event, receipt)
                && let Some(issuer) = self.parts.directory.load().issuer(event.issuer)
            {
                metrics.logouts_without_targets.with_label_values(&[issuer.name.as_str()]).inc();
            }
        }
    }

    async fn hand_on(&self, leased: Vec<Leased>, overflow: Vec<ClientKey>) {
        if leased.is_empty() && overflow.is_empty() {
            return;
        }
        let Err(mpsc::error::SendError(unsent)) = self.parts.handoff.send(Handoff { leased, overflow }) else {
            return;
        };
        // The dispatcher has stopped: another replica, or the next start, takes over at once.
        let rows: Vec<_> = unsent.leased.iter().map(|row| (row.delivery.id, row.lease)).collect();
        for row in &unsent.leased {
            self.parts.rooms.cancel(row.delivery.client);
        }
        if let Err(error) = self.parts.store.release(&rows).await {
            tracing::warn!(error = Chain(&error).to_string(), "leases not given back, they will run out");
        }
    }
}

impl fmt::Debug for Intake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intake").field("store", &self.parts.store).finish_non_exhaustive()
    }
}

/// Whether this logout found nobody to tell: how a registry with holes is noticed.
fn without_targets(event: &Event, receipt: &Receipt) -> bool {
    matches!(event.kind, EventKind::Logout(_))
        && receipt.status == ReceiptStatus::Recorded
        && receipt.owed == 0
        && receipt.skipped == 0
        && !receipt.expanding
}

/// An error with everything that caused it, on one line.
struct Chain<'a>(&'a dyn std::error::Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
