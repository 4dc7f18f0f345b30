//! How do the demo's events get in? Over HTTP, or through a queue.

use std::fmt;
use std::time::Duration;

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::config::rejected;
use crate::cli::api::{Api, Body};
use crate::intake::amqp::{AmqpError, Publisher};

/// The service declares its queue while it starts.
const PAUSE: Duration = Duration::from_millis(50);

/// One way in.
pub(super) enum Door {
    /// `POST /v1/events`.
    Http,
    /// A queue of this run's own.
    Amqp {
        publisher: Box<Publisher>,
        queue: String,
        /// Host and port, without the password of the URL.
        broker: String,
    },
}

#[derive(Deserialize)]
struct Submitted {
    receipts: Vec<Value>,
}

impl Door {
    /// The queue's door, once its broker is reached.
    pub(super) async fn amqp(url: &str, queue: String) -> anyhow::Result<Self> {
        let place = Url::parse(url).ok();
        let host = place.as_ref().and_then(Url::host_str).unwrap_or("the broker");
        let usual = if url.starts_with("amqps:") { 5671 } else { 5672 };
        let broker = format!("{host}:{}", place.as_ref().and_then(Url::port).unwrap_or(usual));
        let publisher = Publisher::connect(url, "signoff demo").await;
        let publisher = publisher.with_context(|| format!("RabbitMQ at {broker} is not reached; check --amqp"))?;
        Ok(Self::Amqp { publisher: Box::new(publisher), queue, broker })
    }

    /// Returns when the service has recorded the events, or the broker has them safe.
    pub(super) async fn send(&self, api: &Api, events: &[Value]) -> anyhow::Result<()> {
        match self {
            Self::Http => {
                let body = Value::from(events);
                let body = Body { media_type: "application/cloudevents-batch+json", json: &body };
                let submitted: Submitted = api.post(&api.url(&["v1", "events"], &[]), Some(body)).await?;
                anyhow::ensure!(submitted.receipts.len() == events.len(), "an event has no receipt");
                Ok(())
            }
            Self::Amqp { publisher, queue, .. } => {
                for event in events {
                    publish(publisher, queue, &event.to_string()).await.context("the broker does not take an event")?;
                }
                Ok(())
            }
        }
    }

    /// Leaves nothing behind, as far as the broker lets us.
    pub(super) async fn close(&self) {
        if let Self::Amqp { publisher, queue, .. } = self {
            for queue in [queue, &rejected(queue)] {
                let _left = publisher.delete_queue(queue).await;
            }
            publisher.close().await;
        }
    }
}

/// Where the events go, for people.
impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http => f.write_str("POST /v1/events"),
            Self::Amqp { queue, broker, .. } => write!(f, "queue {queue} at {broker}"),
        }
    }
}

async fn publish(publisher: &Publisher, queue: &str, body: &str) -> Result<(), AmqpError> {
    loop {
        match publisher.publish("", queue, "application/cloudevents+json", body.as_bytes()).await {
            Err(AmqpError::Returned) => tokio::time::sleep(PAUSE).await,
            done => return done,
        }
    }
}
