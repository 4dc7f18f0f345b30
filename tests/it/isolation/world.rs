//! What do the isolation tests stand on? The real program, twenty clients, and a look at its table.

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, PgConnection, SqliteConnection};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::support::http_client;
use crate::support::postgres::TestDatabase;
use crate::support::process::Service;
use crate::support::receiver::{Post, Receiver};
use crate::support::script::Script;
use crate::support::setup::{ISSUER, Setup};

/// Where the service keeps its rows.
#[derive(Debug)]
pub(crate) enum Kept {
    InFile(TempDir),
    InDatabase(TestDatabase),
}

/// The program and its clients. Client 3 is `client-3`, and its receiver the fourth.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) clients: Vec<Receiver>,
    service: Service,
    kept: Kept,
    events: usize,
    /// Holds the key.
    _setup: Setup,
}

/// Unsettled rows of one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rows {
    pub(crate) pending: i64,
    /// Of these, leased: in flight, or in the service's memory.
    pub(crate) leased: i64,
}

impl Kept {
    pub(crate) fn in_file() -> Self {
        Self::InFile(tempfile::tempdir().expect("a directory"))
    }

    fn url(&self) -> String {
        match self {
            Self::InFile(directory) => format!("sqlite://{}", directory.path().join("signoff.db").display()),
            Self::InDatabase(database) => database.url().to_owned(),
        }
    }
}

impl World {
    /// Clients with these scripts; `delivery` is what the table `[delivery]` holds besides.
    pub(crate) async fn start(kept: Kept, delivery: &str, scripts: Vec<Script>) -> Self {
        let mut clients = Vec::new();
        for script in scripts {
            clients.push(Receiver::start(script).await);
        }
        let named = |setup: Setup, (client, receiver): (usize, &Receiver)| setup.client(&name(client), &receiver.url());
        let setup = clients.iter().enumerate().fold(Setup::new(&kept.url()), named).delivery(delivery);
        let service = Service::spawn(&setup.config()).await;
        Self { clients, service, kept, events: 0, _setup: setup }
    }

    /// Opens these provider sessions at these clients, and ends them again: one logout each.
    pub(crate) async fn logouts(&mut self, sessions: &[String], clients: &[usize]) {
        let open = |session: &String| {
            let of = |client: &usize| json!({"session_id": session, "subject": "ann", "client_id": name(*client)});
            clients.iter().map(of).collect::<Vec<_>>()
        };
        let opened: Vec<_> = sessions.iter().flat_map(open).collect();
        self.send("signoff.session.opened", opened).await;
        self.send("signoff.logout", sessions.iter().map(|session| json!({"session_id": session})).collect()).await;
    }

    async fn send(&mut self, kind: &str, data: Vec<Value>) {
        let first = self.events;
        self.events += data.len();
        let event = |(index, data): (usize, Value)| {
            json!({"specversion": "1.0", "id": format!("event-{}", first + index), "source": ISSUER,
                   "type": kind, "data": data})
        };
        let body: Vec<_> = data.into_iter().enumerate().map(event).collect();
        let answer = http_client()
            .post(self.service.url("/v1/events"))
            .header("content-type", "application/cloudevents-batch+json")
            .body(Value::from(body).to_string())
            .send()
            .await
            .expect("an answer");
        let status = answer.status();
        assert_eq!(status, 202, "{}", answer.text().await.expect("a text"));
    }

    /// What the table holds for a client.
    pub(crate) async fn rows(&self, client: usize) -> Rows {
        let name = name(client);
        let count = "SELECT count(*), count(d.lease) FROM deliveries d JOIN clients c ON c.id = d.client
                     WHERE d.state = 0 AND c.client_id = $1";
        let (pending, leased) = match &self.kept {
            Kept::InFile(_) => {
                let options: SqliteConnectOptions = self.kept.url().parse().expect("a URL");
                let mut file = SqliteConnection::connect_with(&options).await.expect("the file");
                sqlx::query_as(count).bind(name).fetch_one(&mut file).await.expect("a count")
            }
            Kept::InDatabase(database) => {
                let mut connection = PgConnection::connect(database.url()).await.expect("the database");
                sqlx::query_as(count).bind(name).fetch_one(&mut connection).await.expect("a count")
            }
        };
        Rows { pending, leased }
    }

    /// What the program wrote.
    pub(crate) fn log(&self) -> String {
        self.service.log()
    }
}

fn name(client: usize) -> String {
    format!("client-{client}")
}

/// When the requests ended that are over, answered or given up, in this order.
pub(crate) fn ends(posts: &[Post]) -> Vec<Instant> {
    let mut ends: Vec<_> = posts.iter().filter_map(|post| post.ended).collect();
    ends.sort_unstable();
    ends
}

/// The most requests open at one moment, of those that came at `from` or later. One whose deadline is
/// near counts as ended: on a busy machine its end is seen after the next has come.
pub(crate) fn peak(posts: &[Post], from: Option<Instant>, deadline: Duration) -> usize {
    let sure = deadline.mul_f64(0.75);
    let open = |post: &&Post, at| post.at <= at && at < post.at + sure && post.ended.is_none_or(|ended| ended > at);
    let later: Vec<_> = posts.iter().filter(|post| from.is_none_or(|from| post.at > from)).collect();
    later.iter().map(|post| later.iter().filter(|other| open(other, post.at)).count()).max().unwrap_or_default()
}

/// Names of so many provider sessions.
pub(crate) fn sessions(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{prefix}-{number}")).collect()
}

/// One test of this name on each store.
macro_rules! on_both_stores {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $test() {
                super::$test($crate::isolation::world::Kept::in_file()).await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            async fn $test() {
                let Some(database) = $crate::support::postgres::TestDatabase::new().await else { return };
                super::$test($crate::isolation::world::Kept::InDatabase(database)).await;
            })*
        }
    };
}
pub(crate) use on_both_stores;

/// Long for what takes moments on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
