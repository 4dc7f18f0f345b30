//! Do keys, probes and metrics answer those who need them?

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use signoff::admin::Scope;

use super::http::Call;
use super::world::{Setup, World, token};

#[tokio::test]
async fn the_keys_of_the_only_issuer_need_no_name() {
    let world = World::start(Setup::open()).await;
    let answer = world.get("/.well-known/jwks.json").await;
    assert_eq!(answer.expect(200)["keys"].as_array().unwrap().len(), 1);
    assert_eq!(answer.header("cache-control"), Some("public, max-age=60"));
    world.keys.0.lock().unwrap().clear();
    world.get("/.well-known/jwks.json").await.problem(404, "not-found");
}

#[tokio::test]
async fn among_several_issuers_one_is_named() {
    let world = World::start(Setup::closed(vec![token("r", &[Scope::Read], &[])])).await;
    world.get("/.well-known/jwks.json").await.problem(400, "invalid-query");
    world.get("/.well-known/jwks.json?issuer=no-such").await.problem(404, "unknown-issuer");
    for name in ["other", "https%3A%2F%2Fother.example.com"] {
        let keys = world.get(&format!("/.well-known/jwks.json?issuer={name}")).await.expect(200);
        assert_eq!(keys["keys"][0]["kid"], format!("key-of-{}", world.issuer("other")));
    }
}

#[tokio::test]
async fn readiness_is_the_store_and_keys_and_not_the_broker() {
    let world = World::start(Setup::open()).await;
    world.health.intake("main", false);
    let ready = json!({
        "ready": true, "stopping": false, "store": true, "keys": {"main": true}, "intakes": {"main": false},
    });
    assert_eq!(world.get("/readyz").await.expect(200), ready);

    let keys = std::mem::take(&mut *world.keys.0.lock().unwrap());
    assert_eq!(world.get("/readyz").await.expect(503)["keys"], json!({"main": false}));
    *world.keys.0.lock().unwrap() = keys.keys().map(|key| (*key, json!({"keys": []}))).collect();
    assert_eq!(world.get("/readyz").await.expect(503)["keys"], json!({"main": false}));
    *world.keys.0.lock().unwrap() = keys;
    world.get("/readyz").await.expect(200);

    world.switch.down.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let down = world.get("/readyz").await.expect(503);
    assert_eq!((&down["ready"], &down["store"]), (&json!(false), &json!(false)));
    world.get("/v1/logouts").await.problem(503, "unavailable");
    assert_eq!(world.get("/livez").await.status, 200);

    world.switch.down.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    world.get("/readyz").await.expect(200);
    world.shutdown.stop.cancel();
    assert_eq!(world.get("/readyz").await.expect(503)["stopping"], true);
}

#[tokio::test]
async fn many_probes_ask_the_store_once_a_second_and_liveness_never() {
    let world = World::start(Setup::open()).await;
    for _ in 0..10 {
        assert_eq!(world.get("/livez").await.status, 200);
    }
    assert_eq!(world.switch.pings(), 0);
    let probes: Vec<_> = (0..20).map(|_| world.get("/readyz")).collect();
    futures_util::future::join_all(probes).await;
    assert!((1..=2).contains(&world.switch.pings()), "{}", world.switch.pings());
}

#[tokio::test]
async fn metrics_are_text_for_prometheus() {
    let world = World::start(Setup::open()).await;
    world.metrics.store_up.set(1);
    let answer = world.get("/metrics").await;
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(answer.body.contains("signoff_store_up 1"), "{}", answer.body);
    let closed = World::start(Setup::closed(vec![token("r", &[Scope::Read], &[])])).await;
    closed.get("/metrics").await.problem(401, "unauthorized");
    assert_eq!(closed.call(Call::get("/metrics").token("r")).await.status, 200);
}
