//! How does a provider publish that loses nothing? Again and again, until the broker has it.

use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};
use tokio::time::{sleep, timeout};

use super::rabbitmq::Vhost;

/// How long a broker may take to answer.
const ANSWER: Duration = Duration::from_secs(5);
/// The pause before the next try.
const PAUSE: Duration = Duration::from_millis(100);

/// A publisher that outlives its broker.
#[derive(Debug)]
pub(crate) struct Publisher {
    url: String,
    exchange: &'static str,
    link: Option<(Connection, Channel)>,
}

impl Publisher {
    pub(crate) fn new(vhost: &Vhost, exchange: &'static str) -> Self {
        Self { url: vhost.url(), exchange, link: None }
    }

    /// Returns when the broker has confirmed this message, however often it took.
    pub(crate) async fn publish(&mut self, body: &str) {
        while !self.tried(body).await {
            self.link = None;
            sleep(PAUSE).await;
        }
    }

    async fn tried(&mut self, body: &str) -> bool {
        matches!(timeout(ANSWER, self.try_once(body)).await, Ok(Ok(Confirmation::Ack(None))))
    }

    async fn try_once(&mut self, body: &str) -> lapin::Result<Confirmation> {
        let (_, channel) = match &mut self.link {
            Some(link) => link,
            none => none.insert(connect(&self.url).await?),
        };
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let properties = BasicProperties::default().with_delivery_mode(2);
        channel.basic_publish(self.exchange.into(), "event".into(), options, body.as_bytes(), properties).await?.await
    }
}

async fn connect(url: &str) -> lapin::Result<(Connection, Channel)> {
    let properties = ConnectionProperties::default().with_connection_name("publisher".into());
    let connection = Connection::connect(url, properties).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok((connection, channel))
}
