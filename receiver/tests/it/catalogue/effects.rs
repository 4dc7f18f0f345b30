//! Whom does a logout end, and whom not, when sessions come, go, change and cross it?

use futures_util::future::join;
use signoff_receiver::{
    Ended, Login, MemoryReplayGuard, RefreshToken, Registration, SessionRegistry as _, Standing, StoreError,
};

use super::site::Site;
use crate::app::{Adapter, on_both_adapters};

async fn e06_the_same_names_of_another_issuer_survive(adapter: Adapter) {
    let site = Site::start(adapter).await;
    site.signed_in("ours", "alice", Some("s1")).await;
    let theirs = Login { issuer: "https://other.example".into(), ..site.issuer.login("alice", Some("s1")) };
    assert_eq!(site.sessions.register(&Registration::new("theirs", theirs)).await.unwrap(), Standing::Alive);
    assert_eq!(site.log_out("alice", Some("s1")).await, 200);
    assert_eq!(site.log_out("alice", None).await, 200);
    assert_eq!(site.alive(["ours", "theirs"]), [false, true]);
}

async fn e26_the_same_user_at_another_client_survives(adapter: Adapter) {
    let site = Site::start(adapter).await;
    site.signed_in("shop", "alice", Some("s1")).await;
    let forum = Login { client_id: "forum".into(), ..site.issuer.login("alice", Some("s1")) };
    assert_eq!(site.sessions.register(&Registration::new("forum", forum)).await.unwrap(), Standing::Alive);
    assert_eq!(site.log_out("alice", None).await, 200);
    assert_eq!(site.alive(["shop", "forum"]), [false, true]);
}

async fn e09_a_session_stored_without_sid_is_found_by_the_user(adapter: Adapter) {
    let site = Site::start(adapter).await;
    site.signed_in("without", "alice", None).await;
    site.signed_in("of another", "alice", Some("s2")).await;
    assert_eq!(site.log_out("alice", Some("s1")).await, 200);
    assert_eq!(site.alive(["without", "of another"]), [false, true]);
}

async fn e10_a_session_that_is_gone_already_leaves_the_index_as_well(adapter: Adapter) {
    let gone = async |_: Registration| Ok::<(), StoreError>(());
    let site = Site::start_with(adapter, |builder| builder, |endpoint| endpoint.kill_with(gone)).await;
    site.signed_in("l1", "alice", Some("s1")).await;
    assert_eq!(site.log_out("alice", Some("s1")).await, 200);
    assert!(site.sessions.is_empty());
}

async fn e11_a_session_is_found_under_its_new_id(adapter: Adapter) {
    let site = Site::start(adapter).await;
    site.signed_in("before", "alice", Some("s1")).await;
    assert_eq!(site.sessions.rekey("before", "after").await.unwrap(), Standing::Alive);
    assert_eq!(site.alive(["before", "after"]), [false, true]);
    assert_eq!(site.log_out("alice", Some("s1")).await, 200);
    assert_eq!(site.alive(["before", "after"]), [false, false]);
}

async fn e12_a_session_that_ended_by_itself_leaves_nothing(adapter: Adapter) {
    let site = Site::start(adapter).await;
    site.signed_in("l1", "alice", Some("s1")).await;
    site.sessions.unregister("l1").await.unwrap();
    assert_eq!(site.sessions.entries(), 0);
    assert_eq!(site.log_out("alice", Some("s1")).await, 200);
}

async fn e13_the_local_logout_of_an_older_session_keeps_the_newer_one_findable(adapter: Adapter) {
    let site = Site::start(adapter).await;
    for local_id in ["older", "newer"] {
        site.signed_in(local_id, "alice", Some("s1")).await;
    }
    site.sessions.unregister("older").await.unwrap();
    assert_eq!(site.alive(["older", "newer"]), [false, true]);
    assert_eq!(site.log_out("alice", Some("s1")).await, 200);
    assert_eq!(site.alive(["newer"]), [false]);
}

async fn e15_e16_a_new_login_lives_and_the_old_browsers_stay_dead(adapter: Adapter) {
    let site = Site::start(adapter).await;
    let old = site.issuer.login("alice", None);
    site.signed_in("old", "alice", None).await;
    assert_eq!(site.log_out("alice", None).await, 200);
    site.pass(1);
    site.signed_in("new", "alice", None).await;
    assert_eq!(site.alive(["old", "new"]), [false, true]);
    for local_id in [Some("old"), None] {
        assert_eq!(site.sessions.standing(local_id, &old).await.unwrap(), Standing::Ended, "{local_id:?}");
    }
}

async fn e17_a_request_in_flight_does_not_bring_it_back(adapter: Adapter) {
    let site = Site::start(adapter).await;
    site.signed_in("l1", "alice", Some("s1")).await;
    let login = site.issuer.login("alice", Some("s1"));
    assert_eq!(site.log_out("alice", Some("s1")).await, 200);
    for local_id in ["l1", "another"] {
        assert_eq!(site.sessions.standing(Some(local_id), &login).await.unwrap(), Standing::Ended, "{local_id}");
        let saved = site.sessions.register(&Registration::new(local_id, login.clone())).await.unwrap();
        assert_eq!(saved, Standing::Ended, "{local_id}");
    }
    assert_eq!(site.sessions.rekey("l1", "renewed").await.unwrap(), Standing::Ended);
    assert!(site.sessions.is_empty());
}

async fn e22_what_a_logout_leaves_behind_goes_when_no_session_can_be_that_old(adapter: Adapter) {
    let site = Site::start(adapter).await;
    let login = site.issuer.login("alice", Some("s1"));
    assert_eq!(site.log_out("alice", Some("s1")).await, 200);
    assert!(site.sessions.entries() > 0);
    site.pass(14 * 24 * 3600 + 1);
    assert_eq!(site.sessions.standing(None, &login).await.unwrap(), Standing::Ended, "it is too old");
    site.sessions.prune().await.unwrap();
    assert_eq!(site.sessions.entries(), 0);
}

async fn r07_a_guard_that_is_full_forgets_nothing_and_has_the_sender_come_back(adapter: Adapter) {
    let guard = MemoryReplayGuard::with_capacity(1);
    let site = Site::start_with(adapter, |builder| builder, |endpoint| endpoint.replay_guard(guard)).await;
    let first = site.issuer.logout_token("alice", Some("s1")).sign();
    let second = site.issuer.logout_token("alice", Some("s2")).sign();
    let answers = [site.post(&first).await, site.post(&second).await, site.post(&first).await];
    let answers = answers.map(|reply| (reply.status, reply.reason()));
    assert_eq!(answers, [(200, String::new()), (503, "replay_unavailable".into()), (200, String::new())]);
}

async fn o03_o05_nothing_is_revoked_where_the_application_does_not_ask_for_it(adapter: Adapter) {
    let kill = async |_: Registration| Ok::<_, StoreError>(Ended::with_refresh_token(RefreshToken::new("secret")));
    let site = Site::start_with(adapter, |builder| builder, |endpoint| endpoint.kill_with(kill)).await;
    site.signed_in("l1", "alice", Some("s1")).await;
    assert_eq!(site.log_out("alice", Some("s1")).await, 200);
    assert_eq!(site.issuer.requests(), ["/jwks"]);
}

async fn e24_a_logout_and_the_users_own_logout_at_once_are_no_error(adapter: Adapter) {
    let site = Site::start(adapter).await;
    for n in 0..20 {
        let sid = format!("s{n}");
        site.signed_in("l1", "alice", Some(&sid)).await;
        let (status, own) = join(site.log_out("alice", Some(&sid)), site.sessions.unregister("l1")).await;
        assert_eq!((status, own.is_ok()), (200, true));
        assert!(site.sessions.is_empty());
    }
}

async fn h15_a_logout_and_a_login_share_a_url(adapter: Adapter) {
    let site = Site::start(adapter).await;
    site.signed_in("l1", "alice", Some("s1")).await;
    assert_eq!(site.get("/extractor").await, "the login");
    let reply = site.post_to("/extractor", &site.issuer.mint("K05")).await;
    assert_eq!((reply.status, site.sessions.is_empty()), (200, true), "{}", reply.body);
}

async fn o13_a_clock_that_is_off_is_told_and_can_be_forgiven(adapter: Adapter) {
    let ahead = |site: &Site| {
        let token = site.issuer.logout_token("alice", Some("s1"));
        let iat = token.claims["iat"].as_i64().unwrap() + 300;
        token.claim("iat", iat).claim("exp", iat + 120).sign()
    };
    let site = Site::start(adapter).await;
    let reply = site.post(&ahead(&site)).await;
    assert_eq!((reply.status, reply.reason().as_str()), (400, "iat_in_future"));
    assert!(reply.body.contains("compare the clocks"), "{}", reply.body);
    let forgiving =
        |builder: signoff_receiver::LogoutTokenVerifierBuilder| builder.skew(std::time::Duration::from_mins(6));
    let site = Site::start_with(adapter, forgiving, |endpoint| endpoint).await;
    assert_eq!(site.post(&ahead(&site)).await.status, 200);
}

on_both_adapters! {
    e06_the_same_names_of_another_issuer_survive
    e09_a_session_stored_without_sid_is_found_by_the_user
    e10_a_session_that_is_gone_already_leaves_the_index_as_well
    e11_a_session_is_found_under_its_new_id
    e12_a_session_that_ended_by_itself_leaves_nothing
    e13_the_local_logout_of_an_older_session_keeps_the_newer_one_findable
    e15_e16_a_new_login_lives_and_the_old_browsers_stay_dead
    e17_a_request_in_flight_does_not_bring_it_back
    e22_what_a_logout_leaves_behind_goes_when_no_session_can_be_that_old
    e24_a_logout_and_the_users_own_logout_at_once_are_no_error
    e26_the_same_user_at_another_client_survives
    h15_a_logout_and_a_login_share_a_url
    o03_o05_nothing_is_revoked_where_the_application_does_not_ask_for_it
    o13_a_clock_that_is_off_is_told_and_can_be_forgiven
    r07_a_guard_that_is_full_forgets_nothing_and_has_the_sender_come_back
}
