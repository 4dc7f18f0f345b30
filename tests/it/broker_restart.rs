//! Does a broker that a test stops or kills come back with what it held, and the service to it?
//!
//! Tests that stop a broker live in modules of this name: `tests/run` leaves them out and names
//! them where it has no broker of its own to stop.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::support::events::{logout, openings, sessions};
use crate::support::ledger::Ledger;
use crate::support::own_broker::OwnBroker;
use crate::support::process::Service;
use crate::support::publisher::Publisher;
use crate::support::rabbitmq::{Depth, Vhost};
use crate::support::receiver::Receiver;
use crate::support::script::answer;
use crate::support::setup::{EXCHANGE, QUEUE, SQLITE, Setup};
use crate::support::{eventually, say};

const SOON: Duration = Duration::from_mins(1);

/// A broker with one message in a quorum queue that has settled.
async fn with_a_message() -> Option<(OwnBroker, Vhost)> {
    let own = OwnBroker::start().await?;
    let vhost = own.broker().vhost().await;
    vhost.declare_queue(QUEUE, "quorum").await;
    vhost.publish("", QUEUE, &["kept"]).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    Some((own, vhost))
}

async fn holds_the_message(vhost: &Vhost) {
    eventually("the queue is back with its message", Duration::from_secs(30), async || {
        (vhost.depth(QUEUE).await == Some(Depth { ready: 1, consumers: 0 })).then_some(())
    })
    .await;
    assert_eq!(vhost.take(QUEUE).await[0].body, b"kept");
}

#[tokio::test]
async fn a_broker_stopped_gracefully_comes_back_with_its_messages() {
    let Some((mut own, vhost)) = with_a_message().await else { return };
    own.stop().await;
    assert!(!own.broker().is_ready().await, "it is really down");
    own.start_again().await;
    holds_the_message(&vhost).await;
}

#[tokio::test]
async fn a_killed_broker_comes_back_with_its_messages() {
    let Some((mut own, vhost)) = with_a_message().await else { return };
    own.kill9();
    assert!(!own.broker().is_ready().await, "it is really down");
    own.start_again().await;
    holds_the_message(&vhost).await;
}

/// Publishes one logout after the other, each until the broker has confirmed it.
async fn publish_all(mut publisher: Publisher, sessions: Vec<String>, confirmed: Arc<Mutex<Ledger>>) {
    for session in sessions {
        publisher.publish(&logout(&session).to_string()).await;
        confirmed.lock().expect("no panic while locked").promise(&session, [("shop".to_owned(), session.clone())]);
        sleep(Duration::from_millis(10)).await;
    }
}

/// A service that consumes from a broker of its own, under way.
struct UnderWay {
    broker: OwnBroker,
    vhost: Vhost,
    service: Service,
    receiver: Receiver,
    confirmed: Arc<Mutex<Ledger>>,
    publishing: JoinSet<()>,
}

const PUBLISHED: usize = 300;

impl UnderWay {
    /// Some of the messages have come through, the rest is being published.
    async fn start() -> Option<Self> {
        let broker = OwnBroker::start().await?;
        let vhost = broker.broker().vhost().await;
        let receiver = Receiver::start(answer(200)).await;
        let setup = Setup::new(SQLITE).amqp(&vhost).client("shop", &receiver.url());
        let service = Service::spawn(&setup.config()).await;
        let mut sessions = sessions(PUBLISHED);
        sessions.push("afterwards".into());
        service.submit(&openings(&sessions, &["shop"]).collect::<Vec<_>>()).await;
        sessions.pop();
        let consumes = async || vhost.depth(QUEUE).await.filter(|depth| depth.consumers == 1).map(drop);
        eventually("the service consumes", SOON, consumes).await;
        // A quorum queue that was just declared may not survive SIGKILL.
        sleep(Duration::from_secs(3)).await;
        let (confirmed, mut publishing) = (Arc::<Mutex<Ledger>>::default(), JoinSet::new());
        publishing.spawn(publish_all(Publisher::new(&vhost, EXCHANGE), sessions, Arc::clone(&confirmed)));
        receiver.wait_for(PUBLISHED / 6, SOON).await;
        Some(Self { broker, vhost, service, receiver, confirmed, publishing })
    }

    /// What is missing, and where it may be.
    async fn standing(&self) -> String {
        let lost = {
            let mut ledger = self.confirmed.lock().expect("no panic while locked");
            ledger.arrive(&self.receiver.posts());
            format!("{:?}", ledger.lost())
        };
        format!(
            "confirmed and not arrived: {lost}\nin the queue: {:?}, unacknowledged: {}\npending: {:?}\n{}",
            self.vhost.depth(QUEUE).await,
            self.vhost.unacknowledged(QUEUE).await,
            self.service.deliveries("pending").await,
            self.service.log(),
        )
    }

    /// Messages flow again, and in the end every confirmed one has arrived, once.
    async fn flows_again(mut self, how: &str) {
        let before = self.receiver.count();
        assert!(before < PUBLISHED, "the broker went away under way");
        let down = Instant::now();
        self.broker.start_again().await;
        let ready = Instant::now();
        let session = "afterwards".to_owned();
        publish_all(Publisher::new(&self.vhost, EXCHANGE), vec![session], Arc::clone(&self.confirmed)).await;
        while let Some(published) = self.publishing.join_next().await {
            published.expect("the publisher");
        }
        let all = eventually("every message arrived", SOON * 2, async || {
            (self.receiver.count() > PUBLISHED && self.service.deliveries("pending").await.is_empty()).then_some(())
        });
        let in_time = timeout(SOON, all).await.is_ok();
        assert!(in_time, "{how}: {}", self.standing().await);
        let posts = self.receiver.posts();
        let first = posts.iter().map(|post| post.at).find(|at| *at > ready).expect("some came afterwards");
        assert!(first - ready < SOON, "messages flow again {:?} after the broker was ready", first - ready);
        let mut ledger = self.confirmed.lock().expect("no panic while locked");
        ledger.arrive(&posts);
        assert_eq!((ledger.lost(), ledger.unpromised()), (vec![], vec![]));
        assert_eq!((ledger.duplicates(), posts.len()), (0, PUBLISHED + 1));
        assert_eq!(self.service.log().matches("signoff::service: ready").count(), 1, "{}", self.service.log());
        say(&format!(
            "{how}: {before} of {PUBLISHED} had arrived, the broker was ready after {:?}, the first message came {:?} \
             later, the last {:?} later",
            ready - down,
            first - ready,
            posts.iter().map(|post| post.at).max().expect("a post") - ready,
        ));
    }
}

#[tokio::test]
async fn messages_flow_again_after_a_broker_was_stopped_under_a_consumer() {
    let Some(mut under_way) = UnderWay::start().await else { return };
    under_way.broker.stop().await;
    under_way.flows_again("stopped").await;
}

#[tokio::test]
async fn messages_flow_again_after_a_broker_was_killed_under_a_consumer() {
    let Some(mut under_way) = UnderWay::start().await else { return };
    under_way.broker.kill9();
    under_way.flows_again("killed").await;
}
