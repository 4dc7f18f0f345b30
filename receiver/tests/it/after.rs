//! Who hears of a logout after the kill, and who gets the refresh tokens?

use std::sync::{Arc, Mutex};
use std::time::Duration;

use signoff_receiver::{
    BackchannelLogout, Ended, LoggedOut, Login, LogoutError, RefreshToken, Registration, SessionRegistry as _, Standing,
};

use crate::app::{Adapter, TestApp, on_both_adapters, session};
use crate::idp::Mode;
use crate::mint::{Mint, good_token, rsa};

async fn o01_o02_refresh_tokens_go_to_be_revoked_unless_they_are_for_offline_access(adapter: Adapter) {
    let revoked = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&revoked);
    let kill = async |session: Registration| {
        let secret = format!("secret-{}", session.local_id);
        Ok(match session.local_id.as_str() {
            "l1" => Ended::with_refresh_token(RefreshToken::new(secret)),
            "l2" => Ended::with_refresh_token(RefreshToken::with_scope(secret, "openid offline_access")),
            _ => Ended::default(),
        })
    };
    let hooks = |endpoint: BackchannelLogout| {
        endpoint.kill_with(kill).revoke_with(move |revocation| {
            assert!(!format!("{revocation:?}").contains("secret"));
            list.lock().unwrap().push((revocation.login.sub, revocation.refresh_token.secret().to_owned()));
        })
    };
    let app = TestApp::start_with(adapter, |builder| builder, hooks).await;
    for local_id in ["l1", "l2", "l3"] {
        app.signed_in(local_id, "alice", Some("s1")).await;
    }
    assert_eq!(app.post(&good_token()).await.status, 200);
    assert_eq!(*revoked.lock().unwrap(), [("alice".to_owned(), "secret-l1".to_owned())]);
}

async fn o08_a_subscriber_hears_of_the_sessions_that_died_and_of_cookie_only_ones(adapter: Adapter) {
    let heard = Arc::new(Mutex::new(None));
    let slot = Arc::clone(&heard);
    let hooks = move |endpoint: BackchannelLogout| {
        *slot.lock().unwrap() = Some(endpoint.subscribe());
        endpoint
    };
    let app = TestApp::start_with(adapter, |builder| builder, hooks).await;
    let mut events = heard.lock().unwrap().take().unwrap();
    app.signed_in("l1", "alice", Some("s1")).await;
    assert_eq!(app.post(&good_token()).await.status, 200);
    let killed = events.try_recv().unwrap();
    assert_eq!(killed.sessions.iter().map(|one| one.local_id.as_str()).collect::<Vec<_>>(), ["l1"]);
    for (sub, sid, concerned) in [("alice", Some("s1"), true), ("alice", Some("s2"), false), ("bob", None, false)] {
        assert_eq!(killed.concerns(&session("any", sub, sid).login), concerned, "{sub} {sid:?}");
    }

    let nobody = Mint::good().claim("sid", "s5").claim("jti", "jti-2").sign(rsa());
    assert_eq!(app.post(&nobody).await.status, 200);
    let killed = events.try_recv().unwrap();
    assert!(killed.sessions.is_empty());
    assert!(killed.concerns(&session("cookie", "alice", Some("s5")).login));
}

async fn e04_all_sessions_of_the_user_die_where_the_application_says_so(adapter: Adapter) {
    let app = TestApp::start_with(adapter, |builder| builder, BackchannelLogout::end_all_of_the_user).await;
    for (local_id, sub, sid) in
        [("l1", "alice", Some("s1")), ("l2", "alice", Some("s2")), ("l3", "alice", None), ("l4", "bob", Some("s4"))]
    {
        app.signed_in(local_id, sub, sid).await;
    }
    assert_eq!(app.post(&good_token()).await.status, 200);
    assert_eq!(["l1", "l2", "l3", "l4"].map(|id| app.sessions.contains(id)), [false, false, false, true]);
    let late = Login { at: i64::MAX - 1, ..session("l5", "alice", Some("s1")).login };
    assert_eq!(app.sessions.standing(None, &late).await.unwrap(), Standing::Ended);
}

async fn e21_a_cookie_of_the_last_seconds_dies_where_the_provider_dates_its_tokens_back(adapter: Adapter) {
    for (backdated, standing) in [(0, Standing::Alive), (2, Standing::Ended)] {
        let by = Duration::from_secs(backdated);
        let app = TestApp::start_with(adapter, |builder| builder, |endpoint| endpoint.iat_backdated_by(by)).await;
        let mint = Mint::good().without("sid");
        let at = mint.claims["iat"].as_i64().unwrap() + 2;
        assert_eq!(app.post(&mint.sign(rsa())).await.status, 200);
        let cookie = Login { at, ..session("any", "alice", None).login };
        assert_eq!(app.sessions.standing(None, &cookie).await.unwrap(), standing);
        let later = Login { at: at + 1, ..cookie };
        assert_eq!(app.sessions.standing(None, &later).await.unwrap(), Standing::Alive);
    }
}

async fn e14_a_login_overtaken_by_its_logout_does_not_start(adapter: Adapter) {
    let app = TestApp::start_on(adapter).await;
    assert_eq!(app.post(&good_token()).await.status, 200);
    let overtaken = session("l1", "alice", Some("s1"));
    assert_eq!(app.sessions.register(&overtaken).await.unwrap(), Standing::Ended);
    assert!(!app.sessions.contains("l1"));
    app.signed_in("l1", "alice", Some("s2")).await;
}

async fn o10_each_outcome_is_told_apart(adapter: Adapter) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&told);
    let label = |outcome: &Result<LoggedOut, LogoutError>| match outcome {
        Ok(LoggedOut { replayed: true, .. }) => "replayed",
        Ok(LoggedOut { sessions: 0, .. }) => "already out",
        Ok(_) => "ended",
        Err(LogoutError::Rejected(reason)) => reason.code(),
        Err(LogoutError::Unavailable(cause)) => cause.code(),
    };
    let hooks = |endpoint: BackchannelLogout| endpoint.on_outcome(move |one| list.lock().unwrap().push(label(one)));
    let app = TestApp::start_with(adapter, |builder| builder, hooks).await;
    app.idp.set(Mode::Raw("500 Oops", String::new()));
    app.post(&good_token()).await;
    app.idp.set(Mode::Keys(vec![rsa().jwk("k1")]));
    app.clock.advance(Duration::from_secs(1));
    app.signed_in("l1", "alice", Some("s1")).await;
    for jti in ["jti-1", "jti-1", "jti-2"] {
        app.post(&Mint::good().claim("jti", jti).sign(rsa())).await;
    }
    app.post(&Mint::good().claim("aud", "forum").sign(rsa())).await;
    app.post("").await;
    let expected = ["keys_unavailable", "ended", "replayed", "already out", "aud_mismatch", "logout_token_missing"];
    assert_eq!(*told.lock().unwrap(), expected);
}

async fn e23_ten_thousand_sessions_of_one_user_end_and_are_told_in_parts(adapter: Adapter) {
    let app = TestApp::start_on(adapter).await;
    for n in 0..10_000 {
        app.signed_in(&format!("l{n}"), "alice", Some(&format!("s{n}"))).await;
    }
    assert_eq!(app.post(&Mint::good().without("sid").sign(rsa())).await.status, 200);
    assert!(app.sessions.is_empty());
    let killed = app.killed.lock().unwrap();
    assert_eq!(killed.iter().map(|one| one.sessions.len()).sum::<usize>(), 10_000);
    assert!(killed.iter().all(|one| one.sessions.len() <= signoff_receiver::registry::PAGE_SIZE));
}

on_both_adapters! {
    o01_o02_refresh_tokens_go_to_be_revoked_unless_they_are_for_offline_access
    o08_a_subscriber_hears_of_the_sessions_that_died_and_of_cookie_only_ones
    e04_all_sessions_of_the_user_die_where_the_application_says_so
    e21_a_cookie_of_the_last_seconds_dies_where_the_provider_dates_its_tokens_back
    e14_a_login_overtaken_by_its_logout_does_not_start
    e23_ten_thousand_sessions_of_one_user_end_and_are_told_in_parts
    o10_each_outcome_is_told_apart
}
