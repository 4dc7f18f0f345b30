//! Where is it kept? The traits `Outbox` and `Registry`, and the two stores behind them.
//!
//! `postgres/` and `sqlite/` mirror each other file for file. To add a query: a method on one of
//! the traits here, its view in `views.rs`, the same function in both folders, and a behaviour
//! in `tests/it/store/` that runs on both.

mod at;
mod batch;
mod intern;
mod page;
pub mod postgres;
pub mod probe;
mod record;
mod rows;
pub mod sqlite;
pub mod views;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::migrate::MigrateError;
use time::OffsetDateTime;

use crate::model::{
    Attempt, ClientKey, Clock, DeliveryId, Event, IssuerKey, LeaseId, Leased, Logout, LogoutId, Receipt, SkipReason,
    Target, Verdict,
};
use views::{
    ClientRecord, Counts, DeliveryDetail, DeliveryFilter, DeliveryView, ExpiredSession, LogoutDetail, LogoutFilter,
    LogoutView, Page, PageOf, SessionFilter, SessionView,
};

/// Decides, inside `record`'s transaction, what becomes of each session a logout covers. Pure.
pub trait Planner: Send + Sync {
    /// One decision per target, in the order of the targets. All targets belong to `logout`.
    fn plan(&self, logout: &Logout, targets: &[Target]) -> Vec<Decision>;

    /// Whether an opening later than the logout of its provider session is a new life.
    fn reuses_session_ids(&self, issuer: IssuerKey) -> bool;
}

/// What becomes of one session that a logout covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// A token is owed; `whole_subject`: one without `sid`, for all the user's sessions.
    Owe {
        /// The token carries no `sid`.
        whole_subject: bool,
    },
    /// Nothing is sent, and this is why.
    Skip(SkipReason),
}

/// Which lanes take a new delivery straight from `record`. In memory, never blocks.
pub trait Rooms: Send + Sync {
    /// Takes one place in the client's lane, if there is one.
    fn reserve(&self, client: ClientKey) -> bool;
    /// Gives back a place that `reserve` took, when the transaction did not commit.
    fn cancel(&self, client: ClientKey);
}

/// What `record` did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// One receipt per event, in their order.
    pub receipts: Vec<Receipt>,
    /// Deliveries already leased to this replica, for lanes that had room.
    pub leased: Vec<Leased>,
    /// Per logout recorded now: its issuer and how late it was.
    pub lags: Vec<(IssuerKey, Duration)>,
    /// Clients that are owed deliveries their lane had no room for.
    pub overflow: Vec<ClientKey>,
}

/// How many deliveries an expansion owes each client in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate(pub NonZeroU32);

/// What one step of an expansion did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expanded {
    /// Whose sessions were walked.
    pub logout: LogoutId,
    /// Clients that are owed something since.
    pub clients: Vec<ClientKey>,
    /// When the next may be taken; `None`: it was the last.
    pub next_in: Option<Duration>,
}

/// A client with unsettled deliveries that nobody has leased, or whose lease has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueLane {
    /// The client.
    pub client: ClientKey,
    /// How long its oldest due delivery has been due; `None`: it has only deliveries due later.
    pub due_for: Option<Duration>,
}

/// What `lease` should fetch for one lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Want {
    /// The lane's client.
    pub client: ClientKey,
    /// At most this many.
    pub room: u32,
    /// Which of its deliveries.
    pub which: Which,
}

/// Which deliveries of a lane may be leased. Never those on a living lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Those that are due.
    Due,
    /// Due or not, the one due first: to probe an open breaker with.
    Any,
    /// Those that are due, and those last tried longer ago than this (before the lane recovered).
    DueOrTriedBefore(Duration),
}

/// One finished attempt and what we do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// The delivery.
    pub delivery: DeliveryId,
    /// Fences retry and abandon.
    pub lease: LeaseId,
    /// Which attempt of the delivery it was, from 1.
    pub number: u16,
    /// What happened.
    pub attempt: Attempt,
    /// What we do about it.
    pub verdict: Verdict,
}

/// What `settle` found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settled {
    /// Deliveries settled as delivered.
    pub delivered: Vec<DeliveryId>,
    /// Retries and abandons that took effect.
    pub applied: Vec<DeliveryId>,
    /// Outcomes whose delivery was no longer ours to change, or was settled by another replica.
    pub lost: Vec<DeliveryId>,
}

/// Values for gauges, read in the background.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Unsettled deliveries, all clients. Postgres counts up to 100,000; more are estimated, by what its last
    /// vacuum or analyze of the table counted.
    pub pending: u64,
    /// Per client with unsettled deliveries: how long the oldest has been owed.
    pub oldest: Vec<(ClientKey, Duration)>,
}

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store cannot be reached or is not ready: keep everything and try again.
    #[error("the store is unavailable")]
    Unavailable(#[source] anyhow::Error),
    /// The data itself cannot be stored (SQLSTATE class 21, 22, 23, 54): the same batch will
    /// fail again.
    #[error("the store refuses this data")]
    Poison(#[source] anyhow::Error),
    /// A defect or a broken schema.
    #[error("the store failed")]
    Internal(#[source] anyhow::Error),
}

/// Why the schema is not ours: what waiting cannot change is said, and ends the start.
fn not_migrated(error: MigrateError, failed: fn(sqlx::Error) -> StoreError) -> StoreError {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => failed(error),
        MigrateError::VersionMissing(version) => StoreError::Internal(anyhow::anyhow!(
            "its schema is newer than this program, which does not know migration {version}: run the newer version"
        )),
        error => StoreError::Internal(error.into()),
    }
}

/// What is owed, and what became of it.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Records a batch of events in one transaction: all of it or nothing. See `record.rs`.
    async fn record(
        &self,
        events: &[Event],
        planner: &dyn Planner,
        rooms: &dyn Rooms,
        lease: Duration,
    ) -> Result<Recorded, StoreError>;

    /// One step of a logout that covers too much for `record`: one transaction, nobody else's.
    /// `None`: no step is due.
    async fn expand(&self, planner: &dyn Planner, rate: Rate) -> Result<Option<Expanded>, StoreError>;

    /// Clients with unsettled deliveries that may be leased now or later.
    async fn due_lanes(&self) -> Result<Vec<DueLane>, StoreError>;

    /// Leases deliveries lane by lane, each lane up to its room.
    async fn lease(&self, wants: &[Want], lasts: Duration) -> Result<Vec<Leased>, StoreError>;

    /// Writes outcomes. `delivered` needs only a pending row; the rest is fenced by the lease.
    async fn settle(&self, done: &[Settlement]) -> Result<Settled, StoreError>;

    /// Gives leases back unused: due at once, no attempt counted.
    async fn release(&self, rows: &[(DeliveryId, LeaseId)]) -> Result<u64, StoreError>;

    /// Makes due what was skipped because these clients had no URI.
    async fn clients_have_uri(&self, clients: &[ClientKey]) -> Result<u64, StoreError>;

    /// Turns what these clients are owed into `skipped` with this reason, unless leased.
    async fn skip_clients(&self, clients: &[ClientKey], why: SkipReason) -> Result<u64, StoreError>;

    /// Abandoned → due again, by key. `false`: no such abandoned delivery.
    async fn redeliver(&self, id: DeliveryId) -> Result<bool, StoreError>;

    /// Abandoned → due again, by filter; how many.
    async fn redeliver_where(&self, filter: &DeliveryFilter) -> Result<u64, StoreError>;

    /// What gauges show.
    async fn backlog(&self) -> Result<Backlog, StoreError>;

    /// Deletes what its retention has passed, at most `limit` rows a table. How many rows it deleted, or
    /// put off because they are still needed; 0: there is no more to do for now.
    async fn prune(&self, keep: &Retention, limit: u32) -> Result<u64, StoreError>;
}

/// How a store is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Connections at most (Postgres; SQLite: readers).
    pub connections: u32,
    /// How long a session without `expires_at` is kept after its opening.
    pub session_max_age: Duration,
    /// Shifts the store's clock; for tests.
    pub clock_offset: time::Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { connections: 10, session_max_age: Duration::from_hours(30 * 24), clock_offset: time::Duration::ZERO }
    }
}

/// Opens the store that the URL names: `sqlite://…` or `postgres://…`.
pub async fn open(url: &str, options: Options, clock: Arc<dyn Clock>) -> Result<Arc<dyn Store>, StoreError> {
    if url.starts_with("sqlite:") {
        Ok(Arc::new(sqlite::SqliteStore::connect(url, options, clock).await?))
    } else {
        Ok(Arc::new(postgres::PostgresStore::connect(url, options, clock).await?))
    }
}

/// How long things are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Delivered deliveries.
    pub delivered: Duration,
    /// Abandoned and skipped deliveries.
    pub abandoned: Duration,
    /// Logouts: the memory that recognises a repeated event, and the fence of wide scopes.
    pub logouts: Duration,
    /// Ended provider sessions.
    pub ended_sessions: Duration,
    /// Sessions after their last opening.
    pub sessions: Duration,
    /// Issuers whose expired sessions are kept until [`Registry::expired_sessions`] was acted on.
    pub until_logged_out: Vec<IssuerKey>,
}

impl Default for Retention {
    fn default() -> Self {
        const DAY: u64 = 24 * 60 * 60;
        Self {
            delivered: Duration::from_secs(7 * DAY),
            abandoned: Duration::from_secs(30 * DAY),
            logouts: Duration::from_secs(30 * DAY),
            ended_sessions: Duration::from_secs(7 * DAY),
            sessions: Duration::from_secs(30 * DAY),
            until_logged_out: Vec::new(),
        }
    }
}

/// Who is registered and what the API shows.
#[async_trait]
pub trait Registry: Send + Sync {
    /// The store answers.
    async fn ping(&self) -> Result<(), StoreError>;

    /// The store's clock.
    async fn now(&self) -> Result<OffsetDateTime, StoreError>;

    /// The key of this issuer, made on first sight.
    async fn issuer_key(&self, issuer: &str) -> Result<IssuerKey, StoreError>;

    /// The keys of these clients in their order, made on first sight.
    async fn client_keys(&self, clients: &[(IssuerKey, String)]) -> Result<Vec<ClientKey>, StoreError>;

    /// The ids behind these client keys; unknown keys are left out.
    async fn client_ids(&self, keys: &[ClientKey]) -> Result<Vec<(ClientKey, IssuerKey, String)>, StoreError>;

    /// The key of this client if it was ever seen; makes none.
    async fn find_client(&self, issuer: IssuerKey, client_id: &str) -> Result<Option<ClientKey>, StoreError>;

    /// Every client registered through the API.
    async fn clients(&self) -> Result<Vec<ClientRecord>, StoreError>;

    /// Registers or replaces a client; `if_version`: only if it is registered at this version
    /// (0: only if it is not registered). `None`: the condition did not hold.
    async fn put_client(
        &self,
        issuer: IssuerKey,
        client_id: &str,
        metadata: &serde_json::Value,
        if_version: Option<i64>,
    ) -> Result<Option<ClientRecord>, StoreError>;

    /// Unregisters a client. `None`: the condition did not hold; `Some(false)`: it was not there.
    async fn delete_client(
        &self,
        issuer: IssuerKey,
        client_id: &str,
        if_version: Option<i64>,
    ) -> Result<Option<bool>, StoreError>;

    /// When this key was first seen by any replica.
    async fn key_first_seen(&self, issuer: IssuerKey, kid: &str) -> Result<OffsetDateTime, StoreError>;

    /// Sessions, those first seen last first.
    async fn sessions(&self, filter: &SessionFilter, page: &Page) -> Result<PageOf<SessionView>, StoreError>;

    /// Provider sessions of this issuer that ended by time: every session under them has passed its
    /// `expires_at`, and a logout has not yet left all of them alone. At most so many, oldest first.
    async fn expired_sessions(&self, issuer: IssuerKey, limit: u32) -> Result<Vec<ExpiredSession>, StoreError>;

    /// Logouts, newest first.
    async fn logouts(&self, filter: &LogoutFilter, page: &Page) -> Result<PageOf<LogoutView>, StoreError>;

    /// One logout with what it owed.
    async fn logout(&self, id: LogoutId) -> Result<Option<LogoutDetail>, StoreError>;

    /// How far these logouts are; unknown ones are left out.
    async fn logout_counts(&self, ids: &[LogoutId]) -> Result<Vec<(LogoutId, Counts)>, StoreError>;

    /// Deliveries, newest first.
    async fn deliveries(&self, filter: &DeliveryFilter, page: &Page) -> Result<PageOf<DeliveryView>, StoreError>;

    /// One delivery with its attempts.
    async fn delivery(&self, id: DeliveryId) -> Result<Option<DeliveryDetail>, StoreError>;
}

/// Everything the service keeps.
pub trait Store: Outbox + Registry + std::fmt::Debug {}

impl<T: Outbox + Registry + std::fmt::Debug> Store for T {}
