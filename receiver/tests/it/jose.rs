//! Do signature and header rules hold end to end? The names carry the ids of the case catalogue.

use aws_lc_rs::hmac;
use serde_json::json;
use signoff_receiver::{Algorithm, TypPolicy};

use crate::app::{Adapter, TestApp, on_both_adapters};
use crate::idp::{Idp, Mode};
use crate::mint::{Key, Mint, b64, ed, good_token, other_rsa, p256, p384, p521, rsa};

async fn every_allowed_algorithm_is_verified(adapter: Adapter) {
    let app = TestApp::start_on(adapter).await;
    let keys: [(&str, &Key, &[&str]); 5] = [
        ("rsa", rsa(), &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]),
        ("p256", p256(), &["ES256"]),
        ("p384", p384(), &["ES384"]),
        ("p521", p521(), &["ES512"]),
        ("ed", ed(), &["EdDSA"]),
    ];
    app.idp.set(Mode::Keys(keys.iter().map(|(kid, key, _)| key.jwk(kid)).collect()));
    let mut verified = 0;
    for (kid, key, algs) in keys {
        for alg in algs {
            let token = Mint::good().header("alg", *alg).header("kid", kid).sign(key);
            let reply = app.post(&token).await;
            assert_eq!(reply.status, 200, "{alg}: {}", reply.body);
            verified += 1;
        }
    }
    assert_eq!((verified, app.idp.fetches()), (Algorithm::ALL.len(), 1));
}

async fn j07_j10_unsigned_tokens_are_refused(adapter: Adapter) {
    let app = TestApp::start_on(adapter).await;
    app.signed_in("l1", "alice", Some("s1")).await;
    let none = Mint::good().header("alg", "none").signed_part() + ".";
    app.refuses(&none, "alg_not_allowed").await;
    let stripped = Mint::good().signed_part() + ".";
    app.refuses(&stripped, "signature_invalid").await;
}

async fn j11_only_the_pinned_algorithm_passes(adapter: Adapter) {
    let app = TestApp::start_with(adapter, |builder| builder.algorithms([Algorithm::ES256]), |endpoint| endpoint).await;
    app.idp.set(Mode::Keys(vec![rsa().jwk("k1"), p256().jwk("k2")]));
    app.refuses(&good_token(), "alg_not_allowed").await;
    let es256 = Mint::good().header("alg", "ES256").header("kid", "k2").sign(p256());
    assert_eq!(app.post(&es256).await.status, 200);
}

async fn j12_j14_hmac_with_the_public_key_or_a_secret(adapter: Adapter) {
    let app = TestApp::start_on(adapter).await;
    let der = rsa().public_bytes();
    let pem = format!("-----BEGIN RSA PUBLIC KEY-----\n{}\n-----END RSA PUBLIC KEY-----\n", b64(&der));
    for secret in [der.as_slice(), pem.as_bytes(), b"the client secret"] {
        let signed = Mint::good().header("alg", "HS256").signed_part();
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
        app.refuses(&format!("{signed}.{}", b64(tag)), "alg_not_allowed").await;
    }
}

async fn j15_the_key_is_not_for_the_algorithm(adapter: Adapter) {
    let app = TestApp::start_on(adapter).await;
    let mut pinned = rsa().jwk("k1");
    pinned["alg"] = json!("ES256");
    let mut for_encryption = rsa().jwk("k2");
    for_encryption["use"] = json!("enc");
    app.idp.set(Mode::Keys(vec![pinned, for_encryption, p256().jwk("k3")]));
    for kid in ["k1", "k2", "k3"] {
        app.refuses(&Mint::good().header("kid", kid).sign(rsa()), "key_mismatch").await;
    }
    assert_eq!(app.idp.fetches(), 1, "the kid is known: a newer set would not help");
}

async fn j17_to_j21_typ(adapter: Adapter) {
    let lenient = TestApp::start_on(adapter).await;
    let strict = TestApp::start_with(adapter, |builder| builder.typ(TypPolicy::Strict), |endpoint| endpoint).await;
    for (typ, expected) in [
        ("JWT", (200, 400)),
        ("logout+jwt", (200, 200)),
        ("application/logout+jwt", (200, 200)),
        ("at+jwt", (400, 400)),
    ] {
        let token = Mint::good().header("typ", typ).sign(rsa());
        assert_eq!((lenient.post(&token).await.status, strict.post(&token).await.status), expected, "{typ}");
    }
    let absent = Mint::good().without("typ").sign(rsa());
    assert_eq!((lenient.post(&absent).await.status, strict.post(&absent).await.status), (200, 400));
}

async fn j23_crit_is_refused(adapter: Adapter) {
    let app = TestApp::start_on(adapter).await;
    app.refuses(&Mint::good().header("crit", json!(["exp"])).sign(rsa()), "crit_not_supported").await;
}

async fn j25_a_token_does_not_choose_its_key(adapter: Adapter) {
    let app = TestApp::start_on(adapter).await;
    let evil = Idp::start(vec![other_rsa().jwk("k1")]).await;
    let mut embedded = Mint::good().header("jwk", other_rsa().jwk("k1")).header("x5c", json!(["AAAA"]));
    for member in ["jku", "x5u"] {
        embedded = embedded.header(member, evil.jwks_uri.as_str());
    }
    app.refuses(&embedded.sign(other_rsa()), "signature_invalid").await;
    app.refuses(&embedded.header("kid", "evil").sign(other_rsa()), "key_unknown").await;
    assert_eq!(evil.fetches(), 0);
}

async fn j26_an_encrypted_token_is_refused_as_such(adapter: Adapter) {
    let app = TestApp::start_on(adapter).await;
    let header = b64(json!({"alg": "RSA-OAEP-256", "enc": "A256GCM", "zip": "DEF"}).to_string());
    app.refuses(&format!("{header}.AAAA.AAAA.AAAA.AAAA"), "token_encrypted").await;
    assert_eq!(app.idp.fetches(), 0);
}

async fn c40_a_payload_under_the_signature_of_another_token(adapter: Adapter) {
    let app = TestApp::start_on(adapter).await;
    app.signed_in("l2", "bob", Some("s2")).await;
    let signature = good_token().rsplit_once('.').unwrap().1.to_owned();
    let other = Mint::good().claim("sub", "bob").claim("sid", "s2").signed_part();
    app.refuses(&format!("{other}.{signature}"), "signature_invalid").await;
}

on_both_adapters! {
    every_allowed_algorithm_is_verified
    j07_j10_unsigned_tokens_are_refused
    j11_only_the_pinned_algorithm_passes
    j12_j14_hmac_with_the_public_key_or_a_secret
    j15_the_key_is_not_for_the_algorithm
    j17_to_j21_typ
    j23_crit_is_refused
    j25_a_token_does_not_choose_its_key
    j26_an_encrypted_token_is_refused_as_such
    c40_a_payload_under_the_signature_of_another_token
}
