//! How do we get to the broker? One connection with one channel and one consumer.

use std::time::Duration;

use lapin::options::{BasicConsumeOptions, BasicQosOptions};
use lapin::tcp::{AMQPUriTcpExt as _, TLSConfig};
use lapin::types::FieldTable;
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{Channel, Connection, ConnectionProperties, Consumer};

use super::tls::{Broker, explained};
use super::{Amqp, AmqpError, topology};

/// Deadline of a connection, handshake included.
const CONNECT: Duration = Duration::from_secs(10);
/// Deadline of everything else that is asked of a broker.
pub(super) const ANSWER: Duration = Duration::from_secs(10);
/// Deadline of an orderly close.
const CLOSE: Duration = Duration::from_secs(2);
/// Heartbeat in seconds, unless the URL says otherwise.
const HEARTBEAT: u16 = 10;

/// What one session consumes on.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) connection: Connection,
    pub(super) channel: Channel,
    pub(super) consumer: Consumer,
}

impl Link {
    /// Connects, declares the topology if it is ours to declare, and consumes.
    pub(super) async fn open(settings: &Amqp) -> Result<Self, AmqpError> {
        let connection = connect(&Broker::of(settings), format!("signoff/{}", settings.name)).await?;
        match in_time(consume(&connection, settings)).await {
            Ok((channel, consumer)) => Ok(Self { connection, channel, consumer }),
            Err(error) => {
                close(&connection).await;
                Err(error)
            }
        }
    }

    /// Closes what is still open.
    pub(super) async fn close(&self) {
        close(&self.connection).await;
    }
}

async fn consume(connection: &Connection, settings: &Amqp) -> Result<(Channel, Consumer), AmqpError> {
    let channel = connection.create_channel().await?;
    if settings.declare {
        topology::declare(&channel, settings).await?;
    }
    channel.basic_qos(settings.prefetch, BasicQosOptions::default()).await?;
    let queue = settings.queue.as_str().into();
    let consumer =
        channel.basic_consume(queue, "".into(), BasicConsumeOptions::default(), FieldTable::default()).await?;
    Ok((channel, consumer))
}

/// Connects under this name.
pub(super) async fn connect(broker: &Broker, name: String) -> Result<Connection, AmqpError> {
    // The parser's error may quote the URL, and with it the password.
    let mut uri: AMQPUri = broker.url.parse().map_err(|_| AmqpError::Url)?;
    uri.query.heartbeat.get_or_insert(HEARTBEAT);
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    let connected = tokio::time::timeout(CONNECT, async {
        match uri.scheme {
            AMQPScheme::AMQP => Connection::connect_uri(uri, properties).await.map_err(Into::into),
            AMQPScheme::AMQPS => connect_tls(broker, uri, properties).await,
        }
    });
    connected.await.unwrap_or(Err(AmqpError::Timeout))
}

async fn connect_tls(broker: &Broker, uri: AMQPUri, properties: ConnectionProperties) -> Result<Connection, AmqpError> {
    let connector = broker.connector().await?;
    let runtime = lapin::runtime::default_runtime()?;
    let stream = async move |uri: AMQPUri, runtime| {
        let plain = AMQPUri { scheme: AMQPScheme::AMQP, ..uri };
        let stream = plain.connect_with_config_async(TLSConfig::default(), &runtime).await?;
        Ok(stream.into_rustls(&connector, &plain.authority.host).await?)
    };
    Connection::connector(uri, runtime, stream, properties).await.map_err(explained)
}

/// Closes in good order, or gives up soon. A runtime that ends under an open connection makes
/// lapin's thread panic.
pub(super) async fn close(connection: &Connection) {
    if connection.status().connected() {
        let _ = tokio::time::timeout(CLOSE, connection.close(200, "OK".into())).await;
    }
}

/// The answer, or `Timeout`.
pub(super) async fn in_time<T>(asked: impl Future<Output = Result<T, AmqpError>>) -> Result<T, AmqpError> {
    tokio::time::timeout(ANSWER, asked).await.unwrap_or(Err(AmqpError::Timeout))
}
