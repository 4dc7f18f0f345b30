//! Are events accepted as promised, and refused with reasons?

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use signoff::admin::Scope;
use signoff::format::Reason;
use signoff::intake::SubmitError;
use signoff::model::{LogoutId, Outcome, Receipt, ReceiptStatus, Verdict};

use super::http::{Answer, Call};
use super::world::{Asked, Setup, World, token};

const EVENT: &str = "application/cloudevents+json";

fn submit(query: &str) -> Call {
    Call::new("POST", &format!("/v1/events{query}")).body(EVENT, "{}")
}

impl World {
    async fn submitted(&self, query: &str, answer: Result<Vec<Receipt>, SubmitError>) -> Answer {
        *self.door.answer.lock().unwrap() = Some(answer);
        self.call(submit(query)).await
    }
}

fn receipt(status: ReceiptStatus, logout: Option<i64>, owed: u32, skipped: u32) -> Receipt {
    Receipt { status, logout: logout.map(LogoutId), owed, skipped, expanding: false }
}

#[tokio::test]
async fn each_event_gets_its_receipt() {
    let world = World::start(Setup::open()).await;
    let receipts = vec![
        receipt(ReceiptStatus::Recorded, None, 0, 0),
        receipt(ReceiptStatus::Recorded, Some(7), 2, 1),
        receipt(ReceiptStatus::Duplicate, Some(7), 0, 0),
        receipt(ReceiptStatus::Ignored, None, 0, 0),
    ];
    let expected = json!({"receipts": [
        {"status": "recorded"},
        {"status": "recorded", "owed": 2, "skipped": 1, "logout": "/v1/logouts/7"},
        {"status": "duplicate", "owed": 0, "skipped": 0, "logout": "/v1/logouts/7"},
        {"status": "ignored"},
    ]});
    assert_eq!(world.submitted("", Ok(receipts)).await.expect(202), expected);
}

#[tokio::test]
async fn a_refusal_names_the_event_and_the_reason() {
    let world = World::start(Setup::open()).await;
    let detail = || "$.data.session_id: a string is expected".to_owned();
    let unprocessable = |reason| SubmitError::Unprocessable { index: Some(0), reason, detail: detail() };
    let table = [
        (
            SubmitError::Malformed { index: Some(3), reason: Reason::Malformed, detail: detail() },
            (400, "malformed-event", Some(3), "malformed"),
        ),
        (unprocessable(Reason::UnknownIssuer), (422, "rejected-event", Some(0), "unknown_issuer")),
        (unprocessable(Reason::IssuerNotAllowed), (422, "rejected-event", Some(0), "issuer_not_allowed")),
        (unprocessable(Reason::BulkNotAllowed), (422, "rejected-event", Some(0), "bulk_not_allowed")),
        (unprocessable(Reason::BulkNotAllowed), (422, "rejected-event", Some(0), "bulk_not_allowed")),
        (SubmitError::Refused, (422, "rejected-event", None, "refused")),
        (SubmitError::UnsupportedMediaType, (415, "unsupported-media-type", None, "unsupported_media_type")),
        (SubmitError::TooLarge { index: Some(1), detail: detail() }, (413, "too-large", Some(1), "too_large")),
        (SubmitError::Unavailable, (503, "unavailable", None, "unavailable")),
    ];
    for (error, (status, name, index, reason)) in table {
        let answer = world.submitted("", Err(error)).await;
        let problem = answer.problem(status, name);
        let wrong = &problem["errors"][0];
        assert_eq!(wrong["index"].as_u64(), index, "{problem}");
        assert_eq!(wrong["reason"], reason, "{problem}");
        assert_eq!(answer.header("retry-after").is_some(), status == 503);
    }
}

#[tokio::test]
async fn the_door_is_told_what_the_token_allows() {
    let world = World::start(Setup::closed(vec![
        token("plain", &[Scope::Events], &["main"]),
        token("bulk", &[Scope::Events, Scope::Bulk], &[]),
    ]))
    .await;
    for name in ["plain", "bulk"] {
        assert_eq!(world.call(submit("").token(name)).await.status, 202);
    }
    let asked = |issuers: Option<Vec<String>>, allow_bulk| Asked {
        content_type: EVENT.into(),
        body: b"{}".to_vec(),
        issuers,
        allow_bulk,
    };
    assert_eq!(*world.door.asked.lock().unwrap(), [asked(Some(vec!["main".into()]), false), asked(None, true)]);
}

#[tokio::test]
async fn a_body_beyond_the_limit_never_reaches_the_door() {
    let world = World::start(Setup::open()).await;
    let body = vec![b' '; 1024 * 1024 + 1];
    let call = Call::new("POST", "/v1/events").body(EVENT, body.clone());
    world.call(call).await.problem(413, "too-large");
    let mut chunked = format!("{:x}\r\n", body.len()).into_bytes();
    chunked.extend_from_slice(&body);
    chunked.extend_from_slice(b"\r\n0\r\n\r\n");
    let call = Call::new("POST", "/v1/events").body(EVENT, chunked);
    let call = call.header("Transfer-Encoding", "chunked").without_length();
    world.call(call).await.problem(413, "too-large");
    assert!(world.door.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_wait_ends_when_everything_is_settled() {
    let world = World::start(Setup::open()).await;
    for client in ["shop", "mail", "skipped"] {
        world.opened("main", "ann", client).await;
    }
    let receipt = world.logout("main", "ann").await;
    assert_eq!((receipt.owed, receipt.skipped), (2, 1));
    *world.door.answer.lock().unwrap() = Some(Ok(vec![receipt]));
    let call = submit("?wait=20s");
    let settle = async {
        world.tried("main", "shop", Outcome::Accepted, Verdict::Delivered).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        world.tried("main", "mail", Outcome::Accepted, Verdict::Delivered).await;
    };
    let (answer, ()) = tokio::join!(world.call(call), settle);
    let answer = answer.expect(200);
    assert_eq!(answer["settled"], true);
    let counts = json!({"pending": 0, "delivered": 2, "abandoned": 0, "skipped": 1});
    assert_eq!(answer["receipts"][0]["counts"], counts);
}

#[tokio::test]
async fn a_wait_that_runs_out_says_how_far_it_is() {
    let world = World::start(Setup::open()).await;
    world.opened("main", "ann", "shop").await;
    let receipt = world.logout("main", "ann").await;
    let answer = world.submitted("?wait=200ms", Ok(vec![receipt])).await.expect(202);
    assert_eq!(answer["settled"], false);
    assert_eq!(answer["receipts"][0]["counts"]["pending"], 1);
}

#[tokio::test]
async fn what_is_recorded_stays_accepted_when_the_store_goes_away_during_the_wait() {
    let world = World::start(Setup::open()).await;
    world.opened("main", "ann", "shop").await;
    let receipt = world.logout("main", "ann").await;
    world.switch.down.store(true, Ordering::SeqCst);
    let answer = world.submitted("?wait=200ms", Ok(vec![receipt])).await.expect(202);
    assert_eq!(answer["settled"], false);
    assert_eq!(answer["receipts"][0]["owed"], 1);
}

#[tokio::test]
async fn a_wait_ends_at_shutdown() {
    let world = World::start(Setup::open()).await;
    world.opened("main", "ann", "shop").await;
    let receipt = world.logout("main", "ann").await;
    let stop = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        world.shutdown.stop.cancel();
    };
    let (answer, ()) = tokio::join!(world.submitted("?wait=15s", Ok(vec![receipt])), stop);
    assert_eq!(answer.expect(202)["settled"], false);
}

#[tokio::test]
async fn a_wait_is_a_duration_of_at_most_a_minute() {
    let world = World::start(Setup::open()).await;
    for wait in ["61s", "1h", "soon", "-1s", ""] {
        let problem = world.call(submit(&format!("?wait={wait}"))).await.problem(400, "invalid-query");
        assert_eq!(problem["errors"][0]["path"], "wait", "{wait}");
    }
    assert!(world.door.asked.lock().unwrap().is_empty());
}
