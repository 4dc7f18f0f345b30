//! Does the verifier find keys by discovery, tell issuers apart, and take a shared secret only where it may?

use aws_lc_rs::hmac;
use serde_json::json;
use signoff_receiver::claims::JtiPolicy;
use signoff_receiver::{
    Algorithm, HmacAlgorithm, LogoutError, LogoutToken, LogoutTokenVerifier, LogoutTokenVerifierBuilder,
    ProviderMetadata, Reason,
};

use crate::app::{Adapter, TestApp, TestClock, on_both_adapters, verifier};
use crate::idp::{Idp, Mode};
use crate::mint::{CLIENT, ISS, Mint, b64, good_token, other_rsa, p256, rsa};

const SECRET: &[u8] = b"a client secret of some length that is enough for all three hashes";

fn reason(outcome: &Result<LogoutToken, LogoutError>) -> Option<Reason> {
    match outcome {
        Err(LogoutError::Rejected(reason)) => Some(*reason),
        _ => None,
    }
}

fn signed_with(algorithm: hmac::Algorithm, name: &str, secret: &[u8]) -> String {
    let signed = Mint::good().header("alg", name).signed_part();
    let tag = hmac::sign(&hmac::Key::new(algorithm, secret), signed.as_bytes());
    format!("{signed}.{}", b64(tag))
}

fn builder() -> LogoutTokenVerifierBuilder {
    LogoutTokenVerifier::builder().issuer(ISS).client_id(CLIENT)
}

async fn j13_hmac_with_the_client_secret_where_the_client_is_registered_for_it(adapter: Adapter) {
    let policy = |builder: LogoutTokenVerifierBuilder| builder.hmac(HmacAlgorithm::HS256, SECRET);
    let app = TestApp::start_with(adapter, policy, |endpoint| endpoint).await;
    app.signed_in("l1", "alice", Some("s1")).await;
    app.refuses(&signed_with(hmac::HMAC_SHA256, "HS256", b"another secret"), "signature_invalid").await;
    app.refuses(&signed_with(hmac::HMAC_SHA512, "HS512", SECRET), "alg_not_allowed").await;
    app.refuses(&signed_with(hmac::HMAC_SHA512, "HS256", SECRET), "signature_invalid").await;
    app.refuses(&good_token(), "alg_not_allowed").await;
    assert_eq!(app.post(&signed_with(hmac::HMAC_SHA256, "HS256", SECRET)).await.status, 200);
    assert!(!app.sessions.contains("l1"));
    assert_eq!(app.idp.fetches(), 0);
}

#[tokio::test]
async fn j13_each_hash_has_its_own_size() {
    for (algorithm, scheme) in [
        (HmacAlgorithm::HS256, hmac::HMAC_SHA256),
        (HmacAlgorithm::HS384, hmac::HMAC_SHA384),
        (HmacAlgorithm::HS512, hmac::HMAC_SHA512),
    ] {
        let verifier = builder().hmac(algorithm, SECRET).build().unwrap();
        verifier.verify(&signed_with(scheme, algorithm.name(), SECRET)).await.unwrap();
    }
    let debug = format!("{:?}", builder().hmac(HmacAlgorithm::HS256, SECRET).build().unwrap());
    assert!(!debug.contains("client secret") && !debug.contains("97, 32, 99"), "{debug}");
}

fn discovering(idp: &Idp, clock: &TestClock) -> LogoutTokenVerifier {
    verifier(idp, clock).issuer(idp.issuer()).discover().build().unwrap()
}

fn token_of(idp: &Idp) -> String {
    Mint::good().claim("iss", idp.issuer()).sign(rsa())
}

#[tokio::test]
async fn keys_are_found_by_discovery_and_both_documents_are_read_once() {
    let (idp, clock) = (Idp::start(Vec::new()).await, TestClock::default());
    idp.set(Mode::Provider(idp.issuer(), vec![rsa().jwk("k1")]));
    let verifier = discovering(&idp, &clock);
    for _ in 0..3 {
        verifier.verify(&token_of(&idp)).await.unwrap();
    }
    assert_eq!(idp.fetches(), 2);
    let metadata = ProviderMetadata::discover(&idp.issuer()).await.unwrap();
    assert_eq!((metadata.issuer, metadata.jwks_uri), (idp.issuer(), idp.jwks_uri.clone()));
}

#[tokio::test]
async fn a_discovery_document_of_another_issuer_is_not_believed() {
    let (idp, clock) = (Idp::start(Vec::new()).await, TestClock::default());
    for spoken in [format!("{}/", idp.issuer()), idp.issuer().to_uppercase(), ISS.to_owned()] {
        idp.set(Mode::Provider(spoken.clone(), vec![rsa().jwk("k1")]));
        let outcome = discovering(&idp, &clock).verify(&token_of(&idp)).await;
        assert!(matches!(outcome, Err(LogoutError::Unavailable(_))), "{spoken}: {outcome:?}");
        assert!(ProviderMetadata::discover(&idp.issuer()).await.is_err(), "{spoken}");
    }
    let before = idp.fetches();
    idp.set(Mode::Raw("200 OK", json!({"issuer": idp.issuer(), "jwks_uri": "http://192.0.2.1/jwks"}).to_string()));
    let outcome = discovering(&idp, &clock).verify(&token_of(&idp)).await;
    assert!(matches!(outcome, Err(LogoutError::Unavailable(_))), "{outcome:?}");
    assert_eq!(idp.fetches(), before + 1);
}

/// Two issuers, each with its own key, client and algorithm.
async fn two() -> (Idp, Idp, LogoutTokenVerifier) {
    let (one, two) = (Idp::start(vec![rsa().jwk("k1")]).await, Idp::start(vec![p256().jwk("k1")]).await);
    let clock = TestClock::default();
    let first = verifier(&one, &clock).algorithms([Algorithm::RS256]).build().unwrap();
    let second = verifier(&two, &clock).issuer("https://two.example.com").client_id("till");
    let second = second.algorithms([Algorithm::ES256]).build().unwrap();
    (one, two, LogoutTokenVerifier::any_of([first, second]).unwrap())
}

#[tokio::test]
async fn e06_of_several_issuers_each_is_judged_by_its_own_rules() {
    let (one, two, verifier) = two().await;
    let second = || Mint::good().header("alg", "ES256").claim("iss", "https://two.example.com").claim("aud", "till");
    assert_eq!(verifier.trusted().collect::<Vec<_>>(), [(ISS, CLIENT), ("https://two.example.com", "till")]);
    let token = verifier.verify(&second().sign(p256())).await.unwrap();
    assert_eq!((token.iss.as_str(), token.client_id.as_str()), ("https://two.example.com", "till"));
    assert_eq!((one.fetches(), two.fetches()), (0, 1));
    assert_eq!(verifier.verify(&good_token()).await.unwrap().client_id, CLIENT);
    for (mint, key, expected) in [
        (second().claim("aud", CLIENT), p256(), Reason::AudienceMismatch),
        (second().header("alg", "RS256"), rsa(), Reason::AlgorithmNotAllowed),
        (second().claim("iss", ISS).claim("aud", CLIENT), p256(), Reason::AlgorithmNotAllowed),
        (Mint::good().claim("iss", "https://three.example.com"), rsa(), Reason::IssuerMismatch),
        (Mint::good().without("iss"), rsa(), Reason::IssuerMissing),
    ] {
        assert_eq!(reason(&verifier.verify(&mint.sign(key)).await), Some(expected), "{:?}", mint.claims);
    }
    assert_eq!((one.fetches(), two.fetches()), (1, 1));
}

#[tokio::test]
async fn c04_a_key_that_two_issuers_share_does_not_make_them_one() {
    let (one, two) = (Idp::start(vec![rsa().jwk("k1")]).await, Idp::start(vec![rsa().jwk("k1")]).await);
    let clock = TestClock::default();
    let first = verifier(&one, &clock).build().unwrap();
    let second = verifier(&two, &clock).issuer("https://two.example.com").client_id("till").build().unwrap();
    let verifier = LogoutTokenVerifier::any_of([first, second]).unwrap();
    let crossed = Mint::good().claim("iss", "https://two.example.com");
    assert_eq!(reason(&verifier.verify(&crossed.sign(rsa())).await), Some(Reason::AudienceMismatch));
}

#[tokio::test]
async fn e26_two_clients_of_one_issuer_are_told_apart_by_the_audience() {
    let (idp, clock) = (Idp::start(vec![rsa().jwk("k1"), other_rsa().jwk("k2")]).await, TestClock::default());
    let client = |id: &str| verifier(&idp, &clock).client_id(id).build().unwrap();
    let verifier = LogoutTokenVerifier::any_of([client(CLIENT), client("till")]).unwrap();
    assert_eq!(verifier.verify(&good_token()).await.unwrap().client_id, CLIENT);
    let till = Mint::good().claim("aud", "till");
    assert_eq!(verifier.verify(&till.sign(rsa())).await.unwrap().client_id, "till");
    let both = Mint::good().claim("aud", json!([CLIENT, "till"])).claim("azp", "till");
    assert_eq!(verifier.verify(&both.sign(rsa())).await.unwrap().client_id, "till");
    let nonce = till.claim("nonce", "n").sign(rsa());
    assert_eq!(reason(&verifier.verify(&nonce).await), Some(Reason::NoncePresent), "not: another audience");
}

async fn c21_r08_a_token_without_jti_is_known_again_by_its_hash(adapter: Adapter) {
    let policy = |builder: LogoutTokenVerifierBuilder| builder.jti(JtiPolicy::HashIfAbsent);
    let app = TestApp::start_with(adapter, policy, |endpoint| endpoint).await;
    let without = [Mint::good().without("jti"), Mint::good().claim("jti", ""), Mint::good().claim("jti", 7)];
    for (n, mint) in without.into_iter().enumerate() {
        let token = mint.sign(rsa());
        for _ in 0..2 {
            assert_eq!(app.post(&token).await.status, 200);
        }
        assert_eq!(app.killed.lock().unwrap().len(), n + 1, "carried out once");
    }
    assert_eq!(app.post(&good_token()).await.status, 200);
    assert_eq!(app.killed.lock().unwrap().last().unwrap().token.jti, "jti-1");
}

on_both_adapters! {
    j13_hmac_with_the_client_secret_where_the_client_is_registered_for_it
    c21_r08_a_token_without_jti_is_known_again_by_its_hash
}
