//! Do the session stores keep the registry right, at two replicas?

use futures_util::future::join;
use signoff_receiver::registry::take;
use signoff_receiver::{Logout, LogoutTarget, Registration};

use super::{Site, World};
use crate::mint::{CLIENT, ISS, now};

/// Every behaviour, for each session library with each registry.
macro_rules! sites {
    ($($library:ident $site:ty: $($registry:ident)*;)*) => {
        $(mod $library {
            $(mod $registry {
                sites!(@ $site, $registry:
                    e02_a_logout_at_one_replica_ends_the_session_at_both
                    e03_a_logout_of_the_user_ends_sessions_with_sid_and_without
                    e11_a_session_is_ended_after_its_id_has_changed
                    e12_a_local_logout_leaves_no_trace
                    e14_a_login_that_a_logout_has_overtaken_does_not_start
                    e15_e16_a_later_login_lives_and_the_old_session_stays_dead
                    a_session_of_nobody_is_left_alone
                    a_session_that_the_application_removes_stays_away_under_any_id
                    a_login_takes_a_new_id
                );
            })*
        })*
    };
    (@ $site:ty, $registry:ident: $($name:ident)*) => {
        $(#[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            if let Some(registries) = crate::replicas::Registries::$registry().await {
                crate::replicas::sessions::$name(crate::replicas::World::<$site>::start(registries).await).await;
            }
        })*
    };
}

sites! {
    actix_session crate::replicas::actix::ActixSite: memory postgres redis;
    tower_sessions crate::replicas::tower::TowerSite: memory postgres redis;
}

async fn e02_a_logout_at_one_replica_ends_the_session_at_both<S: Site>(world: World<S>) {
    let (ended, spared) = (world.sign_in(0, "alice", "s1").await, world.sign_in(0, "alice", "s2").await);
    for cookie in [&ended, &spared] {
        assert_eq!(world.who(cookie).await.as_deref(), Some("alice"));
    }
    assert_eq!(world.logout(1, "alice", "s1").await, 1);
    assert_eq!(world.site.left(std::slice::from_ref(&ended)).await, 0);
    assert_eq!(world.who(&ended).await, None);
    assert_eq!(world.who(&spared).await.as_deref(), Some("alice"));
    assert_eq!(world.logout(0, "alice", "s1").await, 0);
}

async fn e03_a_logout_of_the_user_ends_sessions_with_sid_and_without<S: Site>(world: World<S>) {
    let mine = [world.sign_in(0, "alice", "s1").await, world.sign_in(1, "alice", "-").await];
    let other = world.sign_in(0, "bob", "-").await;
    let out = Logout {
        issuer: ISS.into(),
        client_id: CLIENT.into(),
        target: LogoutTarget::Subject { sub: "alice".into() },
        at: now(),
    };
    assert_eq!(take(&*world.registries.of[0], out).await.unwrap().len(), 2);
    for cookie in &mine {
        assert_eq!(world.who(cookie).await, None);
    }
    // Nobody killed them in the store: they go when they are met.
    assert_eq!(world.site.left(&mine).await, 0);
    assert_eq!(world.who(&other).await.as_deref(), Some("bob"));
}

async fn e11_a_session_is_ended_after_its_id_has_changed<S: Site>(world: World<S>) {
    let mut cookie = world.sign_in(0, "alice", "s1").await;
    for _ in 0..3 {
        let (reply, ()) = join(world.site.get(1, "/renew/0", Some(&cookie)), world.let_pass(async {})).await;
        let renewed = reply.cookie.unwrap();
        assert_ne!(world.site.local_id(&renewed), world.site.local_id(&cookie));
        assert_eq!(world.ask(1, &cookie).await, None);
        assert_eq!(world.who(&renewed).await.as_deref(), Some("alice"));
        cookie = renewed;
    }
    assert_eq!(world.logout(0, "alice", "s1").await, 1);
    assert_eq!(world.who(&cookie).await, None);
}

async fn e12_a_local_logout_leaves_no_trace<S: Site>(world: World<S>) {
    let cookie = world.sign_in(0, "alice", "s1").await;
    let id = world.site.local_id(&cookie).unwrap();
    assert_eq!(world.registries.of[1].logins(&id).await.unwrap().len(), 1);
    assert_eq!(world.site.get(1, "/logout", Some(&cookie)).await.status, 200);
    assert!(world.registries.of[1].logins(&id).await.unwrap().is_empty());
    assert_eq!(world.site.left(std::slice::from_ref(&cookie)).await, 0);
    assert_eq!(world.logout(0, "alice", "s1").await, 0);
}

async fn e14_a_login_that_a_logout_has_overtaken_does_not_start<S: Site>(world: World<S>) {
    assert_eq!(world.logout(0, "alice", "s1").await, 0);
    let reply = world.site.get(1, "/login/alice/s1", None).await;
    let cookie = reply.cookie.unwrap();
    assert_eq!(world.site.left(std::slice::from_ref(&cookie)).await, 0);
    assert_eq!(world.who(&cookie).await, None);
}

async fn e15_e16_a_later_login_lives_and_the_old_session_stays_dead<S: Site>(world: World<S>) {
    let old = world.sign_in(0, "alice", "s1").await;
    world.logout(1, "alice", "s1").await;
    let new = world.sign_in(1, "alice", "s2").await;
    assert_eq!(world.who(&new).await.as_deref(), Some("alice"));
    assert_eq!(world.who(&old).await, None);
    // In the browser of the old session.
    let reply = world.site.get(0, "/login/alice/s3", Some(&old)).await;
    assert_eq!(world.who(&reply.cookie.unwrap()).await.as_deref(), Some("alice"));
    assert_eq!(world.who(&old).await, None);
}

async fn a_session_of_nobody_is_left_alone<S: Site>(world: World<S>) {
    let cookie = world.site.get(0, "/visit", None).await.cookie.unwrap();
    assert_eq!(world.site.get(1, "/visit", Some(&cookie)).await.body, "Some(2)");
    let id = world.site.local_id(&cookie).unwrap();
    assert!(world.registries.of[0].logins(&id).await.unwrap().is_empty());
    assert_eq!(world.who(&cookie).await, None);
}

/// Not by a logout of the provider: an administrator ends one session, whose login is still good.
async fn a_session_that_the_application_removes_stays_away_under_any_id<S: Site>(world: World<S>) {
    for what in ["touch", "renew"] {
        let cookie = world.sign_in(0, "alice", "s1").await;
        let id = world.site.local_id(&cookie).unwrap();
        let removed = async {
            let login = world.registries.of[1].logins(&id).await.unwrap().remove(0);
            assert_eq!(world.registries.of[1].remove(&[Registration::new(&*id, login)]).await.unwrap().len(), 1);
        };
        let request = format!("/{what}/0");
        let (reply, ()) = join(world.site.get(0, &request, Some(&cookie)), world.let_pass(removed)).await;
        for cookie in reply.cookie.iter().chain([&cookie]) {
            assert_eq!(world.who(cookie).await, None, "{what}");
        }
    }
}

async fn a_login_takes_a_new_id<S: Site>(world: World<S>) {
    let visitor = world.site.get(0, "/visit", None).await.cookie.unwrap();
    let reply = world.site.get(0, "/login/alice/s1", Some(&visitor)).await;
    let cookie = reply.cookie.unwrap();
    assert_ne!(world.site.local_id(&visitor), world.site.local_id(&cookie));
    assert_eq!(world.who(&visitor).await, None);
    assert_eq!(world.who(&cookie).await.as_deref(), Some("alice"));
}
