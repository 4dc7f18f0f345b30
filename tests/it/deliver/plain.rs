//! The plain client of the rest of the house.

use std::time::Duration;

use serde_json::json;
use signoff::deliver::{PlainAnswer, PlainClient, PlainError, Verb};

use super::server::{Say, Server};

#[tokio::test]
async fn it_calls_with_token_and_body_and_returns_what_came_back() {
    let server = Server::new(Say::answer(429, "Retry-After: 3\r\n", b"slow down")).await;
    let client = PlainClient::new(Duration::from_secs(5)).unwrap();
    let answer = client.post_json(&server.url("/v1/events?a=b"), Some("t0ken"), &json!({ "a": 1 })).await.unwrap();
    let expected = PlainAnswer { status: 429, retry_after: Some(Duration::from_secs(3)), body: b"slow down".to_vec() };
    assert_eq!(answer, expected);
    client.get(&server.url("/")).await.unwrap();
    client.call(Verb::Delete, &server.url("/x"), None, None).await.unwrap();

    let seen = server.seen();
    let head = seen[0].head.to_lowercase();
    assert!(seen[0].head.starts_with("POST /v1/events?a=b ") && seen[0].body == "{\"a\":1}", "{head}");
    assert!(head.contains("authorization: bearer t0ken") && head.contains("content-type: application/json"), "{head}");
    assert!(seen[1].head.starts_with("GET / ") && !seen[1].head.to_lowercase().contains("authorization"));
    assert!(seen[2].head.starts_with("DELETE /x "));
}

#[tokio::test]
async fn it_follows_no_redirect_and_waits_no_longer_than_it_was_told() {
    let redirect = Server::new(Say::answer(302, "Location: /elsewhere\r\n", b"")).await;
    let client = PlainClient::new(Duration::from_millis(200)).unwrap();
    assert_eq!(client.get(&redirect.url("/")).await.unwrap().status, 302);
    let hung = Server::new(Say::Nothing).await;
    assert!(matches!(client.get(&hung.url("/")).await, Err(PlainError::NoAnswer { .. })));
}
