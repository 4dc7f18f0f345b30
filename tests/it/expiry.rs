//! Does a session that ends by time become a logout where its issuer says so?

use std::time::Duration;

use serde_json::{Value, json};
use signoff::model::{Clock as _, SystemClock};
use time::format_description::well_known::Rfc3339;

use crate::support::ledger::Token;
use crate::support::postgres::TestDatabase;
use crate::support::process::Service;
use crate::support::receiver::Receiver;
use crate::support::script::answer;
use crate::support::{eventually, http_client};

const PATIENCE: Duration = Duration::from_secs(30);

/// Two issuers with a client each; the sessions of `strict` are logged out when they expire.
fn configuration(store: &str, strict: &Receiver, lax: &Receiver) -> String {
    let of = |name: &str, on_expiry: &str, receiver: &Receiver| {
        format!(
            "[issuers.{name}]\nissuer = 'https://{name}.example.com'\non_session_expiry = '{on_expiry}'\n\
             [issuers.{name}.keys.k1]\nfile = '{name}.pem'\ngenerate = true\n\
             [clients.{name}]\nissuer = '{name}'\nbackchannel_logout_uri = '{}'\n",
            receiver.url()
        )
    };
    format!(
        "[store]\nurl = '{store}'\n[delivery]\nallow_networks = ['127.0.0.0/8']\nallow_http = true\n{}{}",
        of("strict", "logout", strict),
        of("lax", "forget", lax)
    )
}

fn opened(issuer: &str, session_id: &str, expires_in: i64) -> Value {
    let at = |seconds| (SystemClock.now() + time::Duration::seconds(seconds)).format(&Rfc3339).unwrap();
    json!({
        "specversion": "1.0", "id": format!("{issuer}-{session_id}"), "type": "signoff.session.opened",
        "source": format!("https://{issuer}.example.com"), "time": at(-60),
        "data": {"session_id": session_id, "subject": "ann", "client_id": issuer, "expires_at": at(expires_in)},
    })
}

async fn submit(service: &Service, events: &[Value]) {
    let request = http_client().post(service.url("/v1/events"));
    let request = request.header("content-type", "application/cloudevents-batch+json");
    let answer = request.body(json!(events).to_string()).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 202, "{}", answer.text().await.unwrap());
}

async fn get(service: &Service, path: &str) -> String {
    http_client().get(service.url(path)).send().await.unwrap().text().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_expires_is_logged_out_where_the_issuer_says_so() {
    let (strict, lax) = (Receiver::start(answer(200)).await, Receiver::start(answer(200)).await);
    let service = Service::spawn(&configuration("sqlite://signoff.db", &strict, &lax)).await;
    let events = [
        opened("lax", "over", -1),
        opened("strict", "over", -1),
        opened("strict", "soon", 2),
        opened("strict", "alive", 1000),
    ];
    submit(&service, &events).await;

    let posts = strict.wait_for(2, PATIENCE).await;
    let mut told: Vec<_> = posts.iter().filter_map(|post| Token::read(&post.token).sid).collect();
    told.sort();
    assert_eq!(told, ["over", "soon"]);
    let logouts: Value = serde_json::from_str(&get(&service, "/v1/logouts").await).unwrap();
    let causes: Vec<_> = logouts["items"].as_array().unwrap().iter().map(|logout| logout["cause"].clone()).collect();
    assert_eq!(causes, ["session_expired", "session_expired"]);
    let left = get(&service, "/v1/sessions?issuer=strict&subject=ann").await;
    let left: Value = serde_json::from_str(&left).unwrap();
    assert_eq!(left["items"].as_array().unwrap().len(), 1, "{left}");
    let metrics = get(&service, "/metrics").await;
    let counted = "signoff_events_total{intake=\"expiry\",issuer=\"strict\",result=\"recorded\",type=\"logout\"} 2";
    assert!(metrics.contains(counted), "{metrics}");
    assert_eq!(lax.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_log_an_expired_session_out_once() {
    const SESSIONS: usize = 500;
    let Some(database) = TestDatabase::new().await else { return };
    let (strict, lax) = (Receiver::start(answer(200)).await, Receiver::start(answer(200)).await);
    let configuration = configuration(database.url(), &strict, &lax);
    let first = Service::spawn(&configuration).await;
    let second = Service::spawn(&configuration).await;
    let events: Vec<_> = (0..SESSIONS).map(|number| opened("strict", &format!("s{number}"), -1)).collect();
    submit(&first, &events).await;
    strict.wait_for(SESSIONS, PATIENCE).await;
    let none_left = async || {
        let page: Value = serde_json::from_str(&get(&second, "/v1/sessions?issuer=strict&subject=ann").await).unwrap();
        page["items"].as_array().unwrap().is_empty().then_some(())
    };
    eventually("an empty registry", PATIENCE, none_left).await;
    // Both replicas look again.
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(strict.count(), SESSIONS);
}
