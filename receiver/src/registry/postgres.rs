//! How do replicas that share a Postgres remember their sessions?

mod statements;

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::PgPool;

use self::statements::retried;
use super::{Check, Cursor, Login, Logout, PAGE_SIZE, Page, Registration, SessionAge, SessionRegistry, Standing};
use crate::StoreError;
use crate::error::chain;
use crate::registry::Tombstone;
use crate::shared::{Key, Row, Sweep, migrator, read};

/// Sessions in tables of a Postgres database, for any number of replicas. Clones share the pool.
///
/// The tables are named `signoff_receiver_…`, and lie where the pool's `search_path` leads. Every
/// statement stands for itself or in a short transaction of READ COMMITTED, the default of Postgres.
#[derive(Debug, Clone)]
pub struct PostgresRegistry {
    pool: PgPool,
    age: SessionAge,
    sweep: Arc<Sweep>,
}

impl PostgresRegistry {
    /// Creates the tables, or brings them up to date; at every start, from every replica. Also those of
    /// [`PostgresReplayGuard`](crate::PostgresReplayGuard). What was applied stands in
    /// `signoff_receiver_migrations`, apart from the application's own migrations.
    pub async fn migrate(pool: &PgPool) -> Result<(), StoreError> {
        let migrations = [include_str!("../../migrations/postgres/0001_tables.sql")];
        migrator(&migrations).run(pool).await.map_err(StoreError::new)
    }

    /// Sessions live at most 14 days.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self::with_age(pool, SessionAge::default())
    }

    /// With this greatest age of a session.
    #[must_use]
    pub fn with_age(pool: PgPool, age: SessionAge) -> Self {
        Self { pool, age, sweep: Arc::default() }
    }

    /// The tombstones that meet these checks.
    async fn standing_over(&self, checks: &[Check]) -> Result<Vec<String>, StoreError> {
        Ok(statements::tombstones(&self.pool, checks, self.age.now()).await?)
    }

    /// A failure is not that of the caller, who has other things to do.
    async fn sweep_if_due(&self) {
        let now = self.age.now();
        if self.sweep.is_due(now)
            && let Err(error) = statements::sweep(&self.pool, now).await
        {
            tracing::warn!(error = %chain(&StoreError::from(error)), "sessions that are over could not be dropped");
        }
    }

    /// Takes back what was written before we looked.
    async fn withdraw(&self, rows: &[Row]) -> Result<(), StoreError> {
        for row in rows {
            retried!(statements::withdraw(&self.pool, row))?;
        }
        Ok(())
    }
}

#[async_trait]
impl SessionRegistry for PostgresRegistry {
    async fn register(&self, session: &Registration) -> Result<Standing, StoreError> {
        self.sweep_if_due().await;
        let row = Row::new(session, &self.age)?;
        // Committed before we look: a logout that we do not see now will find it.
        retried!(statements::insert(&self.pool, &row))?;
        let mut checks = session.login.checks().to_vec();
        checks.push(Check::local(&session.local_id));
        let standing = self.standing_over(&checks).await?;
        if self.age.is_over(&session.login) || standing.iter().any(|name| *name != row.session) {
            self.withdraw(&[row]).await?;
            return Ok(Standing::Ended);
        }
        if !standing.is_empty() {
            retried!(statements::exhume(&self.pool, &row))?;
        }
        Ok(Standing::Alive)
    }

    async fn rekey(&self, old_id: &str, new_id: &str) -> Result<Standing, StoreError> {
        // As above: moved first, looked after.
        let moved = retried!(statements::rekey(&self.pool, old_id, new_id, &self.age))?;
        let mut checks = vec![Check::local(old_id)];
        let mut over = false;
        for row in &moved {
            let login = read(&row.registration)?.login;
            over = over || self.age.is_over(&login);
            checks.extend(login.checks());
        }
        if !over && self.standing_over(&checks).await?.is_empty() {
            return Ok(Standing::Alive);
        }
        self.withdraw(&moved).await?;
        retried!(statements::bury(&self.pool, &[Tombstone::local(new_id)], &self.age))?;
        Ok(Standing::Ended)
    }

    async fn unregister(&self, local_id: &str) -> Result<(), StoreError> {
        Ok(retried!(statements::forget(&self.pool, &Key::local(local_id)))?)
    }

    async fn standing(&self, local_id: Option<&str>, login: &Login) -> Result<Standing, StoreError> {
        let mut checks = login.checks().to_vec();
        checks.extend(local_id.map(Check::local));
        let alive = !self.age.is_over(login) && self.standing_over(&checks).await?.is_empty();
        Ok(if alive { Standing::Alive } else { Standing::Ended })
    }

    async fn logins(&self, local_id: &str) -> Result<Vec<Login>, StoreError> {
        let held = statements::held(&self.pool, &Key::local(local_id), self.age.now()).await?;
        held.iter().map(|one| Ok(read(one)?.login)).collect()
    }

    async fn bury(&self, logout: &Logout) -> Result<(), StoreError> {
        self.sweep_if_due().await;
        Ok(retried!(statements::bury(&self.pool, &logout.tombstones(), &self.age))?)
    }

    async fn find(&self, logout: &Logout, after: Option<&Cursor>) -> Result<Page, StoreError> {
        let after = after.map_or("", |cursor| &cursor.0);
        let found = statements::find(&self.pool, &logout.names(), after).await?;
        let next = found.get(PAGE_SIZE - 1).map(|(session, _)| Cursor(session.clone()));
        let sessions = found.iter().map(|(_, registration)| read(registration)).collect::<Result<_, _>>()?;
        Ok(Page { sessions, next })
    }

    async fn remove(&self, sessions: &[Registration]) -> Result<Vec<Registration>, StoreError> {
        if sessions.is_empty() {
            return Ok(Vec::new());
        }
        Ok(retried!(statements::remove(&self.pool, sessions, &self.age))?)
    }

    async fn prune(&self) -> Result<(), StoreError> {
        while statements::sweep(&self.pool, self.age.now()).await? {}
        Ok(())
    }
}
