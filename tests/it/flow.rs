//! Does the main job work on real parts? Events in, tokens out, by the real program.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::StatusCode;
use signoff_receiver::LogoutTokenVerifier;
use tokio::time::Instant;

use crate::support::events::{logout, openings, sessions};
use crate::support::ledger::{Ledger, Token};
use crate::support::postgres::TestDatabase;
use crate::support::process::Service;
use crate::support::rabbitmq::{Depth, Vhost};
use crate::support::receiver::{Post, Receiver};
use crate::support::script::{Script, answer};
use crate::support::setup::{EXCHANGE, ISSUER, QUEUE, SQLITE, Setup};
use crate::support::{eventually, say};

const CLIENTS: [&str; 3] = ["shop", "forum", "wiki"];
const SOON: Duration = Duration::from_mins(1);

fn posts(receivers: &[Receiver]) -> Vec<Post> {
    receivers.iter().flat_map(Receiver::posts).collect()
}

async fn arrived(receivers: &[Receiver], count: usize) -> Vec<Post> {
    let enough = async || Some(posts(receivers)).filter(|posts| posts.len() >= count);
    eventually(&format!("{count} requests"), SOON, enough).await
}

async fn nothing_pending(service: &Service) {
    let none = async || service.deliveries("pending").await.is_empty().then_some(());
    eventually("every delivery is settled", SOON, none).await;
}

/// Each of these tokens is valid for its client, as its application would find.
async fn all_valid(service: &Service, posts: &[Post]) {
    for client in CLIENTS {
        let verifier = LogoutTokenVerifier::builder().issuer(ISSUER).client_id(client);
        let verifier = verifier.jwks_uri(service.url("/.well-known/jwks.json")).build().expect("a verifier");
        let own = posts.iter().filter(|post| Token::read(&post.token).aud == client);
        for post in own {
            verifier.verify(&post.token).await.unwrap_or_else(|error| panic!("{client}: {error}"));
        }
    }
}

/// One promise per session and client.
fn promised(ledger: &mut Ledger, sessions: &[String], clients: &[&str]) {
    for session in sessions {
        ledger.promise(session, clients.iter().map(|client| ((*client).to_owned(), session.clone())));
    }
}

#[tokio::test]
async fn two_replicas_deliver_every_logout_once() {
    let (Some(database), Some(vhost)) = (TestDatabase::new().await, Vhost::new().await) else { return };
    let receivers = Receiver::three(answer(200)).await;
    let setup = Setup::new(database.url()).amqp(&vhost).clients(&CLIENTS, &receivers);
    let replicas = [Service::spawn(&setup.config()).await, Service::spawn(&setup.config()).await];
    let both = Some(Depth { ready: 0, consumers: 2 });
    eventually("both consume", SOON, async || (vhost.depth(QUEUE).await == both).then_some(())).await;

    let sessions = sessions(200);
    let opened: Vec<_> = openings(&sessions, &CLIENTS).map(|event| event.to_string()).collect();
    let ended: Vec<_> = sessions.iter().map(|session| logout(session).to_string()).collect();
    let begun = Instant::now();
    vhost.publish(EXCHANGE, "session", &opened).await;
    vhost.publish(EXCHANGE, "logout", &ended).await;
    let published = begun.elapsed();
    arrived(&receivers, 600).await;
    let took = begun.elapsed();
    for replica in &replicas {
        nothing_pending(replica).await;
    }

    let posts = posts(&receivers);
    assert_eq!((posts.len(), posts.iter().filter(|post| post.status == 200).count()), (600, 600));
    assert!(receivers.iter().all(|receiver| receiver.count() == 200));
    let mut ledger = Ledger::default();
    promised(&mut ledger, &sessions, &CLIENTS);
    ledger.arrive(&posts);
    assert_eq!((ledger.lost(), ledger.unpromised()), (vec![], vec![]));
    assert_eq!(ledger.duplicates(), 0);
    all_valid(&replicas[0], &posts).await;
    let mut delivered = Vec::new();
    for replica in &replicas {
        delivered.push(replica.metrics().await.sum("signoff_deliveries_total", r#"result="delivered""#));
    }
    assert!((delivered.iter().sum::<f64>() - 600.0).abs() < 0.5, "{delivered:?}");
    assert!(delivered.iter().all(|count| *count > 0.0), "both replicas delivered some: {delivered:?}");
    say(&format!("800 events published in {published:?}, 600 tokens in {took:?}, by the replicas: {delivered:?}"));
}

#[tokio::test]
async fn a_thousand_waiting_messages_take_at_most_twenty_transactions() {
    let (Some(database), Some(vhost)) = (TestDatabase::new().await, Vhost::new().await) else { return };
    let receivers = Receiver::three(answer(200)).await;
    let setup = Setup::new(database.url()).amqp(&vhost).clients(&CLIENTS, &receivers);
    let mut service = Service::spawn(&setup.config()).await;
    let queue = async || vhost.depth(QUEUE).await.filter(|depth| depth.consumers == 1).map(drop);
    eventually("the queue is declared", SOON, queue).await;
    service.term();
    assert!(service.wait(SOON).await.success());

    let sessions = sessions(250);
    let mut events: Vec<_> = openings(&sessions, &CLIENTS).collect();
    events.extend(sessions.iter().map(|session| logout(session)));
    let bodies: Vec<_> = events.iter().map(ToString::to_string).collect();
    vhost.publish(EXCHANGE, "event", &bodies).await;
    assert_eq!(vhost.depth(QUEUE).await, Some(Depth { ready: 1000, consumers: 0 }));
    service.start_again().await;
    arrived(&receivers, 750).await;

    let metrics = service.metrics().await;
    let (count, sum) =
        (metrics.sum("signoff_record_batch_size_count", ""), metrics.sum("signoff_record_batch_size_sum", ""));
    say(&format!("{sum} messages recorded in {count} transactions"));
    assert!((sum - 1000.0).abs() < 0.5 && count <= 20.0, "{sum} messages in {count} transactions");
    assert_eq!(vhost.depth(QUEUE).await, Some(Depth { ready: 0, consumers: 1 }));
    let acknowledged = async || (vhost.unacknowledged(QUEUE).await == 0).then_some(());
    eventually("every message is acknowledged", SOON, acknowledged).await;
}

/// Two failures, then success: what the API shows of it.
async fn three_attempts(store: &str) {
    let receiver = Receiver::start(Script::always(answer(200)).after_first(2, answer(503).body("later"))).await;
    let setup = Setup::new(store).client("shop", &receiver.url()).delivery("[delivery.retry]\nfirst = '200ms'\n");
    let service = Service::spawn(&setup.config()).await;
    let sessions = sessions(1);
    service.submit(&openings(&sessions, &["shop"]).collect::<Vec<_>>()).await;
    service.submit(&[logout(&sessions[0])]).await;

    let posts = receiver.wait_for(3, SOON).await;
    nothing_pending(&service).await;
    let listed = service.deliveries("delivered").await;
    assert_eq!(listed.len(), 1);
    let delivery = service.get(&format!("/v1/deliveries/{}", listed[0]["id"])).await;
    assert_eq!((&delivery["state"], &delivery["attempts_made"]), (&"delivered".into(), &3.into()), "{delivery}");
    let attempts = delivery["attempts"].as_array().expect("a list");
    let shown: Vec<_> = attempts.iter().map(|attempt| (&attempt["number"], &attempt["status"])).collect();
    assert_eq!(shown, [(&1.into(), &503.into()), (&2.into(), &503.into()), (&3.into(), &200.into())]);
    let outcomes: Vec<_> = attempts.iter().map(|attempt| attempt["outcome"].as_str()).collect();
    assert_eq!(outcomes, [Some("unavailable"), Some("unavailable"), Some("accepted")]);
    let simple = |jti: &str| jti.replace('-', "");
    let sent: Vec<_> = posts.iter().map(|post| simple(&Token::read(&post.token).jti)).collect();
    let jtis: Vec<_> = attempts.iter().map(|attempt| simple(attempt["jti"].as_str().unwrap_or_default())).collect();
    assert_eq!(jtis, sent, "what is shown is what was sent");
    assert_eq!(sent.iter().collect::<BTreeSet<_>>().len(), 3, "each attempt has its own jti");
    assert_eq!(receiver.count(), 3);
}

#[tokio::test]
async fn a_client_failing_twice_gets_three_attempts_on_sqlite() {
    three_attempts(SQLITE).await;
}

#[tokio::test]
async fn a_client_failing_twice_gets_three_attempts_on_postgres() {
    let Some(database) = TestDatabase::new().await else { return };
    three_attempts(database.url()).await;
}

#[tokio::test]
async fn a_caller_who_waits_is_told_when_all_is_settled() {
    let receivers = Receiver::three(answer(204).after(Duration::from_millis(50))).await;
    let service = Service::spawn(&Setup::new(SQLITE).clients(&CLIENTS, &receivers).config()).await;
    let sessions = sessions(2);
    service.submit(&openings(&sessions, &CLIENTS).collect::<Vec<_>>()).await;

    let (status, told) = service.submit_waiting(&[logout(&sessions[0])], "?wait=30s").await;
    assert_eq!((status, &told["settled"]), (StatusCode::OK, &true.into()), "{told}");
    let counts = &told["receipts"][0]["counts"];
    assert_eq!((&counts["delivered"], &counts["pending"]), (&3.into(), &0.into()), "{told}");
    assert_eq!(posts(&receivers).len(), 3);

    receivers[1].becomes(answer(503));
    let (status, told) = service.submit_waiting(&[logout(&sessions[1])], "?wait=1s").await;
    assert_eq!((status, &told["settled"]), (StatusCode::ACCEPTED, &false.into()), "{told}");
    let counts = &told["receipts"][0]["counts"];
    assert_eq!((&counts["delivered"], &counts["pending"]), (&2.into(), &1.into()), "{told}");
}
