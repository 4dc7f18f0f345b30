//! Can a logout be followed to its end as server-sent events?

use std::time::Duration;

use serde_json::{Value, json};
use signoff::model::{AbandonReason, Outcome, Verdict};
use tokio::io::AsyncReadExt;

use super::http::Call;
use super::world::{Setup, World};

/// Name and data of each event; comments are left out.
fn events(stream: &str) -> Vec<(String, Value)> {
    let parse = |event: &str| {
        let (name, data) = event.strip_prefix("event: ")?.split_once("\ndata: ")?;
        Some((name.to_owned(), serde_json::from_str(data).unwrap()))
    };
    stream.split("\n\n").filter_map(parse).collect()
}

fn counts(pending: u64, delivered: u64, abandoned: u64) -> Value {
    json!({"pending": pending, "delivered": delivered, "abandoned": abandoned, "skipped": 0})
}

#[tokio::test]
async fn each_change_is_one_event_and_the_end_is_done() {
    let world = World::start(Setup::open()).await;
    for client in ["shop", "mail"] {
        world.opened("main", "ann", client).await;
    }
    let id = world.logout("main", "ann").await.logout.unwrap();
    let steps = async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        world.tried("main", "shop", Outcome::Accepted, Verdict::Delivered).await;
        tokio::time::sleep(Duration::from_millis(1200)).await;
        world.tried("main", "mail", Outcome::Refused, Verdict::Abandon(AbandonReason::Refused)).await;
    };
    let target = format!("/v1/logouts/{id}/progress");
    let (answer, ()) = tokio::join!(world.get(&target), steps);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let event = |name: &str, data| (name.to_owned(), data);
    let expected = [
        event("progress", counts(2, 0, 0)),
        event("progress", counts(1, 1, 0)),
        event("progress", counts(0, 1, 1)),
        event("done", counts(0, 1, 1)),
    ];
    assert_eq!(events(&answer.body), expected);

    let again = world.get(&target).await;
    assert_eq!(events(&again.body), expected[2..], "a settled logout ends at once");
    world.get("/v1/logouts/999/progress").await.problem(404, "not-found");
}

#[tokio::test]
async fn an_open_stream_does_not_hold_up_the_shutdown() {
    let world = World::start(Setup::open()).await;
    world.opened("main", "ann", "shop").await;
    let id = world.logout("main", "ann").await.logout.unwrap();
    let mut stream = Call::get(&format!("/v1/logouts/{id}/progress")).open(world.address).await;
    let mut raw = [0; 4096];
    let mut seen = String::new();
    while !seen.contains("event: progress") {
        let count = stream.read(&mut raw).await.unwrap();
        assert!(count > 0, "{seen}");
        seen += &String::from_utf8_lossy(&raw[..count]);
    }
    tokio::time::timeout(Duration::from_secs(5), world.stop()).await.expect("the server stops");
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert!(!String::from_utf8_lossy(&rest).contains("event: done"));
}
