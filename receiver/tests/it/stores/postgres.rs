//! Does Postgres behave as a store?

use std::time::Duration;

use async_trait::async_trait;
use signoff_receiver::registry::suite::{MAX_AGE, RegistryFixture};
use signoff_receiver::replay::suite::ReplayFixture;
use signoff_receiver::{
    Clock as _, ManualClock, PostgresRegistry, PostgresReplayGuard, ReplayGuard, SessionAge, SessionRegistry,
};
use sqlx::PgPool;

use crate::servers::Schema;

struct Sessions {
    clock: ManualClock,
    registry: PostgresRegistry,
    schema: Schema,
}

impl Sessions {
    fn open(pool: PgPool, clock: &ManualClock) -> PostgresRegistry {
        PostgresRegistry::with_age(pool, SessionAge::at_most(MAX_AGE).clock(clock.clone()))
    }
}

#[async_trait]
impl RegistryFixture for Sessions {
    async fn fresh() -> Option<Self> {
        let (schema, clock) = (Schema::fresh().await?, ManualClock::now());
        PostgresRegistry::migrate(&schema.pool()).await.unwrap();
        Some(Self { registry: Self::open(schema.pool(), &clock), clock, schema })
    }

    fn registry(&self) -> &dyn SessionRegistry {
        &self.registry
    }

    async fn replica(&self) -> Box<dyn SessionRegistry> {
        Box::new(Self::open(self.schema.pool(), &self.clock))
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
        let rows: i64 = sqlx::query_scalar(sql).fetch_one(&self.schema.pool()).await.unwrap();
        usize::try_from(rows).unwrap()
    }
}

struct Tokens {
    clock: ManualClock,
    guard: PostgresReplayGuard,
    schema: Schema,
}

#[async_trait]
impl ReplayFixture for Tokens {
    async fn fresh() -> Option<Self> {
        let (schema, clock) = (Schema::fresh().await?, ManualClock::now());
        PostgresReplayGuard::migrate(&schema.pool()).await.unwrap();
        Some(Self { guard: PostgresReplayGuard::new(schema.pool()).clock(clock.clone()), clock, schema })
    }

    fn guard(&self) -> &dyn ReplayGuard {
        &self.guard
    }

    async fn replica(&self) -> Box<dyn ReplayGuard> {
        Box::new(PostgresReplayGuard::new(self.schema.pool()).clock(self.clock.clone()))
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

/// The application has migrations of its own, and several replicas start at the same time.
#[tokio::test(flavor = "multi_thread")]
async fn migrations_leave_those_of_the_application_alone() {
    let Some(schema) = Schema::fresh().await else { return };
    let pool = schema.pool();
    let own = "CREATE TABLE _sqlx_migrations (mine INT); INSERT INTO _sqlx_migrations VALUES (7)";
    sqlx::raw_sql(own).execute(&pool).await.unwrap();
    let [one, other] = [schema.pool(), schema.pool()];
    let started =
        futures_util::future::join(PostgresRegistry::migrate(&one), PostgresReplayGuard::migrate(&other)).await;
    assert!(started.0.is_ok() && started.1.is_ok(), "{started:?}");
    PostgresRegistry::migrate(&pool).await.unwrap();
    let left: Vec<i32> = sqlx::query_scalar("SELECT mine FROM _sqlx_migrations").fetch_all(&pool).await.unwrap();
    assert_eq!(left, [7]);
}
