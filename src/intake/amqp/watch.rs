//! Is it still consuming? A broker in trouble gives no error, so this asks.

use std::time::Duration;

use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use lapin::{Channel, ErrorKind};
use tokio::time::{sleep, timeout};

use super::link::Link;
use super::{Amqp, AmqpError};
use crate::model::Clock;

/// How often the connection's state is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How often the broker is asked for the queue, in looks.
const ASK_EVERY: u32 = 8;
/// How long it may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// Returns why the link is of no more use, as soon as it is not.
pub(super) async fn watch(link: &Link, settings: &Amqp, clock: &dyn Clock) -> &'static str {
    let mut asking = None;
    let mut answered = clock.instant();
    let mut alone = 0;
    for look in 1_u32.. {
        sleep(LOOK).await;
        if !link.connection.status().connected() {
            return "the connection is gone";
        }
        if !link.channel.status().connected() {
            return "the channel is closed";
        }
        if look % ASK_EVERY != 0 {
            continue;
        }
        match timeout(ANSWER, consumers(link, &mut asking, &settings.queue)).await {
            Ok(Ok(count)) => {
                answered = clock.instant();
                // Once may be a change of the queue's leader.
                alone = if count == 0 { alone + 1 } else { 0 };
            }
            Ok(Err(AmqpError::Broker(error))) if is_not_found(&error) => return "the queue is gone",
            Ok(Err(_)) | Err(_) => asking = None,
        }
        if alone > 1 {
            return "the broker has forgotten the consumer";
        }
        if clock.instant().saturating_duration_since(answered) > settings.stuck_after {
            return "the broker does not answer";
        }
    }
    "watched for ever"
}

/// How many consumers the queue has, asked on a channel of its own: a refusal closes it.
async fn consumers(link: &Link, asking: &mut Option<Channel>, queue: &str) -> Result<u32, AmqpError> {
    let channel = match asking.take().filter(|channel| channel.status().connected()) {
        Some(channel) => channel,
        None => link.connection.create_channel().await?,
    };
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let found = channel.queue_declare(queue.into(), passive, FieldTable::default()).await?;
    *asking = Some(channel);
    Ok(found.consumer_count())
}

fn is_not_found(error: &lapin::Error) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(error) if error.get_id() == 404)
}
