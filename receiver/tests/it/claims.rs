//! Are the claims checked behind the endpoint? One case per step; the table of all is in the crate.

use serde_json::json;
use signoff_receiver::claims::{ExpPolicy, LOGOUT_EVENT, MultiAudience};

use crate::app::{Adapter, TestApp, on_both_adapters};
use crate::mint::{Mint, now, rsa};

async fn each_step_refuses_a_signed_token(adapter: Adapter) {
    let app = TestApp::start_on(adapter).await;
    app.signed_in("l1", "alice", Some("s1")).await;
    let good = Mint::good;
    let cases = [
        ("c01", good().without("iss"), "iss_missing"),
        ("c02", good().claim("iss", "https://evil.example.com"), "iss_mismatch"),
        ("c03", good().claim("iss", "https://idp.example.com/"), "iss_mismatch"),
        ("c05", good().without("aud"), "aud_missing"),
        ("c06", good().claim("aud", "forum"), "aud_mismatch"),
        ("c08", good().claim("aud", json!(["forum"])), "aud_mismatch"),
        ("c10", good().claim("azp", "forum"), "azp_mismatch"),
        ("c11", good().claim("iat", json!("now")), "iat_missing"),
        ("c12", good().claim("iat", now() + 90).claim("exp", now() + 200), "iat_in_future"),
        ("c13", good().claim("iat", now() - 86_400), "iat_too_old"),
        ("c15", good().without("exp"), "exp_missing"),
        ("c16", good().claim("iat", now() - 200).claim("exp", now() - 70), "expired"),
        ("c17", good().claim("exp", now() - 10), "exp_not_after_iat"),
        ("c20", good().claim("nbf", now() + 90), "not_yet_valid"),
        ("c21", good().without("jti"), "jti_missing"),
        ("c22", good().without("events"), "events_missing"),
        ("c23", good().claim("events", json!({})), "logout_event_missing"),
        ("c24", good().claim("events", LOGOUT_EVENT), "events_missing"),
        ("c25", good().claim("events", json!({LOGOUT_EVENT: true})), "logout_event_missing"),
        ("c29", good().claim("nonce", "n"), "nonce_present"),
        ("c31", good().without("sub").without("sid"), "sub_and_sid_missing"),
        ("c32", good().claim("sub", 1), "sub_malformed"),
        ("c36", good().without("events").claim("nonce", "n"), "events_missing"),
        ("c37", good().without("events").header("typ", "at+jwt"), "typ_not_allowed"),
    ];
    for (id, mint, reason) in cases {
        let reply = app.post(&mint.sign(rsa())).await;
        assert_eq!((reply.status, reply.reason().as_str()), (400, reason), "{id}");
        assert!(app.sessions.contains("l1"), "{id}");
    }
    assert_eq!(app.idp.fetches(), 0, "none of them is worth a look at the keys");
}

async fn c07_c09_c26_c27_c35_what_is_unusual_and_right_is_accepted(adapter: Adapter) {
    let app = TestApp::start_on(adapter).await;
    let good = Mint::good;
    let cases = [
        ("c07", good().claim("aud", json!(["shop"]))),
        ("c09", good().claim("aud", json!(["shop", "forum"]))),
        ("c12", good().claim("iat", now() + 30)),
        ("c16", good().claim("iat", now() - 100).claim("exp", now() - 30)),
        ("c26", good().claim("events", json!({LOGOUT_EVENT: {"a": 1}}))),
        ("c27", good().claim("events", json!({LOGOUT_EVENT: {}, "revoke_offline_access": true}))),
        ("c35", good().claim("email", "alice@example.com").claim("logout_reason", "risk")),
        ("j22", good().claim("typ", "Logout")),
    ];
    for (id, mint) in cases {
        let reply = app.post(&mint.sign(rsa())).await;
        assert_eq!(reply.status, 200, "{id}: {}", reply.body);
    }
}

async fn c03_c09_c15_c34_the_policies_reach_the_endpoint(adapter: Adapter) {
    let app = TestApp::start_with(
        adapter,
        |builder| {
            let builder = builder.exp(ExpPolicy::IfPresent).multi_audience(MultiAudience::RequireAzp);
            builder.ignore_trailing_slash().require_sid()
        },
        |endpoint| endpoint,
    )
    .await;
    assert_eq!(app.post(&Mint::good().without("exp").sign(rsa())).await.status, 200);
    assert_eq!(app.post(&Mint::good().claim("iss", "https://idp.example.com/").sign(rsa())).await.status, 200);
    app.refuses(&Mint::good().without("sid").sign(rsa()), "sid_missing").await;
    app.refuses(&Mint::good().claim("aud", json!(["shop", "forum"])).sign(rsa()), "azp_missing").await;
}

on_both_adapters! {
    each_step_refuses_a_signed_token
    c07_c09_c26_c27_c35_what_is_unusual_and_right_is_accepted
    c03_c09_c15_c34_the_policies_reach_the_endpoint
}
