//! Do deliveries show what was tried, and can they be made due again?

use std::time::Duration;

use serde_json::{Value, json};
use signoff::model::{AbandonReason, Outcome, Verdict, hashed};

use super::http::Call;
use super::world::{Setup, World};

const UNAVAILABLE: (Outcome, Verdict) = (Outcome::Unavailable, Verdict::RetryIn(Duration::ZERO));

/// `users` logged out at `shop` and `mail`; all of `mail`'s abandoned as refused.
async fn abandoned(users: &[&str]) -> World {
    let world = World::start(Setup::open()).await;
    for user in users {
        world.opened("main", user, "shop").await;
        world.opened("main", user, "mail").await;
        world.logout("main", user).await;
    }
    world.tried("main", "mail", Outcome::Refused, Verdict::Abandon(AbandonReason::Refused)).await;
    world
}

async fn listed(world: &World, query: &str) -> Vec<Value> {
    world.get(&format!("/v1/deliveries?{query}")).await.expect(200)["items"].as_array().unwrap().clone()
}

fn many(filter: &Value) -> Call {
    Call::new("POST", "/v1/deliveries/redeliver").json(filter)
}

#[tokio::test]
async fn a_delivery_shows_every_attempt() {
    let world = World::start(Setup::open()).await;
    world.opened("main", "ann", "shop").await;
    let logout = world.logout("main", "ann").await.logout.unwrap();
    for (outcome, verdict) in [UNAVAILABLE, UNAVAILABLE, (Outcome::Accepted, Verdict::Delivered)] {
        world.tried("main", "shop", outcome, verdict).await;
    }
    let listed = listed(&world, "client_id=shop").await;
    let delivery = world.get(&format!("/v1/deliveries/{}", listed[0]["id"])).await.expect(200);
    for (name, value) in listed[0].as_object().unwrap() {
        assert_eq!(delivery[name], *value, "{name}");
    }
    for (name, value) in [
        ("logout", json!(logout.0)),
        ("issuer", json!("main")),
        ("client_id", json!("shop")),
        ("session_id_hash", json!(hashed("psid-ann"))),
        ("sid_hash", json!(hashed("sid-ann-shop"))),
        ("sub_hash", json!(hashed("sub-ann"))),
        ("state", json!("delivered")),
        ("abandoned", json!(null)),
        ("skipped", json!(null)),
        ("attempts_made", json!(3)),
        ("last_outcome", json!("accepted")),
        ("last_status", json!(200)),
        ("due_at", json!(null)),
    ] {
        assert_eq!(delivery[name], value, "{name}");
    }
    let attempts = delivery["attempts"].as_array().unwrap();
    let column = |name: &str| attempts.iter().map(|attempt| attempt[name].clone()).collect::<Vec<_>>();
    assert_eq!(column("number"), [1, 2, 3]);
    assert_eq!(column("outcome"), ["unavailable", "unavailable", "accepted"]);
    assert_eq!(column("status"), [503, 503, 200]);
    assert_eq!(column("started_at"), ["2026-11-22T10:15:01Z"; 3]);
    assert_eq!(column("duration_seconds"), [0.25; 3]);
    assert_eq!(column("kid"), ["key-1"; 3]);
    assert_eq!(column("detail"), ["kept of the answer"; 3]);
    let jtis: std::collections::BTreeSet<_> =
        column("jti").iter().map(|jti| jti.as_str().unwrap().to_owned()).collect();
    assert_eq!(jtis.len(), 3, "{jtis:?}");
}

#[tokio::test]
async fn deliveries_are_filtered_and_paged() {
    let world = abandoned(&["ann", "bob", "eve"]).await;
    let logout = listed(&world, "client_id=shop").await[0]["logout"].clone();
    for (query, count) in [
        ("", 6),
        ("state=pending", 3),
        ("state=abandoned", 3),
        ("state=delivered", 0),
        ("abandoned=refused", 3),
        ("abandoned=exhausted", 0),
        ("client_id=mail", 3),
        ("issuer=main&client_id=mail&state=pending", 0),
        ("client_id=never-seen", 0),
        (&format!("logout={logout}"), 2),
    ] {
        assert_eq!(listed(&world, query).await.len(), count, "{query}");
    }
    let first = world.get("/v1/deliveries?limit=4").await.expect(200);
    let second =
        world.get(&format!("/v1/deliveries?limit=4&cursor={}", first["next"].as_str().unwrap())).await.expect(200);
    assert_eq!((first["items"].as_array().unwrap().len(), second["items"].as_array().unwrap().len()), (4, 2));
    assert!(second["next"].is_null());
    for query in
        ["state=lost", "abandoned=tired", "logout=word", "limit=0", "colour=red", "state=pending&state=pending"]
    {
        world.get(&format!("/v1/deliveries?{query}")).await.problem(400, "invalid-query");
    }
    world.get("/v1/deliveries?issuer=no-such").await.problem(404, "unknown-issuer");
    world.get("/v1/deliveries/999").await.problem(404, "not-found");
}

#[tokio::test]
async fn a_client_id_needs_an_issuer_where_there_are_several() {
    let world = World::start(Setup { issuers: vec!["main", "other"], ..Setup::open() }).await;
    world.opened("other", "ann", "shop").await;
    world.logout("other", "ann").await;
    world.get("/v1/deliveries?client_id=shop").await.problem(400, "invalid-query");
    assert_eq!(listed(&world, "issuer=other&client_id=shop").await.len(), 1);
    assert_eq!(listed(&world, "issuer=main&client_id=shop").await.len(), 0);
}

#[tokio::test]
async fn only_an_abandoned_delivery_is_made_due_again() {
    let world = abandoned(&["ann"]).await;
    let id = listed(&world, "client_id=mail").await[0]["id"].clone();
    let call = Call::new("POST", &format!("/v1/deliveries/{id}/redeliver"));
    assert_eq!(world.call(call.clone()).await.expect(202), json!({"redelivered": 1}));
    assert_eq!(listed(&world, "client_id=mail").await[0]["state"], "pending");
    world.call(call).await.problem(409, "not-abandoned");
    world.call(Call::new("POST", "/v1/deliveries/999/redeliver")).await.problem(404, "not-found");
}

#[tokio::test]
async fn a_filter_makes_due_again_what_it_names() {
    let world = abandoned(&["ann", "bob", "eve"]).await;
    let logout = listed(&world, "state=abandoned").await[0]["logout"].clone();
    for (filter, count) in [
        (json!({"client_id": "shop"}), 0),
        (json!({"client_id": "never-seen"}), 0),
        (json!({"abandoned": "exhausted"}), 0),
        (json!({"logout": logout, "issuer": "main"}), 1),
        (json!({"abandoned": "refused", "client_id": "mail"}), 2),
        (json!({"all": true}), 0),
    ] {
        let answer = world.call(many(&filter)).await.expect(202);
        assert_eq!(answer, json!({"redelivered": count}), "{filter}");
    }
    assert_eq!(listed(&world, "state=pending").await.len(), 6);
}

#[tokio::test]
async fn a_filter_that_says_nothing_or_two_things_is_refused() {
    let world = abandoned(&["ann"]).await;
    for filter in [
        json!({}),
        json!({"all": false}),
        json!({"all": true, "client_id": "mail"}),
        json!({"client": "mail"}),
        json!({"all": true, "clientid": "mail"}),
        json!({"all": "true"}),
        json!({"abandoned": "tired"}),
        json!([]),
    ] {
        world.call(many(&filter)).await.problem(400, "invalid-json");
    }
    world.call(many(&json!({"issuer": "no-such"}))).await.problem(404, "unknown-issuer");
    world.call(Call::new("POST", "/v1/deliveries/redeliver")).await.problem(415, "unsupported-media-type");
    assert_eq!(listed(&world, "state=abandoned").await.len(), 1);
}
