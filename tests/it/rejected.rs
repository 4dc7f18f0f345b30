//! Is input that cannot be read kept where an operator finds it, and counted, while the queue goes on?

use std::time::Duration;

use serde_json::json;

use crate::support::postgres::TestDatabase;
use crate::support::process::Service;
use crate::support::provider::{ISSUER, event, opened};
use crate::support::rabbitmq::{Depth, Vhost};
use crate::support::{eventually, http_client};
use crate::token::pem;

const SOON: Duration = Duration::from_secs(30);
const QUEUE: &str = "signoff.events";
const REJECTED: &str = "signoff.rejected";

/// The three that cannot be recorded, each with the beginning of its reason.
fn poison() -> [(String, &'static str); 3] {
    let with_id = |id: &str| {
        let mut event = opened("shop", "s-poison", "u-poison");
        event["id"] = json!(id);
        // Neither key order nor spacing is ours: what is kept must be what was sent.
        format!("{{ \"pad\" : \"ä\",{}", &event.to_string()[1..])
    };
    let types = json!({ "session_id": 17, "subject": ["u"], "client_id": {} });
    [
        (with_id("nul\u{0}"), "malformed: $.id contains a control character"),
        (with_id(&"x".repeat(6 * 1024)), "malformed: $.id is longer than 255 bytes"),
        (event("signoff.session.opened", types).to_string(), "malformed: $.data.session_id must be a string"),
    ]
}

async fn count(database: &TestDatabase, table: &'static str) -> i64 {
    let pool = database.pool().await;
    let statement = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
    sqlx::query_scalar(statement).fetch_one(&pool).await.expect("a count")
}

#[tokio::test]
async fn what_cannot_be_read_is_kept_with_its_reason_and_the_rest_is_recorded() {
    let (Some(vhost), Some(database)) = (Vhost::new().await, TestDatabase::new().await) else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let key = directory.path().join("key.pem");
    std::fs::write(&key, pem(jsonwebtoken::Algorithm::ES256)).expect("to write");
    let service = Service::spawn(&format!(
        "[store]\nurl = {:?}\n[amqp.main]\nurl = {:?}\n\
         [issuers.main]\nissuer = \"{ISSUER}\"\ndefault_alg = \"ES256\"\n[issuers.main.keys.k]\nfile = {key:?}\n\
         [clients.shop]\nissuer = \"main\"\n",
        database.url(),
        vhost.url(),
    ))
    .await;
    eventually("it consumes", SOON, async || vhost.depth(QUEUE).await.filter(|depth| depth.consumers == 1).map(drop))
        .await;

    let poison = poison();
    let mut bodies: Vec<String> =
        (0..100).map(|n| opened("shop", &format!("s{n}"), &format!("u{n}")).to_string()).collect();
    for (at, (body, _)) in poison.iter().enumerate() {
        bodies.insert(20 + at * 30, body.clone());
    }
    vhost.publish("", QUEUE, &bodies).await;
    eventually("100 are recorded", SOON, async || (count(&database, "sessions").await == 100).then_some(())).await;
    eventually("three are kept", SOON, async || vhost.depth(REJECTED).await.filter(|depth| depth.ready == 3).map(drop))
        .await;

    let mut kept = vhost.take(REJECTED).await;
    for (body, reason) in &poison {
        let at = kept.iter().position(|message| message.body == body.as_bytes());
        let message = kept.remove(at.unwrap_or_else(|| panic!("not byte for byte: {reason}")));
        assert!(message.headers["x-signoff-reason"].starts_with(reason), "{:?}", message.headers);
        assert!(message.headers["x-signoff-reason"].len() <= 256);
        assert!(message.persistent);
    }
    eventually("all are acknowledged", SOON, async || (vhost.unacknowledged(QUEUE).await == 0).then_some(())).await;
    assert_eq!(vhost.depth(QUEUE).await, Some(Depth { ready: 0, consumers: 1 }));
    counted(&service).await;
}

async fn counted(service: &Service) {
    let metrics = http_client().get(service.url("/metrics")).send().await.expect("an answer");
    let metrics = metrics.text().await.expect("a body");
    let counted = |result: &str| -> u32 {
        let lines = metrics.lines().filter(|line| line.starts_with("signoff_events_total{"));
        let of_result = lines.filter(|line| line.contains(&format!("result=\"{result}\"")));
        of_result.map(|line| line.rsplit(' ').next().and_then(|n| n.parse::<u32>().ok()).expect("a number")).sum()
    };
    assert_eq!((counted("recorded"), counted("rejected")), (100, 3), "{metrics}");
}
