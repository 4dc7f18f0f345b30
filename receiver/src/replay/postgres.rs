//! How do replicas that share a Postgres remember the tokens they have carried out?

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::PgPool;

use super::{Begun, LEASE, ReplayGuard, TokenId};
use crate::error::chain;
use crate::shared::{BATCH, Key, Sweep};
use crate::{Clock, PostgresRegistry, StoreError, SystemClock};

/// Tokens in a table of a Postgres database, for any number of replicas. Clones share the pool.
///
/// Different applications need different schemas: a token may be addressed to several.
#[derive(Debug, Clone)]
pub struct PostgresReplayGuard {
    pool: PgPool,
    clock: Arc<dyn Clock>,
    sweep: Arc<Sweep>,
}

impl PostgresReplayGuard {
    /// Creates the tables, also those of [`PostgresRegistry`]; the same as [`PostgresRegistry::migrate`].
    pub async fn migrate(pool: &PgPool) -> Result<(), StoreError> {
        PostgresRegistry::migrate(pool).await
    }

    /// Tokens in this database.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self { pool, clock: Arc::new(SystemClock), sweep: Arc::default() }
    }

    /// Where the time comes from; the machine unless set.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    async fn sweep_if_due(&self, now: i64) {
        let sql = "DELETE FROM signoff_receiver_tokens WHERE token IN (
            SELECT token FROM signoff_receiver_tokens WHERE last_second < $1
            ORDER BY last_second LIMIT $2 FOR UPDATE SKIP LOCKED)";
        if self.sweep.is_due(now)
            && let Err(error) = sqlx::query(sql).bind(now).bind(BATCH).execute(&self.pool).await
        {
            tracing::warn!(error = %chain(&StoreError::from(error)), "tokens that are too old could not be dropped");
        }
    }
}

#[async_trait]
impl ReplayGuard for PostgresReplayGuard {
    async fn begin(&self, token: &TokenId) -> Result<Begun, StoreError> {
        let now = self.clock.unix_seconds();
        self.sweep_if_due(now).await;
        let lease = now.saturating_add(i64::try_from(LEASE.as_secs()).unwrap_or(i64::MAX));
        let sql = "INSERT INTO signoff_receiver_tokens AS t (token, done, last_second) VALUES ($1, FALSE, $2)
            ON CONFLICT (token) DO UPDATE SET done = FALSE, last_second = excluded.last_second WHERE t.last_second < $3";
        let key = Key::token(token);
        let begun = sqlx::query(sql).bind(key.as_str()).bind(lease).bind(now).execute(&self.pool).await?;
        if begun.rows_affected() == 1 {
            return Ok(Begun::Fresh);
        }
        let sql = "SELECT done FROM signoff_receiver_tokens WHERE token = $1";
        let done: Option<bool> = sqlx::query_scalar(sql).bind(key.as_str()).fetch_optional(&self.pool).await?;
        // Released since: whoever asks again gets it.
        Ok(if done == Some(true) { Begun::Done } else { Begun::InFlight })
    }

    async fn commit(&self, token: &TokenId, until: i64) -> Result<(), StoreError> {
        let sql = "INSERT INTO signoff_receiver_tokens (token, done, last_second) VALUES ($1, TRUE, $2)
            ON CONFLICT (token) DO UPDATE SET done = TRUE, last_second = excluded.last_second";
        sqlx::query(sql).bind(Key::token(token).as_str()).bind(until).execute(&self.pool).await?;
        Ok(())
    }

    async fn release(&self, token: &TokenId) -> Result<(), StoreError> {
        let sql = "DELETE FROM signoff_receiver_tokens WHERE token = $1 AND NOT done";
        sqlx::query(sql).bind(Key::token(token).as_str()).execute(&self.pool).await?;
        Ok(())
    }
}
