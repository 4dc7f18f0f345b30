//! Which broker does a test talk to, and what is in its queues? A virtual host of the test's own.

use std::collections::BTreeMap;

use lapin::options::{
    BasicAckOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions,
    QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ExchangeKind};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use url::Url;

use super::{clean_up, http_client, required, setting, unique};

/// A broker's AMQP and management addresses.
#[derive(Debug, Clone)]
pub(crate) struct Broker {
    amqp: Url,
    management: Url,
}

/// A virtual host; deleted with this value.
#[derive(Debug)]
pub(crate) struct Vhost {
    broker: Broker,
    name: String,
}

/// A message taken from a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) body: Vec<u8>,
    /// Values as text.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) content_type: Option<String>,
    pub(crate) persistent: bool,
}

/// What a queue holds, as its own process knows it at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Depth {
    /// Messages nobody has been given.
    pub(crate) ready: u32,
    pub(crate) consumers: u32,
}

impl Broker {
    pub(crate) fn new(amqp: &str, management: &str) -> Self {
        Self { amqp: Url::parse(amqp).expect("an AMQP URL"), management: Url::parse(management).expect("a URL") }
    }

    /// The shared one, which no test may stop. `None`: there is none, and skipping is allowed.
    fn shared() -> Option<Self> {
        let amqp = required("SIGNOFF_TEST_AMQP_URL")?;
        let management = setting("SIGNOFF_TEST_AMQP_MANAGEMENT_URL").unwrap_or_else(|| usual_management(&amqp));
        Some(Self::new(&amqp, &management))
    }

    /// A virtual host on it.
    pub(crate) async fn vhost(&self) -> Vhost {
        let name = unique("t");
        self.must(Method::PUT, &format!("vhosts/{name}"), None).await;
        Vhost { broker: self.clone(), name }
    }

    /// All virtual hosts are up, and so is the AMQP listener, which comes later.
    pub(crate) async fn is_ready(&self) -> bool {
        let address = (self.amqp.host_str().unwrap_or_default(), self.amqp.port().unwrap_or(5672));
        TcpStream::connect(address).await.is_ok()
            && matches!(self.ask(Method::GET, "health/checks/virtual-hosts", None).await, Ok((StatusCode::OK, _)))
    }

    /// One call of the management API.
    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> reqwest::Result<(StatusCode, Value)> {
        let mut url = self.management.clone();
        let (user, password) = (url.username().to_owned(), url.password().map(str::to_owned));
        url.set_username("").and_then(|()| url.set_password(None)).expect("an http URL");
        url.set_path(&format!("/api/{path}"));
        let mut request = http_client().request(method, url).basic_auth(user, password);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await?;
        let status = answer.status();
        Ok((status, serde_json::from_str(&answer.text().await?).unwrap_or_default()))
    }

    async fn must(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let (status, answer) = self.ask(method, path, body).await.expect("the broker's management API");
        assert!(status.is_success(), "management API, {path}: {status} {answer}");
        answer
    }
}

/// The management API's usual port on the broker's machine, with the same user.
fn usual_management(amqp: &str) -> String {
    let amqp = Url::parse(amqp).expect("SIGNOFF_TEST_AMQP_URL");
    let user = if amqp.username().is_empty() { "guest" } else { amqp.username() };
    let host = amqp.host_str().unwrap_or("127.0.0.1");
    format!("http://{user}:{}@{host}:15672", amqp.password().unwrap_or("guest"))
}

impl Vhost {
    /// One on the shared broker. `None`: there is no broker, and skipping is allowed.
    pub(crate) async fn new() -> Option<Self> {
        Some(Broker::shared()?.vhost().await)
    }

    /// Its AMQP URL.
    pub(crate) fn url(&self) -> String {
        let mut url = self.broker.amqp.clone();
        url.set_path(&self.name);
        url.into()
    }

    /// The same for a user of its own, with this password.
    pub(crate) async fn url_of_user(&self, password: &str) -> String {
        let name = &self.name;
        self.broker
            .must(Method::PUT, &format!("users/{name}"), Some(json!({ "password": password, "tags": "" })))
            .await;
        let all = json!({ "configure": ".*", "write": ".*", "read": ".*" });
        self.broker.must(Method::PUT, &format!("permissions/{name}/{name}"), Some(all)).await;
        let mut url = Url::parse(&self.url()).expect("our own URL");
        url.set_username(name).and_then(|()| url.set_password(Some(password))).expect("a URL with a host");
        url.into()
    }

    /// A connection and a channel in confirm mode, for what is not below.
    pub(crate) async fn connect(&self) -> (Connection, Channel) {
        let properties = ConnectionProperties::default().with_connection_name("test".into());
        let connection = Connection::connect(&self.url(), properties).await.expect("the broker");
        let channel = connection.create_channel().await.expect("a channel");
        channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms");
        (connection, channel)
    }

    /// A durable queue of this type (`quorum`, `classic`).
    pub(crate) async fn declare_queue(&self, name: &str, kind: &str) {
        let (_connection, channel) = self.connect().await;
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString(kind.into()));
        channel.queue_declare(name.into(), QueueDeclareOptions::durable(), arguments).await.expect("a queue");
    }

    /// A durable topic exchange.
    pub(crate) async fn declare_exchange(&self, name: &str) {
        let (_connection, channel) = self.connect().await;
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        channel
            .exchange_declare(name.into(), ExchangeKind::Topic, options, FieldTable::default())
            .await
            .expect("an exchange");
    }

    pub(crate) async fn bind(&self, queue: &str, exchange: &str, key: &str) {
        let (_connection, channel) = self.connect().await;
        channel
            .queue_bind(queue.into(), exchange.into(), key.into(), QueueBindOptions::default(), FieldTable::default())
            .await
            .expect("a binding");
    }

    /// Deletes this queue with what is in it.
    pub(crate) async fn delete_queue(&self, name: &str) {
        let (_connection, channel) = self.connect().await;
        channel.queue_delete(name.into(), QueueDeleteOptions::default()).await.expect("a deletion");
    }

    /// Lets the broker close the connections of this name; how many it knew of by now.
    pub(crate) async fn close_connections(&self, name: &str) -> usize {
        let all = self.broker.must(Method::GET, &format!("vhosts/{}/connections", self.name), None).await;
        let named = |connection: &&Value| connection["client_properties"]["connection_name"] == name;
        let mut closed = 0;
        for connection in all.as_array().into_iter().flatten().filter(named) {
            let path = format!("connections/{}", connection["name"].as_str().unwrap_or_default());
            self.broker.must(Method::DELETE, &path, None).await;
            closed += 1;
        }
        closed
    }

    /// Publishes persistently; returns when the broker has confirmed every one. Fails on what no
    /// queue takes.
    pub(crate) async fn publish<B: AsRef<[u8]>>(&self, exchange: &str, key: &str, bodies: &[B]) {
        let (connection, channel) = self.connect().await;
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let content_type = "application/cloudevents+json";
        let properties = || BasicProperties::default().with_delivery_mode(2).with_content_type(content_type.into());
        let mut confirms = Vec::new();
        for body in bodies {
            let sent = channel.basic_publish(exchange.into(), key.into(), options, body.as_ref(), properties());
            confirms.push(sent.await.expect("the broker takes a message"));
        }
        for confirm in confirms {
            let answer = confirm.await.expect("a confirm");
            assert!(matches!(answer, Confirmation::Ack(None)), "not routed or refused: {answer:?}");
        }
        connection.close(200, "done".into()).await.expect("a clean close");
    }

    /// `None`: there is no such queue.
    pub(crate) async fn depth(&self, queue: &str) -> Option<Depth> {
        let (_connection, channel) = self.connect().await;
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let found = channel.queue_declare(queue.into(), options, FieldTable::default()).await.ok()?;
        Some(Depth { ready: found.message_count(), consumers: found.consumer_count() })
    }

    /// Messages given to a consumer and not acknowledged; up to some seconds old.
    pub(crate) async fn unacknowledged(&self, queue: &str) -> u64 {
        let path = format!("queues/{}/{queue}", self.name);
        self.broker.must(Method::GET, &path, None).await["messages_unacknowledged"].as_u64().unwrap_or(0)
    }

    /// Takes out everything that is ready, oldest first.
    pub(crate) async fn take(&self, queue: &str) -> Vec<Message> {
        let (_connection, channel) = self.connect().await;
        let mut taken = Vec::new();
        while let Some(got) = channel.basic_get(queue.into(), BasicGetOptions::default()).await.expect("a queue") {
            got.delivery.ack(BasicAckOptions::default()).await.expect("an ack");
            let headers = got.delivery.properties.headers().as_ref().map(text_of).unwrap_or_default();
            let persistent = *got.delivery.properties.delivery_mode() == Some(2);
            let content_type = got.delivery.properties.content_type().as_ref().map(ToString::to_string);
            taken.push(Message { body: got.delivery.data, headers, content_type, persistent });
        }
        taken
    }

    /// Sets a policy on the queues whose names match.
    pub(crate) async fn set_policy(&self, pattern: &str, definition: Value) {
        let policy = json!({ "pattern": pattern, "definition": definition, "apply-to": "queues" });
        self.broker.must(Method::PUT, &format!("policies/{}/test", self.name), Some(policy)).await;
    }
}

impl Drop for Vhost {
    fn drop(&mut self) {
        let (broker, name) = (self.broker.clone(), self.name.clone());
        clean_up(async move {
            broker.ask(Method::DELETE, &format!("users/{name}"), None).await?;
            broker.ask(Method::DELETE, &format!("vhosts/{name}"), None).await.map(drop)
        });
    }
}

fn text_of(table: &FieldTable) -> BTreeMap<String, String> {
    let text = |value: &AMQPValue| match value {
        AMQPValue::LongString(text) => String::from_utf8_lossy(text.as_bytes()).into_owned(),
        AMQPValue::ShortString(text) => text.to_string(),
        other => format!("{other:?}"),
    };
    table.inner().iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}
