//! Does the HTTP layer hold? The names carry the ids of the case catalogue.

use std::time::Duration;

use reqwest::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::app::{Adapter, FORM, PATH, TestApp, on_both_adapters};
use crate::idp::Mode;
use crate::mint::{Mint, good_token, other_rsa, rsa};

async fn h01_other_methods_get_405_with_allow(adapter: Adapter) {
    let app = TestApp::start_on(adapter).await;
    for method in [Method::GET, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS, Method::HEAD] {
        let reply = app.send(method.clone(), "", Some(FORM), format!("logout_token={}", good_token())).await;
        assert_eq!((reply.status, reply.allow.as_deref(), reply.no_store), (405, Some("POST"), true), "{method}");
    }
}

async fn h02_to_h07_bodies_without_one_token_in_a_form(adapter: Adapter) {
    let app = TestApp::start_on(adapter).await;
    app.signed_in("l1", "alice", Some("s1")).await;
    let token = good_token();
    let cases = [
        (Some(FORM), String::new(), "logout_token_missing"),
        (Some(FORM), "logout_token=".into(), "logout_token_missing"),
        (Some(FORM), format!("logout_token={token}&logout_token={token}"), "logout_token_repeated"),
        (Some("application/json"), format!("{{\"logout_token\":\"{token}\"}}"), "content_type"),
        (Some("multipart/form-data; boundary=b"), format!("logout_token={token}"), "content_type"),
        (Some("application/jwt"), token.clone(), "content_type"),
        (None, format!("logout_token={token}"), "content_type"),
    ];
    for (content_type, body, reason) in cases {
        let reply = app.send(Method::POST, "", content_type, body).await;
        assert_eq!((reply.status, reply.reason().as_str()), (400, reason), "{content_type:?}");
    }
    assert!(app.sessions.contains("l1"));
}

async fn h06_h08_charset_and_other_parameters(adapter: Adapter) {
    let app = TestApp::start_on(adapter).await;
    let body = || format!("tenant=a&logout_token={}&state=", good_token());
    for content_type in [FORM, "application/x-www-form-urlencoded; charset=UTF-8", "APPLICATION/X-WWW-FORM-URLENCODED"]
    {
        assert_eq!(app.send(Method::POST, "", Some(content_type), body()).await.status, 200, "{content_type}");
    }
}

async fn h09_h10_the_query_carries_no_token_and_does_no_harm(adapter: Adapter) {
    let app = TestApp::start_on(adapter).await;
    app.signed_in("l1", "alice", Some("s1")).await;
    let query = format!("?logout_token={}", good_token());
    let reply = app.send(Method::POST, &query, Some(FORM), String::new()).await;
    assert_eq!((reply.status, reply.reason().as_str()), (400, "logout_token_missing"));
    let reply = app.send(Method::POST, "?tenant=a", Some(FORM), format!("logout_token={}", good_token())).await;
    assert_eq!(reply.status, 200);
    assert!(!app.sessions.contains("l1"));
}

async fn h11_h12_a_body_at_the_cap_passes_and_one_byte_more_does_not(adapter: Adapter) {
    let app = TestApp::start_on(adapter).await;
    let padded = |size: usize| {
        let start = format!("logout_token={}&pad=", good_token());
        let padding = "a".repeat(size - start.len());
        start + &padding
    };
    let at_cap = app.send(Method::POST, "", Some(FORM), padded(65_536)).await;
    assert_eq!(at_cap.status, 200, "{}", at_cap.body);
    let over = app.send(Method::POST, "", Some(FORM), padded(65_537)).await;
    assert_eq!((over.status, over.reason().as_str(), over.no_store), (400, "body_too_large", true));
    assert_eq!(app.post(&good_token()).await.status, 200);
}

/// Sends the bytes on one connection and returns all that comes back within a second.
async fn exchange(app: &TestApp, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(&app.address).await.unwrap();
    // The server may answer and close before it has taken everything.
    let _written = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _end = timeout(Duration::from_secs(1), stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn head(length: &str) -> String {
    format!("POST {PATH} HTTP/1.1\r\nhost: rp\r\ncontent-type: {FORM}\r\n{length}\r\n\r\n")
}

async fn h11_a_chunked_body_over_the_cap_is_cut_off(adapter: Adapter) {
    let app = TestApp::start_on(adapter).await;
    let mut request = head("transfer-encoding: chunked").into_bytes();
    let chunk = format!("4000\r\n{}\r\n", "a".repeat(0x4000));
    for _ in 0..8 {
        request.extend_from_slice(chunk.as_bytes());
    }
    request.extend_from_slice(b"0\r\n\r\n");
    let answer = exchange(&app, &request).await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("body_too_large"), "{answer}");
}

async fn h11_a_declared_length_over_the_cap_is_refused_unread(adapter: Adapter) {
    let app = TestApp::start_on(adapter).await;
    let answer = exchange(&app, head("content-length: 1000000000").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("body_too_large"), "{answer}");
}

async fn h11_what_is_left_of_a_body_is_never_taken_for_a_request(adapter: Adapter) {
    let app = TestApp::start_on(adapter).await;
    app.signed_in("l1", "alice", Some("s1")).await;
    let form = format!("logout_token={}", good_token());
    let smuggled = format!("{}{form}", head(&format!("content-length: {}", form.len())));
    let body = "a".repeat(70_000) + &smuggled;
    let answer = exchange(&app, (head(&format!("content-length: {}", body.len())) + &body).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
    assert!(app.sessions.contains("l1"));
}

async fn h14_it_works_without_cookies_beside_the_applications_own_configuration(adapter: Adapter) {
    let app = TestApp::start_on(adapter).await;
    app.signed_in("l1", "alice", Some("s1")).await;
    let reply = app.post(&good_token()).await;
    assert_eq!(reply.status, 200, "limits for the application's own forms do not apply");
    assert!(!app.sessions.contains("l1"));
}

async fn h16_h17_h18_the_answers(adapter: Adapter) {
    let app = TestApp::start_on(adapter).await;
    let done = app.post(&good_token()).await;
    assert_eq!((done.status, done.no_store, done.body.as_str()), (200, true, ""));
    let refused = app.post(&Mint::good().claim("iss", "https://planted.example.com").sign(other_rsa())).await;
    assert_eq!((refused.status, refused.no_store), (400, true));
    let body: serde_json::Value = serde_json::from_str(&refused.body).unwrap();
    assert_eq!(body["error"], "invalid_request");
    assert!(body["error_description"].is_string());
    assert!(!refused.body.contains("planted") && !refused.body.contains("alice"), "{}", refused.body);
}

async fn h21_garbage_causes_no_outbound_call(adapter: Adapter) {
    let app = TestApp::start_on(adapter).await;
    let forged = Mint::good().header("kid", "nobody").sign(other_rsa());
    let garbage = [
        "word".to_owned(),
        "a.b.c".into(),
        Mint::good().header("alg", "none").signed_part() + ".",
        Mint::good().header("alg", "HS256").signed_part() + ".AAAA",
        Mint::good().claim("aud", "forum").sign(other_rsa()),
        Mint::good().signed_part() + ".AAAA",
    ];
    for _ in 0..10 {
        for token in &garbage {
            assert_eq!(app.post(token).await.status, 400);
        }
    }
    assert_eq!(app.idp.fetches(), 0);
    for _ in 0..10 {
        app.refuses(&forged, "key_unknown").await;
    }
    assert_eq!(app.idp.fetches(), 1);
}

async fn a_handler_that_wants_the_token_gets_a_good_one_only(adapter: Adapter) {
    let app = TestApp::start_on(adapter).await;
    app.signed_in("l1", "alice", Some("s1")).await;
    let post = |token: String| app.send_to(Method::POST, "/extractor", Some(FORM), format!("logout_token={token}"));
    let refused = post(Mint::good().claim("aud", "forum").sign(rsa())).await;
    assert_eq!((refused.status, refused.reason().as_str(), refused.no_store), (400, "aud_mismatch", true));
    let over = app.send_to(Method::POST, "/extractor", Some(FORM), "a".repeat(65_537)).await;
    assert_eq!((over.status, over.reason().as_str()), (400, "body_too_large"));
    assert!(app.sessions.contains("l1"));
    app.idp.set(Mode::Raw("500 Oops", String::new()));
    let later = post(good_token()).await;
    assert_eq!((later.status, later.reason().as_str(), later.no_store), (503, "keys_unavailable", true));
    app.idp.set(Mode::Keys(vec![rsa().jwk("k1")]));
    app.clock.advance(Duration::from_secs(1));
    let done = post(good_token()).await;
    assert_eq!((done.status, done.body.as_str()), (200, "jti-1 ended 1"));
    assert!(!app.sessions.contains("l1"));
}

on_both_adapters! {
    h01_other_methods_get_405_with_allow
    h02_to_h07_bodies_without_one_token_in_a_form
    h06_h08_charset_and_other_parameters
    h09_h10_the_query_carries_no_token_and_does_no_harm
    h11_h12_a_body_at_the_cap_passes_and_one_byte_more_does_not
    h11_a_chunked_body_over_the_cap_is_cut_off
    h11_a_declared_length_over_the_cap_is_refused_unread
    h11_what_is_left_of_a_body_is_never_taken_for_a_request
    h14_it_works_without_cookies_beside_the_applications_own_configuration
    h16_h17_h18_the_answers
    h21_garbage_causes_no_outbound_call
    a_handler_that_wants_the_token_gets_a_good_one_only
}
