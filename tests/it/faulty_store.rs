//! What if the store fails just now? A scripted store that remembers what it recorded.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use async_trait::async_trait;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use signoff::intake::{Handoff, Intake, Parts};
use signoff::metrics::Metrics;
use signoff::model::{
    ClientKey, Clock, Delivery, DeliveryId, Directory, Event, Issuer, IssuerKey, LeaseId, Leased, Logout, LogoutId,
    Receipt, ReceiptStatus, SkipReason, SystemClock, Target,
};
use signoff::store::views::{
    ClientRecord, Counts, DeliveryDetail, DeliveryFilter, DeliveryView, ExpiredSession, LogoutDetail, LogoutFilter,
    LogoutView, Page, PageOf, SessionFilter, SessionView,
};
use signoff::store::{
    Backlog, Decision, DueLane, Expanded, Outbox, Planner, Rate, Recorded, Registry, Retention, Rooms, Settled,
    Settlement, StoreError, Want,
};
use time::OffsetDateTime;
use tokio::sync::{Semaphore, mpsc};

/// Events whose id begins like this are refused by the store.
pub(crate) const POISON: &str = "poison";
/// An event whose id begins like this hits a defect, the first time.
pub(crate) const PANIC: &str = "panic";
/// Events whose id begins like this are owed a delivery.
pub(crate) const OWED: &str = "owed";

/// A store with faults.
#[derive(Debug)]
pub(crate) struct FaultyStore {
    events: Mutex<Vec<Event>>,
    commits: Mutex<Vec<usize>>,
    released: Mutex<Vec<(DeliveryId, LeaseId)>>,
    panicked: AtomicBool,
    /// Every call fails as unavailable.
    pub(crate) away: AtomicBool,
    /// From this many calls of `record` on, it is away.
    pub(crate) away_after: AtomicUsize,
    /// How often `now` was asked.
    pub(crate) asked_time: AtomicUsize,
    /// How often `record` was called, and begun.
    pub(crate) calls: AtomicUsize,
    /// One permit is taken by each commit.
    pub(crate) gate: Semaphore,
    /// How long a commit takes.
    pub(crate) takes: Duration,
}

impl FaultyStore {
    pub(crate) fn new(takes: Duration) -> Arc<Self> {
        Arc::new(Self {
            events: Mutex::default(),
            commits: Mutex::default(),
            released: Mutex::default(),
            panicked: AtomicBool::new(false),
            away: AtomicBool::new(false),
            away_after: AtomicUsize::new(usize::MAX),
            asked_time: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
            takes,
        })
    }

    /// Nothing commits from now on, until permits are added to the gate.
    pub(crate) fn shut_gate(&self) {
        self.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    /// The ids recorded, in their order.
    pub(crate) fn ids(&self) -> Vec<String> {
        lock(&self.events).iter().map(|event| event.id.clone()).collect()
    }

    /// Events per committed transaction.
    pub(crate) fn commits(&self) -> Vec<usize> {
        lock(&self.commits).clone()
    }

    pub(crate) fn released(&self) -> Vec<(DeliveryId, LeaseId)> {
        lock(&self.released).clone()
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn is_away(&self) -> bool {
        self.away.load(Ordering::SeqCst)
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn away<T>() -> Result<T, StoreError> {
    Err(StoreError::Unavailable(anyhow!("away")))
}

fn unscripted<T>() -> Result<T, StoreError> {
    Err(StoreError::Internal(anyhow!("not scripted")))
}

fn leased(number: i64, since: Instant, lasts: Duration) -> Leased {
    let delivery = Delivery {
        id: DeliveryId(number),
        logout: LogoutId(number),
        issuer: IssuerKey(1),
        client: ClientKey(1),
        sid: None,
        sub: Some("u".into()),
        cause: signoff::model::Cause::Unspecified,
        tries: 0,
        attempts: 0,
        owed_for: Duration::ZERO,
        accepted_at: OffsetDateTime::UNIX_EPOCH,
        streak: None,
        bulk: false,
    };
    Leased { delivery, lease: LeaseId(number), since, lasts }
}

#[async_trait]
impl Outbox for FaultyStore {
    async fn record(
        &self,
        events: &[Event],
        _: &dyn Planner,
        rooms: &dyn Rooms,
        lease: Duration,
    ) -> Result<Recorded, StoreError> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        assert!(!events.is_empty(), "no transaction for nothing");
        if self.is_away() || call >= self.away_after.load(Ordering::SeqCst) {
            return away();
        }
        self.gate.acquire().await.map_err(|e| StoreError::Internal(e.into()))?.forget();
        tokio::time::sleep(self.takes).await;
        let defect =
            events.iter().any(|event| event.id.starts_with(PANIC)) && !self.panicked.swap(true, Ordering::SeqCst);
        assert!(!defect, "a defect in the store");
        if events.iter().any(|event| event.id.starts_with(POISON)) {
            return Err(StoreError::Poison(anyhow!("22021")));
        }
        let mut recorded =
            Recorded { receipts: Vec::new(), leased: Vec::new(), lags: Vec::new(), overflow: Vec::new() };
        let mut known = lock(&self.events);
        for event in events {
            let seen = known.iter().any(|other| other.id == event.id);
            let status = if seen { ReceiptStatus::Duplicate } else { ReceiptStatus::Recorded };
            let owed = event.id.starts_with(OWED) && !seen;
            if owed && rooms.reserve(ClientKey(1)) {
                recorded.leased.push(leased(known.len().try_into().unwrap(), SystemClock.instant(), lease));
            } else if owed {
                recorded.overflow.push(ClientKey(1));
            }
            recorded.receipts.push(Receipt {
                status,
                logout: None,
                owed: u32::from(owed),
                skipped: 0,
                expanding: false,
            });
            recorded.lags.push((event.issuer, Duration::from_millis(5)));
            if !seen {
                known.push(event.clone());
            }
        }
        lock(&self.commits).push(events.len());
        Ok(recorded)
    }
    async fn expand(&self, _: &dyn Planner, _: Rate) -> Result<Option<Expanded>, StoreError> {
        unscripted()
    }
    async fn due_lanes(&self) -> Result<Vec<DueLane>, StoreError> {
        unscripted()
    }
    async fn lease(&self, _: &[Want], _: Duration) -> Result<Vec<Leased>, StoreError> {
        unscripted()
    }
    async fn settle(&self, _: &[Settlement]) -> Result<Settled, StoreError> {
        unscripted()
    }
    async fn release(&self, rows: &[(DeliveryId, LeaseId)]) -> Result<u64, StoreError> {
        lock(&self.released).extend_from_slice(rows);
        Ok(rows.len() as u64)
    }
    async fn clients_have_uri(&self, _: &[ClientKey]) -> Result<u64, StoreError> {
        unscripted()
    }
    async fn skip_clients(&self, _: &[ClientKey], _: SkipReason) -> Result<u64, StoreError> {
        unscripted()
    }
    async fn redeliver(&self, _: DeliveryId) -> Result<bool, StoreError> {
        unscripted()
    }
    async fn redeliver_where(&self, _: &DeliveryFilter) -> Result<u64, StoreError> {
        unscripted()
    }
    async fn backlog(&self) -> Result<Backlog, StoreError> {
        unscripted()
    }
    async fn prune(&self, _: &Retention, _: u32) -> Result<u64, StoreError> {
        unscripted()
    }
}

#[async_trait]
impl Registry for FaultyStore {
    async fn ping(&self) -> Result<(), StoreError> {
        unscripted()
    }
    async fn now(&self) -> Result<OffsetDateTime, StoreError> {
        self.asked_time.fetch_add(1, Ordering::SeqCst);
        if self.is_away() { away() } else { Ok(SystemClock.now()) }
    }
    async fn issuer_key(&self, _: &str) -> Result<IssuerKey, StoreError> {
        unscripted()
    }
    async fn client_keys(&self, _: &[(IssuerKey, String)]) -> Result<Vec<ClientKey>, StoreError> {
        unscripted()
    }
    async fn find_client(&self, _: IssuerKey, _: &str) -> Result<Option<ClientKey>, StoreError> {
        Ok(None)
    }

    async fn client_ids(&self, _: &[ClientKey]) -> Result<Vec<(ClientKey, IssuerKey, String)>, StoreError> {
        unscripted()
    }
    async fn clients(&self) -> Result<Vec<ClientRecord>, StoreError> {
        unscripted()
    }
    async fn put_client(
        &self,
        _: IssuerKey,
        _: &str,
        _: &Value,
        _: Option<i64>,
    ) -> Result<Option<ClientRecord>, StoreError> {
        unscripted()
    }
    async fn delete_client(&self, _: IssuerKey, _: &str, _: Option<i64>) -> Result<Option<bool>, StoreError> {
        unscripted()
    }
    async fn key_first_seen(&self, _: IssuerKey, _: &str) -> Result<OffsetDateTime, StoreError> {
        unscripted()
    }
    async fn sessions(&self, _: &SessionFilter, _: &Page) -> Result<PageOf<SessionView>, StoreError> {
        unscripted()
    }
    async fn logouts(&self, _: &LogoutFilter, _: &Page) -> Result<PageOf<LogoutView>, StoreError> {
        unscripted()
    }
    async fn expired_sessions(&self, _: IssuerKey, _: u32) -> Result<Vec<ExpiredSession>, StoreError> {
        unscripted()
    }
    async fn logout_counts(&self, _: &[LogoutId]) -> Result<Vec<(LogoutId, Counts)>, StoreError> {
        unscripted()
    }
    async fn logout(&self, _: LogoutId) -> Result<Option<LogoutDetail>, StoreError> {
        unscripted()
    }
    async fn deliveries(&self, _: &DeliveryFilter, _: &Page) -> Result<PageOf<DeliveryView>, StoreError> {
        unscripted()
    }
    async fn delivery(&self, _: DeliveryId) -> Result<Option<DeliveryDetail>, StoreError> {
        unscripted()
    }
}

/// Owes everything.
struct OweAll;

impl Planner for OweAll {
    fn reuses_session_ids(&self, _: IssuerKey) -> bool {
        false
    }

    fn plan(&self, _: &Logout, targets: &[Target]) -> Vec<Decision> {
        vec![Decision::Owe { whole_subject: false }; targets.len()]
    }
}

/// A lane with this much room.
#[derive(Debug)]
pub(crate) struct Room(pub(crate) Mutex<i32>);

impl Rooms for Room {
    fn reserve(&self, _: ClientKey) -> bool {
        let mut room = lock(&self.0);
        *room -= i32::from(*room > 0);
        *room > 0
    }
    fn cancel(&self, _: ClientKey) {
        *lock(&self.0) += 1;
    }
}

/// An intake over a fake store.
pub(crate) struct Bench {
    pub(crate) store: Arc<FaultyStore>,
    pub(crate) room: Arc<Room>,
    pub(crate) intake: Arc<Intake>,
    pub(crate) handoff: mpsc::UnboundedReceiver<Handoff>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::over(FaultyStore::new(Duration::from_millis(1)), Arc::new(SystemClock))
    }

    pub(crate) fn over(store: Arc<FaultyStore>, clock: Arc<dyn Clock>) -> Self {
        let (sender, handoff) = mpsc::unbounded_channel();
        let room = Arc::new(Room(Mutex::new(3)));
        let intake = Intake::new(Parts {
            store: store.clone(),
            planner: Arc::new(OweAll),
            rooms: room.clone(),
            handoff: sender,
            metrics: Arc::new(Metrics::new().unwrap()),
            directory: Arc::new(arc_swap::ArcSwap::from_pointee(directory())),
            clock,
            lease: Duration::from_secs(30),
        });
        Self { store, room, intake: Arc::new(intake), handoff }
    }

    /// The value of this line of `/metrics`.
    pub(crate) fn metric(&self, line: &str) -> Option<f64> {
        let text = self.intake.metrics().render().unwrap();
        text.lines().find_map(|l| l.strip_prefix(line)).and_then(|rest| rest.trim().parse().ok())
    }
}

fn directory() -> Directory {
    let issuer = |key, name: &str| {
        Arc::new(Issuer {
            key: IssuerKey(key),
            name: name.into(),
            issuer: format!("https://{name}.example.com"),
            default_alg: Algorithm::RS256,
            sid_is_session_id: true,
            reuses_session_ids: false,
            logs_out_offline: false,
        })
    };
    Directory::new([issuer(1, "main"), issuer(2, "other")], [])
}

/// A logout event with this id.
pub(crate) fn body(id: &str) -> Value {
    json!({"specversion": "1.0", "id": id, "source": "https://main.example.com", "type": "signoff.logout",
           "data": {"session_id": format!("session of {id}"), "cause": "user_logout"}})
}

/// The same event, parsed.
pub(crate) fn event(id: &str) -> Event {
    use signoff::model::{Cause, EventKind, LogoutRequest, Scope};
    let kind = EventKind::Logout(LogoutRequest {
        scope: Scope::Session { session_id: format!("session of {id}") },
        cause: Cause::UserLogout,
        initiator: None,
        exclude_initiator: false,
        sessions: Vec::new(),
    });
    Event { issuer: IssuerKey(1), id: id.into(), time: None, kind }
}
