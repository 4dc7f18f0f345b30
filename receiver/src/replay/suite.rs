//! Does a store keep what [`ReplayGuard`] promises? One behaviour each, for any store.
//!
//! Implement [`ReplayFixture`] for the store and let [`replay_suite!`](crate::replay_suite) make a test
//! of every behaviour. The names carry the ids of the case catalogue.
#![expect(clippy::missing_panics_doc, reason = "each behaviour panics if the store does not have it")]

use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join;

use super::{Begun, LEASE, ReplayGuard, TokenId};
use crate::StoreError;

/// A store under test.
#[async_trait]
pub trait ReplayFixture: Sized + Send + Sync {
    /// An empty store for one test. `None`, said aloud, if there is no server to try.
    async fn fresh() -> Option<Self>;

    /// The store.
    fn guard(&self) -> &dyn ReplayGuard;

    /// Another handle on the same data, as another replica has it.
    async fn replica(&self) -> Box<dyn ReplayGuard>;

    /// What the store takes for the time, in seconds since the Unix epoch.
    fn now(&self) -> i64;

    /// Lets so much time pass for the store, and for all that expires in it.
    async fn advance(&self, by: Duration);
}

/// Makes a test of every behaviour, for one [`ReplayFixture`]. The attribute is `#[tokio::test]`
/// unless another is given: `replay_suite!(Fixture, #[tokio::test(flavor = "multi_thread")]);`
#[macro_export]
macro_rules! replay_suite {
    ($fixture:ty) => {
        $crate::replay_suite!($fixture, #[tokio::test]);
    };
    ($fixture:ty, #[$test:meta]) => {
        $crate::replay_suite! { @ $fixture, #[$test]
            r01_a_token_that_was_carried_out_is_done
            r01_the_same_jti_of_another_issuer_is_another_token
            r03_a_token_that_was_released_can_be_begun_again
            r03_a_token_that_nobody_finishes_can_be_begun_again
            r05_a_token_is_remembered_as_long_as_it_is_good
            r06_of_several_that_begin_at_once_one_may_act
            a_release_that_comes_late_forgets_nothing
            a_commit_after_the_lease_counts
        }
    };
    (@ $fixture:ty, #[$test:meta] $($name:ident)*) => {
        $(
            #[$test]
            async fn $name() {
                if let Some(fixture) = <$fixture as $crate::replay::suite::ReplayFixture>::fresh().await {
                    $crate::replay::suite::$name(&fixture).await;
                }
            }
        )*
    };
}

/// Here and at another replica.
pub async fn r01_a_token_that_was_carried_out_is_done(fixture: &impl ReplayFixture) {
    let replica = fixture.replica().await;
    assert_eq!(begin(fixture.guard(), "1").await, Begun::Fresh);
    assert_eq!(begin(&*replica, "1").await, Begun::InFlight);
    told(fixture.guard().commit(&token("1"), fixture.now() + 100).await);
    for guard in [fixture.guard(), &*replica] {
        assert_eq!(begin(guard, "1").await, Begun::Done);
        assert_eq!(begin(guard, "1").await, Begun::Done);
    }
}

/// `jti` is unique at its issuer only.
pub async fn r01_the_same_jti_of_another_issuer_is_another_token(fixture: &impl ReplayFixture) {
    assert_eq!(begin(fixture.guard(), "1").await, Begun::Fresh);
    let other = TokenId { issuer: "https://other.example.com".into(), jti: "1".into() };
    assert_eq!(told(fixture.guard().begin(&other).await), Begun::Fresh);
    // Nor are issuer and jti to be told apart by a separator.
    for (issuer, jti) in [("a", "b:c"), ("a:b", "c"), ("a\"", "b"), ("a", "\"b"), ("a", "B")] {
        let token = TokenId { issuer: issuer.into(), jti: jti.into() };
        assert_eq!(told(fixture.guard().begin(&token).await), Begun::Fresh, "{token:?}");
    }
}

/// The kill failed, and the sender tries again.
pub async fn r03_a_token_that_was_released_can_be_begun_again(fixture: &impl ReplayFixture) {
    for guard in [fixture.guard(), &*fixture.replica().await] {
        assert_eq!(begin(guard, "1").await, Begun::Fresh);
        told(guard.release(&token("1")).await);
    }
    assert_eq!(begin(fixture.guard(), "1").await, Begun::Fresh);
}

/// The process died in the middle, and the sender tries again.
pub async fn r03_a_token_that_nobody_finishes_can_be_begun_again(fixture: &impl ReplayFixture) {
    assert_eq!(begin(fixture.guard(), "1").await, Begun::Fresh);
    fixture.advance(LEASE.saturating_sub(Duration::from_secs(2))).await;
    assert_eq!(begin(fixture.guard(), "1").await, Begun::InFlight);
    fixture.advance(Duration::from_secs(4)).await;
    assert_eq!(begin(fixture.guard(), "1").await, Begun::Fresh);
    assert_eq!(begin(&*fixture.replica().await, "1").await, Begun::InFlight);
}

/// After that it is refused for its age, and need not be remembered.
pub async fn r05_a_token_is_remembered_as_long_as_it_is_good(fixture: &impl ReplayFixture) {
    assert_eq!(begin(fixture.guard(), "1").await, Begun::Fresh);
    told(fixture.guard().commit(&token("1"), fixture.now() + 600).await);
    fixture.advance(Duration::from_mins(10)).await;
    assert_eq!(begin(fixture.guard(), "1").await, Begun::Done);
    fixture.advance(Duration::from_secs(2)).await;
    assert_eq!(begin(fixture.guard(), "1").await, Begun::Fresh);
}

/// Two replicas receive the same token.
pub async fn r06_of_several_that_begin_at_once_one_may_act(fixture: &impl ReplayFixture) {
    let replica = fixture.replica().await;
    for round in 0..25 {
        let jti = round.to_string();
        let (one, other) = join(begin(fixture.guard(), &jti), begin(&*replica, &jti)).await;
        assert_ne!(one == Begun::Fresh, other == Begun::Fresh, "{one:?} {other:?}");
    }
}

/// Of two that carried out the same token, after a lease ran out, the second failed.
pub async fn a_release_that_comes_late_forgets_nothing(fixture: &impl ReplayFixture) {
    assert_eq!(begin(fixture.guard(), "1").await, Begun::Fresh);
    told(fixture.guard().commit(&token("1"), fixture.now() + 100).await);
    told(fixture.guard().release(&token("1")).await);
    told(fixture.guard().release(&token("2")).await);
    assert_eq!(begin(fixture.guard(), "1").await, Begun::Done);
}

/// Ten thousand sessions take their time.
pub async fn a_commit_after_the_lease_counts(fixture: &impl ReplayFixture) {
    assert_eq!(begin(fixture.guard(), "1").await, Begun::Fresh);
    fixture.advance(LEASE.saturating_add(Duration::from_secs(2))).await;
    told(fixture.guard().commit(&token("1"), fixture.now() + 100).await);
    assert_eq!(begin(fixture.guard(), "1").await, Begun::Done);
}

fn token(jti: &str) -> TokenId {
    TokenId { issuer: "https://idp.example.com".into(), jti: jti.into() }
}

async fn begin(guard: &dyn ReplayGuard, jti: &str) -> Begun {
    told(guard.begin(&token(jti)).await)
}

#[expect(clippy::panic, reason = "a test that cannot go on ends there")]
fn told<T>(result: Result<T, StoreError>) -> T {
    match result {
        Ok(told) => told,
        Err(error) => panic!("the store failed: {}", crate::error::chain(&error)),
    }
}

#[cfg(test)]
mod tests {
    /// A behaviour that no macro names would be tried by nobody.
    #[test]
    fn the_macro_names_every_behaviour() {
        let list = include_str!("suite.rs").split_once("@ $fixture, #[$test]\n").unwrap().1;
        let list: Vec<&str> = list.split('}').next().unwrap().split_whitespace().collect();
        let behaviours = include_str!("suite.rs").split("\npub async fn ").skip(1);
        let behaviours = behaviours.map(|rest| rest.split(['<', '(']).next().unwrap());
        assert_eq!(list, behaviours.collect::<Vec<_>>());
    }
}
