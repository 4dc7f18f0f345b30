//! What a client receives.

use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use signoff::model::Outcome;
use time::OffsetDateTime;

use super::server::{Say, Seen, Server};
use super::{ISSUER, Rig, client};
use crate::token::verify;

fn token(seen: &Seen) -> &str {
    seen.body.strip_prefix("logout_token=").unwrap()
}

fn claims(rig: &Rig, seen: &Seen) -> Value {
    let jwks = rig.rings.load().get(ISSUER).unwrap().jwks(OffsetDateTime::UNIX_EPOCH);
    verify(token(seen), &jwks["keys"][0], Algorithm::ES256).unwrap()
}

#[tokio::test]
async fn the_request_is_a_form_with_a_length_and_the_token_alone() {
    let server = Server::new(Say::status(200)).await;
    let rig = Rig::new();
    let attempt = rig.attempt(&client(&server.url("/logout?tenant=a&x=%2F"))).await;
    assert_eq!((attempt.outcome, attempt.status, attempt.detail.as_str()), (Outcome::Accepted, Some(200), ""));

    let seen = &server.seen()[0];
    let head = seen.head.to_lowercase();
    assert!(seen.head.starts_with("POST /logout?tenant=a&x=%2F HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("\r\ncontent-type: application/x-www-form-urlencoded\r\n"), "{head}");
    assert!(head.contains(&format!("\r\ncontent-length: {}", seen.body.len())), "{head}");
    assert!(!head.contains("transfer-encoding") && !head.contains("referer"), "{head}");
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    assert!(token(seen).chars().all(plain) && token(seen).split('.').count() == 3, "{}", seen.body);

    let claims = claims(&rig, seen);
    assert_eq!(claims["jti"], json!(attempt.jti.unwrap()));
    assert_eq!([&claims["iss"], &claims["aud"]], [&json!("https://idp.example/"), &json!("shop")]);
    assert_eq!([&claims["sid"], &claims["sub"]], [&json!("session-1"), &json!("alice")]);
    let kid = jsonwebtoken::decode_header(token(seen)).unwrap().kid;
    assert!(kid.is_some() && kid == attempt.kid);
}

#[tokio::test]
async fn each_attempt_carries_a_fresh_token() {
    let server = Server::new(Say::status(503)).await;
    let rig = Rig::new();
    let client = client(&server.url("/"));
    let (first, second) = (rig.attempt(&client).await, rig.attempt(&client).await);
    assert!(first.jti.is_some() && first.jti != second.jti);
    let seen = server.seen();
    let jtis = [&seen[0], &seen[1]].map(|seen| claims(&rig, seen)["jti"].clone());
    assert_eq!(jtis, [json!(first.jti), json!(second.jti)]);
    let metrics = rig.metrics.render().unwrap();
    assert!(metrics.contains("signoff_sign_duration_seconds_count{alg=\"ES256\"} 2"), "{metrics}");
}

#[tokio::test]
async fn without_a_key_or_a_uri_nothing_is_sent() {
    let server = Server::new(Say::status(200)).await;
    let rig = Rig::new();
    let mut wants_rsa = client(&server.url("/"));
    wants_rsa.id_token_signed_response_alg = Some(Algorithm::RS256);
    let attempt = rig.attempt(&wants_rsa).await;
    assert_eq!((attempt.outcome, attempt.jti, attempt.kid), (Outcome::Unsignable, None, None));
    assert_eq!(attempt.detail, "issuer main has no key that signs RS256");

    let mut nowhere = client(&server.url("/"));
    nowhere.backchannel_logout_uri = None;
    assert_eq!(rig.attempt(&nowhere).await.outcome, Outcome::Misdirected);
    assert_eq!(server.connections(), 0);
}
