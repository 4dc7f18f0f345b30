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

mod shared {
    use redis::AsyncCommands as _;
    use signoff_receiver::registry::suite::RegistryFixture as _;
    use signoff_receiver::replay::{Begun, TokenId};
    use signoff_receiver::{
        Login, Logout, LogoutTarget, Registration, ReplayGuard as _, SessionRegistry as _, Standing,
    };

    crate::stores::shared::shared_suite!(super::Sessions);

    #[tokio::test]
    async fn what_is_over_goes_without_being_asked() {
        let Some(fixture) = <super::Sessions as super::RegistryFixture>::fresh().await else { return };
        let Some(tokens) = <super::Tokens as super::ReplayFixture>::fresh().await else { return };
        let now = fixture.now();
        let login = Login { issuer: "i".into(), client_id: "c".into(), sub: "alice".into(), sid: None, at: now };
        let registered = fixture.registry.register(&Registration::new("l1", login)).await.unwrap();
        assert_eq!(registered, Standing::Alive);
        let target = LogoutTarget::Session { sid: "s1".into() };
        let out = Logout { issuer: "i".into(), client_id: "c".into(), target, at: now };
        fixture.registry.bury(&out).await.unwrap();
        for jti in ["1", "2"] {
            let token = TokenId { issuer: "i".into(), jti: jti.into() };
            assert_eq!(tokens.guard.begin(&token).await.unwrap(), Begun::Fresh);
            if jti == "1" {
                tokens.guard.commit(&token, now + 600).await.unwrap();
            }
        }
        // A login, its two names, a tombstone; two tokens.
        for (keyspace, keys, at_most) in [(&fixture.keyspace, 4, 3600), (&tokens.keyspace, 2, 600)] {
            let held = keyspace.keys().await;
            assert_eq!(held.len(), keys, "{held:?}");
            for key in held {
                let ttl: i64 = keyspace.connection().await.ttl(&key).await.unwrap();
                assert!((1..=at_most + 61).contains(&ttl), "{key} {ttl}");
            }
        }
    }
}
