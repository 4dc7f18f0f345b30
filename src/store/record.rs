//! How is a batch of events made durable? The one transaction in which correctness lives.
//!
//! The order of the statements is the protocol; both stores run this file and supply the SQL.
//! 1. The issuers are locked: shared, exclusively where the batch holds a wide logout. A wide
//!    logout must not miss an opening that is under way in another transaction.
//! 2. Repeated logouts are recognised by their event id.
//! 3. The provider sessions are locked and ended in one upsert, openers and logouts alike.
//! 4. Closings, openings.
//! 5. Only then are the sessions read. **Lock and read are two statements**: in one, the read
//!    would see the snapshot taken before the lock was granted and miss what was committed
//!    meanwhile. Merging them for speed loses logouts.
//! 6. The planner decides; sessions go, deliveries come.
//!
//! The result depends on what the events say, not on their order, batching or repetition.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use time::OffsetDateTime;

use super::at::At;
use super::batch::{Batch, Build, ClosingRow, LogoutRow, OpeningRow, ProviderSessionKey, SessionKey};
use super::probe::Point;
use super::rows::{self, ProviderSessionRow, SessionRow};
use super::{Decision, Planner, Recorded, Rooms, StoreError};
use crate::model::{
    ClientKey, Delivery, DeliveryId, Event, EventKind, IssuerKey, LeaseId, Leased, Logout, LogoutId, Receipt,
    ReceiptStatus, Scope, Target,
};

/// The statements of `record`, in the order they run. Every list is sorted by its unique key.
#[async_trait]
pub(super) trait RecordTx: Send {
    /// Locks the issuers (`true`: exclusively) and reads the store's clock.
    async fn lock_issuers(&mut self, issuers: &[(IssuerKey, bool)]) -> Result<OffsetDateTime, StoreError>;
    /// Inserts the logouts that are new; which they were.
    async fn insert_logouts(&mut self, logouts: &[&LogoutRow<'_>], now: At) -> Result<Vec<EventLogout>, StoreError>;
    /// The logouts these repeated events stand for (the first of their provider session).
    async fn known_logouts(&mut self, keys: &[(IssuerKey, &str)]) -> Result<Vec<EventLogout>, StoreError>;
    /// Locks provider sessions and ends those with a logout. Of those whose ids are used again,
    /// the latest end counts.
    async fn touch(&mut self, rows: &[Touch<'_>], now: At) -> Result<Vec<ProviderSessionRow>, StoreError>;
    /// Notes that these logouts repeat an earlier one.
    async fn note_repeats(&mut self, repeats: &[(LogoutId, LogoutId)]) -> Result<(), StoreError>;
    /// Remembers closings.
    async fn close(&mut self, rows: &[ClosingRow<'_>]) -> Result<(), StoreError>;
    /// Inserts or renews sessions, unless closed later.
    async fn open(&mut self, rows: &[(&SessionKey, &OpeningRow)]) -> Result<(), StoreError>;
    /// Deletes sessions opened before their closing.
    async fn delete_closed(&mut self, rows: &[ClosingRow<'_>]) -> Result<(), StoreError>;
    /// Every session under these provider sessions.
    async fn sessions_under(&mut self, keys: &[&ProviderSessionKey]) -> Result<Vec<SessionRow>, StoreError>;
    /// Every session that these wide logouts cover.
    async fn sessions_covered(&mut self, logouts: &[LogoutId]) -> Result<Vec<(SessionRow, LogoutId)>, StoreError>;
    /// For sessions of this batch's openings: the logouts of earlier batches that cover them.
    async fn late(&mut self, rows: &[LateRow<'_>]) -> Result<Vec<(SessionRow, Logout)>, StoreError>;
    /// Which of these sessions already have a delivery of one of these logouts.
    async fn already_planned(&mut self, rows: &[(&SessionKey, LogoutId)]) -> Result<HashSet<SessionKey>, StoreError>;
    /// Makes the abandoned deliveries of these logouts due again; how many of each.
    async fn rearm(&mut self, logouts: &[LogoutId], now: At) -> Result<Vec<(LogoutId, u32)>, StoreError>;
    /// Deletes the `skipped` rows of sessions that are planned again.
    async fn drop_skipped(&mut self, keys: &[&SessionKey]) -> Result<(), StoreError>;
    /// Deletes sessions.
    async fn delete_sessions(&mut self, keys: &[&SessionKey]) -> Result<(), StoreError>;
    /// Marks sessions as covered by a logout and left alone.
    async fn hold_sessions(&mut self, keys: &[&SessionKey]) -> Result<(), StoreError>;
    /// Inserts deliveries; their keys in the order of the rows.
    async fn insert_deliveries(&mut self, rows: &[NewDelivery], now: At) -> Result<Vec<DeliveryId>, StoreError>;
    /// Where a test may hold the transaction still.
    async fn pause(&mut self, point: Point);
}

/// (issuer, event id) and the logout it stands for.
pub(super) type EventLogout = ((IssuerKey, String), LogoutId);

/// A provider session to lock, and to end if a logout says so.
#[derive(Debug)]
pub(super) struct Touch<'a> {
    pub(super) key: &'a ProviderSessionKey,
    pub(super) ended_at: Option<At>,
    pub(super) logout: Option<LogoutId>,
    pub(super) reused: bool,
}

/// A session of this batch that earlier logouts may cover.
#[derive(Debug, Clone, Copy)]
pub(super) struct LateRow<'a> {
    pub(super) key: &'a SessionKey,
    /// Its provider session has ended.
    pub(super) ended: bool,
    /// Its issuer uses session ids again.
    pub(super) reused: bool,
}

/// A delivery to insert.
#[derive(Debug, Clone)]
pub(super) struct NewDelivery {
    pub(super) session: SessionRow,
    pub(super) logout: LogoutId,
    pub(super) cause: crate::model::Cause,
    pub(super) accepted_at: At,
    pub(super) decision: Decision,
    /// Leased to this replica until then.
    pub(super) leased: Option<(LeaseId, At)>,
}

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
        let wide = matches!(&event.kind, EventKind::Logout(request) if matches!(request.scope, Scope::Subject { .. }));
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
        self.receipts.insert((row.issuer, row.event_id.to_owned()), Receipt { status, logout, owed: 0, skipped: 0 });
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
        let rows = if touches.is_empty() { Vec::new() } else { tx.touch(&touches, self.now).await? };
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

    /// Step 5: every session that a logout covers and nothing was decided for yet.
    async fn collect<T: RecordTx>(
        &mut self,
        tx: &mut T,
        batch: &Batch<'_>,
        fresh: &[Fresh<'_>],
        ended: &Ended,
    ) -> Result<Covered, StoreError> {
        let mut covered = Covered::new();
        self.collect_ended(tx, ended, &mut covered).await?;
        let wide: Vec<_> = fresh
            .iter()
            .filter(|logout| matches!(logout.row.request.scope, Scope::Subject { .. }))
            .map(|l| l.id)
            .collect();
        if !wide.is_empty() {
            for (row, logout) in tx.sessions_covered(&wide).await? {
                covered.entry(row.key()).or_insert_with(|| (row, Vec::new())).1.push(logout);
            }
        }
        self.collect_late(tx, batch, ended, &mut covered).await?;
        Ok(covered)
    }

    async fn collect_ended<T: RecordTx>(
        &mut self,
        tx: &mut T,
        ended: &Ended,
        covered: &mut Covered,
    ) -> Result<(), StoreError> {
        let keys: Vec<_> = ended.by_key.keys().collect();
        if keys.is_empty() {
            return Ok(());
        }
        for row in tx.sessions_under(&keys).await? {
            let Some(logouts) = ended.by_key.get(&(IssuerKey(row.issuer), row.session_id.clone())) else { continue };
            let applying: Vec<_> = logouts.iter().copied().filter(|id| self.applies(*id, &row)).collect();
            if !applying.is_empty() {
                covered.insert(row.key(), (row, applying));
            }
        }
        let firsts: Vec<_> = ended.first.values().copied().collect();
        if !firsts.is_empty() {
            for (first, count) in tx.rearm(&firsts, self.now).await? {
                self.count_owed(first, count);
            }
        }
        Ok(())
    }

    /// A session-scoped logout is absolute, unless the issuer uses session ids again.
    fn applies(&self, logout: LogoutId, row: &SessionRow) -> bool {
        !self.input.planner.reuses_session_ids(IssuerKey(row.issuer))
            || self.logouts.get(&logout).is_some_and(|logout| row.opened_at.0 <= logout.happened_at)
    }

    async fn collect_late<T: RecordTx>(
        &mut self,
        tx: &mut T,
        batch: &Batch<'_>,
        ended: &Ended,
        covered: &mut Covered,
    ) -> Result<(), StoreError> {
        let rows: Vec<_> = batch
            .openings
            .keys()
            .map(|key| LateRow {
                key,
                ended: ended.all.contains(&(key.issuer, key.session_id.clone())),
                reused: self.input.planner.reuses_session_ids(key.issuer),
            })
            .collect();
        if rows.is_empty() {
            return Ok(());
        }
        for (row, logout) in tx.late(&rows).await? {
            // Held: a logout covered it before and left it; only a new logout decides again.
            if !row.held {
                let logouts = &mut covered.entry(row.key()).or_insert_with(|| (row, Vec::new())).1;
                if !logouts.contains(&logout.id) {
                    logouts.push(logout.id);
                    logouts.sort_unstable();
                }
                self.logouts.entry(logout.id).or_insert(logout);
            }
        }
        self.drop_repeated(tx, covered).await
    }

    /// An opening repeated after its logout: its delivery exists, only the session row came back.
    async fn drop_repeated<T: RecordTx>(&self, tx: &mut T, covered: &mut Covered) -> Result<(), StoreError> {
        let earlier = |(_, logout): &(&SessionKey, LogoutId)| !self.fresh.contains(logout);
        let pairs: Vec<_> = covered
            .iter()
            .flat_map(|(key, (_, logouts))| logouts.iter().map(move |logout| (key, *logout)))
            .filter(earlier)
            .collect();
        if pairs.is_empty() {
            return Ok(());
        }
        let planned = tx.already_planned(&pairs).await?;
        if !planned.is_empty() {
            tx.delete_sessions(&planned.iter().collect::<Vec<_>>()).await?;
            covered.retain(|key, _| !planned.contains(key));
        }
        Ok(())
    }

    /// Step 6, pure: asks the planner, logout by logout, until one wants the session to end.
    fn plan(&self, covered: Covered) -> Vec<Planned> {
        let mut open: Vec<(SessionRow, Vec<LogoutId>, usize, Option<Decision>)> =
            covered.into_values().map(|(row, logouts)| (row, logouts, 0, None)).collect();
        let mut planned = Vec::new();
        while !open.is_empty() {
            let mut groups: BTreeMap<LogoutId, Vec<_>> = BTreeMap::new();
            for entry in open.drain(..) {
                groups.entry(entry.1[entry.2]).or_default().push(entry);
            }
            for (logout, entries) in groups {
                let decisions = self.ask(logout, &entries);
                for ((row, logouts, place, first), decision) in entries.into_iter().zip(decisions) {
                    let left = matches!(decision, Decision::Skip(why) if why.keeps_session());
                    let first = first.or(Some(decision));
                    if left && place + 1 < logouts.len() {
                        open.push((row, logouts, place + 1, first));
                    } else {
                        let owner = self.first.get(&logouts[0]).copied().unwrap_or(logouts[0]);
                        let decision = if left { first.unwrap_or(decision) } else { decision };
                        planned.push(Planned { row, logout: owner, decided_by: logout, decision });
                    }
                }
            }
        }
        planned
    }

    fn ask(&self, id: LogoutId, entries: &[(SessionRow, Vec<LogoutId>, usize, Option<Decision>)]) -> Vec<Decision> {
        let targets: Vec<_> = entries.iter().map(|(row, ..)| Target { session: row.session(), logout: id }).collect();
        self.logouts.get(&id).map(|logout| self.input.planner.plan(logout, &targets)).unwrap_or_default()
    }

    fn count_owed(&mut self, logout: LogoutId, more: u32) {
        for receipt in self.receipts.values_mut().filter(|receipt| receipt.logout == Some(logout)) {
            receipt.owed += more;
        }
    }

    async fn write_deliveries<T: RecordTx>(
        &mut self,
        tx: &mut T,
        mut planned: Vec<Planned>,
    ) -> Result<(Vec<Leased>, Vec<ClientKey>), StoreError> {
        if planned.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        planned.sort_by_cached_key(|p| p.row.key());
        let keys: Vec<_> = planned.iter().map(|p| p.row.key()).collect();
        let held = |p: &Planned| matches!(p.decision, Decision::Skip(why) if why.keeps_session());
        let of = |wanted: &dyn Fn(&Planned) -> bool| -> Vec<&SessionKey> {
            planned.iter().zip(&keys).filter(|(p, _)| wanted(p)).map(|(_, key)| key).collect()
        };
        let (gone, kept, again) = (of(&|p| !held(p)), of(&|p| held(p) && !p.row.held), of(&|p| !held(p) && p.row.held));
        if !gone.is_empty() {
            tx.delete_sessions(&gone).await?;
        }
        if !kept.is_empty() {
            tx.hold_sessions(&kept).await?;
        }
        if !again.is_empty() {
            tx.drop_skipped(&again).await?;
        }
        // What is left alone once more is on record already.
        planned.retain(|p| !(held(p) && p.row.held) || self.fresh.contains(&p.logout));
        self.insert(tx, &planned).await
    }

    async fn insert<T: RecordTx>(
        &mut self,
        tx: &mut T,
        planned: &[Planned],
    ) -> Result<(Vec<Leased>, Vec<ClientKey>), StoreError> {
        let mut overflow = HashSet::new();
        let rows: Vec<_> = planned.iter().map(|p| self.new_delivery(p, &mut overflow)).collect();
        let ids = match tx.insert_deliveries(&rows, self.now).await {
            Ok(ids) => ids,
            Err(error) => {
                give_back(
                    self.input.rooms,
                    rows.iter().filter(|r| r.leased.is_some()).map(|r| ClientKey(r.session.client)),
                );
                return Err(error);
            }
        };
        for p in planned {
            self.count(p);
        }
        let leased = rows.iter().zip(ids).filter_map(|(row, id)| self.leased(row, id)).collect();
        Ok((leased, overflow.into_iter().collect()))
    }

    fn new_delivery(&self, planned: &Planned, overflow: &mut HashSet<ClientKey>) -> NewDelivery {
        let client = ClientKey(planned.row.client);
        let (lease, lasts) = self.input.lease;
        let owed = matches!(planned.decision, Decision::Owe { .. });
        let leased = (owed && self.input.rooms.reserve(client)).then(|| (lease, At(self.now.0 + lasts)));
        if owed && leased.is_none() {
            overflow.insert(client);
        }
        let logout = self.logouts.get(&planned.decided_by);
        NewDelivery {
            session: planned.row.clone(),
            logout: planned.logout,
            cause: logout.map_or_else(Default::default, |logout| logout.cause),
            accepted_at: logout.map_or(self.now, |logout| At(logout.accepted_at)),
            decision: planned.decision,
            leased,
        }
    }

    fn count(&mut self, planned: &Planned) {
        let of_event = self.logouts.get(&planned.decided_by).map(|logout| (logout.issuer, logout.event_id.clone()));
        let Some(receipt) = of_event.and_then(|key| self.receipts.get_mut(&key)) else { return };
        match planned.decision {
            Decision::Owe { .. } => receipt.owed += 1,
            Decision::Skip(crate::model::SkipReason::Covered) => {}
            Decision::Skip(_) => receipt.skipped += 1,
        }
    }

    fn leased(&self, row: &NewDelivery, id: DeliveryId) -> Option<Leased> {
        let (lease, _) = row.leased?;
        let whole_subject = matches!(row.decision, Decision::Owe { whole_subject: true });
        let delivery = Delivery {
            id,
            logout: row.logout,
            issuer: IssuerKey(row.session.issuer),
            client: ClientKey(row.session.client),
            sid: rows::some_text(row.session.sid.clone()).filter(|_| !whole_subject),
            sub: rows::some_text(row.session.sub.clone()),
            cause: row.cause,
            tries: 0,
            attempts: 0,
            owed_for: Duration::ZERO,
            accepted_at: row.accepted_at.0,
            streak: None,
        };
        Some(Leased { delivery, lease, since: self.input.since, lasts: self.input.lease.1 })
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
                        receipt = Receipt { status: ReceiptStatus::Duplicate, owed: 0, skipped: 0, ..receipt };
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

/// Gives reserved places back.
pub(super) fn give_back(rooms: &dyn Rooms, clients: impl Iterator<Item = ClientKey>) {
    for client in clients {
        rooms.cancel(client);
    }
}

fn plain() -> Receipt {
    Receipt { status: ReceiptStatus::Recorded, logout: None, owed: 0, skipped: 0 }
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
