//! Does Redis behave as a store?

use std::time::Duration;

use crate::servers::Keyspace;
use async_trait::async_trait;
use signoff_receiver::registry::suite::{MAX_AGE, RegistryFixture};
use signoff_receiver::replay::suite::ReplayFixture;
use signoff_receiver::{
    Clock as _, ManualClock, RedisRegistry, RedisReplayGuard, ReplayGuard, SessionAge, SessionRegistry,
};

struct Sessions {
    clock: ManualClock,
    registry: RedisRegistry,
    keyspace: Keyspace,
}

impl Sessions {
    async fn open(keyspace: &Keyspace, clock: &ManualClock) -> RedisRegistry {
        let age = SessionAge::at_most(MAX_AGE).clock(clock.clone());
        RedisRegistry::with_age(keyspace.connection().await, age).prefix(&keyspace.prefix)
    }
}

#[async_trait]
impl RegistryFixture for Sessions {
    async fn fresh() -> Option<Self> {
        let (keyspace, clock) = (Keyspace::fresh()?, ManualClock::now());
        Some(Self { registry: Self::open(&keyspace, &clock).await, clock, keyspace })
    }

    fn registry(&self) -> &dyn SessionRegistry {
        &self.registry
    }

    async fn replica(&self) -> Box<dyn SessionRegistry> {
        Box::new(Self::open(&self.keyspace, &self.clock).await)
    }

    fn now(&self) -> i64 {
        self.clock.unix_seconds()
    }

    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    async fn held(&self) -> usize {
        self.keyspace.keys().await.len()
    }
}

struct Tokens {
    clock: ManualClock,
    guard: RedisReplayGuard,
    keyspace: Keyspace,
}

impl Tokens {
    async fn open(keyspace: &Keyspace, clock: &ManualClock) -> RedisReplayGuard {
        RedisReplayGuard::new(keyspace.connection().await).prefix(&keyspace.prefix).clock(clock.clone())
    }
}

#[async_trait]
impl ReplayFixture for Tokens {
    async fn fresh() -> Option<Self> {
        let (keyspace, clock) = (Keyspace::fresh()?, ManualClock::now());
        Some(Self { guard: Self::open(&keyspace, &clock).await, clock, keyspace })
    }

    fn guard(&self) -> &dyn ReplayGuard {
        &self.guard
    }

    async fn replica(&self) -> Box<dyn ReplayGuard> {
        Box::new(Self::open(&self.keyspace, &self.clock).await)
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
