//! What does an identity provider say? Native events as JSON, posted to a service.

use serde_json::{Value, json};

use super::process::Service;
use super::{http_client, unique};

/// The issuer in every test's configuration, by the short name `main`.
pub(crate) const ISSUER: &str = "https://idp.example.com";

/// An event of this type, with an id of its own.
pub(crate) fn event(kind: &str, data: Value) -> Value {
    let mut event = json!({ "specversion": "1.0", "id": unique("e"), "source": ISSUER, "type": kind });
    event["data"] = data;
    event
}

/// A client's session has opened.
pub(crate) fn opened(client_id: &str, session_id: &str, subject: &str) -> Value {
    let data = json!({ "session_id": session_id, "subject": subject, "client_id": client_id });
    event("signoff.session.opened", data)
}

/// A provider session has ended.
pub(crate) fn logout(session_id: &str) -> Value {
    event("signoff.logout", json!({ "session_id": session_id, "cause": "user_logout" }))
}

/// Posts these events to a service without tokens; fails unless all are accepted.
pub(crate) async fn tell(service: &Service, events: &[Value]) -> Value {
    let request = http_client()
        .post(service.url("/v1/events"))
        .header("content-type", "application/cloudevents-batch+json")
        .body(Value::from(events).to_string());
    let answer = request.send().await.expect("an answer");
    let (status, text) = (answer.status(), answer.text().await.expect("a body"));
    assert!(status.is_success(), "{status} {text}");
    serde_json::from_str(&text).expect("JSON")
}

/// What a service without tokens answers here; fails unless it is a success.
pub(crate) async fn get(service: &Service, path: &str) -> Value {
    let answer = http_client().get(service.url(path)).send().await.expect("an answer");
    let (status, text) = (answer.status(), answer.text().await.expect("a body"));
    assert!(status.is_success(), "{path}: {status} {text}");
    serde_json::from_str(&text).expect("JSON")
}
