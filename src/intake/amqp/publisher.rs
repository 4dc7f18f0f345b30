//! How does a message get to the broker for sure? Persistent, mandatory, confirmed.

use std::fmt;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeleteOptions};
use lapin::{BasicProperties, Channel, Confirmation, Connection};
use tokio::sync::Mutex;

use super::link::{close, connect, in_time};
use super::tls::Broker;
use super::{AmqpError, topology};

const PERSISTENT: u8 = 2;

/// Publishes on a connection of its own: a broker short of memory stops reading from connections
/// that publish, and acknowledgements must not wait behind that.
pub struct Publisher {
    broker: Broker,
    name: String,
    link: Mutex<Option<(Connection, Channel)>>,
}

impl Publisher {
    /// Connects under this name.
    pub async fn connect(url: &str, name: &str) -> Result<Self, AmqpError> {
        let publisher = Self::lazy(Broker::at(url), name.into());
        publisher.channel().await?;
        Ok(publisher)
    }

    /// Connects when something is published.
    pub(super) fn lazy(broker: Broker, name: String) -> Self {
        Self { broker, name, link: Mutex::new(None) }
    }

    /// Publishes one message and waits until the broker has it safe in a queue. Callers may publish
    /// concurrently. After an error the message may be there or not: publish it again.
    pub async fn publish(
        &self,
        exchange: &str,
        routing_key: &str,
        content_type: &str,
        body: &[u8],
    ) -> Result<(), AmqpError> {
        let properties = BasicProperties::default().with_content_type(content_type.into());
        self.send(exchange, routing_key, properties, body).await
    }

    /// The same with any properties.
    pub(super) async fn send(
        &self,
        exchange: &str,
        routing_key: &str,
        properties: BasicProperties,
        body: &[u8],
    ) -> Result<(), AmqpError> {
        let sent = in_time(async {
            let channel = self.channel().await?;
            let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
            let properties = properties.with_delivery_mode(PERSISTENT);
            let confirm = channel.basic_publish(exchange.into(), routing_key.into(), options, body, properties).await?;
            // A message that no queue takes is acknowledged too, with the message returned.
            match confirm.await? {
                Confirmation::Ack(None) => Ok(()),
                Confirmation::Ack(Some(_)) => Err(AmqpError::Returned),
                Confirmation::Nack(_) | Confirmation::NotRequested => Err(AmqpError::Nacked),
            }
        });
        let sent = sent.await;
        if matches!(sent, Err(AmqpError::Timeout)) {
            self.close().await;
        }
        sent
    }

    /// Declares the queue of what cannot be read, for when somebody deleted it.
    pub(super) async fn declare_rejected(&self, queue: &str) -> Result<(), AmqpError> {
        in_time(async { topology::declare_rejected(&self.channel().await?, queue).await }).await
    }

    /// Deletes a queue with what is in it; one that is not there is fine.
    pub async fn delete_queue(&self, queue: &str) -> Result<(), AmqpError> {
        in_time(async {
            let channel = self.channel().await?;
            channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await?;
            Ok(())
        })
        .await
    }

    /// Closes the connection; the next message opens another.
    pub async fn close(&self) {
        if let Some((connection, _)) = self.link.lock().await.take() {
            close(&connection).await;
        }
    }

    /// The channel, a new one if the last is no longer of use.
    async fn channel(&self) -> Result<Channel, AmqpError> {
        let mut link = self.link.lock().await;
        if let Some((_, channel)) = link.as_ref().filter(|(_, channel)| channel.status().connected()) {
            return Ok(channel.clone());
        }
        if let Some((old, _)) = link.take() {
            close(&old).await;
        }
        let connection = connect(&self.broker, self.name.clone()).await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        *link = Some((connection, channel.clone()));
        Ok(channel)
    }
}

/// Without the URL, which may hold a password.
impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").field("name", &self.name).finish_non_exhaustive()
    }
}
