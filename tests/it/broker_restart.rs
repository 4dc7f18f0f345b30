//! Does a broker that a test stops or kills come back with what it held?
//!
//! Tests that stop a broker live in modules of this name: `tests/run` leaves them out and names
//! them where it has no broker of its own to stop.

use std::time::Duration;

use crate::support::eventually;
use crate::support::own_broker::OwnBroker;
use crate::support::rabbitmq::{Depth, Vhost};

const QUEUE: &str = "signoff.events";

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
