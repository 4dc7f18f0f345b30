//! Are the issuer's keys read when they must be, and only then? The names carry the ids of the case catalogue.

use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use signoff_receiver::{LogoutError, LogoutTokenVerifier, Reason};

use crate::app::{Adapter, TestApp, TestClock, on_both_adapters, verifier};
use crate::idp::{Idp, Mode};
use crate::mint::{CLIENT, ISS, Mint, b64, good_token, other_p256, other_rsa, p256, rsa};

const MINUTE: Duration = Duration::from_mins(1);

fn signed_as(kid: &str) -> String {
    Mint::good().header("kid", kid).sign(other_rsa())
}

/// An application that has seen the issuer's keys once.
async fn warm(adapter: Adapter) -> TestApp {
    let app = TestApp::start_on(adapter).await;
    assert_eq!(app.post(&good_token()).await.status, 200);
    assert_eq!(app.idp.fetches(), 1);
    app
}

async fn k01_a_wrong_key_under_a_known_kid_causes_no_fetch(adapter: Adapter) {
    let app = warm(adapter).await;
    app.refuses(&signed_as("k1"), "signature_invalid").await;
    assert_eq!(app.idp.fetches(), 1);
}

async fn k02_a_new_kid_is_fetched_once_and_accepted(adapter: Adapter) {
    let app = warm(adapter).await;
    app.idp.set(Mode::Keys(vec![rsa().jwk("k1"), other_rsa().jwk("k2")]));
    for _ in 0..3 {
        assert_eq!(app.post(&signed_as("k2")).await.status, 200);
    }
    assert_eq!(app.idp.fetches(), 2);
}

async fn k02_many_at_once_share_one_fetch(adapter: Adapter) {
    let app = warm(adapter).await;
    app.idp.set(Mode::Slow(Duration::from_millis(100), vec![other_rsa().jwk("k2")]));
    let token = signed_as("k2");
    let replies = join_all((0..30).map(|_| app.post(&token))).await;
    assert!(replies.iter().all(|reply| reply.status == 200), "{replies:?}");
    assert_eq!(app.idp.fetches(), 2);
}

#[tokio::test]
async fn k02_a_sender_that_hangs_up_does_not_waste_the_fetch() {
    let (idp, clock) = (Idp::start(vec![rsa().jwk("k1")]).await, TestClock::default());
    let verifier = verifier(&idp, &clock).build().unwrap();
    verifier.verify(&good_token()).await.unwrap();
    idp.set(Mode::Slow(Duration::from_millis(100), vec![other_rsa().jwk("k2")]));
    let token = signed_as("k2");
    assert!(tokio::time::timeout(Duration::from_millis(30), verifier.verify(&token)).await.is_err());
    verifier.verify(&token).await.unwrap();
    assert_eq!(idp.fetches(), 2);
}

async fn k03_k04_an_unknown_kid_is_looked_for_once_a_minute(adapter: Adapter) {
    let app = warm(adapter).await;
    for (round, fetches) in [(0, 2), (1, 3)] {
        for n in 0..5 {
            app.refuses(&signed_as(&format!("unknown-{round}-{n}")), "key_unknown").await;
        }
        assert_eq!(app.idp.fetches(), fetches);
        app.clock.advance(MINUTE);
    }
}

async fn k03_a_cold_start_with_an_unknown_kid_asks_once_only(adapter: Adapter) {
    let app = TestApp::start_on(adapter).await;
    app.refuses(&signed_as("k2"), "key_unknown").await;
    assert_eq!(app.idp.fetches(), 1, "the keys were read for this very request");
    app.idp.set(Mode::Keys(vec![other_rsa().jwk("k2")]));
    app.refuses(&signed_as("k2"), "key_unknown").await;
    assert_eq!(app.idp.fetches(), 1, "and that was the reading of this minute");
    app.clock.advance(MINUTE);
    assert_eq!(app.post(&signed_as("k2")).await.status, 200);
    assert_eq!(app.idp.fetches(), 2);
}

async fn k05_a_known_kid_causes_no_fetch(adapter: Adapter) {
    let app = warm(adapter).await;
    for _ in 0..5 {
        assert_eq!(app.post(&good_token()).await.status, 200);
    }
    assert_eq!(app.idp.fetches(), 1);
}

async fn k06_without_kid_all_keys_are_tried(adapter: Adapter) {
    let app = TestApp::start_on(adapter).await;
    app.idp.set(Mode::Keys(vec![p256().jwk("k1"), rsa().jwk("k2"), other_rsa().jwk("k3"), other_p256().jwk("k4")]));
    for (alg, key) in [("RS256", other_rsa()), ("RS256", rsa()), ("ES256", other_p256())] {
        assert_eq!(app.post(&Mint::good().without("kid").header("alg", alg).sign(key)).await.status, 200);
    }
    assert_eq!(app.idp.fetches(), 1);
}

async fn k06_without_kid_a_new_key_is_found_by_one_fetch(adapter: Adapter) {
    let app = warm(adapter).await;
    let token = Mint::good().without("kid").sign(other_rsa());
    app.refuses(&token, "signature_invalid").await;
    assert_eq!(app.idp.fetches(), 2);
    app.idp.set(Mode::Keys(vec![rsa().jwk("k1"), other_rsa().jwk("k2")]));
    app.refuses(&token, "signature_invalid").await;
    assert_eq!(app.idp.fetches(), 2);
    app.clock.advance(MINUTE);
    assert_eq!(app.post(&token).await.status, 200);
    assert_eq!(app.idp.fetches(), 3);
}

async fn k08_with_keys_at_hand_the_issuer_may_be_down(adapter: Adapter) {
    let app = warm(adapter).await;
    for mode in [Mode::Raw("500 Oops", String::new()), Mode::Raw("200 OK", "{\"keys\":[]}".into()), Mode::Hang] {
        app.idp.set(mode);
        app.clock.advance(11 * MINUTE);
        assert_eq!(app.post(&good_token()).await.status, 200);
    }
    assert_eq!(app.idp.fetches(), 4, "each time it was tried");
    assert_eq!(app.post(&good_token()).await.status, 200);
    assert_eq!(app.idp.fetches(), 4, "and not again within the minute");
}

async fn k08_an_unknown_kid_while_the_issuer_is_down_is_not_refused_for_good(adapter: Adapter) {
    let app = warm(adapter).await;
    app.idp.set(Mode::Raw("503 Down", String::new()));
    for _ in 0..3 {
        let reply = app.post(&signed_as("k2")).await;
        assert_eq!((reply.status, reply.reason().as_str()), (503, "keys_unavailable"));
    }
    assert_eq!(app.idp.fetches(), 2);
    app.idp.set(Mode::Keys(vec![other_rsa().jwk("k2")]));
    app.clock.advance(MINUTE);
    assert_eq!(app.post(&signed_as("k2")).await.status, 200);
}

async fn k08_an_old_set_and_an_unknown_kid_wait_for_one_time_limit_only(adapter: Adapter) {
    let app = warm(adapter).await;
    app.idp.set(Mode::Hang);
    app.clock.advance(11 * MINUTE);
    let reply = app.post(&signed_as("k2")).await;
    assert_eq!((reply.status, reply.reason().as_str()), (503, "keys_unavailable"));
    assert_eq!(app.idp.fetches(), 2);
}

async fn k09_without_keys_and_with_the_issuer_down_the_answer_is_503(adapter: Adapter) {
    let app = TestApp::start_on(adapter).await;
    app.signed_in("l1", "alice", Some("s1")).await;
    let bodies = ["", "no json", "{}", "{\"keys\":[]}", "{\"keys\":{}}"];
    let answers = bodies.map(|body| Mode::Raw("200 OK", body.into()));
    let elsewhere = Mode::Raw("302 Found\r\nlocation: /elsewhere", String::new());
    let oversized = Mode::Raw("200 OK", json!({"keys": [rsa().jwk("k1")], "pad": "a".repeat(600_000)}).to_string());
    for mode in answers.into_iter().chain([Mode::Raw("500 Oops", String::new()), elsewhere, oversized]) {
        app.idp.set(mode);
        app.clock.advance(MINUTE);
        let before = app.idp.fetches();
        let reply = app.post(&good_token()).await;
        assert_eq!((reply.status, reply.reason().as_str(), reply.no_store), (503, "keys_unavailable", true));
        assert_eq!(app.post(&good_token()).await.status, 503);
        assert_eq!(app.idp.fetches(), before + 1, "no redirect is followed, no second try within the second");
    }
    app.idp.set(Mode::Keys(vec![rsa().jwk("k1")]));
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(app.post(&good_token()).await.status, 200);
    assert!(!app.sessions.contains("l1"));
}

async fn k10_a_hanging_issuer_has_its_own_time_limit_and_one_request(adapter: Adapter) {
    let app = TestApp::start_on(adapter).await;
    app.idp.set(Mode::Hang);
    let token = good_token();
    let all = join_all((0..20).map(|_| app.post(&token)));
    let replies = tokio::time::timeout(Duration::from_secs(3), all).await.unwrap();
    assert!(replies.iter().all(|reply| reply.status == 503), "{replies:?}");
    assert_eq!(app.idp.fetches(), 1);
}

async fn k10_many_first_requests_share_one_slow_fetch(adapter: Adapter) {
    let app = TestApp::start_on(adapter).await;
    app.idp.set(Mode::Slow(Duration::from_millis(100), vec![rsa().jwk("k1")]));
    let token = good_token();
    let replies = join_all((0..30).map(|_| app.post(&token))).await;
    assert!(replies.iter().all(|reply| reply.status == 200), "{replies:?}");
    assert_eq!(app.idp.fetches(), 1);
}

async fn k12_a_withdrawn_key_is_refused_after_the_maximum_age(adapter: Adapter) {
    let app = warm(adapter).await;
    app.idp.set(Mode::Keys(vec![other_rsa().jwk("k2")]));
    assert_eq!(app.post(&good_token()).await.status, 200);
    app.clock.advance(10 * MINUTE);
    app.refuses(&good_token(), "key_unknown").await;
    assert_eq!(app.idp.fetches(), 2);
}

async fn k14_an_rsa_key_below_2048_bits_is_refused(adapter: Adapter) {
    let app = TestApp::start_on(adapter).await;
    let weak = json!({"kty": "RSA", "kid": "k1", "n": b64([0xff; 128]), "e": "AQAB"});
    app.idp.set(Mode::Keys(vec![weak]));
    app.refuses(&good_token(), "key_too_weak").await;
    app.refuses(&Mint::good().without("kid").sign(rsa()), "key_too_weak").await;
}

async fn keys_of_unknown_kinds_do_no_harm(adapter: Adapter) {
    let app = TestApp::start_on(adapter).await;
    let strange: Vec<Value> = vec![json!("text"), json!({"kty": 1}), json!({"kty": "AKP", "kid": "k1x"}), json!({})];
    app.idp.set(Mode::Keys(strange.into_iter().chain([rsa().jwk("k1")]).collect()));
    assert_eq!(app.post(&good_token()).await.status, 200);
}

#[tokio::test]
async fn keys_from_a_file_follow_the_file() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("receiver-jwks.json");
    let write = |keys: &[Value]| std::fs::write(&path, json!({"keys": keys}).to_string()).unwrap();
    let _absent = std::fs::remove_file(&path);
    let clock = TestClock::default();
    let builder = LogoutTokenVerifier::builder().issuer(ISS).client_id(CLIENT).clock(clock.clone());
    let verifier = builder.jwks_file(&path).build().unwrap();
    assert!(matches!(verifier.verify(&good_token()).await, Err(LogoutError::Unavailable(_))));
    write(&[rsa().jwk("k1")]);
    clock.advance(Duration::from_secs(1));
    verifier.verify(&good_token()).await.unwrap();
    write(&[other_rsa().jwk("k2")]);
    verifier.verify(&signed_as("k2")).await.unwrap();
    let withdrawn = verifier.verify(&good_token()).await;
    assert!(matches!(withdrawn, Err(LogoutError::Rejected(Reason::KeyUnknown))), "{withdrawn:?}");
}

on_both_adapters! {
    k01_a_wrong_key_under_a_known_kid_causes_no_fetch
    k02_a_new_kid_is_fetched_once_and_accepted
    k02_many_at_once_share_one_fetch
    k03_k04_an_unknown_kid_is_looked_for_once_a_minute
    k03_a_cold_start_with_an_unknown_kid_asks_once_only
    k05_a_known_kid_causes_no_fetch
    k06_without_kid_all_keys_are_tried
    k06_without_kid_a_new_key_is_found_by_one_fetch
    k08_with_keys_at_hand_the_issuer_may_be_down
    k08_an_unknown_kid_while_the_issuer_is_down_is_not_refused_for_good
    k08_an_old_set_and_an_unknown_kid_wait_for_one_time_limit_only
    k09_without_keys_and_with_the_issuer_down_the_answer_is_503
    k10_a_hanging_issuer_has_its_own_time_limit_and_one_request
    k10_many_first_requests_share_one_slow_fetch
    k12_a_withdrawn_key_is_refused_after_the_maximum_age
    k14_an_rsa_key_below_2048_bits_is_refused
    keys_of_unknown_kinds_do_no_harm
}
