//! How do events get in from a queue, whatever happens to the broker? The AMQP door and its
//! supervisor.
//!
//! One connection, one channel, one consumer at a time. Whatever goes wrong, all three are thrown
//! away and built again, topology included; unacknowledged messages come back as duplicates, which
//! `record` recognises. lapin's own recovery stays off: a connection that is abandoned while it
//! recovers cannot be closed, and when it comes back its consumer takes messages that nobody reads.

mod acks;
mod consumer;
mod link;
mod publisher;
mod reject;
mod tls;
mod topology;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Amqp, Chain, Intake};
use crate::shutdown::Shutdown;
use consumer::{Consuming, End};
use link::Link;
pub use publisher::Publisher;
use reject::Rejects;

/// A session this long was a good one: the next rebuild starts at once.
const GOOD_SESSION: Duration = Duration::from_secs(30);

/// What can go wrong with a broker.
#[derive(Debug, thiserror::Error)]
pub enum AmqpError {
    /// The URL is not one.
    #[error("not an AMQP URL")]
    Url,
    /// The broker did not answer in time.
    #[error("the broker does not answer")]
    Timeout,
    /// The broker, or the way to it, failed.
    #[error("the broker connection failed")]
    Broker(#[from] lapin::Error),
    /// The TLS files are not what they should be.
    #[error("TLS to the broker cannot be set up: {0}")]
    Tls(String),
    /// The broker's certificate is of no CA we trust, for another name, or out of date.
    #[error("the broker's certificate is not trusted; `ca_file` names the CA it must come from")]
    Untrusted(#[source] rustls::Error),
    /// No queue takes the message.
    #[error("no queue takes the message")]
    Returned,
    /// The broker, or the queue, refused the message.
    #[error("the broker refused the message")]
    Nacked,
}

/// Consumes until the service stops; rebuilds connection, channel and topology whenever they break.
pub async fn run(settings: Amqp, intake: Arc<Intake>, shutdown: Shutdown) {
    let connected = intake.metrics().amqp_connected.with_label_values(&[settings.name.as_str()]);
    connected.set(0);
    let rejects = Rejects::new(&settings);
    let door = Arc::new(Door { settings, intake, rejects, connected });
    let mut tries = 0;
    while !shutdown.stop.is_cancelled() {
        let begun = door.intake.clock().instant();
        let (session, stop) = (Arc::clone(&door), shutdown.stop.clone());
        // A task of its own, so that a defect in one session does not close the door for good.
        if shutdown.spawn(async move { session.session(&stop).await }).await.is_err() {
            tracing::error!(intake = door.settings.name, "a session panicked, rebuilding");
        }
        door.connected.set(0);
        let lasted = door.intake.clock().instant().saturating_duration_since(begun);
        tries = if lasted > GOOD_SESSION { 0 } else { tries + 1 };
        // Asked to stop meanwhile: the loop ends.
        let _ = shutdown.stop.run_until_cancelled(tokio::time::sleep(pause(tries, REBUILD))).await;
    }
    door.rejects.close().await;
}

/// What every session of an intake shares.
struct Door {
    settings: Amqp,
    intake: Arc<Intake>,
    rejects: Rejects,
    connected: prometheus::IntGauge,
}

impl Door {
    /// Connects and consumes until the link breaks or the service stops.
    async fn session(&self, stop: &CancellationToken) {
        let settings = &self.settings;
        match stop.run_until_cancelled(Link::open(settings)).await {
            None => {}
            Some(Ok(link)) => {
                self.connected.set(1);
                tracing::info!(intake = settings.name, queue = settings.queue, "consuming");
                self.consume(&link, stop).await;
                link.close().await;
            }
            Some(Err(error)) => {
                tracing::warn!(intake = settings.name, error = Chain(&error).to_string(), "not connected");
            }
        }
    }

    /// Consumes on this link until it breaks or the service stops.
    async fn consume(&self, link: &Link, stop: &CancellationToken) {
        let settings = &self.settings;
        let end = stop.child_token();
        let watching = async {
            let watch = watch::watch(link, settings, self.intake.clock());
            let Some(why) = end.run_until_cancelled(watch).await else { return };
            self.connected.set(0);
            tracing::warn!(intake = settings.name, why, "rebuilding");
            end.cancel();
        };
        let consuming = async {
            match Consuming::new(self, link, &end).run().await {
                End::Asked => {}
                End::Closed => tracing::warn!(intake = settings.name, "the broker ended the consumer, rebuilding"),
                End::Stale => tracing::warn!(intake = settings.name, "acknowledged too late, rebuilding"),
            }
            end.cancel();
        };
        // Both run to their end: a batch that is being recorded is never dropped half way.
        tokio::join!(watching, consuming);
    }
}

/// First and longest wait between tries.
type Waits = (Duration, Duration);
const REBUILD: Waits = (Duration::from_secs(1), Duration::from_secs(5));
const STORE: Waits = (Duration::from_millis(100), Duration::from_secs(5));
const REJECT: Waits = (Duration::from_secs(1), Duration::from_secs(30));

/// The wait after this many tries without success: doubling, capped; none before the first.
fn pause(tries: u32, (first, longest): Waits) -> Duration {
    match tries {
        0 => Duration::ZERO,
        _ => first.saturating_mul(1 << (tries - 1).min(16)).min(longest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let seconds: Vec<u64> = [0, 1, 2, 3, 4, 90].map(|tries| pause(tries, REBUILD).as_secs()).to_vec();
        assert_eq!(seconds, [0, 1, 2, 4, 5, 5]);
    }
}
