//! Is an event accepted only once it is recorded, whatever the store does?

use std::future::Future;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use signoff::intake::clock::StoreClock;
use signoff::intake::group::Group;
use signoff::intake::http::{Http, SubmitError};
use signoff::intake::{AcceptError, Handoff};
use signoff::model::{ClientKey, Clock, Receipt, ReceiptStatus, SystemClock};
use signoff::shutdown::Shutdown;
use time::OffsetDateTime;
use tokio::task::JoinSet;

use crate::faulty_store::{Bench, FaultyStore, OWED, PANIC, POISON, body, event, lock};

fn ids(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{prefix}{n}")).collect()
}

#[tokio::test]
async fn refused_data_is_found_by_halving_and_refused_alone() {
    let bench = Bench::new();
    let mut names = ids("e", 100);
    for at in [0, 41, 99] {
        names[at] = format!("{POISON}{at}");
    }
    let answers = bench.intake.accept_each("t", names.iter().map(|id| vec![event(id)]).collect()).await;
    for (id, answer) in names.iter().zip(&answers) {
        assert_eq!(answer.is_ok(), !id.starts_with(POISON), "{id}");
        assert!(answer.is_ok() || answer == &Err(AcceptError::Refused));
    }
    let good: Vec<String> = names.into_iter().filter(|id| !id.starts_with(POISON)).collect();
    assert_eq!(bench.store.ids(), good);
    assert!(bench.store.calls() <= 1 + 3 * 2 * 7, "{} calls", bench.store.calls());
    let rejected = r#"signoff_events_total{intake="t",issuer="main",result="rejected",type="logout"}"#;
    let recorded = r#"signoff_events_total{intake="t",issuer="main",result="recorded",type="logout"}"#;
    assert_eq!((bench.metric(rejected), bench.metric(recorded)), (Some(3.0), Some(97.0)));
}

#[tokio::test]
async fn a_unit_is_recorded_whole_or_not_at_all() {
    let bench = Bench::new();
    let units =
        vec![vec![event("a"), event("poison"), event("b")], vec![event("c"), event("d")], vec![], vec![event("c")]];
    let answers = bench.intake.accept_each("t", units).await;
    assert_eq!(answers[0], Err(AcceptError::Refused));
    assert_eq!(answers[1].as_ref().unwrap().len(), 2);
    assert_eq!(answers[2], Ok(vec![]));
    assert_eq!(answers[3].as_ref().unwrap()[0].status, ReceiptStatus::Duplicate);
    assert_eq!(bench.store.ids(), ["c", "d"]);
}

#[tokio::test]
async fn once_the_store_is_away_the_rest_is_unavailable_and_nothing_is_lost() {
    let bench = Bench::new();
    bench.store.away_after.store(3, Ordering::SeqCst);
    let mut names = ids("e", 16);
    names[15] = POISON.into();
    let answers = bench.intake.accept_each("t", names.iter().map(|id| vec![event(id)]).collect()).await;
    let accepted: Vec<String> =
        names.iter().zip(&answers).filter(|(_, a)| a.is_ok()).map(|(id, _)| id.clone()).collect();
    assert_eq!(bench.store.ids(), accepted);
    assert_eq!(accepted.len(), 8);
    assert!(answers[8..].iter().all(|answer| answer == &Err(AcceptError::Unavailable)));
    assert_eq!(bench.store.calls(), 4, "it stops asking");
}

#[tokio::test]
async fn what_is_leased_goes_to_the_dispatcher_or_back() {
    let mut bench = Bench::new();
    let owed: Vec<_> = ids(OWED, 3).iter().map(|id| event(id)).collect();
    bench.intake.accept("t", &owed).await.unwrap();
    let Handoff { leased, overflow } = bench.handoff.try_recv().unwrap();
    assert_eq!((leased.len(), overflow), (2, vec![ClientKey(1)]));
    assert!(bench.store.released().is_empty());

    bench.handoff.close();
    *lock(&bench.room.0) = 3;
    bench.intake.accept("t", &[event("owed more")]).await.unwrap();
    assert_eq!(bench.store.released().len(), 1);
    assert_eq!(*lock(&bench.room.0), 3, "its place is free again");
}

#[tokio::test]
async fn a_logout_that_finds_nobody_is_counted() {
    let bench = Bench::new();
    bench.intake.accept("t", &[event("nobody"), event("owed")]).await.unwrap();
    bench.intake.accept("t", &[event("nobody")]).await.unwrap();
    assert_eq!(bench.metric(r#"signoff_logouts_without_targets_total{issuer="main"}"#), Some(1.0));
    assert_eq!(bench.metric("signoff_record_batch_size_sum"), Some(3.0));
    assert_eq!(bench.metric("signoff_event_lag_seconds_count"), Some(3.0));
    assert_eq!(bench.metric("signoff_record_duration_seconds_count"), Some(2.0));
}

#[tokio::test]
async fn callers_share_transactions_and_nobody_waits_for_a_batch_to_fill() {
    let bench = Bench::over(FaultyStore::new(Duration::from_millis(20)), Arc::new(SystemClock));
    let shutdown = Shutdown::new();
    let group = Arc::new(Group::start(bench.intake.clone(), "t", &shutdown));
    let begun = SystemClock.instant();
    group.submit(vec![event("alone")], 300).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1));
    let callers: Vec<_> = ids("e", 200)
        .into_iter()
        .map(|id| {
            let group = group.clone();
            shutdown.spawn(async move { group.submit(vec![event(&id)], 300).await })
        })
        .collect();
    for caller in callers {
        assert_eq!(caller.await.unwrap().unwrap()[0].status, ReceiptStatus::Recorded);
    }
    assert!(bench.store.commits().len() <= 5, "{:?}", bench.store.commits());
    assert_eq!(bench.store.ids().len(), 201);
    shutdown.finish().await;
}

#[tokio::test]
async fn a_caller_that_goes_away_loses_only_its_answer() {
    let bench = Bench::over(FaultyStore::new(Duration::from_millis(20)), Arc::new(SystemClock));
    let shutdown = Shutdown::new();
    let group = Group::start(bench.intake.clone(), "t", &shutdown);
    {
        let mut caller = Box::pin(group.submit(vec![event("gone")], 300));
        std::future::poll_fn(|cx| Poll::Ready(caller.as_mut().poll(cx).is_pending())).await;
        while bench.store.calls() == 0 {
            tokio::task::yield_now().await;
        }
    }
    group.submit(vec![event("here")], 300).await.unwrap();
    assert_eq!(bench.store.ids(), ["gone", "here"]);
    shutdown.finish().await;
}

#[tokio::test]
async fn a_defect_in_one_flush_ends_only_that_flush() {
    let bench = Bench::new();
    let shutdown = Shutdown::new();
    let group = Group::start(bench.intake.clone(), "t", &shutdown);
    assert_eq!(group.submit(vec![event(PANIC)], 300).await, Err(AcceptError::Unavailable));
    assert_eq!(group.submit(vec![event("fine")], 300).await.unwrap().len(), 1);
    shutdown.finish().await;
}

#[tokio::test]
async fn what_waits_is_bounded_and_what_was_submitted_before_the_stop_is_recorded() {
    let bench = Bench::new();
    let shutdown = Shutdown::new();
    let group = Arc::new(Group::start(bench.intake.clone(), "t", &shutdown));
    bench.store.shut_gate();
    let mut waiting = JoinSet::new();
    for id in ids("e", 16) {
        let group = group.clone();
        waiting.spawn(async move { group.submit(vec![event(&id)], 1024 * 1024).await });
    }
    while bench.store.calls() == 0 {
        tokio::task::yield_now().await;
    }
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(group.submit(vec![event("too much")], 1).await, Err(AcceptError::Unavailable));
    shutdown.stop.cancel();
    bench.store.gate.add_permits(1000);
    shutdown.finish().await;
    for answer in waiting.join_all().await {
        assert_eq!(answer.unwrap().len(), 1);
    }
    assert_eq!(bench.store.ids().len(), 16);
    assert_eq!(group.submit(vec![event("late")], 1).await, Err(AcceptError::Unavailable));
}

async fn post(http: &Http, content_type: &str, body: &Value) -> Result<Vec<Receipt>, SubmitError> {
    http.submit(content_type, body.to_string().as_bytes(), Some(&["main".to_owned()]), false).await
}

const ONE: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";

#[tokio::test]
async fn a_request_is_answered_after_the_commit_with_a_receipt_per_event() {
    use ReceiptStatus::{Duplicate, Ignored, Recorded};

    let bench = Bench::new();
    let shutdown = Shutdown::new();
    let http = Http::start(bench.intake.clone(), &shutdown);
    let mut renamed = body("x");
    renamed["type"] = json!("user.renamed");
    let statuses = |receipts: Vec<Receipt>| receipts.into_iter().map(|r| r.status).collect::<Vec<_>>();
    assert_eq!(statuses(post(&http, ONE, &body("a")).await.unwrap()), [Recorded]);
    let batch = json!([body("a"), renamed, body("b")]);
    assert_eq!(statuses(post(&http, BATCH, &batch).await.unwrap()), [Duplicate, Ignored, Recorded]);
    assert_eq!(statuses(post(&http, ONE, &renamed).await.unwrap()), [Ignored]);
    assert_eq!(statuses(post(&http, BATCH, &json!([])).await.unwrap()), []);
    assert_eq!(bench.store.ids(), ["a", "b"]);
    let ignored = r#"signoff_events_total{intake="http",issuer="main",result="ignored",type="other"}"#;
    assert_eq!(bench.metric(ignored), Some(2.0));
    shutdown.finish().await;
}

#[tokio::test]
async fn a_batch_with_one_mistake_records_nothing_and_names_its_index() {
    let bench = Bench::new();
    let shutdown = Shutdown::new();
    let http = Http::start(bench.intake.clone(), &shutdown);
    let with = |name: &str, value: Value| {
        let mut body = body("bad");
        body[name] = value;
        body
    };
    let table = [
        (with("id", json!(1)), 400, "malformed"),
        (with("id", json!("a\u{0}")), 400, "malformed"),
        (with("pad", json!("x".repeat(70_000))), 413, "too_large"),
        (with("source", json!("https://nobody.example.com")), 422, "unknown_issuer"),
        (with("source", json!("https://other.example.com")), 422, "issuer_not_allowed"),
        (with("data", json!({"all": true})), 422, "bulk_not_allowed"),
        (
            with("data", json!({"session_id": "s", "sessions": [{"client_id": "c", "sid": "x"}]})),
            422,
            "bulk_not_allowed",
        ),
    ];
    for (bad, status, code) in table {
        let error = post(&http, BATCH, &json!([body("good"), bad])).await.unwrap_err();
        assert_eq!((error.status(), error.code(), error.index()), (status, code, Some(1)));
        let alone = post(&http, ONE, &bad).await.unwrap_err();
        assert_eq!((alone.status(), alone.code(), alone.index()), (status, code, None));
    }
    assert_eq!(post(&http, "text/plain", &body("a")).await, Err(SubmitError::UnsupportedMediaType));
    assert_eq!(post(&http, BATCH, &json!([body("good"), body("poison")])).await, Err(SubmitError::Refused));
    bench.store.away.store(true, Ordering::SeqCst);
    assert_eq!(post(&http, ONE, &body("a")).await, Err(SubmitError::Unavailable));
    assert!(bench.store.ids().is_empty());
    shutdown.finish().await;
}

/// A clock that moves when told.
#[derive(Debug)]
struct Hand(Instant, Mutex<Duration>);

impl Clock for Hand {
    fn now(&self) -> OffsetDateTime {
        SystemClock.now()
    }
    fn instant(&self) -> Instant {
        self.0 + *lock(&self.1)
    }
}

#[tokio::test]
async fn the_stores_clock_is_asked_once_a_second_and_carried_on_while_it_is_away() {
    let store = FaultyStore::new(Duration::ZERO);
    let hand = Arc::new(Hand(SystemClock.instant(), Mutex::new(Duration::ZERO)));
    let clock = StoreClock::new(store.clone(), hand.clone());
    store.away.store(true, Ordering::SeqCst);
    assert!(clock.now().await.is_err());
    store.away.store(false, Ordering::SeqCst);
    let first = clock.now().await.unwrap();
    let asked = || store.asked_time.load(Ordering::SeqCst);
    assert_eq!(asked(), 2);
    *lock(&hand.1) = Duration::from_millis(900);
    assert_eq!(clock.now().await.unwrap() - first, Duration::from_millis(900));
    assert_eq!(asked(), 2);
    *lock(&hand.1) = Duration::from_secs(100);
    store.away.store(true, Ordering::SeqCst);
    assert_eq!(clock.now().await.unwrap() - first, Duration::from_secs(100));
    assert_eq!(asked(), 3);
    store.away.store(false, Ordering::SeqCst);
    assert!(clock.now().await.unwrap() - first < Duration::from_secs(50), "the store's own time");
}
