//! Does everything that goes wrong have the same shape?

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::http::Call;
use super::world::{Setup, World};

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let world = World::start(Setup::open()).await;
    for target in ["/v1", "/v1/events/1", "/v1/issuers/main", "/favicon.ico", "/v1/deliveries/word", "//"] {
        world.get(target).await.problem(404, "not-found");
    }
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let world = World::start(Setup::open()).await;
    for (method, target, allow) in [
        ("GET", "/v1/events", "POST"),
        ("DELETE", "/v1/logouts", "GET"),
        ("POST", "/v1/issuers/main/clients/shop", "GET, PUT, DELETE"),
        ("PATCH", "/v1/issuers/main/clients", "GET, PUT, DELETE"),
        ("POST", "/", "GET"),
    ] {
        let answer = world.call(Call::new(method, target)).await;
        answer.problem(405, "method-not-allowed");
        assert_eq!(answer.header("allow"), Some(allow), "{method} {target}");
    }
}

#[tokio::test]
async fn every_answer_forbids_caching_and_sniffing() {
    let world = World::start(Setup::open()).await;
    for target in ["/v1/logouts", "/nothing", "/", "/livez"] {
        let answer = world.get(target).await;
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{target}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{target}");
    }
}

#[tokio::test]
async fn a_store_that_is_away_is_said_so() {
    let world = World::start(Setup::open()).await;
    world.switch.down.store(true, Ordering::SeqCst);
    for target in [
        "/v1/logouts",
        "/v1/logouts/1",
        "/v1/deliveries",
        "/v1/deliveries/1",
        "/v1/sessions?issuer=main&subject=a",
        "/v1/issuers/main/clients",
        "/",
    ] {
        let answer = world.get(target).await;
        answer.problem(503, "unavailable");
        assert_eq!(answer.header("retry-after"), Some("1"), "{target}");
    }
    let put = Call::new("PUT", "/v1/issuers/main/clients/shop").json(&serde_json::json!({}));
    world.call(put).await.problem(503, "unavailable");
}

#[tokio::test]
async fn a_head_that_never_ends_is_not_waited_for() {
    let world = World::start(Setup::open()).await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: ").await.unwrap();
    let mut raw = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut raw)).await;
    read.expect("the server hangs up").unwrap();
    assert!(raw.starts_with(b"HTTP/1.1 408") || raw.is_empty(), "{}", String::from_utf8_lossy(&raw));
}

#[tokio::test]
async fn a_body_that_never_ends_is_not_waited_for() {
    let world = World::start(Setup::open()).await;
    let call = Call::new("POST", "/v1/events").body("application/cloudevents+json", "{").without_length();
    world.call(call.header("Content-Length", "2")).await.problem(408, "request-timeout");
    assert!(world.door.asked.lock().unwrap().is_empty());
}
