//! Does what ended stay dead, and nothing else?
#![expect(clippy::missing_panics_doc, reason = "each behaviour panics if the store does not have it")]

use std::time::Duration;

use futures_util::future::join;

use super::{MAX_AGE, RegistryFixture, does_not_start, ended, knows, login, logout, signed_in, standing, starts, told};
use crate::registry::{Login, Logout, Registration, Standing, take};

/// How often two things are done at once.
const ROUNDS: usize = 25;

/// The logout of a provider session comes between its callback and the session store.
pub async fn e14_a_login_overtaken_by_the_logout_of_its_sid_does_not_start(fixture: &impl RegistryFixture) {
    let login = login(fixture, "alice", Some("s1"));
    ended(fixture.registry(), logout(fixture, Some("s1"), None)).await;
    does_not_start(&*fixture.replica().await, "l1", &login).await;
    // Not by a fresh ID token of the same provider session either.
    does_not_start(fixture.registry(), "l1", &Login { at: login.at + 100, ..login }).await;
}

/// The logout of a user comes between callback and session store.
pub async fn e14_a_login_overtaken_by_the_logout_of_its_user_does_not_start(fixture: &impl RegistryFixture) {
    ended(fixture.registry(), logout(fixture, None, Some("alice"))).await;
    for sid in [None, Some("s1")] {
        let login = login(fixture, "alice", sid);
        does_not_start(fixture.registry(), "l1", &Login { at: login.at - 1, ..login.clone() }).await;
        does_not_start(&*fixture.replica().await, "l1", &login).await;
    }
}

/// A logout of both names a user as far as sessions have no `sid`, and no further.
pub async fn e14_a_login_without_sid_overtaken_by_a_logout_of_both_does_not_start(fixture: &impl RegistryFixture) {
    ended(fixture.registry(), logout(fixture, Some("s1"), Some("alice"))).await;
    does_not_start(fixture.registry(), "l1", &login(fixture, "alice", None)).await;
    signed_in(fixture, [("l2", "alice", Some("s2"))]).await;
}

/// Whoever comes second, nobody is alive in the end.
pub async fn e14_of_a_login_and_a_logout_at_once_one_sees_the_other(fixture: &impl RegistryFixture) {
    let replica = fixture.replica().await;
    for round in 0..ROUNDS {
        let (local_id, sid) = (format!("l{round}"), format!("s{round}"));
        let session = Registration::new(local_id.clone(), login(fixture, "alice", Some(&sid)));
        let out = logout(fixture, Some(&sid), Some("alice"));
        let (registered, taken) = join(fixture.registry().register(&session), take(&*replica, out)).await;
        if told(registered) == Standing::Alive {
            assert_eq!(told(taken), [session]);
        }
        assert!(!knows(fixture.registry(), &local_id).await);
    }
}

/// A new provider session is another one, and a later login of the user is not meant.
pub async fn e15_a_later_login_is_alive(fixture: &impl RegistryFixture) {
    signed_in(fixture, [("l1", "alice", Some("s1")), ("l2", "bob", None)]).await;
    assert_eq!(ended(fixture.registry(), logout(fixture, Some("s1"), Some("alice"))).await, ["l1"]);
    assert_eq!(ended(fixture.registry(), logout(fixture, None, Some("bob"))).await, ["l2"]);
    signed_in(fixture, [("l3", "alice", Some("s2"))]).await;
    fixture.advance(Duration::from_secs(1)).await;
    signed_in(fixture, [("l4", "alice", None), ("l5", "bob", None), ("l6", "bob", Some("s3"))]).await;
    for (local_id, sub, sid) in [("l3", "alice", Some("s2")), ("l5", "bob", None), ("l6", "bob", Some("s3"))] {
        assert!(knows(fixture.registry(), local_id).await);
        let login = login(fixture, sub, sid);
        assert_eq!(standing(fixture.registry(), Some(local_id), &login).await, Standing::Alive, "{local_id}");
    }
}

/// A new login of the user raises nobody.
pub async fn e16_old_sessions_stay_dead_after_a_new_login(fixture: &impl RegistryFixture) {
    let old = [login(fixture, "alice", Some("s1")), login(fixture, "alice", None)];
    ended(fixture.registry(), logout(fixture, None, Some("alice"))).await;
    fixture.advance(Duration::from_secs(1)).await;
    signed_in(fixture, [("l1", "alice", Some("s2")), ("l2", "alice", None)]).await;
    for login in old {
        for local_id in [None, Some("l0"), Some("l1")] {
            assert_eq!(standing(fixture.registry(), local_id, &login).await, Standing::Ended, "{login:?}");
        }
    }
}

/// A request in flight saves its session under the old id or a new one, here or at another replica.
pub async fn e17_a_session_saved_after_the_kill_is_over_under_any_id(fixture: &impl RegistryFixture) {
    let replica = fixture.replica().await;
    for (sub, sid, out) in [
        ("alice", Some("s1"), logout(fixture, Some("s1"), None)),
        ("bob", Some("s2"), logout(fixture, None, Some("bob"))),
        ("carol", None, logout(fixture, Some("s3"), Some("carol"))),
        ("dave", None, logout(fixture, None, Some("dave"))),
    ] {
        let login = login(fixture, sub, sid);
        starts(fixture.registry(), sub, &login).await;
        assert_eq!(standing(&*replica, Some(sub), &login).await, Standing::Alive);
        assert_eq!(ended(fixture.registry(), out).await, [sub]);
        for local_id in [Some(sub), Some("another id"), None] {
            assert_eq!(standing(&*replica, local_id, &login).await, Standing::Ended, "{sub} {local_id:?}");
        }
        does_not_start(&*replica, "another id", &login).await;
    }
}

/// Where the logout's clock is behind the login's, the tombstone covers what died all the same.
pub async fn e17_what_dies_although_it_is_newer_stays_dead(fixture: &impl RegistryFixture) {
    let newer = Login { at: fixture.now() + 30, ..login(fixture, "alice", None) };
    starts(fixture.registry(), "l1", &newer).await;
    assert_eq!(ended(fixture.registry(), logout(fixture, None, Some("alice"))).await, ["l1"]);
    assert_eq!(standing(fixture.registry(), Some("another id"), &newer).await, Standing::Ended);
    let newest = Login { at: newer.at + 1, ..newer };
    starts(fixture.registry(), "l2", &newest).await;
}

/// A request in flight renews the session id after the kill.
pub async fn e17_a_killed_session_cannot_take_a_new_id(fixture: &impl RegistryFixture) {
    signed_in(fixture, [("l1", "alice", Some("s1"))]).await;
    assert_eq!(ended(fixture.registry(), logout(fixture, Some("s1"), None)).await, ["l1"]);
    let replica = fixture.replica().await;
    for (old, new) in [("l1", "l2"), ("l2", "l3")] {
        assert_eq!(told(replica.rekey(old, new).await), Standing::Ended);
        assert!(!knows(fixture.registry(), new).await);
    }
}

/// A request in flight renews the session id between tombstone and kill.
pub async fn e17_a_session_cannot_take_a_new_id_while_it_is_being_killed(fixture: &impl RegistryFixture) {
    signed_in(fixture, [("l1", "alice", Some("s1"))]).await;
    told(fixture.registry().bury(&logout(fixture, Some("s1"), None)).await);
    assert_eq!(told(fixture.registry().rekey("l1", "l2").await), Standing::Ended);
    assert!(!knows(fixture.registry(), "l1").await && !knows(fixture.registry(), "l2").await);
}

/// Whoever comes second, nobody is alive in the end.
pub async fn e17_of_a_new_id_and_a_logout_at_once_one_sees_the_other(fixture: &impl RegistryFixture) {
    let replica = fixture.replica().await;
    for round in 0..ROUNDS {
        let [old, new, sid] = ["old", "new", "s"].map(|name| format!("{name}{round}"));
        starts(fixture.registry(), &old, &login(fixture, "alice", Some(&sid))).await;
        let out = logout(fixture, Some(&sid), None);
        let (rekeyed, taken) = join(fixture.registry().rekey(&old, &new), take(&*replica, out)).await;
        let taken: Vec<_> = told(taken).into_iter().map(|one| one.local_id).collect();
        if told(rekeyed) == Standing::Alive {
            assert_eq!(taken, [new.as_str()]);
        }
        assert!(!knows(fixture.registry(), &old).await && !knows(fixture.registry(), &new).await);
    }
}

/// Cookie-only sessions have nothing but their login.
pub async fn e21_a_session_that_was_never_registered_is_judged_by_what_it_carries(fixture: &impl RegistryFixture) {
    let sessions = [("alice", Some("s1")), ("alice", Some("s2")), ("bob", None), ("carol", Some("s3"))];
    let sessions = sessions.map(|(sub, sid)| login(fixture, sub, sid));
    assert!(ended(fixture.registry(), logout(fixture, Some("s1"), Some("alice"))).await.is_empty());
    assert!(ended(fixture.registry(), logout(fixture, None, Some("bob"))).await.is_empty());
    let mut standings = Vec::new();
    for login in &sessions {
        standings.push(standing(fixture.registry(), None, login).await);
    }
    assert_eq!(standings, [Standing::Ended, Standing::Alive, Standing::Ended, Standing::Alive]);
}

/// Logouts may come in another order than they were asked for.
pub async fn an_earlier_logout_that_comes_late_does_not_shorten_a_later_one(fixture: &impl RegistryFixture) {
    let login = login(fixture, "alice", None);
    told(fixture.registry().bury(&logout(fixture, None, Some("alice"))).await);
    told(fixture.registry().bury(&Logout { at: login.at - 50, ..logout(fixture, None, Some("alice")) }).await);
    assert_eq!(standing(fixture.registry(), None, &login).await, Standing::Ended);
}

/// However active it is.
pub async fn e22_a_session_that_is_too_old_is_over(fixture: &impl RegistryFixture) {
    let login = login(fixture, "alice", Some("s1"));
    starts(fixture.registry(), "l1", &login).await;
    fixture.advance(MAX_AGE).await;
    assert_eq!(standing(fixture.registry(), Some("l1"), &login).await, Standing::Alive);
    fixture.advance(Duration::from_secs(1)).await;
    assert_eq!(standing(fixture.registry(), Some("l1"), &login).await, Standing::Ended);
    does_not_start(fixture.registry(), "l2", &login).await;
    assert!(!knows(fixture.registry(), "l1").await);
}

/// A tombstone is needed as long as a session it stands for could be alive, and then goes.
pub async fn e22_tombstones_last_as_long_as_sessions_and_no_longer(fixture: &impl RegistryFixture) {
    let login = login(fixture, "alice", None);
    starts(fixture.registry(), "l1", &login).await;
    for out in [logout(fixture, Some("s1"), Some("alice")), logout(fixture, None, Some("alice"))] {
        ended(fixture.registry(), out).await;
    }
    starts(fixture.registry(), "l2", &Login { sub: "bob".into(), ..login.clone() }).await;
    fixture.advance(MAX_AGE).await;
    told(fixture.registry().prune().await);
    assert_eq!(standing(fixture.registry(), None, &login).await, Standing::Ended);
    assert!(fixture.held().await > 0);
    fixture.advance(Duration::from_secs(2)).await;
    told(fixture.registry().prune().await);
    assert_eq!(fixture.held().await, 0);
}

/// Not every application changes the id at login.
pub async fn a_local_id_can_be_used_again(fixture: &impl RegistryFixture) {
    signed_in(fixture, [("l1", "alice", Some("s1"))]).await;
    assert_eq!(ended(fixture.registry(), logout(fixture, Some("s1"), None)).await, ["l1"]);
    let next = login(fixture, "alice", Some("s2"));
    assert_eq!(standing(fixture.registry(), Some("l1"), &next).await, Standing::Ended);
    starts(fixture.registry(), "l1", &next).await;
    assert_eq!(standing(fixture.registry(), Some("l1"), &next).await, Standing::Alive);
    assert_eq!(told(fixture.registry().rekey("l1", "l2").await), Standing::Alive);
}
