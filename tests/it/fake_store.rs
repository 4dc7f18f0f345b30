//! A store in memory: just enough of every promise for tests of what stands above the store.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use signoff::model::{
    Cause, Client, ClientKey, Clock, Delivery, DeliveryId, DeliveryState, Event, EventKind, IssuerKey, LeaseId, Leased,
    Logout, LogoutId, LogoutRequest, Receipt, ReceiptStatus, Scope, Session, SkipReason, SystemClock, Target, Verdict,
};
use signoff::store::views::{
    AttemptView, ClientRecord, Counts, DeliveryDetail, DeliveryFilter, DeliveryView, LogoutDetail, LogoutFilter,
    LogoutView, Page, PageOf, SessionFilter, SessionView,
};
use signoff::store::{
    Backlog, Decision, DueLane, Outbox, Planner, Recorded, Registry, Retention, Rooms, Settled, Settlement, StoreError,
    Want,
};
use time::OffsetDateTime;
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2026-11-22 10:15:00 UTC);

/// Everything in memory; `down` makes every call fail.
#[derive(Debug, Default)]
pub(crate) struct FakeStore {
    rows: Mutex<Rows>,
    pub(crate) down: AtomicBool,
    pings: std::sync::atomic::AtomicUsize,
}

#[derive(Debug, Default)]
struct Rows {
    issuers: Vec<String>,
    clients: Vec<(IssuerKey, String)>,
    registered: BTreeMap<ClientKey, ClientRecord>,
    version: i64,
    sessions: Vec<Session>,
    logouts: Vec<Logout>,
    deliveries: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    view: DeliveryView,
    cause: Cause,
    attempts: Vec<AttemptView>,
    lease: Option<LeaseId>,
}

impl FakeStore {
    /// How often anybody asked whether the store answers.
    pub(crate) fn pings(&self) -> usize {
        self.pings.load(Ordering::SeqCst)
    }

    fn rows(&self) -> Result<MutexGuard<'_, Rows>, StoreError> {
        if self.down.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable(anyhow::anyhow!("switched off")));
        }
        Ok(self.rows.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn not_here<T>() -> Result<T, StoreError> {
    Err(StoreError::Internal(anyhow::anyhow!("the store in memory does not do this")))
}

impl Rows {
    fn client_key(&mut self, issuer: IssuerKey, client_id: &str) -> ClientKey {
        self.find_client(issuer, client_id).unwrap_or_else(|| {
            self.clients.push((issuer, client_id.to_owned()));
            ClientKey(i32::try_from(self.clients.len()).unwrap())
        })
    }

    fn find_client(&self, issuer: IssuerKey, client_id: &str) -> Option<ClientKey> {
        let at = self.clients.iter().position(|(i, id)| *i == issuer && id == client_id)?;
        Some(ClientKey(i32::try_from(at + 1).unwrap()))
    }

    fn client_id(&self, key: ClientKey) -> &(IssuerKey, String) {
        &self.clients[usize::try_from(key.0 - 1).unwrap()]
    }

    fn record(&mut self, event: &Event, planner: &dyn Planner) -> Receipt {
        let mut receipt = Receipt { status: ReceiptStatus::Recorded, logout: None, owed: 0, skipped: 0 };
        match &event.kind {
            EventKind::Opened(opening) => {
                let client = self.client_key(event.issuer, &opening.client_id);
                self.sessions.push(Session {
                    issuer: event.issuer,
                    session_id: opening.session_id.clone(),
                    client,
                    sid: opening.sid.clone(),
                    sub: opening.sub.clone(),
                    subject: opening.subject.clone(),
                    opened_at: event.time.unwrap_or(NOW),
                    expires_at: opening.expires_at.unwrap_or(NOW + time::Duration::days(30)),
                    offline: opening.offline,
                });
            }
            EventKind::Closed(closing) => {
                let client = self.client_key(event.issuer, &closing.client_id);
                self.sessions.retain(|s| s.client != client || s.session_id != closing.session_id);
            }
            EventKind::Logout(request) => {
                if let Some(known) = self.logouts.iter().find(|l| l.issuer == event.issuer && l.event_id == event.id) {
                    receipt.status = ReceiptStatus::Duplicate;
                    receipt.logout = Some(known.id);
                } else {
                    self.log_out(event, request, planner, &mut receipt);
                }
            }
        }
        receipt
    }

    fn log_out(&mut self, event: &Event, request: &LogoutRequest, planner: &dyn Planner, receipt: &mut Receipt) {
        let logout = Logout {
            id: LogoutId(i64::try_from(self.logouts.len() + 1).unwrap()),
            issuer: event.issuer,
            event_id: event.id.clone(),
            scope: request.scope.clone(),
            cause: request.cause,
            initiator: request.initiator.clone(),
            exclude_initiator: request.exclude_initiator,
            happened_at: event.time.unwrap_or(NOW),
            accepted_at: NOW,
        };
        let covered = |session: &Session| {
            session.issuer == event.issuer
                && match &request.scope {
                    Scope::Session { session_id } => session.session_id == *session_id,
                    Scope::Subject { subject, .. } => session.subject == *subject,
                }
        };
        let (ended, kept) = std::mem::take(&mut self.sessions).into_iter().partition(covered);
        self.sessions = kept;
        let targets: Vec<_> = Vec::into_iter(ended).map(|session| Target { session, logout: logout.id }).collect();
        receipt.logout = Some(logout.id);
        for (target, decision) in targets.iter().zip(planner.plan(&logout, &targets)) {
            let skipped = match decision {
                Decision::Owe { .. } => None,
                Decision::Skip(why) => Some(why),
            };
            if skipped.is_some() {
                receipt.skipped += 1;
            } else {
                receipt.owed += 1;
            }
            self.owe(&logout, &target.session, skipped);
        }
        self.logouts.push(logout);
    }

    fn owe(&mut self, logout: &Logout, session: &Session, skipped: Option<SkipReason>) {
        let state = if skipped.is_some() { DeliveryState::Skipped } else { DeliveryState::Pending };
        let view = DeliveryView {
            id: DeliveryId(i64::try_from(self.deliveries.len() + 1).unwrap()),
            logout: logout.id,
            issuer: logout.issuer,
            client: session.client,
            client_id: self.client_id(session.client).1.clone(),
            session_id: Some(session.session_id.clone()),
            sid: session.sid.clone(),
            sub: Some(session.sub.clone()),
            state,
            abandoned: None,
            skipped,
            attempts: 0,
            last_outcome: None,
            last_status: None,
            created_at: NOW,
            due_at: (state == DeliveryState::Pending).then_some(NOW),
            settled_at: skipped.map(|_| NOW),
        };
        self.deliveries.push(Row { view, cause: logout.cause, attempts: Vec::new(), lease: None });
    }

    fn settle(&mut self, done: &Settlement, settled: &mut Settled) {
        let Some(row) = self.deliveries.iter_mut().find(|row| row.view.id == done.delivery) else {
            settled.lost.push(done.delivery);
            return;
        };
        let attempt = &done.attempt;
        row.attempts.push(AttemptView {
            number: done.number,
            started_at: attempt.started_at,
            took: attempt.took,
            outcome: attempt.outcome,
            status: attempt.status,
            jti: attempt.jti,
            kid: attempt.kid.clone(),
            detail: attempt.detail.clone(),
        });
        row.lease = None;
        row.view.attempts = done.number;
        row.view.last_outcome = Some(attempt.outcome);
        row.view.last_status = attempt.status;
        match done.verdict {
            Verdict::Delivered => row.view.state = DeliveryState::Delivered,
            Verdict::RetryIn(_) => {}
            Verdict::Abandon(why) => {
                row.view.state = DeliveryState::Abandoned;
                row.view.abandoned = Some(why);
            }
        }
        if row.view.state != DeliveryState::Pending {
            row.view.due_at = None;
            row.view.settled_at = Some(NOW);
        }
        settled.applied.push(done.delivery);
    }

    fn counts(&self, logout: LogoutId) -> Counts {
        let mut counts = Counts::default();
        for row in self.deliveries.iter().filter(|row| row.view.logout == logout) {
            match row.view.state {
                DeliveryState::Pending => counts.pending += 1,
                DeliveryState::Delivered => counts.delivered += 1,
                DeliveryState::Abandoned => counts.abandoned += 1,
                DeliveryState::Skipped if row.view.skipped == Some(SkipReason::Covered) => {}
                DeliveryState::Skipped => counts.skipped += 1,
            }
        }
        counts
    }

    fn view(&self, logout: &Logout) -> LogoutView {
        LogoutView { logout: logout.clone(), counts: self.counts(logout.id) }
    }

    fn rearm(&mut self, wanted: impl Fn(&DeliveryView) -> bool) -> u64 {
        let mut count = 0;
        for row in &mut self.deliveries {
            if row.view.state == DeliveryState::Abandoned && wanted(&row.view) {
                row.view.state = DeliveryState::Pending;
                row.view.abandoned = None;
                row.view.due_at = Some(NOW);
                row.view.settled_at = None;
                count += 1;
            }
        }
        count
    }
}

fn may_see(visible: Option<&Vec<IssuerKey>>, issuer: IssuerKey) -> bool {
    visible.is_none_or(|visible| visible.contains(&issuer))
}

fn wanted<T: PartialEq>(filter: Option<&T>, value: &T) -> bool {
    filter.is_none_or(|filter| filter == value)
}

fn matches(filter: &DeliveryFilter, view: &DeliveryView) -> bool {
    wanted(filter.state.as_ref(), &view.state)
        && wanted(filter.issuer.as_ref(), &view.issuer)
        && wanted(filter.client.as_ref(), &view.client)
        && wanted(filter.logout.as_ref(), &view.logout)
        && filter.abandoned.is_none_or(|why| view.abandoned == Some(why))
        && may_see(filter.visible.as_ref(), view.issuer)
}

/// A cursor is the number of rows already shown.
fn paged<T>(rows: Vec<T>, page: &Page) -> Result<PageOf<T>, StoreError> {
    let start = match &page.after {
        Some(cursor) => cursor.parse().map_err(|e| StoreError::Poison(anyhow::Error::new(e)))?,
        None => 0,
    };
    let end = start + page.limit as usize;
    let next = (end < rows.len()).then(|| end.to_string());
    Ok(PageOf { rows: rows.into_iter().skip(start).take(page.limit as usize).collect(), next })
}

#[async_trait]
impl Outbox for FakeStore {
    async fn record(
        &self,
        events: &[Event],
        planner: &dyn Planner,
        _: &dyn Rooms,
        _: Duration,
    ) -> Result<Recorded, StoreError> {
        let mut rows = self.rows()?;
        let receipts = events.iter().map(|event| rows.record(event, planner)).collect();
        Ok(Recorded { receipts, leased: Vec::new(), lags: Vec::new(), overflow: Vec::new() })
    }

    async fn due_lanes(&self) -> Result<Vec<DueLane>, StoreError> {
        not_here()
    }

    async fn lease(&self, wants: &[Want], lasts: Duration) -> Result<Vec<Leased>, StoreError> {
        let mut rows = self.rows()?;
        let mut leased = Vec::new();
        for want in wants {
            let due = rows.deliveries.iter_mut().filter(|row| {
                row.view.client == want.client && row.view.state == DeliveryState::Pending && row.lease.is_none()
            });
            for row in due.take(want.room as usize) {
                let lease = LeaseId(row.view.id.0);
                row.lease = Some(lease);
                leased.push(Leased { delivery: delivery(row), lease, since: SystemClock.instant(), lasts });
            }
        }
        Ok(leased)
    }

    async fn settle(&self, done: &[Settlement]) -> Result<Settled, StoreError> {
        let mut rows = self.rows()?;
        let mut settled = Settled::default();
        for one in done {
            rows.settle(one, &mut settled);
        }
        Ok(settled)
    }

    async fn release(&self, _: &[(DeliveryId, LeaseId)]) -> Result<u64, StoreError> {
        not_here()
    }

    async fn clients_have_uri(&self, _: &[ClientKey]) -> Result<u64, StoreError> {
        not_here()
    }

    async fn skip_clients(&self, _: &[ClientKey], _: SkipReason) -> Result<u64, StoreError> {
        not_here()
    }

    async fn redeliver(&self, id: DeliveryId) -> Result<bool, StoreError> {
        Ok(self.rows()?.rearm(|view| view.id == id) == 1)
    }

    async fn redeliver_where(&self, filter: &DeliveryFilter) -> Result<u64, StoreError> {
        Ok(self.rows()?.rearm(|view| matches(filter, view)))
    }

    async fn backlog(&self) -> Result<Backlog, StoreError> {
        let rows = self.rows()?;
        let pending: Vec<_> = rows.deliveries.iter().filter(|row| row.view.state == DeliveryState::Pending).collect();
        let oldest: BTreeMap<_, _> = pending.iter().map(|row| (row.view.client, Duration::from_secs(90))).collect();
        Ok(Backlog { pending: pending.len() as u64, oldest: oldest.into_iter().collect() })
    }

    async fn prune(&self, _: &Retention, _: u32) -> Result<u64, StoreError> {
        not_here()
    }
}

fn delivery(row: &Row) -> Delivery {
    let view = &row.view;
    Delivery {
        id: view.id,
        logout: view.logout,
        issuer: view.issuer,
        client: view.client,
        sid: view.sid.clone(),
        sub: view.sub.clone(),
        cause: row.cause,
        tries: view.attempts,
        attempts: view.attempts,
        owed_for: Duration::ZERO,
        accepted_at: NOW,
        streak: None,
    }
}

#[async_trait]
impl Registry for FakeStore {
    async fn ping(&self) -> Result<(), StoreError> {
        self.pings.fetch_add(1, Ordering::SeqCst);
        self.rows().map(|_| ())
    }

    async fn now(&self) -> Result<OffsetDateTime, StoreError> {
        self.rows().map(|_| NOW)
    }

    async fn issuer_key(&self, issuer: &str) -> Result<IssuerKey, StoreError> {
        let issuers = &mut self.rows()?.issuers;
        let at = issuers.iter().position(|known| known == issuer).unwrap_or_else(|| {
            issuers.push(issuer.to_owned());
            issuers.len() - 1
        });
        Ok(IssuerKey(i32::try_from(at + 1).unwrap()))
    }

    async fn client_keys(&self, clients: &[(IssuerKey, String)]) -> Result<Vec<ClientKey>, StoreError> {
        let mut rows = self.rows()?;
        Ok(clients.iter().map(|(issuer, client_id)| rows.client_key(*issuer, client_id)).collect())
    }

    async fn client_ids(&self, keys: &[ClientKey]) -> Result<Vec<(ClientKey, IssuerKey, String)>, StoreError> {
        let rows = self.rows()?;
        let named = |key: &ClientKey| {
            let (issuer, client_id) = rows.client_id(*key).clone();
            (*key, issuer, client_id)
        };
        Ok(keys.iter().map(named).collect())
    }

    async fn find_client(&self, issuer: IssuerKey, client_id: &str) -> Result<Option<ClientKey>, StoreError> {
        Ok(self.rows()?.find_client(issuer, client_id))
    }

    async fn clients(&self) -> Result<Vec<ClientRecord>, StoreError> {
        let read = self.rows()?.registered.values().cloned().collect();
        // Takes a moment, so that writers meet between reading and writing.
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok(read)
    }

    async fn put_client(
        &self,
        issuer: IssuerKey,
        client_id: &str,
        metadata: &Value,
        if_version: Option<i64>,
    ) -> Result<Option<ClientRecord>, StoreError> {
        let mut rows = self.rows()?;
        let key = rows.client_key(issuer, client_id);
        let current = rows.registered.get(&key).map_or(0, |record| record.version);
        if if_version.is_some_and(|version| version != current) {
            return Ok(None);
        }
        rows.version += 1;
        let version = rows.version;
        let record = ClientRecord { key, issuer, client_id: client_id.into(), metadata: metadata.clone(), version };
        rows.registered.insert(key, record.clone());
        Ok(Some(record))
    }

    async fn delete_client(
        &self,
        issuer: IssuerKey,
        client_id: &str,
        if_version: Option<i64>,
    ) -> Result<Option<bool>, StoreError> {
        let mut rows = self.rows()?;
        let key = rows.client_key(issuer, client_id);
        let current = rows.registered.get(&key).map_or(0, |record| record.version);
        if if_version.is_some_and(|version| version != current) {
            return Ok(None);
        }
        Ok(Some(rows.registered.remove(&key).is_some()))
    }

    async fn key_first_seen(&self, _: IssuerKey, _: &str) -> Result<OffsetDateTime, StoreError> {
        not_here()
    }

    async fn sessions(&self, filter: &SessionFilter, page: &Page) -> Result<PageOf<SessionView>, StoreError> {
        let rows = self.rows()?;
        let seen = rows.sessions.iter().filter(|session| {
            wanted(filter.issuer.as_ref(), &session.issuer)
                && wanted(filter.session_id.as_ref(), &session.session_id)
                && wanted(filter.subject.as_ref(), &session.subject)
                && wanted(filter.client.as_ref(), &session.client)
                && may_see(filter.visible.as_ref(), session.issuer)
        });
        let view = |session: &Session| SessionView {
            session: session.clone(),
            client_id: rows.client_id(session.client).1.clone(),
        };
        paged(seen.map(view).collect(), page)
    }

    async fn logouts(&self, filter: &LogoutFilter, page: &Page) -> Result<PageOf<LogoutView>, StoreError> {
        let rows = self.rows()?;
        let seen = rows.logouts.iter().rev().filter(|logout| {
            let (session_id, subject) = match &logout.scope {
                Scope::Session { session_id } => (Some(session_id), None),
                Scope::Subject { subject, .. } => (None, Some(subject)),
            };
            wanted(filter.issuer.as_ref(), &logout.issuer)
                && wanted(filter.event_id.as_ref(), &logout.event_id)
                && (filter.session_id.is_none() || filter.session_id.as_ref() == session_id)
                && (filter.subject.is_none() || filter.subject.as_ref() == subject)
                && may_see(filter.visible.as_ref(), logout.issuer)
        });
        paged(seen.map(|logout| rows.view(logout)).collect(), page)
    }

    async fn logout(&self, id: LogoutId) -> Result<Option<LogoutDetail>, StoreError> {
        let rows = self.rows()?;
        let deliveries = rows.deliveries.iter().filter(|row| row.view.logout == id).map(|row| row.view.clone());
        let logout = rows.logouts.iter().find(|logout| logout.id == id);
        Ok(logout.map(|logout| LogoutDetail { view: rows.view(logout), deliveries: deliveries.collect() }))
    }

    async fn deliveries(&self, filter: &DeliveryFilter, page: &Page) -> Result<PageOf<DeliveryView>, StoreError> {
        let rows = self.rows()?;
        let seen = rows.deliveries.iter().rev().map(|row| &row.view).filter(|view| matches(filter, view));
        paged(seen.cloned().collect(), page)
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<DeliveryDetail>, StoreError> {
        let rows = self.rows()?;
        let found = rows.deliveries.iter().find(|row| row.view.id == id);
        Ok(found.map(|row| DeliveryDetail { view: row.view.clone(), attempts: row.attempts.clone() }))
    }
}

/// A client as the configuration file would register it.
pub(crate) fn client(key: ClientKey, issuer: IssuerKey, client_id: &str) -> Client {
    Client {
        key,
        issuer,
        client_id: client_id.to_owned(),
        backchannel_logout_uri: Some("https://rp.example.com/logout".parse().unwrap()),
        backchannel_logout_session_required: false,
        id_token_signed_response_alg: None,
        logout_token_subject: signoff::model::LogoutTokenSubject::Both,
        subject_logout: signoff::model::SubjectLogout::EachSession,
        logout_causes: None,
        include_cause: false,
        allow_networks: Vec::new(),
        allow_http: None,
        ca_file: None,
        client_certificate_file: None,
        timeout: None,
    }
}
