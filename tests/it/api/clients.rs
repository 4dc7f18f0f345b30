//! Are clients registered, replaced and removed without one writer undoing another?

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::http::{Answer, Call};
use super::world::{Setup, World};

const SHOP: &str = "/v1/issuers/main/clients/shop";

fn metadata(uri: &str) -> Value {
    json!({"backchannel_logout_uri": uri, "backchannel_logout_session_required": true})
}

fn put(target: &str) -> Call {
    Call::new("PUT", target).json(&metadata("https://shop.example.com/a"))
}

impl World {
    fn changes(&self) -> usize {
        self.changes.load(Ordering::SeqCst)
    }
}

fn etag(answer: &Answer) -> String {
    answer.header("etag").expect("an ETag").to_owned()
}

#[tokio::test]
async fn a_client_is_registered_read_replaced_and_removed() {
    let world = World::start(Setup::open()).await;
    world.get(SHOP).await.problem(404, "not-found");
    world.call(Call::new("DELETE", SHOP)).await.problem(404, "not-found");
    assert_eq!(world.changes(), 0);

    let created = world.call(put(SHOP)).await;
    let body = json!({
        "backchannel_logout_uri": "https://shop.example.com/a", "backchannel_logout_session_required": true,
        "client_id": "shop", "issuer": "main", "source": "api",
    });
    assert_eq!(created.expect(201), body);
    assert_eq!(world.changes(), 1);

    let read = world.get(SHOP).await;
    assert_eq!(read.expect(200), body);
    assert_eq!(etag(&read), etag(&created));
    assert_eq!(world.call(Call::get(SHOP).header("If-None-Match", &etag(&read))).await.status, 304);

    // What was read can be sent back.
    let replaced = world.call(Call::new("PUT", SHOP).json(&body)).await;
    assert_eq!(replaced.expect(200), body);
    assert_ne!(etag(&replaced), etag(&created));

    assert_eq!(world.call(Call::new("DELETE", SHOP)).await.status, 204);
    assert_eq!(world.changes(), 3);
    world.get(SHOP).await.problem(404, "not-found");
}

#[tokio::test]
async fn a_write_that_knows_an_old_version_is_refused() {
    let world = World::start(Setup::open()).await;
    world.call(put(SHOP).header("If-Match", "*")).await.problem(412, "precondition-failed");
    let first = etag(&world.call(put(SHOP).header("If-None-Match", "*")).await);
    world.call(put(SHOP).header("If-None-Match", "*")).await.problem(412, "precondition-failed");
    let second = world.call(put(SHOP).header("If-Match", &first)).await;
    second.expect(200);
    world.call(put(SHOP).header("If-Match", &first)).await.problem(412, "precondition-failed");
    let delete = |tag: &str| Call::new("DELETE", SHOP).header("If-Match", tag);
    world.call(delete(&first)).await.problem(412, "precondition-failed");
    assert_eq!(world.changes(), 2);
    assert_eq!(world.call(delete(&etag(&second))).await.status, 204);
    assert_eq!(world.changes(), 3);
}

#[tokio::test]
async fn of_writers_with_the_same_version_one_wins() {
    let world = World::start(Setup::open()).await;
    for name in ["If-None-Match", "If-Match"] {
        let tag = if name == "If-Match" { etag(&world.get(SHOP).await) } else { "*".to_owned() };
        let writers = (0..5).map(|_| world.call(put(SHOP).header(name, &tag)));
        let answers = futures_util::future::join_all(writers).await;
        let won = answers.iter().filter(|answer| answer.status < 300).count();
        let lost = answers.iter().filter(|answer| answer.status == 412).count();
        assert_eq!((won, lost), (1, 4), "{name}");
    }
}

#[tokio::test]
async fn an_id_that_is_a_url_goes_into_the_query_or_is_escaped() {
    let world = World::start(Setup::open()).await;
    let by_query = "/v1/issuers/main/clients?client_id=https%3A%2F%2Frp.example.com%2Fa%3Fb%26c";
    let by_path = "/v1/issuers/main/clients/https%3A%2F%2Frp.example.com%2Fa%3Fb%26c";
    let created = world.call(put(by_query)).await.expect(201);
    assert_eq!(created["client_id"], "https://rp.example.com/a?b&c");
    assert_eq!(world.get(by_query).await.expect(200), created);
    assert_eq!(world.get(by_path).await.expect(200), created);
    world.call(put(by_path).header("If-None-Match", "*")).await.problem(412, "precondition-failed");
    assert_eq!(world.call(Call::new("DELETE", by_query)).await.status, 204);
    world.get(by_path).await.problem(404, "not-found");
    world.call(put("/v1/issuers/main/clients")).await.problem(400, "invalid-query");
    world.call(Call::new("DELETE", "/v1/issuers/main/clients")).await.problem(400, "invalid-query");
}

#[tokio::test]
async fn clients_of_the_file_are_shown_and_read_only() {
    let world = World::start(Setup { file_clients: vec!["shop"], ..Setup::open() }).await;
    let read = world.get(SHOP).await;
    let body = read.expect(200);
    assert_eq!(body["source"], "file");
    assert_eq!(body["backchannel_logout_uri"], "https://rp.example.com/logout");
    assert_eq!(world.call(Call::get(SHOP).header("If-None-Match", &etag(&read))).await.status, 304);
    world.call(put(SHOP)).await.problem(409, "client-in-file");
    world.call(Call::new("DELETE", SHOP)).await.problem(409, "client-in-file");
    assert_eq!(world.changes(), 0);
}

#[tokio::test]
async fn metadata_that_cannot_be_is_refused_member_by_member() {
    let world = World::start(Setup::open()).await;
    let sent = |body: Value| Call::new("PUT", SHOP).json(&body);
    let problem = world.call(sent(json!({"backchannel_logout_uri": 5}))).await.problem(422, "invalid-metadata");
    assert_eq!(
        problem["errors"],
        json!([{"path": "backchannel_logout_uri", "reason": "invalid_member", "detail": "is a URL"}])
    );
    let other = json!({"client_id": "mail", "issuer": "other"});
    let problem = world.call(sent(other)).await.problem(422, "invalid-metadata");
    assert_eq!(problem["errors"].as_array().unwrap().len(), 2);
    world.call(sent(json!(["shop"]))).await.problem(400, "invalid-json");
    world.call(Call::new("PUT", SHOP).body("application/json", "{\"a\":")).await.problem(400, "invalid-json");
    world.call(Call::new("PUT", SHOP).body("text/plain", "{}")).await.problem(415, "unsupported-media-type");
    let large = json!({"padding": "x".repeat(64 * 1024)});
    world.call(sent(large)).await.problem(413, "too-large");
    for id in ["%00", &"x".repeat(513)] {
        world.call(put(&format!("/v1/issuers/main/clients/{id}"))).await.problem(400, "invalid-query");
    }
    world.call(put("/v1/issuers/no-such/clients/shop")).await.problem(404, "unknown-issuer");
    assert_eq!(world.changes(), 0);
    assert_eq!(world.get("/v1/issuers/main/clients").await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn clients_are_listed_page_by_page_across_file_and_api() {
    let world = World::start(Setup { file_clients: vec!["mail", "shop"], ..Setup::open() }).await;
    for id in ["alpha", "wiki", "noon"] {
        world.call(put(&format!("/v1/issuers/main/clients/{id}"))).await.expect(201);
    }
    let mut seen = Vec::new();
    let mut target = "/v1/issuers/main/clients?limit=2".to_owned();
    loop {
        let page = world.get(&target).await.expect(200);
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2);
        seen.extend(items.iter().map(|item| item["client_id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        target = format!("/v1/issuers/main/clients?limit=2&cursor={next}");
    }
    assert_eq!(seen, ["alpha", "mail", "noon", "shop", "wiki"]);
}
