//! Do exactly the right sessions die, and does the application learn of it? The names carry the ids of the case
//! catalogue.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use signoff_receiver::{LogoutTarget, StoreError};

use crate::app::{Adapter, TestApp, on_both_adapters};
use crate::idp::Mode;
use crate::mint::{Mint, good_token, p256, rsa};

fn names(app: &TestApp) -> Vec<Vec<String>> {
    let killed = app.killed.lock().unwrap();
    killed.iter().map(|one| one.sessions.iter().map(|session| session.local_id.clone()).collect()).collect()
}

async fn e01_an_unknown_session_is_a_success(adapter: Adapter) {
    let app = TestApp::start_on(adapter).await;
    app.signed_in("l2", "bob", Some("s2")).await;
    assert_eq!(app.post(&good_token()).await.status, 200);
    assert!(app.sessions.contains("l2"));
    assert_eq!(names(&app), [Vec::<String>::new()]);
}

async fn e02_only_the_sessions_of_the_sid_die(adapter: Adapter) {
    let app = TestApp::start_on(adapter).await;
    for (local_id, sub, sid) in [("l1", "alice", "s1"), ("l2", "alice", "s2"), ("l3", "bob", "s3")] {
        app.signed_in(local_id, sub, Some(sid)).await;
    }
    assert_eq!(app.post(&good_token()).await.status, 200);
    assert_eq!(["l1", "l2", "l3"].map(|id| app.sessions.contains(id)), [false, true, true]);
}

async fn e03_all_sessions_of_the_user_die_with_an_es256_token_that_names_only_the_user(adapter: Adapter) {
    let app = TestApp::start_on(adapter).await;
    app.idp.set(Mode::Keys(vec![p256().jwk("k1")]));
    for (local_id, sub, sid) in [("l1", "alice", Some("s1")), ("l2", "alice", None), ("l3", "bob", Some("s3"))] {
        app.signed_in(local_id, sub, sid).await;
    }
    let token = Mint::good().without("sid").header("alg", "ES256").sign(p256());
    assert_eq!(app.post(&token).await.status, 200);
    assert_eq!(["l1", "l2", "l3"].map(|id| app.sessions.contains(id)), [false, false, true]);
}

async fn e05_e09_two_tabs_and_a_session_stored_without_sid_die_together(adapter: Adapter) {
    let app = TestApp::start_on(adapter).await;
    for (local_id, sid) in [("l1", Some("s1")), ("l2", Some("s1")), ("l3", None), ("l4", Some("s4"))] {
        app.signed_in(local_id, "alice", sid).await;
    }
    assert_eq!(app.post(&good_token()).await.status, 200);
    assert_eq!(names(&app), [["l1", "l2", "l3"]]);
    assert!(app.sessions.contains("l4"));
}

async fn the_application_is_told_who_died_by_which_token(adapter: Adapter) {
    let app = TestApp::start_on(adapter).await;
    app.signed_in("l1", "alice", Some("s1")).await;
    assert_eq!(app.post(&good_token()).await.status, 200);
    let killed = app.killed.lock().unwrap();
    let one = &killed[0];
    assert_eq!((one.token.jti.as_str(), one.token.sid(), one.token.sub()), ("jti-1", Some("s1"), Some("alice")));
    assert_eq!(one.token.target, LogoutTarget::SessionOfSubject { sid: "s1".into(), sub: "alice".into() });
    assert_eq!(one.sessions[0].local_id, "l1");
}

async fn r01_a_logout_sent_again_is_a_success_and_ends_nothing_more(adapter: Adapter) {
    let app = TestApp::start_on(adapter).await;
    app.signed_in("l1", "alice", Some("s1")).await;
    let again = Mint::good().claim("jti", "jti-2").sign(rsa());
    for token in [good_token(), again] {
        assert_eq!(app.post(&token).await.status, 200);
    }
    assert_eq!(names(&app), [vec!["l1"], vec![]]);
}

async fn r06_the_same_logout_many_times_at_once_ends_each_session_once(adapter: Adapter) {
    let app = TestApp::start_on(adapter).await;
    app.signed_in("l1", "alice", Some("s1")).await;
    let token = good_token();
    let replies = join_all((0..10).map(|_| app.post(&token))).await;
    assert!(replies.iter().all(|reply| reply.status == 200), "{replies:?}");
    assert_eq!(names(&app).concat(), ["l1"]);
}

async fn e19_r03_one_failing_kill_leaves_503_and_the_retry_finishes(adapter: Adapter) {
    let broken = Arc::new(AtomicBool::new(true));
    let dead = Arc::new(Mutex::new(Vec::new()));
    let (fails, grave) = (Arc::clone(&broken), Arc::clone(&dead));
    let kill = move |session: signoff_receiver::Registration| {
        let (fails, grave) = (Arc::clone(&fails), Arc::clone(&grave));
        async move {
            if session.local_id == "l2" && fails.load(Ordering::SeqCst) {
                return Err(StoreError::new("store has no answer for alice"));
            }
            grave.lock().unwrap().push(session.local_id);
            Ok(())
        }
    };
    let app = TestApp::start_with(adapter, |builder| builder, |endpoint| endpoint.kill_with(kill)).await;
    for local_id in ["l1", "l2", "l3"] {
        app.signed_in(local_id, "alice", Some("s1")).await;
    }
    let reply = app.post(&good_token()).await;
    assert_eq!((reply.status, reply.reason().as_str()), (503, "sessions_unavailable"));
    assert!(!reply.body.contains("alice"), "{}", reply.body);
    assert_eq!(["l1", "l2", "l3"].map(|id| app.sessions.contains(id)), [false, true, false]);
    broken.store(false, Ordering::SeqCst);
    assert_eq!(app.post(&good_token()).await.status, 200);
    assert!(app.sessions.is_empty());
    assert_eq!(dead.lock().unwrap().len(), 3);
    assert_eq!(names(&app).concat().len(), 3);
}

on_both_adapters! {
    e01_an_unknown_session_is_a_success
    e02_only_the_sessions_of_the_sid_die
    e03_all_sessions_of_the_user_die_with_an_es256_token_that_names_only_the_user
    e05_e09_two_tabs_and_a_session_stored_without_sid_die_together
    the_application_is_told_who_died_by_which_token
    r01_a_logout_sent_again_is_a_success_and_ends_nothing_more
    r06_the_same_logout_many_times_at_once_ends_each_session_once
    e19_r03_one_failing_kill_leaves_503_and_the_retry_finishes
}
