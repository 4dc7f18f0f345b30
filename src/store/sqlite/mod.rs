//! How does SQLite keep it? Connection, migration, and each trait method's one line.

mod arm;
mod clients;
mod expand;
mod lease;
mod prune;
mod read;
mod record;
mod settle;

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use time::OffsetDateTime;

use super::intern::Interned;
use super::probe::Probe;
use super::record::{Input, give_back};
use super::views::{
    ClientRecord, Counts, DeliveryDetail, DeliveryFilter, DeliveryView, ExpiredSession, LogoutDetail, LogoutFilter,
    LogoutView, Page, PageOf, SessionFilter, SessionView,
};
use super::{
    Backlog, DueLane, Expanded, Options, Outbox, Planner, Rate, Recorded, Registry, Retention, Rooms, Settled,
    Settlement, StoreError, Want, not_migrated,
};
use crate::model::{ClientKey, Clock, DeliveryId, Event, IssuerKey, LeaseId, Leased, LogoutId, SkipReason};

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("migrations/sqlite");

/// The embedded store, for one node. One writer at a time; its clock is the machine's.
#[derive(Debug)]
pub struct SqliteStore {
    writer: SqlitePool,
    reader: SqlitePool,
    options: Options,
    clock: Arc<dyn Clock>,
    probe: Option<Arc<dyn Probe>>,
    interned: Interned,
}

impl SqliteStore {
    /// Opens (or creates) and migrates.
    pub async fn connect(url: &str, options: Options, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let connect = SqliteConnectOptions::from_str(url)
            .map_err(failed)?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(false)
            .busy_timeout(Duration::from_secs(5));
        let writer = writers().connect_with(connect.clone()).await.map_err(failed)?;
        MIGRATIONS.run(&writer).await.map_err(|error| not_migrated(error, failed))?;
        let reader = SqlitePoolOptions::new()
            .max_connections(options.connections.max(1))
            .connect_with(connect.read_only(true))
            .await
            .map_err(failed)?;
        Ok(Self { writer, reader, options, clock, probe: None, interned: Interned::default() })
    }

    /// Holds `record` still where a test wants it.
    #[must_use]
    pub fn with_probe(mut self, probe: Arc<dyn Probe>) -> Self {
        self.probe = Some(probe);
        self
    }

    fn clock_now(&self) -> OffsetDateTime {
        self.clock.now() + self.options.clock_offset
    }
}

/// One connection, which goes when its last transaction did not end as it was told: SQLite rolls back
/// by itself when the disk is full or fails, the driver's own rollback then fails, and it would
/// begin no other transaction for as long as the connection lives.
fn writers() -> SqlitePoolOptions {
    SqlitePoolOptions::new().max_connections(1).after_release(|connection, _| {
        Box::pin(async move {
            // What was dropped is rolled back before the answer.
            connection.ping().await?;
            Ok(!connection.is_in_transaction())
        })
    })
}

/// By primary result code: what cannot succeed is poison, what may is unavailable.
fn failed(error: sqlx::Error) -> StoreError {
    const TOO_BIG: i32 = 18;
    const CONSTRAINT: i32 = 19;
    const MISMATCH: i32 = 20;
    const ERROR: i32 = 1;
    let code =
        error.as_database_error().and_then(sqlx::error::DatabaseError::code).and_then(|code| code.parse::<i32>().ok());
    match (code.map(|code| code & 0xff), &error) {
        (Some(TOO_BIG | CONSTRAINT | MISMATCH), _) | (None, sqlx::Error::Encode(_)) => StoreError::Poison(error.into()),
        (Some(ERROR), _)
        | (None, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::RowNotFound) => {
            StoreError::Internal(error.into())
        }
        _ => StoreError::Unavailable(error.into()),
    }
}

#[async_trait]
impl Outbox for SqliteStore {
    async fn record(
        &self,
        events: &[Event],
        planner: &dyn Planner,
        rooms: &dyn Rooms,
        lease: Duration,
    ) -> Result<Recorded, StoreError> {
        let named = super::batch::clients_named(events);
        let keys = self.client_keys(&named).await?;
        let known: std::collections::HashMap<_, _> = named.into_iter().zip(keys).collect();
        let input = Input {
            events,
            planner,
            rooms,
            client: &|issuer, id| known.get(&(issuer, id.to_owned())).copied(),
            session_max_age: self.options.session_max_age,
            since: self.clock.instant(),
            lease: (LeaseId(rand::random::<i64>() & i64::MAX), lease),
        };
        let tx = self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        let mut tx = record::Tx { inner: tx, probe: self.probe.clone(), now: self.clock_now() };
        let recorded = super::record::record(&mut tx, &input).await?;
        if let Err(error) = tx.inner.commit().await {
            give_back(rooms, recorded.leased.iter().map(|row| row.delivery.client));
            return Err(failed(error));
        }
        Ok(recorded)
    }

    async fn expand(&self, planner: &dyn Planner, rate: Rate) -> Result<Option<Expanded>, StoreError> {
        if !expand::any(&self.reader).await? {
            return Ok(None);
        }
        let tx = self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        let mut tx = record::Tx { inner: tx, probe: self.probe.clone(), now: self.clock_now() };
        let expanded = super::record::expand(&mut tx, planner, self.clock.instant(), rate).await?;
        tx.inner.commit().await.map_err(failed)?;
        Ok(expanded)
    }

    async fn due_lanes(&self) -> Result<Vec<DueLane>, StoreError> {
        lease::due_lanes(&self.reader, self.clock_now()).await
    }

    async fn lease(&self, wants: &[Want], lasts: Duration) -> Result<Vec<Leased>, StoreError> {
        let since = self.clock.instant();
        lease::lease(&self.writer, wants, (since, self.clock_now(), lasts)).await
    }

    async fn settle(&self, done: &[Settlement]) -> Result<Settled, StoreError> {
        settle::settle(&self.writer, done, self.clock_now()).await
    }

    async fn release(&self, rows: &[(DeliveryId, LeaseId)]) -> Result<u64, StoreError> {
        lease::release(&self.writer, rows, self.clock_now()).await
    }

    async fn clients_have_uri(&self, clients: &[ClientKey]) -> Result<u64, StoreError> {
        arm::clients_have_uri(&self.writer, clients, self.clock_now()).await
    }

    async fn skip_clients(&self, clients: &[ClientKey], why: SkipReason) -> Result<u64, StoreError> {
        arm::skip_clients(&self.writer, clients, why, self.clock_now()).await
    }

    async fn redeliver(&self, id: DeliveryId) -> Result<bool, StoreError> {
        arm::redeliver(&self.writer, id, self.clock_now()).await
    }

    async fn redeliver_where(&self, filter: &DeliveryFilter) -> Result<u64, StoreError> {
        arm::redeliver_where(&self.writer, filter, self.clock_now()).await
    }

    async fn backlog(&self) -> Result<Backlog, StoreError> {
        lease::backlog(&self.reader, self.clock_now()).await
    }

    async fn prune(&self, keep: &Retention, limit: u32) -> Result<u64, StoreError> {
        prune::prune(&self.writer, keep, limit, self.clock_now()).await
    }
}

#[async_trait]
impl Registry for SqliteStore {
    async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(&self.reader).await.map(drop).map_err(failed)
    }

    async fn now(&self) -> Result<OffsetDateTime, StoreError> {
        Ok(self.clock_now())
    }

    async fn issuer_key(&self, issuer: &str) -> Result<IssuerKey, StoreError> {
        clients::issuer_key(&self.writer, issuer).await
    }

    async fn client_keys(&self, clients: &[(IssuerKey, String)]) -> Result<Vec<ClientKey>, StoreError> {
        self.interned.keys(clients, |missing| clients::client_keys(&self.writer, missing)).await
    }

    async fn find_client(&self, issuer: IssuerKey, client_id: &str) -> Result<Option<ClientKey>, StoreError> {
        clients::find(&self.reader, issuer, client_id).await
    }

    async fn client_ids(&self, keys: &[ClientKey]) -> Result<Vec<(ClientKey, IssuerKey, String)>, StoreError> {
        clients::client_ids(&self.reader, keys).await
    }

    async fn clients(&self) -> Result<Vec<ClientRecord>, StoreError> {
        clients::registered(&self.reader).await
    }

    async fn put_client(
        &self,
        issuer: IssuerKey,
        client_id: &str,
        metadata: &serde_json::Value,
        if_version: Option<i64>,
    ) -> Result<Option<ClientRecord>, StoreError> {
        clients::put(&self.writer, (issuer, client_id), metadata, if_version).await
    }

    async fn delete_client(
        &self,
        issuer: IssuerKey,
        client_id: &str,
        if_version: Option<i64>,
    ) -> Result<Option<bool>, StoreError> {
        clients::delete(&self.writer, (issuer, client_id), if_version).await
    }

    async fn key_first_seen(&self, issuer: IssuerKey, kid: &str) -> Result<OffsetDateTime, StoreError> {
        clients::key_first_seen(&self.writer, issuer, kid, self.clock_now()).await
    }

    async fn sessions(&self, filter: &SessionFilter, page: &Page) -> Result<PageOf<SessionView>, StoreError> {
        read::sessions(&self.reader, filter, page).await
    }

    async fn expired_sessions(&self, issuer: IssuerKey, limit: u32) -> Result<Vec<ExpiredSession>, StoreError> {
        read::expired_sessions(&self.reader, issuer, limit, self.clock_now()).await
    }

    async fn logouts(&self, filter: &LogoutFilter, page: &Page) -> Result<PageOf<LogoutView>, StoreError> {
        read::logouts(&self.reader, filter, page).await
    }

    async fn logout(&self, id: LogoutId) -> Result<Option<LogoutDetail>, StoreError> {
        read::logout(&self.reader, id).await
    }

    async fn logout_counts(&self, ids: &[LogoutId]) -> Result<Vec<(LogoutId, Counts)>, StoreError> {
        read::logout_counts(&self.reader, ids).await
    }

    async fn deliveries(&self, filter: &DeliveryFilter, page: &Page) -> Result<PageOf<DeliveryView>, StoreError> {
        read::deliveries(&self.reader, filter, page).await
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<DeliveryDetail>, StoreError> {
        read::delivery(&self.reader, id).await
    }
}
