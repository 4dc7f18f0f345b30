//! What do the AMQP tests stand on? A vhost of their own at a real broker, and a way to cut the line.

use std::fmt::Debug;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use lapin::options::{
    BasicAckOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions,
    QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};
use serde_json::Value;
use signoff::intake::Amqp;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// A vhost of this test's own; deleted by `remove`.
#[derive(Debug)]
pub(crate) struct Vhost {
    name: String,
    amqp: url::Url,
    management: url::Url,
    pub(crate) channel: Channel,
    connection: Connection,
}

/// A message taken from a queue.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) body: Vec<u8>,
    pub(crate) properties: BasicProperties,
}

impl Taken {
    /// This header as text.
    pub(crate) fn header(&self, name: &str) -> String {
        match self.properties.headers().as_ref().and_then(|headers| headers.inner().get(name)) {
            Some(AMQPValue::LongString(text)) => String::from_utf8_lossy(text.as_bytes()).into_owned(),
            other => panic!("header {name}: {other:?}"),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "tests are configured by their environment")]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[expect(clippy::disallowed_methods, reason = "the tests' own questions, which go to loopback")]
fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

impl Vhost {
    /// A new vhost; `None`, loudly, where there is no broker.
    pub(crate) async fn new() -> Option<Self> {
        let Some(url) = setting("SIGNOFF_TEST_AMQP_URL") else {
            assert!(setting("SIGNOFF_TEST_REQUIRE").is_none(), "SIGNOFF_TEST_AMQP_URL is not set");
            let test = std::thread::current().name().unwrap_or("a test").to_owned();
            let _ = writeln!(std::io::stderr(), "skipped: {test}: SIGNOFF_TEST_AMQP_URL is not set");
            return None;
        };
        let mut amqp: url::Url = url.parse().unwrap();
        let management = setting("SIGNOFF_TEST_AMQP_MANAGEMENT_URL")
            .unwrap_or_else(|| format!("http://{}:15672", amqp.host_str().unwrap()))
            .parse()
            .unwrap();
        let name = format!("t_{}", uuid::Uuid::new_v4().simple());
        amqp.set_path(&name);
        request(&management, &amqp, reqwest::Method::PUT, &format!("api/vhosts/{name}"), None).await;
        let connection = Connection::connect(amqp.as_str(), ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        Some(Self { name, amqp, management, channel, connection })
    }

    pub(crate) fn url(&self) -> String {
        self.amqp.to_string()
    }

    /// The same vhost through another port of this machine.
    pub(crate) fn url_through(&self, port: u16) -> String {
        let mut url = self.amqp.clone();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(port)).unwrap();
        format!("{url}?heartbeat=0")
    }

    pub(crate) fn address(&self) -> SocketAddr {
        format!("{}:{}", self.amqp.host_str().unwrap(), self.amqp.port().unwrap_or(5672)).parse().unwrap()
    }

    /// Settings of an intake here.
    pub(crate) fn settings(&self) -> Amqp {
        Amqp { url: self.url(), exchange: Some("idp".into()), issuers: vec!["main".into()], ..Amqp::default() }
    }

    /// Publishes all of these and waits until the broker has them.
    pub(crate) async fn publish<B: AsRef<[u8]>>(&self, exchange: &str, key: &str, bodies: impl IntoIterator<Item = B>) {
        let mut confirms = Vec::new();
        for body in bodies {
            let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
            let properties = BasicProperties::default()
                .with_delivery_mode(2)
                .with_content_type("application/cloudevents+json".into());
            let confirm =
                self.channel.basic_publish(exchange.into(), key.into(), options, body.as_ref(), properties).await;
            confirms.push(confirm.unwrap());
        }
        for confirm in confirms {
            assert_eq!(confirm.await.unwrap(), Confirmation::Ack(None));
        }
    }

    /// Declares a durable queue of these arguments.
    pub(crate) async fn declare(&self, queue: &str, arguments: &[(&str, AMQPValue)]) {
        let mut table = FieldTable::default();
        for (name, value) in arguments {
            table.insert((*name).into(), value.clone());
        }
        self.channel.queue_declare(queue.into(), QueueDeclareOptions::durable(), table).await.unwrap();
    }

    pub(crate) async fn delete(&self, queue: &str) {
        self.channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.unwrap();
    }

    /// Messages ready, and consumers; `None`: no such queue.
    pub(crate) async fn depth(&self, queue: &str) -> Option<(u32, u32)> {
        let channel = self.connection.create_channel().await.unwrap();
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let found = channel.queue_declare(queue.into(), passive, FieldTable::default()).await.ok()?;
        let _ = channel.close(200, "OK".into()).await;
        Some((found.message_count(), found.consumer_count()))
    }

    /// Takes everything that is ready in this queue.
    pub(crate) async fn take(&self, queue: &str) -> Vec<Taken> {
        let mut taken = Vec::new();
        while let Some(got) = self.channel.basic_get(queue.into(), BasicGetOptions::default()).await.unwrap() {
            got.delivery.ack(BasicAckOptions::default()).await.unwrap();
            taken.push(Taken { body: got.delivery.data, properties: got.delivery.properties });
        }
        taken
    }

    /// Lets the broker close every connection of this name, as soon as it knows of it.
    pub(crate) async fn close_connections(&self, name: &str) {
        eventually("the broker lists the connection", async || {
            let list = self.get(&format!("api/vhosts/{}/connections", self.name)).await;
            let mut closed = 0;
            for connection in list.as_array().unwrap() {
                if connection["client_properties"]["connection_name"] == name {
                    let path = format!(
                        "api/connections/{}",
                        connection["name"].as_str().unwrap().replace(' ', "%20").replace('>', "%3E")
                    );
                    request(&self.management, &self.amqp, reqwest::Method::DELETE, &path, None).await;
                    closed += 1;
                }
            }
            (closed > 0).then_some(())
        })
        .await;
    }

    async fn get(&self, path: &str) -> Value {
        let text = request(&self.management, &self.amqp, reqwest::Method::GET, path, None).await;
        serde_json::from_str(&text).unwrap()
    }

    pub(crate) async fn remove(self) {
        let path = format!("api/vhosts/{}", self.name);
        request(&self.management, &self.amqp, reqwest::Method::DELETE, &path, None).await;
    }
}

async fn request(to: &url::Url, amqp: &url::Url, method: reqwest::Method, path: &str, body: Option<String>) -> String {
    let user = if amqp.username().is_empty() { "guest" } else { amqp.username() };
    let request = http()
        .request(method, format!("{}{path}", to.as_str()))
        .basic_auth(user, Some(amqp.password().unwrap_or("guest")))
        .header("content-type", "application/json")
        .body(body.unwrap_or_default());
    let answer = request.send().await.unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
    answer.text().await.unwrap()
}

/// Asks until the answer is `Some`, for at most a minute.
pub(crate) async fn eventually<T>(what: impl Debug, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "never: {what:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A way to the broker that can be frozen: no error, no end, only silence.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) port: u16,
    frozen: Arc<watch::Sender<u64>>,
    cut: Arc<watch::Sender<u64>>,
    _accepting: JoinSet<()>,
}

impl Line {
    pub(crate) async fn to(broker: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (frozen, cut) = (Arc::new(watch::Sender::new(0)), Arc::new(watch::Sender::new(0)));
        let (freeze, end) = (frozen.clone(), cut.clone());
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut carrying = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                carrying.spawn(carry(client, broker, freeze.subscribe(), end.subscribe()));
            }
        });
        Self { port, frozen, cut, _accepting: accepting }
    }

    /// From now on the connections that exist carry nothing; new ones do.
    pub(crate) fn freeze(&self) {
        self.frozen.send_modify(|n| *n += 1);
    }

    /// Ends every connection that is frozen.
    pub(crate) fn cut(&self) {
        self.cut.send_modify(|n| *n += 1);
    }
}

async fn carry(
    mut client: TcpStream,
    broker: SocketAddr,
    mut frozen: watch::Receiver<u64>,
    mut cut: watch::Receiver<u64>,
) {
    let mut server = TcpStream::connect(broker).await.unwrap();
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => return,
        _ = frozen.changed() => {}
    }
    let _ = cut.changed().await;
}
