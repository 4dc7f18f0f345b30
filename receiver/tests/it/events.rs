//! Does an open tab hear that its session has ended, and only that tab? The names carry the ids of the case
//! catalogue.

use std::time::Duration;

use futures_util::StreamExt as _;
use reqwest::{Method, Response};
use signoff_receiver::registry::take;
use signoff_receiver::{BackchannelLogout, Logout, LogoutTarget, MemoryRegistry, TAB_SCRIPT, TAB_SCRIPT_HASH};
use tokio::time::timeout;

use crate::app::{Adapter, FORM, TestApp, TestClock, on_both_adapters, session, verifier};
use crate::idp::Idp;
use crate::mint::{CLIENT, ISS, Mint, good_token, now, rsa};

const SIGNED_OUT: &str = "event: signed-out\ndata: {}\n\n";

/// A tab's open connection.
struct Tab(Response);

impl Tab {
    async fn open(app: &TestApp, local_id: &str) -> Self {
        let response = app.get("/session-events").header("cookie", local_id).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(
            (header("content-type").as_str(), header("cache-control").as_str()),
            ("text/event-stream", "no-store")
        );
        Self(response)
    }

    /// All that comes until the server ends the stream.
    async fn until_it_ends(mut self) -> String {
        let mut text = String::new();
        let end = async {
            while let Some(chunk) = self.0.chunk().await.unwrap() {
                text.push_str(std::str::from_utf8(&chunk).unwrap());
            }
        };
        timeout(Duration::from_secs(5), end).await.unwrap();
        text
    }

    /// What comes in the next 300 ms.
    async fn meanwhile(&mut self) -> String {
        let mut text = String::new();
        let read = async {
            while let Some(chunk) = self.0.chunk().await.unwrap() {
                text.push_str(std::str::from_utf8(&chunk).unwrap());
            }
        };
        assert!(timeout(Duration::from_millis(300), read).await.is_err(), "the stream ended: {text}");
        text
    }
}

async fn o08_the_tabs_of_the_ended_session_hear_of_it_and_no_others(adapter: Adapter) {
    let app = TestApp::start_on(adapter).await;
    for (local_id, sub, sid) in [("l1", "alice", "s1"), ("l2", "alice", "s2"), ("l3", "bob", "s3")] {
        app.signed_in(local_id, sub, Some(sid)).await;
    }
    let (one, two) = (Tab::open(&app, "l1").await, Tab::open(&app, "l1").await);
    let (mut other, mut bob) = (Tab::open(&app, "l2").await, Tab::open(&app, "l3").await);
    assert_eq!(app.post(&good_token()).await.status, 200);
    for tab in [one, two] {
        let text = tab.until_it_ends().await;
        assert!(text.starts_with("retry: 1000\n\n") && text.ends_with(SIGNED_OUT), "{text}");
        assert_eq!(text.matches("event:").count(), 1, "{text}");
    }
    for tab in [&mut other, &mut bob] {
        let text = tab.meanwhile().await;
        assert!(text.contains(":\n\n") && !text.contains("event"), "kept open, and nothing told: {text}");
    }
    let all = Mint::good().without("sid").claim("jti", "jti-2").sign(rsa());
    assert_eq!(app.post(&all).await.status, 200);
    assert!(other.until_it_ends().await.ends_with(SIGNED_OUT));
    assert!(!bob.meanwhile().await.contains("event"));
}

async fn o08_what_another_replica_ends_is_heard_at_the_next_look(adapter: Adapter) {
    let app = TestApp::start_on(adapter).await;
    app.signed_in("l1", "alice", Some("s1")).await;
    app.signed_in("l2", "alice", Some("s2")).await;
    let (tab, mut other) = (Tab::open(&app, "l1").await, Tab::open(&app, "l2").await);
    // As another process does it on the same store: no event is published here.
    let target = LogoutTarget::Session { sid: "s1".into() };
    let logout = Logout { issuer: ISS.into(), client_id: CLIENT.into(), target, at: now() };
    assert_eq!(take(&app.sessions, logout).await.unwrap().len(), 1);
    assert!(tab.until_it_ends().await.ends_with(SIGNED_OUT));
    assert!(!other.meanwhile().await.contains("event"));
    assert!(app.killed.lock().unwrap().is_empty());
}

async fn a_tab_that_comes_back_too_late_is_told_at_once(adapter: Adapter) {
    let app = TestApp::start_on(adapter).await;
    app.signed_in("l1", "alice", Some("s1")).await;
    assert_eq!(app.post(&good_token()).await.status, 200);
    for local_id in ["l1", "nobody"] {
        assert_eq!(Tab::open(&app, local_id).await.until_it_ends().await, format!("retry: 1000\n\n{SIGNED_OUT}"));
    }
}

async fn the_script_is_served_and_kept_by_the_browser(adapter: Adapter) {
    let app = TestApp::start_on(adapter).await;
    let response = app.get("/session-events.js").send().await.unwrap();
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    let etag = header("etag");
    assert_eq!((response.status().as_u16(), etag.as_str()), (200, format!("\"{TAB_SCRIPT_HASH}\"").as_str()));
    assert_eq!(
        (header("content-type").as_str(), header("cache-control").as_str()),
        ("text/javascript; charset=utf-8", "no-cache")
    );
    assert_eq!(response.text().await.unwrap(), TAB_SCRIPT);
    for (known, status) in [(etag.clone(), 304), (format!("\"other\", W/{etag}"), 304), ("\"other\"".into(), 200)] {
        let again = app.get("/session-events.js").header("if-none-match", known.as_str()).send().await.unwrap();
        assert_eq!(again.status().as_u16(), status, "{known}");
    }
    let posted = app.send_to(Method::POST, "/session-events", Some(FORM), String::new()).await;
    assert!([404, 405].contains(&posted.status), "{}", posted.status);
}

#[tokio::test]
async fn closing_ends_the_streams_without_signing_anybody_out() {
    let (idp, clock) = (Idp::start(vec![rsa().jwk("k1")]).await, TestClock::default());
    let endpoint = BackchannelLogout::new(verifier(&idp, &clock).build().unwrap(), MemoryRegistry::new());
    let events = endpoint.events();
    let open = events.stream(Some(session("l1", "alice", Some("s1")).into()));
    events.close();
    for stream in [open, events.stream(Some(session("l2", "bob", None).login.into()))] {
        let text = timeout(Duration::from_secs(5), stream.collect::<String>()).await.unwrap();
        assert!(!text.contains("event"), "{text}");
    }
}

#[test]
fn the_script_has_at_most_fifteen_lines() {
    assert!(TAB_SCRIPT.lines().count() <= 15);
}

on_both_adapters! {
    o08_the_tabs_of_the_ended_session_hear_of_it_and_no_others
    o08_what_another_replica_ends_is_heard_at_the_next_look
    a_tab_that_comes_back_too_late_is_told_at_once
    the_script_is_served_and_kept_by_the_browser
}
