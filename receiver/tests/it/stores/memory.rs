//! Does the memory of one process behave as a store?

use std::time::Duration;

use async_trait::async_trait;
use signoff_receiver::registry::suite::{MAX_AGE, RegistryFixture};
use signoff_receiver::replay::suite::ReplayFixture;
use signoff_receiver::{
    Clock as _, ManualClock, MemoryRegistry, MemoryReplayGuard, ReplayGuard, SessionAge, SessionRegistry,
};

struct Sessions {
    clock: ManualClock,
    registry: MemoryRegistry,
}

#[async_trait]
impl RegistryFixture for Sessions {
    async fn fresh() -> Option<Self> {
        let clock = ManualClock::now();
        let registry = MemoryRegistry::with_age(SessionAge::at_most(MAX_AGE).clock(clock.clone()));
        Some(Self { clock, registry })
    }

    fn registry(&self) -> &dyn SessionRegistry {
        &self.registry
    }

    async fn replica(&self) -> Box<dyn SessionRegistry> {
        Box::new(self.registry.clone())
    }

    fn now(&self) -> i64 {
        self.clock.unix_seconds()
    }

    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    async fn held(&self) -> usize {
        self.registry.entries()
    }
}

struct Tokens {
    clock: ManualClock,
    guard: MemoryReplayGuard,
}

#[async_trait]
impl ReplayFixture for Tokens {
    async fn fresh() -> Option<Self> {
        let clock = ManualClock::now();
        Some(Self { guard: MemoryReplayGuard::new().clock(clock.clone()), clock })
    }

    fn guard(&self) -> &dyn ReplayGuard {
        &self.guard
    }

    async fn replica(&self) -> Box<dyn ReplayGuard> {
        Box::new(self.guard.clone())
    }

    fn now(&self) -> i64 {
        self.clock.unix_seconds()
    }

    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }
}

mod registry {
    signoff_receiver::registry_suite!(super::Sessions);
}

mod replay {
    signoff_receiver::replay_suite!(super::Tokens);
}
