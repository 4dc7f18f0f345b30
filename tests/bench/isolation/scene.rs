//! What does a run stand on? A database, a virtual host, the program in release, its clients.

use std::collections::BTreeSet;
use std::time::Duration;

use lapin::options::BasicPublishOptions;
use lapin::{BasicProperties, Channel, Confirmation, Connection};
use serde_json::{Value, json};
use signoff::model::{Clock as _, SystemClock};
use signoff::token::generate;
use sqlx::PgPool;
use tempfile::TempDir;
use time::format_description::well_known::Rfc3339;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::arguments::Arguments;
use crate::machine::Processes;
use crate::receivers::{Manner, Receivers};
use crate::support::eventually;
use crate::support::postgres::TestDatabase;
use crate::support::process::Service;
use crate::support::rabbitmq::Vhost;

const EXCHANGE: &str = "idp";
const QUEUE: &str = "signoff.events";
/// For what takes long on a slow machine.
const PATIENCE: Duration = Duration::from_mins(10);

/// Everything of one run; dropped, it is gone.
pub(crate) struct Scene {
    pub(crate) receivers: Receivers,
    pub(crate) pool: PgPool,
    pub(crate) processes: Processes,
    service: Service,
    channel: Channel,
    _connection: Connection,
    vhost: Vhost,
    _database: TestDatabase,
    _key: TempDir,
    events: usize,
}

/// When the logouts of a steady stream left.
pub(crate) struct Published {
    /// By the number in the session's name.
    pub(crate) at: Vec<Instant>,
    /// How far the publisher fell behind its rate.
    pub(crate) behind: Duration,
}

/// More lines of the configuration.
#[derive(Debug, Default)]
pub(crate) struct More {
    /// Of the intake.
    pub(crate) intake: &'static str,
    /// Of `[delivery]`.
    pub(crate) delivery: String,
}

impl Scene {
    /// Up, ready, with nothing in it; `None`: there is no Postgres or RabbitMQ.
    pub(crate) async fn start(arguments: &Arguments, manners: &[Manner], more: More) -> Option<Self> {
        let (database, vhost) = (TestDatabase::new().await?, Vhost::new().await?);
        let receivers = Receivers::start(manners);
        let key = tempfile::tempdir().expect("a directory");
        let pem = generate::generate(arguments.alg, 2048).expect("a key").to_string();
        std::fs::write(key.path().join("key.pem"), pem).expect("to write a key");
        let config = configuration(arguments, &receivers, [database.url(), &vhost.url(), &path(&key)], &more);
        let service = Service::spawn(&config).await;
        // It is ready before its intake is: until then there is no exchange.
        let consumed = async || vhost.depth(QUEUE).await.filter(|depth| depth.consumers > 0);
        eventually("the queue is consumed", PATIENCE, consumed).await;
        let pool = database.pool().await;
        let processes = Processes::find(&pool).await;
        let (connection, channel) = vhost.connect().await;
        let events = 0;
        Some(Self {
            receivers,
            pool,
            processes,
            service,
            channel,
            _connection: connection,
            vhost,
            _database: database,
            _key: key,
            events,
        })
    }

    /// Opens the sessions `prefix-0` … at these clients, and waits until all are recorded.
    pub(crate) async fn open(&mut self, prefix: &str, count: usize, clients: &[usize]) {
        self.open_at(prefix, count, |_| clients.iter().copied()).await;
    }

    /// The same, each at clients of its own.
    pub(crate) async fn open_at<C: Iterator<Item = usize>>(
        &mut self,
        prefix: &str,
        count: usize,
        clients: impl Fn(usize) -> C,
    ) {
        let before = self.sessions().await;
        let mut bodies = Vec::new();
        for number in 0..count {
            for client in clients(number) {
                let data = json!({"session_id": format!("{prefix}-{number}"), "subject": format!("user-{number}"),
                                  "client_id": format!("client-{client}")});
                bodies.push(self.event("signoff.session.opened", &data));
            }
        }
        for some in bodies.chunks(2000) {
            self.publish(some).await;
        }
        let all = before + i64::try_from(bodies.len()).expect("a count");
        let recorded = async || (self.sessions().await >= all).then_some(());
        eventually("the sessions are recorded", PATIENCE, recorded).await;
    }

    /// Publishes the logouts of the sessions `prefix-0` … at a steady rate, whatever becomes of them.
    pub(crate) async fn logouts(&mut self, prefix: &str, count: usize, rate: u32) -> Published {
        let bodies: Vec<_> = (0..count).map(|number| self.logout(prefix, number)).collect();
        let (mut at, mut behind, mut confirms) = (Vec::with_capacity(count), Duration::ZERO, JoinSet::new());
        let mut ticks = interval(Duration::from_secs(1) / rate);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        for body in bodies {
            let planned = ticks.tick().await;
            at.push(Instant::now());
            behind = behind.max(planned.elapsed());
            let confirm = send(&self.channel, &body).await;
            confirms.spawn(async move { assert!(matches!(confirm.await, Ok(Confirmation::Ack(None)))) });
        }
        confirms.join_all().await;
        Published { at, behind }
    }

    /// Stops the service and publishes all of these logouts.
    pub(crate) async fn queue(&mut self, prefix: &str, count: usize) {
        self.service.term();
        assert!(self.service.wait(PATIENCE).await.success(), "{}", self.service.log());
        let bodies: Vec<_> = (0..count).map(|number| self.logout(prefix, number)).collect();
        for some in bodies.chunks(2000) {
            self.publish(some).await;
        }
        let all = async || self.vhost.depth(QUEUE).await.filter(|depth| depth.ready as usize >= count);
        eventually("the queue holds all", PATIENCE, all).await;
    }

    pub(crate) async fn start_again(&mut self) {
        self.service.start_again().await;
        self.processes = Processes::find(&self.pool).await;
    }

    /// Waits until the healthy clients had so many requests, or nothing comes for a minute; says how many
    /// they had.
    pub(crate) async fn arrived(&self, count: usize) -> usize {
        let (mut last, mut since) = (0, Instant::now());
        while last < count && since.elapsed() < Duration::from_mins(1) {
            sleep_until(Instant::now() + Duration::from_millis(20)).await;
            let now = self.receivers.arrived();
            if now > last {
                (last, since) = (now, Instant::now());
            }
        }
        last
    }

    /// Unsettled rows of a client, and those of them that are in the service's memory.
    pub(crate) async fn owed(&self, client: usize) -> (i64, i64) {
        let rows = "SELECT count(*), count(d.lease) FROM deliveries d JOIN clients c ON c.id = d.client
                    WHERE d.state = 0 AND c.client_id = $1";
        sqlx::query_as(rows).bind(format!("client-{client}")).fetch_one(&self.pool).await.expect("a count")
    }

    /// Waits until nothing is owed to the healthy clients: the last outcomes are written a moment
    /// after the last answer.
    pub(crate) async fn settled(&self) {
        let bad = self.receivers.clients.iter().enumerate().filter(|(_, client)| client.manner != Manner::Healthy);
        let bad: BTreeSet<_> = bad.map(|(client, _)| format!("client-{client}")).collect();
        let rows = "SELECT count(*) FROM deliveries d JOIN clients c ON c.id = d.client
                    WHERE d.state = 0 AND c.client_id != ALL ($1)";
        let bad: Vec<_> = bad.into_iter().collect();
        let none = async || {
            let left: i64 = sqlx::query_scalar(rows).bind(&bad).fetch_one(&self.pool).await.expect("a count");
            (left == 0).then_some(())
        };
        eventually("nothing is owed", PATIENCE, none).await;
    }

    /// One logout of everybody who logged in an hour ago or earlier.
    pub(crate) async fn logout_of_all(&mut self) {
        let body = self.event("signoff.logout", &json!({"all": true}));
        let mut body: Value = serde_json::from_str(&body).expect("JSON");
        let time = (SystemClock.now() - Duration::from_hours(1)).format(&Rfc3339);
        body["time"] = time.expect("a time").into();
        self.publish(&[body.to_string()]).await;
    }

    async fn sessions(&self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM sessions").fetch_one(&self.pool).await.expect("a count")
    }

    fn logout(&mut self, prefix: &str, number: usize) -> String {
        self.event("signoff.logout", &json!({"session_id": format!("{prefix}-{number}")}))
    }

    fn event(&mut self, kind: &str, data: &Value) -> String {
        self.events += 1;
        json!({"specversion": "1.0", "id": format!("event-{}", self.events), "source": "https://idp.example",
               "type": kind, "data": data})
        .to_string()
    }

    async fn publish(&self, bodies: &[String]) {
        let mut confirms = Vec::with_capacity(bodies.len());
        for body in bodies {
            confirms.push(send(&self.channel, body).await);
        }
        for confirm in confirms {
            assert!(matches!(confirm.await, Ok(Confirmation::Ack(None))));
        }
    }
}

/// The answer of the broker comes later.
async fn send(channel: &Channel, body: &str) -> impl Future<Output = lapin::Result<Confirmation>> + Send + use<> {
    let properties = BasicProperties::default().with_delivery_mode(2);
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let sent = channel.basic_publish(EXCHANGE.into(), "logout".into(), options, body.as_bytes(), properties);
    sent.await.expect("the broker takes a message")
}

fn path(key: &TempDir) -> String {
    key.path().join("key.pem").display().to_string()
}

fn configuration(
    arguments: &Arguments,
    receivers: &Receivers,
    [database, amqp, key]: [&str; 3],
    more: &More,
) -> String {
    let table = |(client, receiver): (usize, &crate::receivers::Client)| {
        format!("[clients.client-{client}]\nissuer = 'main'\nbackchannel_logout_uri = '{}'\n", receiver.url)
    };
    let clients: String = receivers.clients.iter().enumerate().map(table).collect();
    let (alg, More { intake, delivery }) = (arguments.alg_name(), more);
    format!(
        "[store]\nurl = '{database}'\n\
         [amqp.main]\nurl = '{amqp}'\nqueue = '{QUEUE}'\nexchange = '{EXCHANGE}'\n{intake}\
         [issuers.main]\nissuer = 'https://idp.example'\ndefault_alg = '{alg}'\n\
         [issuers.main.keys.k]\nfile = '{key}'\n\
         {clients}\
         [delivery]\nallow_http = true\nallow_networks = ['127.0.0.0/8']\n{delivery}"
    )
}
