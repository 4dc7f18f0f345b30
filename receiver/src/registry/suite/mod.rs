//! Does a store keep what [`SessionRegistry`] promises? One behaviour each, for any store.
//!
//! Implement [`RegistryFixture`] for the store and let [`registry_suite!`](crate::registry_suite) make
//! a test of every behaviour. The names carry the ids of the case catalogue.

mod logout;
mod tombstones;
mod upkeep;

use std::time::Duration;

use async_trait::async_trait;
pub use logout::*;
pub use tombstones::*;
pub use upkeep::*;

use super::{Login, Logout, Page, Registration, SessionRegistry, Standing, take};
use crate::LogoutTarget;

/// The greatest age of a session that the store under test is to be built with.
pub const MAX_AGE: Duration = Duration::from_hours(1);

/// The issuer of the suite's logins.
pub const ISSUER: &str = "https://idp.example.com";

/// The client of the suite's logins.
pub const CLIENT: &str = "shop";

/// A store under test.
#[async_trait]
pub trait RegistryFixture: Sized + Send + Sync {
    /// An empty store for one test, with [`MAX_AGE`]. `None`, said aloud, if there is no server to try.
    async fn fresh() -> Option<Self>;

    /// The store.
    fn registry(&self) -> &dyn SessionRegistry;

    /// Another handle on the same data, as another replica has it.
    async fn replica(&self) -> Box<dyn SessionRegistry>;

    /// What the store takes for the time, in seconds since the Unix epoch.
    fn now(&self) -> i64;

    /// Lets so much time pass for the store, and for all that expires in it.
    async fn advance(&self, by: Duration);

    /// How much is held in all, in whatever unit: zero if nothing is.
    async fn held(&self) -> usize;
}

/// Makes a test of every behaviour, for one [`RegistryFixture`]. The attribute is `#[tokio::test]`
/// unless another is given: `registry_suite!(Fixture, #[tokio::test(flavor = "multi_thread")]);`
#[macro_export]
macro_rules! registry_suite {
    ($fixture:ty) => {
        $crate::registry_suite!($fixture, #[tokio::test]);
    };
    ($fixture:ty, #[$test:meta]) => {
        $crate::registry_suite! { @ $fixture, #[$test]
            e01_an_unknown_name_ends_nobody
            e02_sid_and_sub_end_only_the_sessions_of_the_sid
            e03_sub_alone_ends_all_sessions_of_the_user
            e05_two_local_sessions_of_one_sid_both_end
            e06_the_same_names_at_another_issuer_survive
            e09_a_session_without_sid_is_found_by_sub
            e26_the_same_user_at_another_client_survives
            a_local_session_of_two_logins_ends_as_a_whole
            names_with_odd_characters_are_kept_apart
            e23_many_sessions_of_one_user_come_in_pages
            e19_those_that_could_not_be_killed_are_found_again
            a_session_newer_than_clocks_differ_is_spared_by_a_logout_of_the_user
            e14_a_login_overtaken_by_the_logout_of_its_sid_does_not_start
            e14_a_login_overtaken_by_the_logout_of_its_user_does_not_start
            e14_a_login_without_sid_overtaken_by_a_logout_of_both_does_not_start
            e14_of_a_login_and_a_logout_at_once_one_sees_the_other
            e15_a_later_login_is_alive
            e16_old_sessions_stay_dead_after_a_new_login
            e17_a_session_saved_after_the_kill_is_over_under_any_id
            e17_what_dies_although_it_is_newer_stays_dead
            e17_a_killed_session_cannot_take_a_new_id
            e17_a_session_cannot_take_a_new_id_while_it_is_being_killed
            e17_of_a_new_id_and_a_logout_at_once_one_sees_the_other
            e21_a_session_that_was_never_registered_is_judged_by_what_it_carries
            an_earlier_logout_that_comes_late_does_not_shorten_a_later_one
            e22_a_session_that_is_too_old_is_over
            e22_tombstones_last_as_long_as_sessions_and_no_longer
            a_local_id_can_be_used_again
            e11_a_session_is_found_after_its_id_has_changed
            a_new_id_for_an_unknown_session_is_nothing
            e12_a_local_logout_leaves_no_trace
            e13_the_local_logout_of_the_older_session_keeps_the_newer
            e15_a_new_login_in_the_same_local_session_outlives_the_old_one
            e24_logout_and_local_logout_at_once_are_no_error
            r06_of_several_that_end_a_session_at_once_one_gets_it
            a_replica_sees_what_was_written
        }
    };
    (@ $fixture:ty, #[$test:meta] $($name:ident)*) => {
        $(
            #[$test]
            async fn $name() {
                if let Some(fixture) = <$fixture as $crate::registry::suite::RegistryFixture>::fresh().await {
                    $crate::registry::suite::$name(&fixture).await;
                }
            }
        )*
    };
}

/// A login of now.
fn login(fixture: &impl RegistryFixture, sub: &str, sid: Option<&str>) -> Login {
    Login {
        issuer: ISSUER.into(),
        client_id: CLIENT.into(),
        sub: sub.into(),
        sid: sid.map(str::to_owned),
        at: fixture.now(),
    }
}

/// A logout of now.
fn logout(fixture: &impl RegistryFixture, sid: Option<&str>, sub: Option<&str>) -> Logout {
    let sub = sub.map(str::to_owned);
    let target = match (sid.map(str::to_owned), sub) {
        (Some(sid), Some(sub)) => LogoutTarget::SessionOfSubject { sid, sub },
        (Some(sid), None) => LogoutTarget::Session { sid },
        (None, sub) => LogoutTarget::Subject { sub: sub.unwrap_or_default() },
    };
    Logout { issuer: ISSUER.into(), client_id: CLIENT.into(), target, at: fixture.now() }
}

/// Sessions of now, which start.
async fn signed_in<const N: usize>(fixture: &impl RegistryFixture, sessions: [(&str, &str, Option<&str>); N]) {
    for (local_id, sub, sid) in sessions {
        starts(fixture.registry(), local_id, &login(fixture, sub, sid)).await;
    }
}

async fn starts(registry: &dyn SessionRegistry, local_id: &str, login: &Login) {
    let standing = registry.register(&Registration::new(local_id, login.clone())).await;
    assert_eq!(told(standing), Standing::Alive, "{local_id} {login:?}");
}

async fn does_not_start(registry: &dyn SessionRegistry, local_id: &str, login: &Login) {
    let standing = registry.register(&Registration::new(local_id, login.clone())).await;
    assert_eq!(told(standing), Standing::Ended, "{local_id} {login:?}");
    assert!(!knows(registry, local_id).await, "{local_id} {login:?}");
}

/// The local ids of the sessions that a logout ended, in order.
async fn ended(registry: &dyn SessionRegistry, logout: Logout) -> Vec<String> {
    let mut ids: Vec<_> = told(take(registry, logout).await).into_iter().map(|one| one.local_id).collect();
    ids.sort();
    ids
}

async fn knows(registry: &dyn SessionRegistry, local_id: &str) -> bool {
    !told(registry.logins(local_id).await).is_empty()
}

async fn standing(registry: &dyn SessionRegistry, local_id: Option<&str>, login: &Login) -> Standing {
    told(registry.standing(local_id, login).await)
}

async fn page(registry: &dyn SessionRegistry, logout: &Logout, after: Option<&Page>) -> Page {
    told(registry.find(logout, after.and_then(|page| page.next.as_ref())).await)
}

#[expect(clippy::panic, reason = "a test that cannot go on ends there")]
fn told<T>(result: Result<T, crate::StoreError>) -> T {
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
        let list = include_str!("mod.rs").split_once("@ $fixture, #[$test]\n").unwrap().1;
        let list: Vec<&str> = list.split('}').next().unwrap().split_whitespace().collect();
        let files = [include_str!("logout.rs"), include_str!("tombstones.rs"), include_str!("upkeep.rs")].concat();
        let behaviours = files.split("pub async fn ").skip(1).map(|rest| rest.split(['<', '(']).next().unwrap());
        assert_eq!(list, behaviours.collect::<Vec<_>>());
    }
}
