//! Does the login take what is an ID token, and nothing else?

use signoff_receiver::testkit::{CASES, TestIssuer};
use signoff_receiver::{LoginError, LogoutTokenVerifierBuilder, ManualClock};

use super::site::{self, verifier};

const NONCE: &str = "the nonce of this login";

async fn judge(issuer: &TestIssuer, clock: &ManualClock, token: &str) -> Result<String, String> {
    judge_with(verifier(issuer, clock), token).await
}

/// The subject, or why not.
async fn judge_with(builder: LogoutTokenVerifierBuilder, token: &str) -> Result<String, String> {
    match builder.build().unwrap().id_tokens().verify(token, NONCE).await {
        Ok(id_token) => Ok(id_token.login.sub),
        Err(LoginError::Rejected(reason)) => Err(reason.code().to_owned()),
        Err(LoginError::Nonce) => Err("nonce".into()),
        Err(LoginError::LogoutToken) => Err("logout token".into()),
        Err(other) => Err(other.to_string()),
    }
}

async fn issuer() -> (TestIssuer, ManualClock) {
    let clock = ManualClock::now();
    (site::issuer(&clock).await, clock)
}

#[tokio::test]
async fn a_good_id_token_tells_the_login() {
    let (issuer, clock) = issuer().await;
    let token = issuer.id_token("alice", Some("s1"), NONCE).claim("email", "alice@example.com").sign();
    let verifier = verifier(&issuer, &clock).build().unwrap();
    let id_token = verifier.id_tokens().verify(&token, NONCE).await.unwrap();
    assert_eq!(id_token.login, issuer.login("alice", Some("s1")));
    assert_eq!(id_token.claims["email"], "alice@example.com");
}

#[tokio::test]
async fn c38_a_logout_token_logs_nobody_in() {
    let (issuer, clock) = issuer().await;
    let logout = || issuer.logout_token("alice", Some("s1"));
    for (what, token) in [
        ("as it is", logout()),
        ("without the type", logout().without("typ")),
        ("with the nonce", logout().header("typ", "JWT").claim("nonce", NONCE)),
        ("by its type alone", logout().without("events").claim("nonce", NONCE)),
    ] {
        assert_eq!(judge(&issuer, &clock, &token.sign()).await, Err("logout token".into()), "{what}");
    }
}

#[tokio::test]
async fn c38_no_token_of_the_catalogue_logs_anybody_in() {
    let (issuer, clock) = issuer().await;
    for case in CASES {
        assert!(judge(&issuer, &clock, &case.mint(&issuer)).await.is_err(), "{} {}", case.id, case.what);
    }
}

#[tokio::test]
async fn an_id_token_that_is_not_for_this_login_is_refused() {
    let (issuer, clock) = issuer().await;
    let good = || issuer.id_token("alice", Some("s1"), NONCE);
    let past = issuer.login("", None).at - 100;
    for (token, reason) in [
        (good().claim("nonce", "of another"), "nonce"),
        (good().without("nonce"), "nonce"),
        (good().claim("iss", "https://stranger.example"), "iss_mismatch"),
        (good().claim("aud", "another"), "aud_mismatch"),
        (good().claim("azp", "another"), "azp_mismatch"),
        (good().claim("iat", past - 200).claim("exp", past), "expired"),
        (good().without("exp"), "exp_missing"),
        (good().without("iat"), "iat_missing"),
        (good().without("sub"), "sub_malformed"),
        (good().header("typ", "at+jwt"), "typ_not_allowed"),
        (good().header("alg", "none"), "alg_not_allowed"),
        (good().header("kid", "nobody"), "key_unknown"),
    ] {
        assert_eq!(judge(&issuer, &clock, &token.sign()).await, Err(reason.into()), "{:?}", token.claims);
    }
    let forged = good()
        .claim("sub", "bob")
        .sign_by(&signoff_receiver::testkit::SigningKey::generate(signoff_receiver::Algorithm::RS256));
    assert_eq!(judge(&issuer, &clock, &forged).await, Err("signature_invalid".into()));
}

#[tokio::test]
async fn an_id_token_needs_exp_also_where_logout_tokens_do_not() {
    let (issuer, clock) = issuer().await;
    let builder = verifier(&issuer, &clock).exp(signoff_receiver::claims::ExpPolicy::IfPresent);
    let token = issuer.id_token("alice", None, NONCE).without("exp").sign();
    assert_eq!(judge_with(builder, &token).await, Err("exp_missing".into()));
}
