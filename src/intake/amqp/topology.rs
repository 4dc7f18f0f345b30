//! What must exist at the broker? Our queue, its bindings, and the queue of what cannot be read.
//!
//! Operators who declare it themselves (`declare = false`) need the same: both queues durable
//! quorum queues, and on ours the arguments below, or a policy that says the same.

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, ExchangeKind};

use super::{Amqp, AmqpError};

/// Redeliveries before the broker dead-letters a message. RabbitMQ 4 says 20 where nothing is said,
/// and a message is redelivered once for every connection lost; RabbitMQ 3 refuses -1 (unlimited).
const DELIVERY_LIMIT: i32 = 1_000_000;

/// Declares everything; what exists already is left as it is.
pub(super) async fn declare(channel: &Channel, settings: &Amqp) -> Result<(), AmqpError> {
    declare_rejected(channel, &settings.rejected_queue).await?;
    let queue = settings.queue.as_str();
    channel.queue_declare(queue.into(), QueueDeclareOptions::durable(), arguments(&settings.rejected_queue)).await?;
    let Some(exchange) = settings.exchange.as_deref().filter(|name| !name.is_empty()) else { return Ok(()) };
    if !exchange.starts_with("amq.") {
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let kind = kind(&settings.exchange_type);
        channel.exchange_declare(exchange.into(), kind, options, FieldTable::default()).await?;
    }
    for key in &settings.routing_keys {
        let options = QueueBindOptions::default();
        channel.queue_bind(queue.into(), exchange.into(), key.as_str().into(), options, FieldTable::default()).await?;
    }
    Ok(())
}

/// Declares the queue of what cannot be read.
pub(super) async fn declare_rejected(channel: &Channel, queue: &str) -> Result<(), AmqpError> {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), text("quorum"));
    channel.queue_declare(queue.into(), QueueDeclareOptions::durable(), arguments).await?;
    Ok(())
}

/// Our queue's arguments. At-least-once dead-lettering needs `reject-publish`.
fn arguments(rejected_queue: &str) -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), text("quorum"));
    arguments.insert("x-dead-letter-exchange".into(), text(""));
    arguments.insert("x-dead-letter-routing-key".into(), text(rejected_queue));
    arguments.insert("x-dead-letter-strategy".into(), text("at-least-once"));
    arguments.insert("x-overflow".into(), text("reject-publish"));
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(DELIVERY_LIMIT));
    arguments
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

fn kind(name: &str) -> ExchangeKind {
    match name {
        "direct" => ExchangeKind::Direct,
        "fanout" => ExchangeKind::Fanout,
        "headers" => ExchangeKind::Headers,
        "topic" => ExchangeKind::Topic,
        other => ExchangeKind::Custom(other.into()),
    }
}
