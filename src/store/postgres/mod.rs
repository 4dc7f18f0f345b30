//! How does Postgres keep it? Connection, migration, and each trait method's one line.

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
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
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

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("migrations/postgres");

/// The store for several replicas.
#[derive(Debug)]
pub struct PostgresStore {
    pool: PgPool,
    options: Options,
    clock: Arc<dyn Clock>,
    probe: Option<Arc<dyn Probe>>,
    interned: Interned,
}

impl PostgresStore {
    /// Connects and migrates. Replicas that start together wait for each other.
    pub async fn connect(url: &str, options: Options, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let connect = PgConnectOptions::from_str(url)
            .map_err(failed)?
            .application_name("signoff")
            // A generic plan made while a table was empty keeps scanning it when it is full.
            .options([("plan_cache_mode", "force_custom_plan")]);
        let pool = PgPoolOptions::new()
            .max_connections(options.connections)
            .acquire_timeout(Duration::from_secs(5))
            .connect_with(connect)
            .await
            .map_err(failed)?;
        if !is_current(&pool).await? {
            MIGRATIONS.run(&pool).await.map_err(|error| not_migrated(error, failed))?;
        }
        Ok(Self { pool, options, clock, probe: None, interned: Interned::default() })
    }

    /// Holds `record` still where a test wants it.
    #[must_use]
    pub fn with_probe(mut self, probe: Arc<dyn Probe>) -> Self {
        self.probe = Some(probe);
        self
    }

    async fn clock_now(&self) -> Result<OffsetDateTime, StoreError> {
        let now: OffsetDateTime =
            sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(&self.pool).await.map_err(failed)?;
        Ok(now + self.options.clock_offset)
    }
}

/// Whether the schema is exactly ours. The migrator locks for the length of a session, which a pooler
/// hands to others: it is left alone where there is nothing to do.
async fn is_current(pool: &PgPool) -> Result<bool, StoreError> {
    let begun: bool = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
        .fetch_one(pool)
        .await
        .map_err(failed)?;
    if !begun {
        return Ok(false);
    }
    let applied: Vec<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version")
            .fetch_all(pool)
            .await
            .map_err(failed)?;
    let known = MIGRATIONS.iter().map(|migration| (migration.version, &*migration.checksum));
    Ok(known.eq(applied.iter().map(|(version, checksum)| (*version, checksum.as_slice()))))
}

/// By SQLSTATE class: what cannot succeed is poison, what may is unavailable.
fn failed(error: sqlx::Error) -> StoreError {
    let class = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .map(|code| code.chars().take(2).collect::<String>());
    match (class.as_deref(), &error) {
        // Text that cannot be sent at all never reaches the server.
        (Some("21" | "22" | "23" | "54"), _) | (None, sqlx::Error::Encode(_)) => StoreError::Poison(refused(&error)),
        (Some("08" | "25" | "40" | "53" | "55" | "57" | "58"), _) => StoreError::Unavailable(said(&error)),
        (Some(_), _) => StoreError::Internal(said(&error)),
        (None, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::RowNotFound) => {
            StoreError::Internal(error.into())
        }
        (None, _) => StoreError::Unavailable(error.into()),
    }
}

/// The server's message alone: its details, which `Debug` prints, quote rows.
fn said(error: &sqlx::Error) -> anyhow::Error {
    anyhow::anyhow!("{error}")
}

/// Why data is refused, without the message: it may quote the data.
fn refused(error: &sqlx::Error) -> anyhow::Error {
    let db = error.as_database_error();
    let code = db.and_then(sqlx::error::DatabaseError::code).unwrap_or_default();
    let constraint = db.and_then(sqlx::error::DatabaseError::constraint).unwrap_or("none");
    anyhow::anyhow!("SQLSTATE {code:?}, constraint {constraint}")
}

#[async_trait]
impl Outbox for PostgresStore {
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
        let tx = self.pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await.map_err(failed)?;
        let mut tx = record::Tx { inner: tx, probe: self.probe.clone(), offset: self.options.clock_offset };
        let recorded = super::record::record(&mut tx, &input).await?;
        if let Err(error) = tx.inner.commit().await {
            give_back(rooms, recorded.leased.iter().map(|row| row.delivery.client));
            return Err(failed(error));
        }
        Ok(recorded)
    }

    async fn expand(&self, planner: &dyn Planner, rate: Rate) -> Result<Option<Expanded>, StoreError> {
        if !expand::any(&self.pool).await? {
            return Ok(None);
        }
        let tx = self.pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await.map_err(failed)?;
        let mut tx = record::Tx { inner: tx, probe: self.probe.clone(), offset: self.options.clock_offset };
        let expanded = super::record::expand(&mut tx, planner, self.clock.instant(), rate).await?;
        tx.inner.commit().await.map_err(failed)?;
        Ok(expanded)
    }

    async fn due_lanes(&self) -> Result<Vec<DueLane>, StoreError> {
        lease::due_lanes(&self.pool, self.clock_now().await?).await
    }

    async fn lease(&self, wants: &[Want], lasts: Duration) -> Result<Vec<Leased>, StoreError> {
        let since = self.clock.instant();
        lease::lease(&self.pool, wants, (since, self.clock_now().await?, lasts)).await
    }

    async fn settle(&self, done: &[Settlement]) -> Result<Settled, StoreError> {
        settle::settle(&self.pool, done, self.clock_now().await?).await
    }

    async fn release(&self, rows: &[(DeliveryId, LeaseId)]) -> Result<u64, StoreError> {
        lease::release(&self.pool, rows, self.clock_now().await?).await
    }

    async fn clients_have_uri(&self, clients: &[ClientKey]) -> Result<u64, StoreError> {
        arm::clients_have_uri(&self.pool, clients, self.clock_now().await?).await
    }

    async fn skip_clients(&self, clients: &[ClientKey], why: SkipReason) -> Result<u64, StoreError> {
        arm::skip_clients(&self.pool, clients, why, self.clock_now().await?).await
    }

    async fn redeliver(&self, id: DeliveryId) -> Result<bool, StoreError> {
        arm::redeliver(&self.pool, id, self.clock_now().await?).await
    }

    async fn redeliver_where(&self, filter: &DeliveryFilter) -> Result<u64, StoreError> {
        arm::redeliver_where(&self.pool, filter, self.clock_now().await?).await
    }

    async fn backlog(&self) -> Result<Backlog, StoreError> {
        lease::backlog(&self.pool, self.clock_now().await?).await
    }

    async fn prune(&self, keep: &Retention, limit: u32) -> Result<u64, StoreError> {
        prune::prune(&self.pool, keep, limit, self.clock_now().await?).await
    }
}

#[async_trait]
impl Registry for PostgresStore {
    async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(&self.pool).await.map(drop).map_err(failed)
    }

    async fn now(&self) -> Result<OffsetDateTime, StoreError> {
        self.clock_now().await
    }

    async fn issuer_key(&self, issuer: &str) -> Result<IssuerKey, StoreError> {
        clients::issuer_key(&self.pool, issuer).await
    }

    async fn client_keys(&self, clients: &[(IssuerKey, String)]) -> Result<Vec<ClientKey>, StoreError> {
        self.interned.keys(clients, |missing| clients::client_keys(&self.pool, missing)).await
    }

    async fn find_client(&self, issuer: IssuerKey, client_id: &str) -> Result<Option<ClientKey>, StoreError> {
        clients::find(&self.pool, issuer, client_id).await
    }

    async fn client_ids(&self, keys: &[ClientKey]) -> Result<Vec<(ClientKey, IssuerKey, String)>, StoreError> {
        clients::client_ids(&self.pool, keys).await
    }

    async fn clients(&self) -> Result<Vec<ClientRecord>, StoreError> {
        clients::registered(&self.pool).await
    }

    async fn put_client(
        &self,
        issuer: IssuerKey,
        client_id: &str,
        metadata: &serde_json::Value,
        if_version: Option<i64>,
    ) -> Result<Option<ClientRecord>, StoreError> {
        clients::put(&self.pool, (issuer, client_id), metadata, if_version).await
    }

    async fn delete_client(
        &self,
        issuer: IssuerKey,
        client_id: &str,
        if_version: Option<i64>,
    ) -> Result<Option<bool>, StoreError> {
        clients::delete(&self.pool, (issuer, client_id), if_version).await
    }

    async fn key_first_seen(&self, issuer: IssuerKey, kid: &str) -> Result<OffsetDateTime, StoreError> {
        clients::key_first_seen(&self.pool, issuer, kid, self.clock_now().await?).await
    }

    async fn sessions(&self, filter: &SessionFilter, page: &Page) -> Result<PageOf<SessionView>, StoreError> {
        read::sessions(&self.pool, filter, page).await
    }

    async fn expired_sessions(&self, issuer: IssuerKey, limit: u32) -> Result<Vec<ExpiredSession>, StoreError> {
        read::expired_sessions(&self.pool, issuer, limit, self.clock_now().await?).await
    }

    async fn logouts(&self, filter: &LogoutFilter, page: &Page) -> Result<PageOf<LogoutView>, StoreError> {
        read::logouts(&self.pool, filter, page).await
    }

    async fn logout(&self, id: LogoutId) -> Result<Option<LogoutDetail>, StoreError> {
        read::logout(&self.pool, id).await
    }

    async fn logout_counts(&self, ids: &[LogoutId]) -> Result<Vec<(LogoutId, Counts)>, StoreError> {
        read::logout_counts(&self.pool, ids).await
    }

    async fn deliveries(&self, filter: &DeliveryFilter, page: &Page) -> Result<PageOf<DeliveryView>, StoreError> {
        read::deliveries(&self.pool, filter, page).await
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<DeliveryDetail>, StoreError> {
        read::delivery(&self.pool, id).await
    }
}
