//! Does a stop lose or delay anything? SIGTERM under load, one replica after the other, and twice.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::support::api::submission;
use crate::support::events::{logout, openings, sessions};
use crate::support::eventually;
use crate::support::ledger::{Owed, Token};
use crate::support::postgres::TestDatabase;
use crate::support::process::Service;
use crate::support::publisher::Publisher;
use crate::support::rabbitmq::{Depth, Vhost};
use crate::support::receiver::{Post, Receiver};
use crate::support::script::{Step, answer};
use crate::support::setup::{EXCHANGE, QUEUE, SQLITE, Setup};

const CLIENTS: [&str; 3] = ["shop", "forum", "wiki"];
const SOON: Duration = Duration::from_mins(1);
/// Logouts of a rolling restart, half of them over AMQP, and how far apart.
const LOGOUTS: usize = 400;
const PAUSE: Duration = Duration::from_millis(60);
/// A row that a replica took with it comes back when its lease of 30 s ends.
const SHORTER_THAN_A_LEASE: Duration = Duration::from_secs(15);

/// When each logout was acknowledged.
type Promised = Vec<(String, Instant)>;

async fn by_amqp(mut publisher: Publisher, sessions: Vec<String>) -> Promised {
    let mut promised = Promised::new();
    for session in sessions {
        publisher.publish(&logout(&session).to_string()).await;
        promised.push((session, Instant::now()));
        sleep(PAUSE).await;
    }
    promised
}

/// At either replica in turn; whoever does not take it is not asked again for this one.
async fn by_http(replicas: [String; 2], sessions: Vec<String>) -> Promised {
    let mut promised = Promised::new();
    for (number, session) in sessions.into_iter().enumerate() {
        let mut tries = replicas.iter().cycle().skip(number % 2);
        while !taken(tries.next().expect("a replica"), &session).await {
            sleep(Duration::from_millis(20)).await;
        }
        promised.push((session, Instant::now()));
        sleep(PAUSE).await;
    }
    promised
}

async fn taken(replica: &str, session: &str) -> bool {
    submission(replica, &[logout(session)]).send().await.is_ok_and(|answer| answer.status() == 202)
}

fn posts(receivers: &[Receiver]) -> BTreeMap<Owed, Vec<Post>> {
    let mut found: BTreeMap<Owed, Vec<Post>> = BTreeMap::new();
    for post in receivers.iter().flat_map(Receiver::posts) {
        let token = Token::read(&post.token);
        found.entry((token.aud, token.sid.expect("a sid"))).or_default().push(post);
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_under_load_loses_nothing_and_delays_nothing() {
    let (Some(database), Some(vhost)) = (TestDatabase::new().await, Vhost::new().await) else { return };
    let quick = answer(200).after_some(Duration::from_millis(2)..=Duration::from_millis(300));
    let receivers = Receiver::three(quick).await;
    let setup = Setup::new(database.url()).amqp(&vhost).clients(&CLIENTS, &receivers);
    let mut replicas = [Service::spawn(&setup.config()).await, Service::spawn(&setup.config()).await];
    let consume = async |replicas: u32| {
        let depth = async || vhost.depth(QUEUE).await.filter(|depth| depth.consumers == replicas).map(drop);
        eventually("they consume", SOON, depth).await;
    };
    consume(2).await;
    let mut all = sessions(LOGOUTS);
    for part in openings(&all, &CLIENTS).collect::<Vec<_>>().chunks(500) {
        replicas[0].submit(part).await;
    }

    let mut feeders = JoinSet::new();
    let urls = [replicas[0].url("/v1/events"), replicas[1].url("/v1/events")];
    feeders.spawn(by_http(urls, all.split_off(LOGOUTS / 2)));
    feeders.spawn(by_amqp(Publisher::new(&vhost, EXCHANGE), all));
    for round in 0..4 {
        sleep(Duration::from_secs(1)).await;
        let replica = &mut replicas[round % 2];
        replica.term();
        let status = replica.wait(SOON).await;
        assert!(status.success(), "{status}\n{}", replica.log());
        replica.start_again().await;
        consume(2).await;
    }
    let promised: Promised = feeders.join_all().await.into_iter().flatten().collect();

    let owed = LOGOUTS * CLIENTS.len();
    let all = async || Some(posts(&receivers)).filter(|posts| posts.len() == owed);
    let posts = eventually("everything has arrived", SOON, all).await;
    let settled = async || {
        let queue = vhost.depth(QUEUE).await == Some(Depth { ready: 0, consumers: 2 });
        (queue && replicas[0].deliveries("pending").await.is_empty()).then_some(())
    };
    eventually("everything is settled", SOON, settled).await;
    for (session, acknowledged) in promised {
        for client in CLIENTS {
            let posts = &posts[&(client.to_owned(), session.clone())];
            assert_eq!(posts.len(), 1, "{session} at {client}: nothing is tried again for a restart");
            let took = posts[0].at.saturating_duration_since(acknowledged);
            assert!(took < SHORTER_THAN_A_LEASE, "{session} at {client} came after {took:?}");
        }
    }
}

/// One client that takes two seconds for an answer, and more logouts than it is sent at once.
async fn in_flight(store: &str) {
    let receiver = Receiver::start(answer(200).after(Duration::from_secs(2))).await;
    let setup = Setup::new(store).client("shop", &receiver.url());
    let mut service = Service::spawn(&setup.config()).await;
    let sessions = sessions(40);
    service.submit(&openings(&sessions, &["shop"]).collect::<Vec<_>>()).await;
    service.submit(&sessions.iter().map(|session| logout(session)).collect::<Vec<_>>()).await;
    receiver.wait_for(2, SOON).await;

    service.term();
    let refused = async || (!taken(&service.url("/v1/events"), "late").await).then_some(());
    eventually("intake is closed", SOON, refused).await;
    let status = service.wait(SOON).await;
    assert!(status.success(), "{status}\n{}", service.log());
    let posts = receiver.posts();
    assert!(posts.iter().all(|post| post.status == 200), "what was in flight was waited for");

    receiver.becomes(answer(200));
    service.start_again().await;
    let restarted = Instant::now();
    let posts = receiver.wait_for(sessions.len(), SOON).await;
    assert!(restarted.elapsed() < SHORTER_THAN_A_LEASE, "what waited was due again at once");
    let settled = async || service.deliveries("pending").await.is_empty().then_some(());
    eventually("everything is settled", SOON, settled).await;
    assert_eq!(receiver.count(), sessions.len(), "what was delivered before the stop was recorded");
    assert_eq!(posts.len(), sessions.len());
}

#[tokio::test]
async fn on_postgres_what_is_in_flight_is_finished_and_what_waits_is_due_at_once() {
    let Some(database) = TestDatabase::new().await else { return };
    in_flight(database.url()).await;
}

#[tokio::test]
async fn on_sqlite_what_is_in_flight_is_finished_and_what_waits_is_due_at_once() {
    in_flight(SQLITE).await;
}

#[tokio::test]
async fn a_second_sigterm_ends_it_at_once() {
    let receiver = Receiver::start(Step::Hang).await;
    let setup = Setup::new(SQLITE).client("shop", &receiver.url());
    let setup = setup.delivery("lease = '3m'\ntimeout = '80s'\n");
    let mut service = Service::spawn(&setup.config()).await;
    let session = sessions(1);
    service.submit(&openings(&session, &["shop"]).collect::<Vec<_>>()).await;
    service.submit(&[logout(&session[0])]).await;
    receiver.wait_for(1, SOON).await;

    service.term();
    let waits = async || service.log().contains("what is in flight is finished first").then_some(());
    eventually("it waits for its attempt", SOON, waits).await;
    service.term();
    let asked = Instant::now();
    let status = service.wait(SOON).await;
    assert!(status.success(), "{status}\n{}", service.log());
    assert!(asked.elapsed() < Duration::from_secs(20), "the attempt would have taken 80 s");
    assert!(service.log().contains("stopped at once"), "{}", service.log());
}
