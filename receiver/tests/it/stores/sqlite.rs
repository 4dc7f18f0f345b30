//! Does SQLite behave as a store?

use std::time::Duration;

use async_trait::async_trait;
use signoff_receiver::registry::suite::{MAX_AGE, RegistryFixture};
use signoff_receiver::replay::suite::ReplayFixture;
use signoff_receiver::{
    Clock as _, ManualClock, ReplayGuard, SessionAge, SessionRegistry, SqliteRegistry, SqliteReplayGuard,
};
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use tempfile::TempDir;

/// Another pool each time, as another process has it.
fn pool(folder: &TempDir) -> SqlitePool {
    let options = SqliteConnectOptions::new().filename(folder.path().join("sessions.db")).create_if_missing(true);
    SqlitePoolOptions::new()
        .max_connections(4)
        .connect_lazy_with(options.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Normal))
}

struct Sessions {
    clock: ManualClock,
    registry: SqliteRegistry,
    folder: TempDir,
}

impl Sessions {
    fn open(pool: SqlitePool, clock: &ManualClock) -> SqliteRegistry {
        SqliteRegistry::with_age(pool, SessionAge::at_most(MAX_AGE).clock(clock.clone()))
    }
}

#[async_trait]
impl RegistryFixture for Sessions {
    async fn fresh() -> Option<Self> {
        let (folder, clock) = (tempfile::tempdir().unwrap(), ManualClock::now());
        SqliteRegistry::migrate(&pool(&folder)).await.unwrap();
        Some(Self { registry: Self::open(pool(&folder), &clock), clock, folder })
    }

    fn registry(&self) -> &dyn SessionRegistry {
        &self.registry
    }

    async fn replica(&self) -> Box<dyn SessionRegistry> {
        Box::new(Self::open(pool(&self.folder), &self.clock))
    }

    fn now(&self) -> i64 {
        self.clock.unix_seconds()
    }

    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    async fn held(&self) -> usize {
        let sql = "SELECT (SELECT count(*) FROM signoff_receiver_logins)
            + (SELECT count(*) FROM signoff_receiver_tombstones)";
        let rows: i64 = sqlx::query_scalar(sql).fetch_one(&pool(&self.folder)).await.unwrap();
        usize::try_from(rows).unwrap()
    }
}

struct Tokens {
    clock: ManualClock,
    guard: SqliteReplayGuard,
    folder: TempDir,
}

#[async_trait]
impl ReplayFixture for Tokens {
    async fn fresh() -> Option<Self> {
        let (folder, clock) = (tempfile::tempdir().unwrap(), ManualClock::now());
        SqliteReplayGuard::migrate(&pool(&folder)).await.unwrap();
        Some(Self { guard: SqliteReplayGuard::new(pool(&folder)).clock(clock.clone()), clock, folder })
    }

    fn guard(&self) -> &dyn ReplayGuard {
        &self.guard
    }

    async fn replica(&self) -> Box<dyn ReplayGuard> {
        Box::new(SqliteReplayGuard::new(pool(&self.folder)).clock(self.clock.clone()))
    }

    fn now(&self) -> i64 {
        self.clock.unix_seconds()
    }

    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }
}

mod registry {
    signoff_receiver::registry_suite!(super::Sessions, #[tokio::test(flavor = "multi_thread")]);
}

mod replay {
    signoff_receiver::replay_suite!(super::Tokens, #[tokio::test(flavor = "multi_thread")]);
}

mod shared {
    crate::stores::shared::shared_suite!(super::Sessions);

    #[tokio::test]
    async fn what_is_over_goes_without_being_asked() {
        if let Some(fixture) = <super::Sessions as super::RegistryFixture>::fresh().await {
            crate::stores::shared::what_is_over_goes_without_being_asked(&fixture).await;
        }
    }
}

/// The application has migrations of its own.
#[tokio::test(flavor = "multi_thread")]
async fn migrations_leave_those_of_the_application_alone() {
    let folder = tempfile::tempdir().unwrap();
    let pool = pool(&folder);
    let own = "CREATE TABLE _sqlx_migrations (mine INT); INSERT INTO _sqlx_migrations VALUES (7)";
    sqlx::raw_sql(own).execute(&pool).await.unwrap();
    SqliteRegistry::migrate(&pool).await.unwrap();
    SqliteReplayGuard::migrate(&pool).await.unwrap();
    let left: Vec<i32> = sqlx::query_scalar("SELECT mine FROM _sqlx_migrations").fetch_all(&pool).await.unwrap();
    assert_eq!(left, [7]);
}
