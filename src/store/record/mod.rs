//! How is a batch of events made durable? The one transaction in which correctness lives.
//!
//! The order of the statements is the protocol; both stores run it and supply the SQL ([`RecordTx`]).
//! 1. The issuers are locked: shared, exclusively where the batch holds a wide logout. A wide
//!    logout must not miss an opening that is under way in another transaction.
//! 2. Repeated logouts are recognised by their event id.
//! 3. The provider sessions are locked and ended in one upsert, openers and logouts alike.
//! 4. Closings, openings.
//! 5. Only then are the sessions read. **Lock and read are two statements**: in one, the read
//!    would see the snapshot taken before the lock was granted and miss what was committed
//!    meanwhile. Merging them for speed loses logouts.
//! 6. The planner decides; sessions go, deliveries come. What covers too much for that is walked
//!    later ([`expand()`]): its row in `logouts` is the fence from now on.
//!
//! The result depends on what the events say, not on their order, batching or repetition.

mod collect;
mod decide;
mod expand;
mod found;
mod pace;
mod tx;
mod write;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use super::at::At;
use super::batch::{Batch, Build, LogoutRow, ProviderSessionKey, SessionKey};
use super::probe::Point;
use super::rows::{self, ProviderSessionRow, SessionRow};
use super::{Decision, Planner, Recorded, Rooms, StoreError};
use crate::model::{ClientKey, Event, EventKind, IssuerKey, LeaseId, Logout, LogoutId, Receipt, ReceiptStatus, Scope};
pub(super) use expand::expand;
pub(in crate::store) use found::{CoveredRow, EventLogoutRow, KeyRow, WalkedRow};
pub(in crate::store) use tx::{EventLogout, ExpandTx, ExpansionRow, LateRow, NewDelivery, Next, RecordTx, Touch, Walk};
pub(in crate::store) use write::give_back;

use pace::Pace;

/// What one `record` is given.
pub(super) struct Input<'a> {
    pub(super) events: &'a [Event],
    pub(super) planner: &'a dyn Planner,
    pub(super) rooms: &'a dyn Rooms,
    pub(super) client: &'a (dyn Fn(IssuerKey, &str) -> Option<ClientKey> + Sync),
    pub(super) session_max_age: Duration,
    /// Our monotonic clock, read before the transaction began.
    pub(super) since: Instant,
    pub(super) lease: (LeaseId, Duration),
}

/// A session and the logouts that cover it, the first of them owning its delivery.
type Covered = BTreeMap<SessionKey, (SessionRow, Vec<LogoutId>)>;

/// Runs the protocol. The caller commits; if it cannot, it gives the reserved rooms back
/// (`Recorded::leased` names them).
pub(super) async fn record<T: RecordTx>(tx: &mut T, input: &Input<'_>) -> Result<Recorded, StoreError> {
    let now = tx.lock_issuers(&issuers(input.events)).await?;
    tx.pause(Point::Locked).await;
    let build = Build { now, session_max_age: input.session_max_age, client: input.client };
    let mut batch = build.batch(input.events);
    let mut run = Run {
        input,
        now: At(now),
        logouts: BTreeMap::new(),
        fresh: HashSet::new(),
        first: BTreeMap::new(),
        receipts: HashMap::new(),
        pace: None,
    };

    let fresh = run.dedup(tx, &mut batch, &build).await?;
    let ended = run.lock_provider_sessions(tx, &batch, &fresh).await?;
    tx.pause(Point::ProviderSessionsLocked).await;
    run.write_registry(tx, &batch).await?;
    let covered = run.collect(tx, &batch, &fresh, &ended).await?;
    let planned = run.plan(covered);
    let (leased, overflow) = run.write_deliveries(tx, planned).await?;
    tx.pause(Point::Written).await;
    Ok(Recorded { receipts: run.receipts_of(input.events), lags: run.lags(input.events), leased, overflow })
}

fn issuers(events: &[Event]) -> Vec<(IssuerKey, bool)> {
    let mut locks = BTreeMap::new();
    for event in events {
        let wide = matches!(&event.kind, EventKind::Logout(request) if request.scope.is_wide());
        *locks.entry(event.issuer).or_insert(false) |= wide;
    }
    locks.into_iter().collect()
}

/// A logout of this batch, new.
struct Fresh<'e> {
    id: LogoutId,
    row: LogoutRow<'e>,
}

/// What the batch says about provider sessions that have ended.
struct Ended {
    /// Those with logouts in this batch, and these logouts.
    by_key: BTreeMap<ProviderSessionKey, Vec<LogoutId>>,
    /// Every provider session of the batch that has ended, by it or before.
    all: HashSet<ProviderSessionKey>,
    /// Repeated logout → the first.
    first: BTreeMap<LogoutId, LogoutId>,
}

struct Planned {
    row: SessionRow,
    logout: LogoutId,
    /// The logout whose cause decided; its receipt counts the delivery.
    decided_by: LogoutId,
    decision: Decision,
}

struct Run<'a> {
    input: &'a Input<'a>,
    now: At,
    /// Every logout the planner may be asked about.
    logouts: BTreeMap<LogoutId, Logout>,
    /// Those recorded now.
    fresh: HashSet<LogoutId>,
    /// Repeated logout → the first of its provider session.
    first: BTreeMap<LogoutId, LogoutId>,
    receipts: HashMap<(IssuerKey, String), Receipt>,
    /// For expansions: what is owed comes little by little.
    pace: Option<Pace>,
}

impl Run<'_> {
    async fn dedup<'e, T: RecordTx>(
        &mut self,
        tx: &mut T,
        batch: &mut Batch<'e>,
        build: &Build<'_>,
    ) -> Result<Vec<Fresh<'e>>, StoreError> {
        if batch.logouts.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<_> = batch.logouts.values().collect();
        let inserted: HashMap<_, _> = tx.insert_logouts(&rows, self.now).await?.into_iter().collect();
        let mut fresh = Vec::new();
        let mut repeated = Vec::new();
        for row in batch.logouts.values().cloned().collect::<Vec<_>>() {
            if let Some(id) = inserted.get(&(row.issuer, row.event_id.to_owned())) {
                build.add_named(batch, &row);
                self.fresh.insert(*id);
                self.logouts.insert(*id, logout(*id, &row, self.now));
                self.receipt(&row, ReceiptStatus::Recorded, Some(*id));
                fresh.push(Fresh { id: *id, row });
            } else {
                repeated.push(row);
            }
        }
        if !repeated.is_empty() {
            let keys: Vec<_> = repeated.iter().map(|row| (row.issuer, row.event_id)).collect();
            let known: HashMap<_, _> = tx.known_logouts(&keys).await?.into_iter().collect();
            for row in &repeated {
                self.receipt(row, ReceiptStatus::Duplicate, known.get(&(row.issuer, row.event_id.to_owned())).copied());
            }
        }
        fresh.sort_by_key(|logout| logout.id);
        Ok(fresh)
    }

    fn receipt(&mut self, row: &LogoutRow<'_>, status: ReceiptStatus, logout: Option<LogoutId>) {
        self.receipts.insert((row.issuer, row.event_id.to_owned()), Receipt { status, logout, ..plain() });
    }

    /// Step 3. Openers and closers lock with nothing to end.
    async fn lock_provider_sessions<T: RecordTx>(
        &mut self,
        tx: &mut T,
        batch: &Batch<'_>,
        fresh: &[Fresh<'_>],
    ) -> Result<Ended, StoreError> {
        let mut by_key: BTreeMap<ProviderSessionKey, Vec<&Fresh<'_>>> = BTreeMap::new();
        for logout in fresh {
            if let Scope::Session { session_id } = &logout.row.request.scope {
                by_key.entry((logout.row.issuer, session_id.clone())).or_default().push(logout);
            }
        }
        let opened = batch.openings.keys().map(|key| (key.issuer, key.session_id.clone()));
        let closed = batch.closings.keys().map(|(issuer, session_id, _)| (*issuer, session_id.clone()));
        for key in opened.chain(closed) {
            by_key.entry(key).or_default();
        }
        let touches: Vec<_> = by_key.iter().map(|(key, logouts)| self.touch(key, logouts)).collect();
        let rows = if touches.is_empty() { Vec::new() } else { tx.touch(&touches, self.now.end_of_hour()).await? };
        let ended = Ended::new(&by_key, rows);
        let repeats: Vec<_> = ended.first.iter().map(|(again, first)| (*again, *first)).collect();
        if !repeats.is_empty() {
            tx.note_repeats(&repeats).await?;
        }
        for (again, first) in &repeats {
            self.name_first(*again, *first);
        }
        self.first.extend(repeats);
        Ok(ended)
    }

    fn touch<'k>(&self, key: &'k ProviderSessionKey, logouts: &[&Fresh<'_>]) -> Touch<'k> {
        let reused = self.input.planner.reuses_session_ids(key.0);
        let latest = logouts.iter().max_by_key(|logout| logout.row.happened_at);
        let chosen = if reused { latest } else { logouts.first() };
        Touch {
            key,
            ended_at: chosen.map(|logout| logout.row.happened_at),
            logout: chosen.map(|logout| logout.id),
            reused,
        }
    }

    fn name_first(&mut self, again: LogoutId, first: LogoutId) {
        let receipt = self.receipts.values_mut().find(|receipt| receipt.logout == Some(again));
        if let Some(receipt) = receipt {
            receipt.logout = Some(first);
        }
    }

    /// Step 4. Openings after closings, so that order within the batch does not matter.
    async fn write_registry<T: RecordTx>(&self, tx: &mut T, batch: &Batch<'_>) -> Result<(), StoreError> {
        let closings: Vec<_> = batch.closings.iter().collect();
        if !closings.is_empty() {
            tx.close(&closings).await?;
        }
        let openings: Vec<_> = batch.openings.iter().collect();
        if !openings.is_empty() {
            tx.open(&openings).await?;
        }
        if !closings.is_empty() {
            tx.delete_closed(&closings).await?;
        }
        Ok(())
    }

    fn count_owed(&mut self, logout: LogoutId, more: u32) {
        for receipt in self.receipts.values_mut().filter(|receipt| receipt.logout == Some(logout)) {
            receipt.owed += more;
        }
    }

    fn receipts_of(&self, events: &[Event]) -> Vec<Receipt> {
        let mut first = HashSet::new();
        events
            .iter()
            .map(|event| match &event.kind {
                EventKind::Logout(_) => {
                    let key = (event.issuer, event.id.clone());
                    let mut receipt = self.receipts.get(&key).cloned().unwrap_or_else(plain);
                    if !first.insert(key) {
                        receipt = Receipt { status: ReceiptStatus::Duplicate, logout: receipt.logout, ..plain() };
                    }
                    receipt
                }
                EventKind::Opened(_) | EventKind::Closed(_) => plain(),
            })
            .collect()
    }

    fn lags(&self, events: &[Event]) -> Vec<(IssuerKey, Duration)> {
        events
            .iter()
            .filter(|event| matches!(event.kind, EventKind::Logout(_)))
            .filter_map(|event| event.time.map(|time| (event.issuer, rows::span(self.now.0, time))))
            .collect()
    }
}

fn plain() -> Receipt {
    Receipt { status: ReceiptStatus::Recorded, logout: None, owed: 0, skipped: 0, expanding: false }
}

fn logout(id: LogoutId, row: &LogoutRow<'_>, now: At) -> Logout {
    Logout {
        id,
        issuer: row.issuer,
        event_id: row.event_id.to_owned(),
        scope: row.request.scope.clone(),
        cause: row.request.cause,
        initiator: row.request.initiator.clone(),
        exclude_initiator: row.request.exclude_initiator,
        happened_at: row.happened_at.0,
        accepted_at: now.0,
    }
}

impl Ended {
    fn new(asked: &BTreeMap<ProviderSessionKey, Vec<&Fresh<'_>>>, rows: Vec<ProviderSessionRow>) -> Self {
        let mut ended = Self { by_key: BTreeMap::new(), all: HashSet::new(), first: BTreeMap::new() };
        for row in rows {
            let key = (IssuerKey(row.issuer), row.session_id);
            let Some(first) = row.logout_id.map(LogoutId).filter(|_| row.ended_at.is_some()) else { continue };
            ended.all.insert(key.clone());
            let mut logouts: Vec<_> = asked.get(&key).into_iter().flatten().map(|logout| logout.id).collect();
            if logouts.is_empty() {
                continue;
            }
            ended.first.extend(logouts.iter().filter(|id| **id != first).map(|id| (*id, first)));
            logouts.sort_unstable();
            ended.by_key.insert(key, logouts);
        }
        ended
    }
}
