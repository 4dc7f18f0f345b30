//! Does every message end recorded or rejected, and only then acknowledged?

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use signoff::intake::amqp::{self, AmqpError, Publisher};
use signoff::intake::{Amqp, Intake};
use signoff::model::SystemClock;
use signoff::shutdown::Shutdown;

use crate::amqp_support::{Line, eventually, settings};
use crate::faulty_store::{Bench, FaultyStore, PANIC, body};
use crate::support::rabbitmq::{Depth, Vhost};

const QUEUE: &str = "signoff.events";
const REJECTED: &str = "signoff.rejected";
const CONNECTED: &str = r#"signoff_amqp_connected{intake="main"}"#;

fn bodies(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| body(&format!("{prefix}{n}")).to_string()).collect()
}

fn start(settings: Amqp, intake: &Arc<Intake>) -> Shutdown {
    let shutdown = Shutdown::new();
    shutdown.spawn(amqp::run(settings, intake.clone(), shutdown.clone()));
    shutdown
}

async fn connected(bench: &Bench) {
    eventually("connected", async || (bench.metric(CONNECTED) == Some(1.0)).then_some(())).await;
}

async fn recorded(bench: &Bench, count: usize) {
    eventually(format!("{count} recorded"), async || (bench.store.ids().len() >= count).then_some(())).await;
}

/// Stops the intake; what it did not acknowledge is ready again afterwards.
async fn stop(shutdown: Shutdown, vhost: &Vhost) -> u32 {
    tokio::time::timeout(Duration::from_secs(10), shutdown.finish()).await.expect("it stops");
    eventually("no consumer", async || match vhost.depth(QUEUE).await {
        Some(Depth { ready, consumers: 0 }) => Some(ready),
        _ => None,
    })
    .await
}

/// Declares everything by starting an intake once.
async fn declare(vhost: &Vhost) {
    let bench = Bench::new();
    let shutdown = start(settings(vhost), &bench.intake);
    connected(&bench).await;
    stop(shutdown, vhost).await;
}

#[tokio::test]
async fn a_thousand_waiting_messages_are_recorded_in_at_most_twenty_transactions() {
    let Some(vhost) = Vhost::new().await else { return };
    declare(&vhost).await;
    vhost.publish("idp", "realm.logout", &bodies("e", 1000)).await;
    let bench = Bench::new();
    let shutdown = start(settings(&vhost), &bench.intake);
    recorded(&bench, 1000).await;
    let commits = bench.store.commits();
    assert!(commits.len() <= 20, "{commits:?}");
    assert!(commits.iter().all(|events| *events <= 500), "{commits:?}");
    assert_eq!(stop(shutdown, &vhost).await, 0, "all acknowledged");
    assert_eq!(bench.store.ids().len(), 1000);
}

#[tokio::test]
async fn a_lonely_message_does_not_wait_for_others() {
    let Some(vhost) = Vhost::new().await else { return };
    let bench = Bench::new();
    let shutdown = start(settings(&vhost), &bench.intake);
    connected(&bench).await;
    for n in 0..5 {
        vhost.publish("idp", "k", &[body(&format!("e{n}")).to_string()]).await;
        recorded(&bench, n + 1).await;
    }
    assert_eq!(bench.store.commits(), [1; 5]);
    assert_eq!(stop(shutdown, &vhost).await, 0);
}

fn with(id: &str, name: &str, value: Value) -> String {
    let mut body = body(id);
    body[name] = value;
    body.to_string()
}

#[tokio::test]
async fn what_cannot_be_read_is_kept_byte_for_byte_with_its_reason() {
    let Some(vhost) = Vhost::new().await else { return };
    declare(&vhost).await;
    let bad = [
        (with("a\u{0}b", "pad", json!(1)), "malformed: $.id contains a control character"),
        (body(&"x".repeat(6000)).to_string(), "malformed: $.id is longer than 255 bytes"),
        (with("t", "data", json!({"session_id": ["s"]})), "malformed: $.data.session_id must be a string"),
        ("no json \u{1F512}".to_owned(), "malformed: $ is not JSON: "),
        (with("i", "source", json!("https://nobody.example.com")), "unknown_issuer: $.source"),
        (with("o", "source", json!("https://other.example.com")), "issuer_not_allowed: $.source"),
        (with("s", "data", json!({"client_id": "c"})), "bulk_not_allowed: $.data.client_id"),
        (
            with("b", "data", json!({"session_id": "s", "sessions": [{"client_id": "c", "sid": "x"}]})),
            "bulk_not_allowed: $.data.sessions",
        ),
        (body("poison").to_string(), "refused: the store refuses this data"),
    ];
    let mut all = bodies("good", 100);
    for (at, (body, _)) in bad.iter().enumerate() {
        all.insert(at * 11, body.clone());
    }
    all.push(with("renamed", "type", json!("user.renamed")));
    vhost.publish("idp", "realm.key", &all).await;

    let bench = Bench::new();
    let shutdown = start(settings(&vhost), &bench.intake);
    recorded(&bench, 100).await;
    eventually("all rejected", async || vhost.depth(REJECTED).await.filter(|depth| depth.ready as usize >= bad.len()))
        .await;
    assert_eq!(stop(shutdown, &vhost).await, 0);
    assert_eq!(bench.store.ids().len(), 100);
    let mut kept = vhost.take(REJECTED).await;
    assert_eq!(kept.len(), bad.len());
    for (body, reason) in bad {
        let at = kept.iter().position(|message| message.body == body.as_bytes()).expect("byte-identical");
        let message = kept.remove(at);
        let told = &message.headers["x-signoff-reason"];
        assert!(told.starts_with(reason) && told.len() <= 256, "{told}");
        assert_eq!(message.headers["x-signoff-exchange"], "idp");
        assert_eq!(message.headers["x-signoff-routing-key"], "realm.key");
        assert_eq!(message.content_type.as_deref(), Some("application/cloudevents+json"));
        assert!(message.persistent);
    }
    let counted = |issuer, kind, result| {
        bench.metric(&format!(
            r#"signoff_events_total{{intake="main",issuer="{issuer}",result="{result}",type="{kind}"}}"#
        ))
    };
    assert_eq!(counted("main", "logout", "recorded"), Some(100.0));
    assert_eq!(counted("main", "logout", "rejected"), Some(1.0));
    assert_eq!(counted("main", "other", "ignored"), Some(1.0));
    assert_eq!(counted("other", "other", "rejected"), Some(1.0));
    assert_eq!(counted("unknown", "other", "rejected"), Some(4.0));
}

#[tokio::test]
async fn a_message_the_rejected_queue_refuses_is_not_acknowledged_and_stops_nothing() {
    let Some(vhost) = Vhost::new().await else { return };
    declare(&vhost).await;
    vhost.delete_queue(REJECTED).await;
    vhost.set_policy(REJECTED, json!({"max-length": 0, "overflow": "reject-publish"})).await;
    // A quorum queue keeps to its limit only roughly.
    vhost.declare_queue(REJECTED, "classic").await;
    let mut all = bodies("a", 20);
    all.insert(7, "poor".into());
    vhost.publish("idp", "k", &all).await;
    let bench = Bench::new();
    let settings = Amqp { declare: false, ..settings(&vhost) };
    let shutdown = start(settings.clone(), &bench.intake);
    recorded(&bench, 20).await;
    // Later messages pass it, though they cannot be acknowledged together with it.
    vhost.publish("idp", "k", &bodies("b", 20)).await;
    recorded(&bench, 40).await;
    assert_eq!(stop(shutdown, &vhost).await, 1, "only the one that nobody took");

    let bench = Bench::new();
    let shutdown = start(settings, &bench.intake);
    connected(&bench).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    vhost.delete_queue(REJECTED).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    vhost.set_policy(REJECTED, json!({"max-length": 10, "overflow": "reject-publish"})).await;
    vhost.declare_queue(REJECTED, "quorum").await;
    eventually("kept at last", async || vhost.depth(REJECTED).await.filter(|depth| depth.ready == 1)).await;
    assert_eq!(stop(shutdown, &vhost).await, 0);
    assert_eq!(vhost.take(REJECTED).await[0].body, b"poor");
}

#[tokio::test]
async fn a_deleted_rejected_queue_is_declared_again() {
    let Some(vhost) = Vhost::new().await else { return };
    let bench = Bench::new();
    let shutdown = start(settings(&vhost), &bench.intake);
    connected(&bench).await;
    vhost.delete_queue(REJECTED).await;
    vhost.publish("idp", "k", &["poor"]).await;
    eventually("kept", async || vhost.depth(REJECTED).await.filter(|depth| depth.ready == 1)).await;
    assert_eq!(stop(shutdown, &vhost).await, 0);
}

#[tokio::test]
async fn while_the_store_is_away_nothing_is_acknowledged_and_later_all_is_recorded_once() {
    let Some(vhost) = Vhost::new().await else { return };
    declare(&vhost).await;
    let bench = Bench::new();
    bench.store.away.store(true, Ordering::SeqCst);
    vhost.publish("idp", "k", &bodies("e", 50)).await;
    let shutdown = start(settings(&vhost), &bench.intake);
    connected(&bench).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(stop(shutdown, &vhost).await, 50, "it stops at once, and nothing was acknowledged");

    // This time the store's clock is known, and it goes away in the middle.
    bench.store.away.store(false, Ordering::SeqCst);
    let shutdown = start(settings(&vhost), &bench.intake);
    recorded(&bench, 50).await;
    bench.store.away.store(true, Ordering::SeqCst);
    vhost.publish("idp", "k", &bodies("f", 50)).await;
    let tried = bench.store.calls();
    eventually("three tries", async || (bench.store.calls() >= tried + 3).then_some(())).await;
    assert_eq!(bench.store.ids().len(), 50);
    assert_eq!(bench.metric(CONNECTED), Some(1.0), "it holds, it does not reconnect");
    bench.store.away.store(false, Ordering::SeqCst);
    recorded(&bench, 100).await;
    assert_eq!(stop(shutdown, &vhost).await, 0);
    let mut ids = bench.store.ids();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 100);
    assert_eq!(bench.store.commits().iter().sum::<usize>(), 100, "each once");
}

#[tokio::test]
async fn what_is_read_and_not_recorded_goes_back_to_the_queue() {
    let Some(vhost) = Vhost::new().await else { return };
    let bench = Bench::new();
    let shutdown = start(settings(&vhost), &bench.intake);
    connected(&bench).await;
    // From now on the store's clock is known: messages are read while the store is away.
    vhost.publish("idp", "k", &bodies("e", 10)).await;
    recorded(&bench, 10).await;
    bench.store.away.store(true, Ordering::SeqCst);
    let tried = bench.store.calls();
    vhost.publish("idp", "k", &bodies("f", 50)).await;
    eventually("it is tried", async || (bench.store.calls() > tried).then_some(())).await;
    assert_eq!(stop(shutdown, &vhost).await, 50, "what was not recorded was not acknowledged");
    assert_eq!(bench.store.ids().len(), 10);
}

#[tokio::test]
async fn a_tag_of_a_lost_channel_acknowledges_nothing_on_the_next() {
    let Some(vhost) = Vhost::new().await else { return };
    let bench = Bench::new();
    let shutdown = start(Amqp { batch: 10, ..settings(&vhost) }, &bench.intake);
    connected(&bench).await;
    bench.store.shut_gate();
    vhost.publish("idp", "k", &bodies("e", 30)).await;
    eventually("a record has begun", async || (bench.store.calls() == 1).then_some(())).await;
    eventually("the broker lists the connection", async || {
        (vhost.close_connections("signoff/main").await > 0).then_some(())
    })
    .await;
    eventually("noticed", async || (bench.metric(CONNECTED) == Some(0.0)).then_some(())).await;
    // One commit, of the batch whose tags are stale now; then the store is away.
    bench.store.away.store(true, Ordering::SeqCst);
    bench.store.gate.add_permits(1);
    connected(&bench).await;
    let tried = bench.store.calls();
    eventually("the next channel delivers", async || (bench.store.calls() > tried).then_some(())).await;
    assert_eq!(stop(shutdown, &vhost).await, 30, "nothing was acknowledged");
    assert!((1..=10).contains(&bench.store.ids().len()));

    bench.store.away.store(false, Ordering::SeqCst);
    bench.store.gate.add_permits(1000);
    let shutdown = start(settings(&vhost), &bench.intake);
    recorded(&bench, 30).await;
    assert_eq!(stop(shutdown, &vhost).await, 0);
    assert_eq!(bench.store.ids().len(), 30, "what came twice is known");
}

#[tokio::test]
async fn a_defect_in_one_session_does_not_close_the_door() {
    let Some(vhost) = Vhost::new().await else { return };
    let bench = Bench::new();
    let shutdown = start(settings(&vhost), &bench.intake);
    connected(&bench).await;
    vhost.publish("idp", "k", &bodies(PANIC, 3)).await;
    recorded(&bench, 3).await;
    assert_eq!(stop(shutdown, &vhost).await, 0);
}

#[tokio::test]
async fn a_deleted_queue_is_built_again() {
    let Some(vhost) = Vhost::new().await else { return };
    let bench = Bench::new();
    let shutdown = start(settings(&vhost), &bench.intake);
    connected(&bench).await;
    vhost.delete_queue(QUEUE).await;
    eventually("noticed", async || (bench.metric(CONNECTED) == Some(0.0)).then_some(())).await;
    connected(&bench).await;
    vhost.publish("idp", "k", &bodies("e", 3)).await;
    recorded(&bench, 3).await;
    assert_eq!(stop(shutdown, &vhost).await, 0);
}

#[tokio::test]
async fn a_broker_that_falls_silent_is_noticed_without_any_error() {
    let Some(vhost) = Vhost::new().await else { return };
    let line = Line::to(&vhost).await;
    let bench = Bench::new();
    let url = line.url(&vhost);
    let settings = Amqp { url: url.into(), stuck_after: Duration::from_secs(2), ..settings(&vhost) };
    let shutdown = start(settings, &bench.intake);
    connected(&bench).await;
    line.freeze();
    eventually("noticed", async || (bench.metric(CONNECTED) == Some(0.0)).then_some(())).await;
    connected(&bench).await;
    line.cut();
    eventually("one consumer", async || vhost.depth(QUEUE).await.filter(|depth| depth.consumers == 1)).await;
    vhost.publish("idp", "k", &bodies("e", 3)).await;
    recorded(&bench, 3).await;
    assert_eq!(stop(shutdown, &vhost).await, 0);
}

#[tokio::test]
async fn without_declare_nothing_is_declared_and_it_waits_for_the_queue() {
    let Some(vhost) = Vhost::new().await else { return };
    let bench = Bench::new();
    let shutdown = start(Amqp { declare: false, ..settings(&vhost) }, &bench.intake);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!((vhost.depth(QUEUE).await, vhost.depth(REJECTED).await), (None, None));
    assert_eq!(bench.metric(CONNECTED), Some(0.0));
    vhost.declare_queue(QUEUE, "quorum").await;
    connected(&bench).await;
    assert_eq!(stop(shutdown, &vhost).await, 0);
}

#[tokio::test]
async fn an_exchange_of_the_brokers_own_is_only_bound() {
    let Some(vhost) = Vhost::new().await else { return };
    let bench = Bench::new();
    let settings =
        Amqp { exchange: Some("amq.direct".into()), routing_keys: vec!["a".into(), "b".into()], ..settings(&vhost) };
    let shutdown = start(settings, &bench.intake);
    connected(&bench).await;
    vhost.publish("amq.direct", "a", &bodies("a", 1)).await;
    vhost.publish("amq.direct", "b", &bodies("b", 1)).await;
    vhost.publish("", QUEUE, &bodies("c", 1)).await;
    recorded(&bench, 3).await;
    assert_eq!(stop(shutdown, &vhost).await, 0);
}

#[tokio::test]
async fn a_publisher_knows_whether_a_queue_has_it() {
    let Some(vhost) = Vhost::new().await else { return };
    declare(&vhost).await;
    let publisher = Publisher::connect(&vhost.url(), "t").await.unwrap();
    let send = async |exchange: &str, key: &str| publisher.publish(exchange, key, "application/json", b"x").await;
    assert!(send("idp", "k").await.is_ok());
    assert!(matches!(send("", "nowhere").await, Err(AmqpError::Returned)));
    assert!(matches!(send("no.such.exchange", "k").await, Err(AmqpError::Broker(_))));
    assert!(send("idp", "k").await.is_ok(), "on a new channel");
    publisher.close().await;
    assert!(send("idp", "k").await.is_ok(), "on a new connection");
    assert_eq!(vhost.depth(QUEUE).await, Some(Depth { ready: 3, consumers: 0 }));
    publisher.close().await;
}

#[tokio::test]
async fn amqps_never_falls_back_to_plain_text() {
    let Some(vhost) = Vhost::new().await else { return };
    let secure = vhost.url().replacen("amqp://", "amqps://", 1);
    assert!(matches!(Publisher::connect(&secure, "t").await, Err(AmqpError::Broker(_) | AmqpError::Timeout)));
    assert!(matches!(Publisher::connect("http://localhost", "t").await, Err(AmqpError::Url)));
}

#[tokio::test]
async fn it_stops_at_once_while_there_is_no_broker() {
    let bench = Bench::over(FaultyStore::new(Duration::ZERO), Arc::new(SystemClock));
    let shutdown = start(Amqp { url: "amqp://127.0.0.1:1/%2f".to_owned().into(), ..Amqp::default() }, &bench.intake);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(bench.metric(CONNECTED), Some(0.0));
    tokio::time::timeout(Duration::from_secs(3), shutdown.finish()).await.expect("it stops");
}
