//! Is the index right, whatever happens to the sessions by themselves?
#![expect(clippy::missing_panics_doc, reason = "each behaviour panics if the store does not have it")]

use futures_util::future::join;

use super::{RegistryFixture, ended, knows, login, logout, page, signed_in, starts, told};
use crate::registry::{Standing, take};

/// `renew`, `cycle_id`: the login moves with the id, as often as it likes.
pub async fn e11_a_session_is_found_after_its_id_has_changed(fixture: &impl RegistryFixture) {
    signed_in(fixture, [("l1", "alice", Some("s1"))]).await;
    for (old, new) in [("l1", "l2"), ("l2", "l2"), ("l2", "l3")] {
        assert_eq!(told(fixture.registry().rekey(old, new).await), Standing::Alive);
    }
    assert_eq!(told(fixture.registry().logins("l3").await), [login(fixture, "alice", Some("s1"))]);
    assert!(!knows(fixture.registry(), "l1").await && !knows(fixture.registry(), "l2").await);
    assert_eq!(ended(fixture.registry(), logout(fixture, Some("s1"), None)).await, ["l3"]);
}

/// A session that nobody has logged in to has no login to move.
pub async fn a_new_id_for_an_unknown_session_is_nothing(fixture: &impl RegistryFixture) {
    assert_eq!(told(fixture.registry().rekey("l1", "l2").await), Standing::Alive);
    assert_eq!(fixture.held().await, 0);
}

/// Local logout and expiry.
pub async fn e12_a_local_logout_leaves_no_trace(fixture: &impl RegistryFixture) {
    signed_in(fixture, [("l1", "alice", Some("s1")), ("l2", "alice", None)]).await;
    for local_id in ["l1", "l1", "l2", "l3"] {
        told(fixture.registry().unregister(local_id).await);
        assert!(!knows(fixture.registry(), local_id).await);
    }
    assert_eq!(fixture.held().await, 0);
}

/// Each session has its own entry under the name they share.
pub async fn e13_the_local_logout_of_the_older_session_keeps_the_newer(fixture: &impl RegistryFixture) {
    signed_in(fixture, [("l1", "alice", Some("s1")), ("l2", "alice", Some("s1"))]).await;
    told(fixture.registry().unregister("l1").await);
    assert_eq!(ended(fixture.registry(), logout(fixture, Some("s1"), None)).await, ["l2"]);
}

/// A login that replaced what was found is not removed, and no longer ended by what ended the old one.
pub async fn e15_a_new_login_in_the_same_local_session_outlives_the_old_one(fixture: &impl RegistryFixture) {
    signed_in(fixture, [("l1", "alice", Some("s1"))]).await;
    let found = page(fixture.registry(), &logout(fixture, Some("s1"), None), None).await;
    signed_in(fixture, [("l1", "alice", Some("s2"))]).await;
    assert!(told(fixture.registry().remove(&found.sessions).await).is_empty());
    assert!(knows(fixture.registry(), "l1").await, "what was replaced since it was found stays");
    assert!(ended(fixture.registry(), logout(fixture, Some("s1"), None)).await.is_empty());
    assert_eq!(ended(fixture.registry(), logout(fixture, Some("s2"), None)).await, ["l1"]);
}

/// The user signs out here and there at the same moment.
pub async fn e24_logout_and_local_logout_at_once_are_no_error(fixture: &impl RegistryFixture) {
    let replica = fixture.replica().await;
    for round in 0..10 {
        let (local_id, sid) = (format!("l{round}"), format!("s{round}"));
        starts(fixture.registry(), &local_id, &login(fixture, "alice", Some(&sid))).await;
        let out = logout(fixture, Some(&sid), None);
        let (unregistered, taken) = join(replica.unregister(&local_id), take(fixture.registry(), out)).await;
        told(unregistered);
        assert!(told(taken).len() <= 1);
        assert!(!knows(fixture.registry(), &local_id).await);
    }
}

/// So that the application hears of each session once.
pub async fn r06_of_several_that_end_a_session_at_once_one_gets_it(fixture: &impl RegistryFixture) {
    let replica = fixture.replica().await;
    for round in 0..10 {
        let sid = format!("s{round}");
        starts(fixture.registry(), &format!("l{round}"), &login(fixture, "alice", Some(&sid))).await;
        let [one, other] = [(); 2].map(|()| logout(fixture, Some(&sid), None));
        let (one, other) = join(take(fixture.registry(), one), take(&*replica, other)).await;
        assert_eq!(told(one).len() + told(other).len(), 1);
    }
}

/// All handles on the same data are the same registry.
pub async fn a_replica_sees_what_was_written(fixture: &impl RegistryFixture) {
    let replica = fixture.replica().await;
    signed_in(fixture, [("l1", "alice", Some("s1"))]).await;
    assert_eq!(told(replica.logins("l1").await), [login(fixture, "alice", Some("s1"))]);
    assert_eq!(ended(&*replica, logout(fixture, Some("s1"), None)).await, ["l1"]);
    assert!(!knows(fixture.registry(), "l1").await);
}
